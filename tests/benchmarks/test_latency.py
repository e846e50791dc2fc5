"""A short run against a real server, and the arithmetic of the tables on known numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import latency
import numpy as np
import pytest
from _latency.latency_table import bare_name, client_stages, stage_table, table
from _lib.machine import machine_facts
from _lib.photographs import Photograph, photographs
from _lib.subprocess_worker import Worker, module_command
from PIL import Image

from tuft.stopwatch import STAGES

BENCHMARKS = Path(latency.__file__).parent
MODEL = "inspyrenet_1024"
PARTS = [
    "decode",
    "resize",
    "wire",
    "queue",
    "network",
    "postprocess",
    "refine",
    "colours",
    "compose",
    "encode",
    "rest",
]
# A fake reference that reports fixed times.
REFERENCE = f"""
import sys
sys.path[:0] = [{str(BENCHMARKS)!r}, {str(BENCHMARKS.parent / "client")!r}]
from pathlib import Path
from _lib.subprocess_worker import answer_lines

def answer(path):
    assert Path(path).read_bytes()[:2] == bytes([0xff, 0xd8])
    return {{"decode": 1.0, "process": 8.0, "save": 1.0}}

answer_lines(lambda: answer)
"""


@pytest.fixture
def subjects(scene: Any, tmp_path: Path) -> list[Photograph]:
    folder = tmp_path / "photographs"
    folder.mkdir()
    bright_on_dark = (30 + 200 * scene.alpha).astype(np.uint8)  # the tiny network finds what is bright
    Image.fromarray(bright_on_dark).convert("RGB").save(folder / "one.jpg")
    Image.fromarray(bright_on_dark[::-1]).save(folder / "two.png")
    return photographs(folder)


def measured(runs: dict[str, list[dict[str, float]]], **more: Any) -> dict[str, Any]:
    """JSON as written by `main`, with these runs."""
    photograph = {"name": "a", "megapixels": 12.0, "jpeg_bytes": 1}
    data = {"machine": "a machine", "load": 0.0, "server": "triton 1", "weights": "published", "parameters": []}
    lists = {"photographs": [photograph], "together": [], "peak_bytes": {}, "models": {"standard": [MODEL]}}
    return {**data, **lists, "runs": runs, **more}


def test_photographs_are_jpegs_whatever_they_were(subjects: list[Photograph], scene: Any, tmp_path: Path) -> None:
    assert [(one.name, one.size_hw) for one in subjects] == [(name, scene.rgb.shape[:2]) for name in ("one", "two")]
    assert subjects[0].jpeg == (tmp_path / "photographs" / "one.jpg").read_bytes()
    assert all(one.jpeg.startswith(b"\xff\xd8") for one in subjects)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=r"no photograph in .*empty: name a folder"):
        photographs(tmp_path / "empty")


def test_contestants_take_turns_and_the_first_round_does_not_count(subjects: list[Photograph]) -> None:
    turns: list[str] = []

    def contestant(name: str) -> latency.Contestant:
        def run(photograph: Photograph) -> dict[str, float]:
            turns.append(f"{name} {photograph.name}")
            return {"all": float(len(turns))}

        return run

    runs = latency.measured({n: contestant(n) for n in "ab"}, subjects, 2, lambda: turns.append("warm"))
    round_ = ["a one", "b one", "a two", "b two"]
    assert turns == [*round_, "warm", *round_, *round_]
    assert [run["all"] for run in runs["a"]] == [6, 8, 10, 12]


def test_tables_say_what_the_numbers_say() -> None:
    ours = [dict.fromkeys(PARTS, 10.0) | {"network": ms} for ms in (900.0, 1000.0, 5000.0)]
    peer = [{"decode": 100.0, "process": ms, "save": 100.0} for ms in (9800.0, 10800.0, 10800.0)]
    bare = [{"network": ms} for ms in (880.0, 990.0, 4950.0)]
    memory = {"client": {"loading": 10**8, "working": 2 * 10**8}}
    data = measured({"standard": ours, "transparent-background": peer, bare_name(MODEL): bare}, peak_bytes=memory)
    page = table(json.loads(json.dumps(data)))
    peers_stages = "decode 100, process 10800, save 100"
    assert f"| `standard` | 1100 | transparent-background | {peers_stages} | 11000 | 10.00 |" in page
    # The call is the network and 20 ms; resizing, postprocessing, composing and the rest are 40.
    assert "| `standard` | 990 | 40.0 | 80.0 |" in page
    assert "| client | 100 | 200 |" in page
    assert "a machine, triton 1, weights published, load before 0.0; 1 photograph of 12 megapixels" in page
    row = stage_table({"standard": ours}).splitlines()[-1]
    assert row == f"| `standard` | {'10 | ' * 4}1000 | {'10 | ' * 6}1100 | 5100 | 5100 |"


def test_a_preset_of_several_models_is_not_compared_with_one_of_them() -> None:
    data = measured(
        {"auto": [dict.fromkeys(PARTS, 1.0)], bare_name(MODEL): [{"network": 1.0}]},
        models={"auto": [MODEL, "inspyrenet_2048"]},
    )
    assert "| `auto` |" not in table(data).split("Over the bare network")[1]


def test_a_run_by_the_clients_own_names() -> None:
    run = client_stages(dict(zip(PARTS, range(11), strict=True)))
    assert set(STAGES) < set(run)
    assert run["network"] == 2 + 3 + 4
    assert sum(run.values()) == sum(range(11))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--against", "transparent-background"], "add --weights published"),
        (
            ["--url", "localhost:1", "--weights", "published", "--against", "transparent-background", "--work", "none"],
            "none/published.pth is not there, with whose weights to compare: run benchmarks/publish.py first",
        ),
        (["--url", "localhost:1", "--bare"], "leave out --bare, or --url"),
        (["--url", "localhost:1", "--parameter", "precision=bf16"], "leave out --url"),
        (["--repository", "x", "--parameter", "precision=bf16"], "leave out --parameter, or --repository"),
    ],
)
def test_arguments_that_exclude_each_other(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["latency.py", *arguments])
    with pytest.raises(SystemExit):
        latency.main()
    assert sentence in capsys.readouterr().err


@pytest.mark.server
@pytest.mark.slow
def test_a_short_run_with_baselines(
    subjects: list[Photograph], averaging_repository: Path, averaging_server: str
) -> None:
    with (
        Worker("reference", [sys.executable, "-c", REFERENCE]) as reference,
        Worker("bare", module_command(latency.BASELINES, "bare", str(averaging_repository / MODEL / "1"))) as bare,
    ):
        seen = latency.latency(
            averaging_server,
            ["standard", "stable"],
            subjects,
            repetitions=2,
            concurrency=(1, 3),
            baselines={"transparent-background": reference, bare_name(MODEL): bare},
        )
    assert seen["server"].startswith("triton 2.")
    for preset in ("standard", "stable"):
        assert [list(run) for run in seen["runs"][preset]] == [PARTS] * 4
        assert all(ms >= 0 for run in seen["runs"][preset] for ms in run.values())
        assert all(run["network"] > 0 for run in seen["runs"][preset])
        assert seen["summary"][preset]["all"]["p50"] in [sum(run.values()) for run in seen["runs"][preset]]
    assert seen["runs"]["transparent-background"] == [{"decode": 1, "process": 8, "save": 1}] * 4
    assert [list(run) for run in seen["runs"][bare_name(MODEL)]] == [["network"]] * 4
    for crowd in seen["together"]:
        assert (crowd["concurrency"], crowd["outcomes"]) == (3, {"ok": 6})
        assert crowd["triton"]["failures"] == 0
        assert crowd["triton"]["requests"] >= 6 - 3  # the server may have been ahead of its callers
        assert {"call", "encode"} < crowd["stages_ms"].keys()
    assert set(seen["peak_bytes"]) == {"client", "server", "transparent-background", bare_name(MODEL)}
    assert all(peaks["working"] > 10**7 for peaks in seen["peak_bytes"].values())
    assert not seen.keys() & machine_facts().keys(), "one would be written over the other in JSON"
    models = {preset: [MODEL] for preset in ("standard", "stable")}
    page = table(json.loads(json.dumps(measured({}) | seen | {"models": models})))
    assert page.count("| `standard` |") == 4
