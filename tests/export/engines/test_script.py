"""`make engines` without Docker and a GPU: the order of its calls, and the steps that it skips."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT, DOCKERFILE = ROOT / "deploy" / "engines.sh", ROOT / "deploy" / "engines.Dockerfile"

# They note what they are called with. tuft-export makes and publishes files; docker "builds" plans that are the graphs.
TUFT_EXPORT = """#!/bin/bash
echo "tuft-export $*" >>calls
case $1 in
  engine) mkdir -p engines; for size in $SIZES; do echo "graph $size" >engines/model_$size.onnx; done ;;
  publish) for size in $SIZES; do
      mkdir -p model_repository/inspyrenet_$size/1
      cp engines/model_$size.plan model_repository/inspyrenet_$size/1/model.plan
    done ;;
  verify) exit "$(cat tampered 2>/dev/null || echo 0)" ;;
esac
"""
DOCKER = """#!/bin/bash
echo "docker $*" >>calls
case $1 in
  build) tar --list | sort >context ;;
  run) [[ -e no_gpu ]] && exit 1
    for size in $SIZES; do cp engines/model_$size.onnx engines/model_$size.plan; done ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script and what it sends to Docker, and in its `bin` both programs it calls."""
    for name in ("deploy", "client/tuft", "export/tuft_export/__pycache__", "runtime/tuft_runtime", "bin", "training"):
        (tmp_path / name).mkdir(parents=True)
    for path in (SCRIPT, DOCKERFILE):
        shutil.copy(path, tmp_path / "deploy")
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "NOTICE",
        "export/tuft_export/__pycache__/cli.pyc",
        "training/big.bin",
    ):
        (tmp_path / name).touch()
    for name, source in (("tuft-export", TUFT_EXPORT), ("docker", DOCKER)):
        program(tmp_path / "bin" / name, source)
    return tmp_path


def program(path: Path, source: str) -> None:
    path.write_text(source)
    path.chmod(0o755)


def run(checkout: Path, **settings: str) -> tuple[int, list[str], str]:
    """The exit code, the calls, and what was printed."""
    environment = {
        "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
        "TUFT_EXPORT": str(checkout / "bin" / "tuft-export"),
        "SIZES": "1024 2048",
        **settings,
    }
    (checkout / "calls").write_text("")
    done = subprocess.run(
        [checkout / "deploy" / "engines.sh"], env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, (checkout / "calls").read_text().splitlines(), done.stdout


def test_graphs_then_engines_then_publishing(checkout: Path) -> None:
    code, calls, _ = run(checkout, DEVICE="L4", TRITON="26.08")
    assert code == 0
    export, build, engines, publish = calls
    assert export == (
        "tuft-export engine --size=1024 --size=2048 --checkpoint base --precision fp16 --output engines --onnx-only"
    )
    assert build.startswith("docker build ")
    assert "--build-arg TRITON=26.08 --tag tuft-engines:26.08 " in build
    assert engines == (
        f"docker run --rm --init --gpus all --user {os.getuid()}:{os.getgid()} "
        f"--volume {checkout}/engines:/engines tuft-engines:26.08 "
        "python3 -m tuft_export engine --size=1024 --size=2048 --device L4 --output /engines --no-export"
    )
    assert publish == (
        "tuft-export publish --checkpoint base --runtime tensorrt --engines engines --sizes 1024 2048 "
        "--repository model_repository --version 1"
    )


def test_only_sources_are_sent_to_docker(checkout: Path) -> None:
    run(checkout)
    sent = (checkout / "context").read_text().splitlines()
    assert "deploy/engines.Dockerfile" in sent
    assert not [name for name in sent if "pycache" in name or name.startswith(("training", "engines"))]


def test_a_second_run_publishes_nothing(checkout: Path) -> None:
    run(checkout)
    code, calls, printed = run(checkout)
    assert code == 0
    assert [call.split()[1] for call in calls] == ["engine", "build", "run", "verify"]
    assert printed == "model_repository: unchanged\n"


@pytest.mark.parametrize("change", ["plan", "tampered", "version"])
def test_what_is_not_as_published_is_published_again(change: str, checkout: Path) -> None:
    run(checkout)
    if change == "plan":
        (checkout / "model_repository" / "inspyrenet_2048" / "1" / "model.plan").write_text("older")
    elif change == "tampered":
        (checkout / "tampered").write_text("1")
    _, calls, _ = run(checkout, **({"VERSION": "2"} if change == "version" else {}))
    assert calls[-1].startswith("tuft-export publish ")


def test_without_an_engine_nothing_is_published(checkout: Path) -> None:
    (checkout / "no_gpu").touch()
    code, calls, _ = run(checkout)
    assert code != 0
    assert calls[-1].startswith("docker run ")


def test_a_pth_file_has_its_base_size(checkout: Path) -> None:
    _, calls, _ = run(checkout, CHECKPOINT="latest.pth", BASE_SIZE="384")
    assert "--checkpoint latest.pth --base-size 384 --precision" in calls[0]
    assert "--checkpoint latest.pth --base-size 384 --runtime" in calls[-1]


def test_the_bindings_are_of_the_libraries_version(tmp_path: Path) -> None:
    """The Dockerfile's own command, with a linker cache as in Triton's container."""
    library = tmp_path / "libnvinfer.so.11.1.0"
    library.touch()
    (tmp_path / "libnvinfer.so.11").symlink_to(library)
    (tmp_path / "bin").mkdir()
    listed = "\n".join(
        f"\t{name} (libc6,x86-64) => {tmp_path}/{name}"
        for name in ("libnvinfer_plugin.so.11", "libnvinfer_lean.so.11", "libnvinfer.so.11", "libnvinfer.so")
    )
    program(tmp_path / "bin" / "ldconfig", f"#!/bin/bash\ncat <<'E'\n{listed}\nE\n")
    program(tmp_path / "bin" / "pip3", '#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (command,) = [
        instruction.removeprefix("RUN ")
        for instruction in DOCKERFILE.read_text().replace("\\\n", " ").splitlines()
        if instruction.startswith("RUN ")
    ]
    command, _, cleaning = command.partition("&& rm ")
    assert cleaning == "-r /tmp/tuft"
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["/tmp/tuft[engines]", "tensorrt-cu13-bindings==11.1.0.*"]


def test_the_script_is_shell_and_make_knows_it() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    assert os.access(SCRIPT, os.X_OK)
    command = ["make", "--no-print-directory", "--dry-run", "engines"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "deploy/engines.sh"
