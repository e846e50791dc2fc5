"""Every script explains itself where the packages that it measures with are missing, and names them in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))
MISSING = (
    *(
        "matplotlib",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "openvino",
        "prometheus_client",
        "psutil",
        "pymatting",
        "scipy",
    ),
    *("skimage", "tensorrt", "torch", "torchvision", "transparent_background", "tuft_training"),
)
FINDER = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture
def without(tmp_path: Path) -> dict[str, str]:
    """An environment in which `MISSING` cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(FINDER)
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def run(script: Path, *arguments: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_help(script: Path, without: dict[str, str], tmp_path: Path) -> None:
    done = run(script, "--help", environment=without, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {script.name}")


@pytest.mark.parametrize(
    ("name", "arguments", "remedy"),
    [
        ("quality", [], "needs tuft_training, which is not in the wheel: run it in a checkout"),
        ("gpu", [], "needs torch, which is not installed: pip install 'tuft-matting[export]'."),
        ("scaling", [], "needs scipy, which is not installed: pip install 'tuft-matting[experiments]'."),
        (
            "latency",
            ["--url", "127.0.0.1:1"],
            "needs skimage, which is not installed: pip install 'tuft-matting[demo]'.",
        ),
    ],
)
def test_a_missing_package_is_one_sentence(
    name: str, arguments: list[str], remedy: str, without: dict[str, str], tmp_path: Path
) -> None:
    done = run(ROOT / "benchmarks" / f"{name}.py", *arguments, environment=without, folder=tmp_path)
    assert done.returncode == 1
    assert remedy in done.stderr
    assert done.stderr.count("\n") == 1


def test_make_runs_it_in_the_environment_and_names_an_unknown_one() -> None:
    make = ["make", "-C", str(ROOT), "benchmark"]
    planned = subprocess.run(
        [*make, "-n", "NAME=quality", "ARGS=--scenes 1"], capture_output=True, text=True, check=True
    )
    assert planned.stdout.index("tuft-export publish") < planned.stdout.index("benchmarks/quality.py --scenes 1")
    unknown = subprocess.run(
        [*make, "-o", ".venv/dev.stamp", "NAME=speed"], capture_output=True, text=True, check=False
    )
    assert unknown.returncode != 0
    assert 'There is no benchmark "speed": name a script of benchmarks/' in unknown.stdout
