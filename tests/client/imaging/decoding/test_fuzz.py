"""Hundreds of damaged files of every kind: each gives a typed error or an image, without side effects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import fuzzing
from support.fuzzing import corpus, seeds

import tuft
from tuft.errors import ImageError
from tuft.imaging import READABLE_FORMATS, IsolatedDecoder, load_photo

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(fuzzing.__file__).parents[1]
SOURCES = Path(tuft.__file__).parents[1]
SECONDS_A_FILE = 5.0
SECONDS = 120


def read_from(first: int, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """The results of the reading process for the mutants from `first` on, and its stderr."""
    said = folder / "said"
    with said.open("w") as file:
        try:
            done = subprocess.run(
                [sys.executable, "-W", "error", "-m", "support.fuzzing", str(first)],
                stdout=file,
                stderr=subprocess.PIPE,
                text=True,
                timeout=SECONDS,
                cwd=folder,
                env={"PYTHONPATH": f"{TESTS}:{SOURCES}", "TMPDIR": str(folder)},
                check=False,
            )
        except subprocess.TimeoutExpired:
            status, stderr = "hang", ""
        else:
            status, stderr = f"crash {done.returncode}" if done.returncode else "", done.stderr
    lines = [json.loads(line) for line in said.read_text().splitlines()]
    said.unlink()
    if status:
        lines.append({**lines[-1], "outcome": f"WRONG: {status}", "seconds": 0.0})
    return [line for line in lines if "outcome" in line], stderr


def read_all(folder: Path) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Like `read_from`, restarted after each mutant that ends the process."""
    first, count = 0, len(corpus())
    while first < count:
        outcomes, stderr = read_from(first, folder)
        yield outcomes, stderr
        first = outcomes[-1]["index"] + 1


def test_the_corpus_is_large_the_same_each_time_and_of_every_format() -> None:
    mutants = corpus()
    assert len(mutants) >= 500
    assert mutants == corpus()
    assert len({mutant.file for mutant in mutants}) > 0.95 * len(mutants)
    kinds = " ".join(seeds())
    formats = set(READABLE_FORMATS) - {"heif"}  # needs a plugin
    assert {format for format in formats if format in kinds} == formats


def test_each_mutant_ends_in_a_picture_or_a_typed_error(tmp_path: Path) -> None:
    mutants = corpus()
    outcomes: dict[int, dict[str, Any]] = {}
    for found, stderr in read_all(tmp_path):
        outcomes |= {line["index"]: line for line in found}
        assert stderr == ""
    assert sorted(outcomes) == list(range(len(mutants)))
    wrong = {mutants[index].name: line["outcome"] for index, line in outcomes.items() if "WRONG" in line["outcome"]}
    assert wrong == {}
    slow = {mutants[index].name: line for index, line in outcomes.items() if line["seconds"] > SECONDS_A_FILE}
    assert slow == {}
    assert list(tmp_path.iterdir()) == []
    # The corpus causes errors, but not in every file.
    counts = Counter(line["outcome"] for line in outcomes.values())
    assert min(counts[name] for name in ("same", "other", "TruncatedImageError", "NotAnImageError")) > 50


def test_decoded_apart_they_end_alike_and_the_worker_outlives_them() -> None:
    with IsolatedDecoder(workers=1, timeout_s=20) as decoder:
        decoder(seeds()["png"])
        before = list(decoder._idle)
        for mutant in corpus()[::29]:
            ends: list[object] = []
            for decode in (load_photo, decoder):
                try:
                    ends.append(decode(mutant.file, max_pixels=fuzzing.MAX_PIXELS).rgb.tobytes())
                except ImageError as exc:
                    ends.append((type(exc), str(exc)))
            assert ends[0] == ends[1], mutant.name
        assert decoder._idle == before


def test_cut_at_many_places_a_file_never_gives_half_a_picture() -> None:
    for kind, file in seeds().items():
        whole = load_photo(file).rgb.tobytes()
        if kind.startswith("plain"):  # text has no end marker
            continue
        for length in range(0, len(file), max(1, len(file) // 20)):
            try:
                assert load_photo(file[:length]).rgb.tobytes() == whole, (kind, length)
            except ImageError:
                continue
