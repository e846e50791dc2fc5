"""The wheel in fresh environments, as a user installs it: each makes a cut-out from an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PHOTOGRAPH = ROOT / "export" / "tuft_export" / "chelsea.jpg"
UV = shutil.which("uv")

pytestmark = pytest.mark.slow


def run(*command: object, folder: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in the environment of a new user."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TUFT_", "PYTHON", "XDG_"))}
    return subprocess.run(
        [*map(str, command)], cwd=folder, env={**clean, **variables}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("tuft_matting-*.whl")
    return made


@dataclass(frozen=True)
class Installed:
    """A fresh environment, with a home and a working directory of its own."""

    folder: Path

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return run(self._bin / program, *arguments, folder=self.work, HOME=str(self.folder / "home"))

    def start(self, program: str, *arguments: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "HOME": str(self.folder / "home"), "TUFT_URL": ""}
        command = [str(self._bin / program), *map(str, arguments)]
        return subprocess.Popen(command, cwd=self.work, env=environment, stdout=subprocess.PIPE, text=True)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def _bin(self) -> Path:
        return self.folder / "venv" / "bin"

    def megabytes(self) -> int:
        done = run("du", "--summarize", "--block-size=M", self.folder / "venv")
        return int(done.stdout.split("M")[0])

    def has(self, module: str) -> bool:
        return self.run("python", "-c", f"import {module}").returncode == 0


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Callable[[str], Installed]:
    """Installs the wheel with an extra, once."""
    made: dict[str, Installed] = {}

    def installed(extra: str) -> Installed:
        if extra not in made:
            folder = tmp_path_factory.mktemp(extra or "client")
            for name in ("home", "work"):
                (folder / name).mkdir()
            shutil.copy(PHOTOGRAPH, folder / "work" / "dog.jpg")
            requirement = f"tuft-matting[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
            python = folder / "venv" / "bin" / "python"
            if UV:
                commands = [[UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"]]
                commands += [[UV, "pip", "install", "--quiet", "--python", python, requirement]]
            else:
                commands = [[sys.executable, "-m", "venv", folder / "venv"]]
                commands += [[python, "-m", "pip", "install", "--quiet", requirement]]
            for command in commands:
                done = run(*command)
                assert done.returncode == 0, done.stderr
            made[extra] = Installed(folder)
        return made[extra]

    return installed


@pytest.fixture
def served(install: Callable[[str], Installed]) -> Iterator[str]:
    """The address of `tuft serve`, started in an empty folder."""
    process = install("server").start(
        "tuft", "serve", "--http-port", 0, "--grpc-port", 0, "--metrics-port", 0, "--sizes", 1024
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    address = re.search(r"gRPC\s+(\S+)", said)
    assert address is not None, said
    yield address[1]
    with process:  # closes the pipe
        process.terminate()
    assert process.returncode == 0


def require_cut_out(file: Path) -> np.ndarray:
    """The alpha of a cut-out of a cat that fills all but the right side of its photograph."""
    with Image.open(file) as image:
        assert image.mode == "RGBA"
        alpha = np.asarray(image)[..., 3]
    assert alpha[:, -8:].mean() < 60 < 200 < alpha[150:250, 150:300].mean()
    return alpha


def test_one_line_makes_a_cut_out_without_a_server(install: Callable[[str], Installed]) -> None:
    local = install("local")
    for module in ("torch", "openvino", "pytriton"):
        assert not local.has(module)
    assert local.run("python", "-c", "import numpy; print(numpy.__version__)").stdout >= "2"
    done = local.run("tuft", "remove", "dog.jpg", "--url", "local")
    assert (done.returncode, done.stderr) == (0, "")
    alpha = require_cut_out(local.work / "dog-cutout.png")
    assert sorted(path.name for path in local.work.iterdir()) == ["dog-cutout.png", "dog.jpg"]
    assert {path.name for path in (local.folder / "home").rglob("*.onnx")} == {"model.onnx"}
    assert not list((local.folder / "home").rglob("*icrosoft*")), "ONNX Runtime's usage data"
    program = "import tuft; tuft.Client('local').remove('dog.jpg').save('again.png')"
    assert local.run("python", "-c", program).stderr == ""
    np.testing.assert_array_equal(require_cut_out(local.work / "again.png"), alpha)
    (local.work / "again.png").unlink()
    said = local.run("tuft", "doctor", "--url", "local").stdout
    assert re.search(r"^Server +ONNX Runtime \(\w+\) [\d.]+ computes in this process \(local\)$", said, re.MULTILINE)
    assert "Preset        standard is ready" in said


def test_a_client_says_what_is_missing_and_cuts_out_with_a_server(
    install: Callable[[str], Installed], served: str
) -> None:
    client = install("")
    for module in ("onnxruntime", "onnx", "openvino", "torch"):
        assert not client.has(module)
    done = client.run("tuft", "remove", "dog.jpg", "--url", "local")
    assert done.returncode == 1
    assert done.stderr == "tuft: Nothing to compute with is installed: pip install 'tuft-matting[local]'.\n"
    assert not (client.work / "dog-cutout.png").exists()
    done = client.run("tuft", "serve")
    assert (done.returncode, done.stderr) == (
        1,
        "tuft: Publishing the demo needs onnx: pip install 'tuft-matting[server]'.\n",
    )
    assert client.run("tuft", "remove", "dog.jpg", "--url", served).returncode == 0
    alpha = require_cut_out(client.work / "dog-cutout.png")
    local = install("local")
    assert local.run("tuft", "remove", "dog.jpg", "-o", "same.png", "--url", "local").returncode == 0
    assert np.abs(require_cut_out(local.work / "same.png").astype(int) - alpha).max() <= 1
    (local.work / "same.png").unlink()
    assert [path.name for path in install("server").work.iterdir()] == ["dog.jpg"]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11) or sys.platform != "linux", reason="the README's are those of 3.11")
def test_the_readme_states_the_sizes(install: Callable[[str], Installed]) -> None:
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/install.md")]
    stated = re.search(r"client takes (\d+) MB, `local` (\d+)\s+MB and `server` (\d+) MB", texts[0])
    assert stated is not None
    for extra, megabytes in zip(("", "local", "server"), map(int, stated.groups()), strict=True):
        assert install(extra).megabytes() == pytest.approx(megabytes, rel=0.1), extra
        assert f"| {megabytes} MB |" in texts[1]


@pytest.mark.skipif(UV is None, reason="resolving for other Pythons takes uv")
@pytest.mark.parametrize(
    ("python", "extra", "present", "absent"),
    [
        ("3.10", "server", "nvidia-pytriton", "numpy==2"),
        ("3.13", "server", "numpy==2", "nvidia-pytriton"),
        ("3.14", "local", "onnxruntime", "openvino"),
    ],
)
def test_the_resolver_knows_what_runs_where(python: str, extra: str, present: str, absent: str) -> None:
    options = ["--extra", extra] if extra else []
    done = resolved(python, *options)
    assert done.returncode == 0, done.stderr
    names = done.stdout.splitlines()
    assert any(line.startswith(present) for line in names)
    assert not any(line.startswith(absent) for line in names)


@pytest.mark.skipif(UV is None, reason="resolving takes uv")
def test_the_resolver_refuses_a_server_with_numpy_2_and_takes_a_local_with_numpy_1(tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("numpy>=2")
    (tmp_path / "one.txt").write_text("numpy<2")
    assert "numpy" in resolved("3.12", "--extra", "server", "--constraint", tmp_path / "two.txt").stderr
    assert "numpy==1." in resolved("3.12", "--extra", "local", "--constraint", tmp_path / "one.txt").stdout


def resolved(python: str, *options: object) -> subprocess.CompletedProcess[str]:
    """The packages for a Python on Linux, one a line; only those with wheels."""
    command = [UV, "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--only-binary", ":all:"]
    platform = ["--python-version", python, "--python-platform", "x86_64-manylinux_2_35"]
    return run(*command, *platform, *options, ROOT / "pyproject.toml")
