from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import scaling
from _scaling.scaling_plot import plot
from scaling import Point
from support.tiny import mean_graph

SIZES = (512, 1024, 2048)
BASE = {"machine": "a machine", "load": 0.1, "weights": "demo", "batch_size_px": 96}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Records the measurements in order; costs follow known laws."""
    order: list[tuple[str, int]] = []

    def answer(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
        order.append((kind, options["size"]))
        slow = 3 if kind == "torch" else 1
        x = options["size"] / 1024
        return {"seconds": [slow * x**2, 100.0, slow * x**2], "peak_bytes": round(slow * 1e9 * x)}

    monkeypatch.setattr(scaling, "_in_a_process", answer)
    return order


def points() -> list[Point]:
    names = {"openvino": "OpenVINO f32", "torch": "torch"}
    return [Point("size", name, size, (kind, {"size": size})) for size in SIZES for kind, name in names.items()]


def test_points_take_turns_and_exponents_are_found_again(asked: list[tuple[str, int]]) -> None:
    found = scaling.measured(points(), rounds=2)
    turn = [(kind, size) for size in SIZES for kind in ("openvino", "torch")]
    assert asked == turn * 2
    exponents = {(fit["contestant"], fit["cost"]): fit["exponent"] for fit in found["fits"]}
    assert exponents == pytest.approx({
        ("OpenVINO f32", "seconds"): 2, ("torch", "seconds"): 2,
        ("OpenVINO f32", "peak_bytes"): 1, ("torch", "peak_bytes"): 1,
    })  # fmt: skip


@pytest.mark.usefixtures("asked")
def test_the_table_answers_what_twice_the_size_costs() -> None:
    lines = scaling.table({**BASE, **scaling.measured(points(), rounds=1)}).splitlines()
    assert "| 1024 | 1 | 1.00 | 3 | 3.00 |" in lines
    assert "2048 plain against 1024 plain, OpenVINO f32: 4.00 times the time, 2.00 times the memory." in lines


@pytest.mark.usefixtures("asked")
def test_the_plot_lies_beside_the_numbers(tmp_path: Path) -> None:
    plot({**BASE, **scaling.measured(points(), rounds=1)}, tmp_path / "scaling.json")
    assert (tmp_path / "scaling.svg").read_text().startswith("<?xml")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    onnx.save(mean_graph(96), tmp_path / "mean.onnx")
    run = {"graph": str(tmp_path / "mean.onnx"), "precision": "f32", "batch": 2, "repetitions": 3}
    answer = scaling._in_a_process("openvino", run)
    assert len(answer["seconds"]) == 3
    assert min(answer["seconds"]) > 0
    assert 10e6 < answer["peak_bytes"] < 2e9


def test_a_photograph_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    (point,) = scaling._client_points(argparse.Namespace(megapixels=[0.1], work=tmp_path / "new", repetitions=1))
    row = scaling.measured([point], rounds=1)["rows"][0]
    assert (row["axis"], row["contestant"], row["x"]) == ("photo", "client", 0.1)
    assert row["seconds"] > 0


def test_what_fails_is_named() -> None:
    with pytest.raises(SystemExit, match=r"openvino .* failed"):
        scaling._in_a_process("openvino", {"graph": "missing.onnx", "precision": "f32", "batch": 1, "repetitions": 1})
