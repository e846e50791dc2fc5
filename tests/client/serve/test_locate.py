from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuft.errors import SetupError
from tuft.serve import RUNTIMES
from tuft.serve.locate import find_tritonserver

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A Linux machine with a complete wheel; tests remove requirements by changing the dictionary."""
    wheel = tmp_path / "site-packages" / "pytriton"
    for name in (
        "tritonserver/bin/tritonserver",
        "tritonserver/backends/python/libtriton_python.so",
        "tritonserver/backends/python/triton_python_backend_utils.py",
        f"tritonserver/python_backend_stubs/{PYTHON}/triton_python_backend_stub",
        "tritonserver/python_backend_stubs/3.0/triton_python_backend_stub",
        "__init__.py",
    ):
        (wheel / name).parent.mkdir(parents=True, exist_ok=True)
        (wheel / name).touch()
    # Importing the wheel would load the server's libraries.
    (wheel / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / f"libpython{PYTHON}.so.1.0").touch()
    facts = {
        "system": "Linux",
        "machine": "x86_64",
        "libc": ("glibc", "2.35"),
        "nvidia-pytriton": "0.7.0",
        "numpy": "1.26.4",
        "wheel": wheel,
    }
    monkeypatch.setattr(platform, "system", lambda: facts["system"])
    monkeypatch.setattr(platform, "machine", lambda: facts["machine"])
    monkeypatch.setattr(platform, "libc_ver", lambda: facts["libc"])
    monkeypatch.setattr(importlib.metadata, "version", facts.__getitem__)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    monkeypatch.setattr(sysconfig, "get_config_var", {"LIBDIR": str(tmp_path / "lib")}.get)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/already/there")
    monkeypatch.syspath_prepend(wheel.parent)
    return facts


def missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec: Callable[[str], Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted == name else find_spec(wanted))


def refusal() -> str:
    with pytest.raises(SetupError) as failure:
        find_tritonserver()
    return str(failure.value)


def test_a_server_on_path_comes_first(machine: dict[str, Any], tmp_path: Path) -> None:
    program = tmp_path / "bin" / "tritonserver"
    program.touch(mode=0o755)
    for name in ("tensorrt", "python", "fil"):
        (tmp_path / "backends" / name).mkdir(parents=True)
    server = find_tritonserver()
    assert (server.executable, server.backends, server.is_wheel) == (program, ("tensorrt", "python"), False)
    assert (server.arguments, dict(server.environment)) == ((), {})


def test_a_server_on_path_with_its_backends_elsewhere_may_have_any(machine: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "bin" / "tritonserver").touch(mode=0o755)
    assert find_tritonserver().backends == RUNTIMES


def test_the_wheel_is_arranged_without_importing_or_touching_it(machine: dict[str, Any], tmp_path: Path) -> None:
    before = sorted(machine["wheel"].rglob("*"))
    server = find_tritonserver()
    assert server.executable == machine["wheel"] / "tritonserver" / "bin" / "tritonserver"
    assert (server.backends, server.is_wheel) == (("python",), True)
    backends = Path(next(a for a in server.arguments if a.startswith("--backend-directory=")).split("=")[1])
    links = {path.name: path.resolve() for path in (backends / "python").iterdir()}
    stubs = machine["wheel"] / "tritonserver" / "python_backend_stubs"
    assert links["triton_python_backend_stub"] == stubs / PYTHON / "triton_python_backend_stub"
    assert set(links) == {"libtriton_python.so", "triton_python_backend_utils.py", "triton_python_backend_stub"}
    libraries = server.environment["LD_LIBRARY_PATH"].split(os.pathsep)
    assert libraries[1:] == [str(machine["wheel"].parent / "nvidia_pytriton.libs"), "/already/there"]
    assert (Path(libraries[0]) / f"libpython{PYTHON}.so.1.0").resolve().parent == tmp_path / "lib"
    assert server.environment["PATH"].split(os.pathsep)[0] == str(Path(sys.prefix) / "bin")
    assert sorted(machine["wheel"].rglob("*")) == before


def test_links_to_what_has_moved_are_mended(machine: dict[str, Any], tmp_path: Path) -> None:
    first = find_tritonserver()
    (link,) = (tmp_path / "cache").rglob("triton_python_backend_stub")
    link.unlink()
    link.symlink_to(tmp_path / "gone")
    assert find_tritonserver() == first
    assert link.exists()


def test_a_libpython_that_the_loader_finds_is_left_to_it(
    machine: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib" / f"libpython{PYTHON}.so.1.0").unlink()
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: f"lib{name}.so.1.0")
    assert find_tritonserver().is_wheel
    assert not list((tmp_path / "cache").rglob("libpython*"))


def test_libpython_is_absent(machine: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "lib" / f"libpython{PYTHON}.so.1.0").unlink()
    assert f"apt-get install libpython{PYTHON} " in refusal()


@pytest.mark.parametrize(("system", "processor"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
def test_another_machine(machine: dict[str, Any], system: str, processor: str) -> None:
    machine |= {"system": system, "machine": processor}
    assert f"this is {system} on {processor}: use a server elsewhere" in refusal()


@pytest.mark.parametrize("libc", [("glibc", "2.31"), ("", "")])
def test_an_old_or_another_c_library(machine: dict[str, Any], libc: tuple[str, str]) -> None:
    machine["libc"] = libc
    assert "needs glibc 2.35 or newer" in refusal()


def test_the_wheel_is_absent(machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    missing("pytriton", monkeypatch)
    assert refusal().endswith("nvidia-pytriton is not installed: pip install 'tuft-matting[server]'.")


def test_openvino_is_absent(machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    missing("openvino", monkeypatch)
    assert refusal().endswith("is not installed: pip install 'tuft-matting[server]'.")


def test_numpy_2_would_make_every_answer_empty(machine: dict[str, Any]) -> None:
    machine["numpy"] = "2.3.1"
    assert refusal().endswith("when numpy is 2.3.1: pip install 'numpy<2'.")


def test_a_python_that_the_wheel_does_not_know(machine: dict[str, Any]) -> None:
    stubs = machine["wheel"] / "tritonserver" / "python_backend_stubs"
    (stubs / PYTHON / "triton_python_backend_stub").unlink()
    assert refusal().endswith(f"knows no Python {PYTHON}: make the environment with one of 3.0.")


def test_a_cache_folder_that_cannot_be_written(
    machine: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert refusal().endswith("set XDG_CACHE_HOME to a folder you own.")


def test_looking_for_the_real_one_imports_nothing_of_it() -> None:
    code = (
        "import sys; from tuft.serve.locate import find_tritonserver; find_tritonserver(); "
        "sys.exit(any(name.split('.')[0] in ('pytriton', 'openvino') for name in sys.modules))"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
