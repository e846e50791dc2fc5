"""`benchmarks/latency.py` as a reader runs it after `make demo`: with the packages of that environment alone."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[2]
# Runs a script as `python SCRIPT ...` does, without the packages named before it.
RUNNER = """
import runpy, sys
missing, script = set(sys.argv[1].split(",")), sys.argv[2]

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = sys.argv[2:]
sys.path[0] = script.rpartition("/")[0]
runpy.run_path(script, run_name="__main__")
"""


def locked(extent: str) -> set[str]:
    """The packages of `requirements/EXTENT.txt`."""
    text = (ROOT / "requirements" / f"{extent}.txt").read_text()
    return {normal(name) for name in re.findall(r"^([\w.-]+)(?:\[.*?\])? ?==", text, re.MULTILINE)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def missing_from(extent: str) -> set[str]:
    """What can be imported in the developers' environment, and not in that of `extent`."""
    others = locked("dev") - locked(extent)
    return {name for name, packages in packages_distributions().items() if {*map(normal, packages)} <= others}


def test_the_demo_has_fewer_packages() -> None:
    missing = missing_from("demo")
    assert {"torch", "psutil", "onnxruntime", "pytest", "transparent_background"} <= missing
    assert not missing & {"numpy", "PIL", "cv2", "openvino", "tritonclient", "tuft"}


@pytest.mark.server
@pytest.mark.slow
def test_latency(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(skimage.data.astronaut()).save(photos / "one.jpg")
    options = ["--presets", "express", "--repetitions", "1", "--photos", str(photos), "--work", str(tmp_path / "work")]
    command = [sys.executable, "-c", RUNNER, ",".join(missing_from("demo")), "benchmarks/latency.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| `express` \|.*\d", done.stdout)
