"""The client stays thin, seen from a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import tuft

FORBIDDEN = ("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "polygraphy", "tuft_export")
ROOT = Path(tuft.__file__).parents[1]


def run(script: str) -> str:
    """What `script` prints in a new interpreter in which every warning is an error."""
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{textwrap.dedent(script)}"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_every_module_imports_without_what_the_client_must_not_need() -> None:
    found = run(
        f"""
        for name in {FORBIDDEN}:
            sys.modules[name] = None
        import importlib, pkgutil, tuft
        for module in pkgutil.walk_packages(tuft.__path__, "tuft."):
            importlib.import_module(module.name)
            print(module.name)
        """
    ).split()
    files = {
        ".".join(("tuft", *file.relative_to(ROOT / "tuft").with_suffix("").parts))
        for file in (ROOT / "tuft").rglob("*.py")
    }
    assert {*found, "tuft"} == {name.removesuffix(".__init__") for name in files}


def test_importing_tuft_brings_neither_grpc_nor_a_command_line() -> None:
    loaded = set(run("import tuft; print(*sys.modules)").split())
    assert not loaded & {"grpc", "tritonclient", "argparse", "tqdm", "tuft.cli.main", "tuft.serve", *FORBIDDEN}
