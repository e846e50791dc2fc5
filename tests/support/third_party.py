"""Clients of remove.bg as their authors published them, installed once into a cache of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

CACHE = platformdirs.user_cache_path("tuft-tests") / "third-party"


def from_pypi(name: str, version: str) -> Path:
    """The folder with that release of a Python package, without what it depends on."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    return _installed(f"{name}-{version}", lambda folder: [*command, "--target", str(folder), f"{name}=={version}"])


def from_npm(name: str, version: str) -> Path:
    """The folder whose `node_modules` has that release of a Node package, and what it depends on."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    # Nothing of a stranger's package runs while it is installed.
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]
    return _installed(f"{name}-{version}", lambda folder: [*command, str(folder), f"{name}@{version}"])


def _installed(title: str, command: object) -> Path:
    folder = CACHE / title
    if folder.is_dir():
        return folder
    making = CACHE / f"{title}.{os.getpid()}"
    making.mkdir(parents=True)
    done = subprocess.run(command(making), capture_output=True, text=True)  # type: ignore[operator]
    if done.returncode:
        shutil.rmtree(making)
        pytest.skip(f"{title} cannot be had from its registry here: {done.stderr.strip()[-200:]}")
    try:
        making.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(making)
    return folder


def run_python(folder: Path, script: str, **values: object) -> None:
    """Runs a script that may import what is in `folder`; it finds `values` in the variable of that name."""
    paths = os.pathsep.join(map(str, (folder, *filter(None, sys.path))))
    _run(
        [sys.executable, "-c", "import json, sys; values = json.loads(sys.argv[1])\n" + script],
        values,
        PYTHONPATH=paths,
    )


def run_node(folder: Path, script: str, **values: object) -> None:
    """Runs a script that may require what is in `folder`; it finds `values` in the variable of that name."""
    script = "const values = JSON.parse(process.argv[1]);\n" + script
    _run(["node", "-e", script], values, NODE_PATH=str(folder / "node_modules"))


def _run(command: list[str], values: dict[str, object], **environment: str) -> None:
    done = subprocess.run(
        [*command, json.dumps(values)], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
