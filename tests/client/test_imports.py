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


def test_importing_tuft_brings_only_python_itself() -> None:
    """Programs that use it late, and every command of the shell, start without what they do not need."""
    loaded = set(run("before = set(sys.modules); import tuft; print(*set(sys.modules) - before)").split())
    assert {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) == {"tuft"}
    assert {name for name in loaded if name.startswith("tuft.")} == set()
    assert not loaded & {"asyncio", "sqlite3", "ssl", "importlib.metadata", "dataclasses"}


def test_a_client_brings_neither_grpc_nor_pages_nor_a_command_line() -> None:
    loaded = set(run("from tuft import AsyncClient, Client; print(*sys.modules)").split())
    unwanted = {"grpc", "tritonclient", "jinja2", "argparse", "tqdm", "tuft.cli.main", "tuft.serve", *FORBIDDEN}
    assert not loaded & unwanted


def test_public_names_and_modules_are_there_when_they_are_used() -> None:
    assert run("import tuft; print(tuft.Client.__name__, tuft.imaging.compose.BLUR)").split() == ["Client", "blur"]
    run("import tuft; assert not set(tuft.__all__) - set(dir(tuft))")
    run("import tuft; assert all(hasattr(tuft, name) for name in tuft.__all__)")
    run("import tuft; assert not hasattr(tuft, 'nonsense') and not hasattr(tuft, '__nonsense__')")
