"""A reproducible corpus of damaged and hostile files, and a process that reads them one after another.

`python -m support.fuzzing FIRST` reads the corpus from mutant FIRST on. It prints the name of each mutant before
reading it and the result afterwards, so a mutant that crashes the process or hangs is the last one named.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from support.picture_files import (
    files_of_every_kind,
    jpeg_segments,
    more_files,
    png_chunks,
    png_of,
    riff_chunks,
    webp_of,
)
from tuft.errors import ImageError
from tuft.imaging import load_photo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from numpy.typing import NDArray

    Part = TypeVar("Part")

MAX_PIXELS = 1_000_000
ROUNDS = 6
SIZE_HW = (20, 24)
_EXTREMES = [
    b"\0",
    b"\xff",
    b"\x7f\xff",
    b"\xff\x7f",
    b"\0\0\0\0",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
]


@dataclass(frozen=True)
class Mutant:
    """One file.

    Attributes:
        name: The kind that it was made from, and how.
        file: Its bytes.
        truncated: Whether it is but the beginning of a valid file.
        harmless: Whether the change is one that readers must ignore.
    """

    name: str
    file: bytes
    truncated: bool = False
    harmless: bool = False


def seeds() -> dict[str, bytes]:
    """Small valid files of every kind."""
    rows, columns = np.indices(SIZE_HW)
    noise = np.random.default_rng(7).integers(0, 30, (*SIZE_HW, 3))
    picture = np.clip((rows * 5 + columns * 4)[..., None] + noise, 0, 255).astype(np.uint8)
    return {**files_of_every_kind(picture), **more_files(picture)}


def corpus() -> list[Mutant]:
    """All mutants; deterministic."""
    originals = seeds()
    mutants = []
    for kind, file in originals.items():
        rng = np.random.default_rng(zlib.crc32(kind.encode()))
        for _ in range(ROUNDS):
            mutants += [Mutant(f"{kind}: {how}", mutate(file, rng)) for how, mutate in _ANYWHERE.items()]
            mutants += [Mutant(f"{kind}: {how}", mutate(file, rng)) for how, mutate in _structural(file).items()]
            has_end = not kind.startswith("plain")  # text has no end marker
            mutants.append(Mutant(f"{kind}: cut short", file[: rng.integers(1, len(file))], truncated=has_end))
            other = originals[str(rng.choice(sorted(originals)))]
            place = rng.integers(1, len(file))
            mutants.append(Mutant(f"{kind}: spliced", file[:place] + other[min(place, len(other) - 1) :]))
        mutants += [Mutant(f"{kind}: {how}", changed, harmless=True) for how, changed in _harmless(file)]
    return mutants


# --- changes that ignore the format


def _flip(file: bytes, rng: np.random.Generator, reach: int | None = None) -> bytes:
    broken = bytearray(file)
    for place in rng.integers(0, min(reach or len(file), len(file)), rng.integers(1, 9)):
        broken[place] ^= 1 << int(rng.integers(8))
    return bytes(broken)


def _overwrite(file: bytes, rng: np.random.Generator, reach: int | None = None) -> bytes:
    value = _EXTREMES[rng.integers(len(_EXTREMES))]
    place = int(rng.integers(0, min(reach or len(file), len(file))))
    return file[:place] + value + file[place + len(value) :]


def _cut_out(file: bytes, rng: np.random.Generator) -> bytes:
    first, last = sorted(int(place) for place in rng.integers(0, len(file), 2))
    return file[:first] + file[last:]


def _repeat(file: bytes, rng: np.random.Generator) -> bytes:
    first, last = sorted(int(place) for place in rng.integers(0, len(file), 2))
    return file[:last] + file[first:last] * int(rng.integers(1, 20)) + file[last:]


_ANYWHERE: dict[str, Callable[[bytes, np.random.Generator], bytes]] = {
    "bits flipped": _flip,
    "bits flipped in front": lambda file, rng: _flip(file, rng, 64),
    "bits flipped in the first half kilobyte": lambda file, rng: _flip(file, rng, 512),
    "an extreme value": _overwrite,
    "an extreme value in front": lambda file, rng: _overwrite(file, rng, 64),
    "a piece cut out": _cut_out,
    "a piece repeated": _repeat,
}


# --- changes that keep checksums and lengths valid


def _structural(file: bytes) -> dict[str, Callable[[bytes, np.random.Generator], bytes]]:
    if file.startswith(b"\x89PNG"):
        return {
            "chunks shuffled": lambda file, rng: png_of(_shuffled(png_chunks(file), rng)),
            "a chunk changed": lambda file, rng: png_of(_one_changed(png_chunks(file), rng)),
            "the header changed": lambda file, rng: png_of(_one_changed(png_chunks(file), rng, 0)),
            "the pixels' stream changed": _restreamed,
        }
    if file.startswith(b"RIFF"):
        return {
            "chunks shuffled": lambda file, rng: webp_of(_shuffled(riff_chunks(file), rng)),
            "a chunk changed": lambda file, rng: webp_of(_one_changed(riff_chunks(file), rng)),
        }
    if file.startswith(b"\xff\xd8"):
        return {
            "segments shuffled": lambda file, rng: b"".join(_shuffled(jpeg_segments(file), rng)),
            "a header changed": _jpeg_header_changed,
        }
    return {}


def _shuffled(parts: list[Part], rng: np.random.Generator) -> list[Part]:
    """Drops, duplicates or swaps parts."""
    first, second = (int(place) for place in rng.integers(0, len(parts), 2))
    kept = parts[first]
    how = rng.integers(3)
    if how == 0:
        return [*parts[:first], *parts[first + 1 :]]
    if how == 1:
        return [*parts[:second], kept, *parts[second:]]
    changed = list(parts)
    changed[first], changed[second] = parts[second], kept
    return changed


def _one_changed(
    chunks: list[tuple[bytes, bytes]], rng: np.random.Generator, place: int | None = None
) -> list[tuple[bytes, bytes]]:
    place = int(rng.integers(len(chunks))) if place is None else place
    kind, content = chunks[place]
    change = _flip if rng.integers(2) else _overwrite
    return [*chunks[:place], (kind, change(content or b"\0", rng)), *chunks[place + 1 :]]


def _restreamed(file: bytes, rng: np.random.Generator) -> bytes:
    """Changes filter numbers and pixels before they are deflated."""
    chunks = png_chunks(file)
    lines = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    before = [chunk for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")]
    change = (_flip, _overwrite, _cut_out, _repeat)[rng.integers(4)]
    return png_of([*before, (b"IDAT", zlib.compress(change(lines, rng))), (b"IEND", b"")])


def _jpeg_header_changed(file: bytes, rng: np.random.Generator) -> bytes:
    segments = jpeg_segments(file)
    place = int(rng.integers(1, len(segments) - 1))
    head, content = segments[place][:4], segments[place][4:]
    changed = (_flip if rng.integers(2) else _overwrite)(content, rng)[: len(content)]  # keeps its length
    return b"".join([*segments[:place], head, changed, *segments[place + 1 :]])


def _harmless(file: bytes) -> Iterator[tuple[str, bytes]]:
    """Adds parts that a reader must ignore."""
    if file.startswith(b"\x89PNG"):
        first, *others = png_chunks(file)
        yield "a chunk nobody knows", png_of([first, (b"teST", b"anything"), *others])
        yield "text", png_of([first, (b"tEXt", b"Comment\0anything"), *others])
    if file.startswith(b"\xff\xd8"):
        yield "a comment", file[:2] + b"\xff\xfe\0\x0aanything" + file[2:]
        yield "a segment nobody knows", file[:2] + b"\xff\xed\0\x0aanything" + file[2:]
    if file.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8", b"BM", b"II", b"P4", b"P5", b"P6")):
        yield "something behind it", file + b"anything"


# --- reading


def main(first: int) -> None:
    originals = {kind: load_photo(file) for kind, file in seeds().items()}
    for index, mutant in list(enumerate(corpus()))[first:]:
        print(json.dumps({"index": index, "name": mutant.name}), flush=True)
        before_s = time.process_time()
        outcome = _outcome(mutant, originals[mutant.name.split(":")[0]].rgb)
        print(json.dumps({"index": index, "outcome": outcome, "seconds": time.process_time() - before_s}), flush=True)


def _outcome(mutant: Mutant, original: NDArray[np.uint8]) -> str:
    """`same`, `other`, the name of a typed error, or `WRONG` and why."""
    try:
        photo = load_photo(mutant.file, max_pixels=MAX_PIXELS)
    except ImageError as exc:
        sentence = str(exc)
        well_said = "\n" not in sentence and sentence.endswith(".") and ": " in sentence
        return type(exc).__name__ if well_said and not mutant.harmless else f"WRONG: {exc!r}"
    except Exception as exc:
        return f"WRONG: {exc!r}"
    rgb, alpha = photo.rgb, photo.alpha
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not 0 < rgb.size <= 3 * MAX_PIXELS:
        return f"WRONG: {rgb.dtype} {rgb.shape}"
    if alpha is not None and (alpha.dtype, alpha.shape) != (np.uint8, rgb.shape[:2]):
        return f"WRONG: alpha {alpha.dtype} {alpha.shape}"
    if np.array_equal(rgb, original):
        return "same"
    return "WRONG: other pixels" if mutant.truncated or mutant.harmless else "other"


if __name__ == "__main__":
    main(int(sys.argv[1]))
