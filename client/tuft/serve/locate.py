"""Finds a tritonserver: a full one on PATH, else the one inside the PyPI wheel nvidia-pytriton.

The wheel's tritonserver needs four things that pytriton would set up if it were imported: the Python backend's stub for
the running Python beside the backend, libpython and the wheel's libraries on the loader's path, and this environment's
`python3` first on PATH, so that the stub finds this environment's packages. This module sets them up without importing
pytriton, as links in a private folder; the wheel itself is not modified.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.contract import RUNTIMES
from tuft.errors import SetupError
from tuft.files import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEEL: Final = "nvidia-pytriton"
INSTALL: Final = "pip install 'tuft-matting[server]'"
OLDEST_GLIBC: Final = (2, 35)  # the wheel's tag is manylinux_2_35
STUB: Final = "triton_python_backend_stub"


@dataclass(frozen=True)
class Tritonserver:
    """An installed tritonserver.

    Attributes:
        executable: The program.
        backends: The `tuft.contract.RUNTIMES` for which it has a backend.
        arguments: Command line arguments with which it finds its own parts.
        environment: Environment variables that it needs; they override the present ones.
        is_wheel: Whether it is the wheel's old, unpatched one, which must not be exposed to a network.
    """

    executable: Path
    backends: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    is_wheel: bool


def find_tritonserver() -> Tritonserver:
    """The tritonserver on PATH, else the wheel's.

    Raises:
        SetupError: There is none, or the wheel's cannot run here; the message names what is missing.
    """
    on_path = shutil.which("tritonserver")
    return _full_server(Path(on_path)) if on_path else _wheel_server()


def _full_server(executable: Path) -> Tritonserver:
    folder = executable.resolve().parent.parent / "backends"
    present = tuple(name for name in RUNTIMES if (folder / name).is_dir())
    # A server that keeps its backends in another folder may have any.
    return Tritonserver(executable, present or RUNTIMES, (), {}, is_wheel=False)


def _wheel_server() -> Tritonserver:
    _check_platform()
    root = _wheel_root()
    _check_environment()
    version = importlib.metadata.version(WHEEL)
    folder = _linked_folder(root, version)
    library_path = [str(folder / "lib"), str(root.parent / "nvidia_pytriton.libs")]
    environment = {
        "LD_LIBRARY_PATH": os.pathsep.join([*library_path, *_present("LD_LIBRARY_PATH")]),
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), *_present("PATH")]),
        # Its only runtime computes on the CPU and must not allocate memory of a GPU.
        "CUDA_VISIBLE_DEVICES": "",
    }
    server = root / "tritonserver"
    arguments = (
        f"--backend-directory={folder / 'backends'}",
        f"--cache-directory={server / 'caches'}",
        "--allow-gpu-metrics=false",
    )
    return Tritonserver(server / "bin" / "tritonserver", ("python",), arguments, environment, is_wheel=True)


def _present(variable: str) -> list[str]:
    return [os.environ[variable]] if os.environ.get(variable) else []


def _check_platform() -> None:
    machine = f"{platform.system()} on {platform.machine()}"
    if machine != "Linux on x86_64":
        raise SetupError(
            f"The tritonserver of {WHEEL} runs on Linux on x86_64 and this is {machine}: "
            "use a server elsewhere with --url, or Triton's container."
        )
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < OLDEST_GLIBC:
        raise SetupError(
            f"The tritonserver of {WHEEL} needs glibc {'.'.join(map(str, OLDEST_GLIBC))} or newer and this system has "
            f"{name or 'another C library'} {version}: use Debian 12, Ubuntu 22.04 or newer, or Triton's container."
        )


def _wheel_root() -> Path:
    # find_spec does not import pytriton, which would load the server's libraries.
    spec = importlib.util.find_spec("pytriton")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders or not (Path(folders[0]) / "tritonserver").is_dir():
        raise SetupError(f"There is no tritonserver on PATH and {WHEEL} is not installed: {INSTALL}.")
    return Path(folders[0])


def _check_environment() -> None:
    numpy_version = importlib.metadata.version("numpy")
    if int(numpy_version.split(".")[0]) >= 2:
        raise SetupError(
            f"The tritonserver of {WHEEL} answers with empty arrays when numpy is {numpy_version}: "
            "pip install 'numpy<2'."
        )
    if importlib.util.find_spec("openvino") is None:
        raise SetupError(f"OpenVINO, which computes the network on the CPU, is not installed: {INSTALL}.")


def _linked_folder(root: Path, version: str) -> Path:
    """The folder of links for the wheel at `root`, created or updated."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    folder = cache_folder() / f"tritonserver-{version}-py{python}-{key}"
    backend = root / "tritonserver" / "backends" / "python"
    stub = root / "tritonserver" / "python_backend_stubs" / python / STUB
    if not stub.is_file():
        known = ", ".join(sorted(path.parent.name for path in stub.parents[1].glob(f"*/{STUB}")))
        raise SetupError(f"{WHEEL} {version} knows no Python {python}: make the environment with one of {known}.")
    try:
        for target in [*backend.glob("*.so"), *backend.glob("*.py"), stub]:
            _link(folder / "backends" / "python" / target.name, target)
        if library := _libpython(python):
            _link(folder / "lib" / library.name, library)
    except OSError as exc:
        raise SetupError(f"Cannot write to {folder} ({exc.strerror}): set XDG_CACHE_HOME to a folder you own.") from exc
    return folder


def _link(link: Path, target: Path) -> None:
    """Makes `link` point at `target`; safe if another process does the same."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.readlink() == target:
        return
    with tempfile.TemporaryDirectory(dir=link.parent) as folder:
        fresh = Path(folder) / link.name
        fresh.symlink_to(target)
        fresh.replace(link)


def _libpython(python: str) -> Path | None:
    """The shared library of the running Python, which the stub loads; None if the loader finds it without help.

    Raises:
        SetupError: The library is not installed.
    """
    name = f"libpython{python}.so.1.0"
    for folder in _library_folders():
        if (folder / name).is_file():
            return folder / name
    if ctypes.util.find_library(f"python{python}"):
        return None
    raise SetupError(
        f"{name}, which Triton's Python backend loads, is not on this machine: apt-get install libpython{python} "
        "(or, for a Python built from source, build it with --enable-shared)."
    )


def _library_folders() -> list[Path]:
    """Folders that may hold libpython; LIBDIR is wrong in builds that were moved after configuration."""
    folders = [Path(sysconfig.get_config_var("LIBDIR") or sys.base_prefix), Path(sys.base_prefix) / "lib"]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    return folders + [folder / multiarch for folder in folders if multiarch]
