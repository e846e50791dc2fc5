"""The compose file: only what was verified is served, only to this machine, and nothing may do more than it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.production import SCRIPT
from support.tiny import tiny_repository

from tuft.provenance import check_repository, repository_digest

FILE = Path(__file__).parents[2] / "deploy" / "compose.yaml"


def substituted(text: str, environment: dict[str, str]) -> str:
    """As compose does it: `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: environment.get(match[1]) or match[2], text)


def services(**environment: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(substituted(FILE.read_text(), environment))["services"]
    return loaded


def start(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command of the service `triton` in `root`, which has what its volumes put there and no more.

    Its tritonserver prints its arguments.
    """
    service = services(**environment)["triton"]
    for volume in service["volumes"]:
        source, target, mode = volume.split(":")
        assert mode == "ro"
        if target != "/models":
            place(FILE.parent / source, root / target[1:])
    program = root / "bin" / "tritonserver"
    program.parent.mkdir(exist_ok=True)
    program.write_text('#!/bin/sh\necho started "$@"\n')
    program.chmod(0o755)
    shell, script = service["command"]
    inside = {"PATH": f"{program.parent}:{os.environ['PATH']}", "NVIDIA_TRITON_SERVER_VERSION": "26.07"}
    inside |= {"TUFT_MODELS": str(root / "models"), "TUFT_DIGEST": service["environment"]["TUFT_DIGEST"] or ""}
    command = [shell, str(root / script[1:])]
    return subprocess.run(command, env=inside, capture_output=True, text=True, check=False)


def place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tiny_repository(tmp_path / "models")
    return tmp_path


@pytest.fixture
def repository(root: Path) -> Path:
    return root / "models"


def test_a_sound_repository_is_described_and_served(root: Path, repository: Path) -> None:
    done = start(root)
    assert (done.returncode, done.stderr) == (0, "")
    *_, digest, started = done.stdout.splitlines()
    assert digest == f"digest {repository_digest(check_repository(repository))}"
    assert started.startswith("started --model-repository=")


def test_every_start_verifies_so_a_restart_does_not_serve_what_was_tampered_with(root: Path, repository: Path) -> None:
    assert start(root).returncode == 0
    model = repository / "inspyrenet_384" / "1" / "model.onnx"
    model.write_bytes(model.read_bytes()[::-1])
    again = start(root)  # what `restart: unless-stopped` runs
    assert (again.returncode, again.stdout, again.stderr.count("\n")) == (1, "", 1)
    assert f"{model} is not the file that was published" in again.stderr


def test_another_repository_than_the_pinned_one_is_not_served(root: Path, repository: Path) -> None:
    digest = repository_digest(check_repository(repository))
    assert start(root, TUFT_DIGEST=digest).returncode == 0
    done = start(root, TUFT_DIGEST="0a" * 32)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"has the digest {digest} instead of {'0a' * 32}" in done.stderr


def test_triton_is_started_by_the_script_that_kubernetes_uses_as_well() -> None:
    triton = services()["triton"]
    assert triton["command"] == ["bash", "/tuft/deploy/triton.sh"]
    assert "./triton.sh:/tuft/deploy/triton.sh:ro" in triton["volumes"]
    assert set(triton["environment"]) - {"HOME"} <= set(re.findall(r"TUFT_\w+", SCRIPT.read_text()))


def test_nothing_listens_beyond_this_machine() -> None:
    for service in services().values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")
    on_the_machines_network = {name for name, service in services().items() if service.get("network_mode") == "host"}
    assert on_the_machines_network == {"prometheus", "grafana"}
    assert "--web.listen-address=127.0.0.1:9090" in services()["prometheus"]["command"]
    assert services()["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"


def test_nobody_can_log_in_to_grafana_with_a_password_that_everybody_knows() -> None:
    environment = services()["grafana"]["environment"]
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"


def test_every_service_is_confined() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        written = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
        assert written in ([], ["prometheus:/prometheus"], ["grafana:/var/lib/grafana"], ["gateway:/var/lib/tuft"])
    assert services()["triton"]["user"] == "1000:1000"
    assert services()["triton"]["deploy"]["resources"]["limits"]


def test_watching_is_asked_for() -> None:
    watching = {name for name, service in services().items() if service.get("profiles") == ["watch"]}
    assert watching == {"prometheus", "grafana"}


def test_what_is_mounted_exists() -> None:
    for service in services().values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith(".") or (FILE.parent / source).exists()


def test_the_release_can_be_chosen() -> None:
    for environment, release in (({}, "26.07"), ({"TRITON": "26.08"}, "26.08")):
        assert services(**environment)["triton"]["image"] == f"nvcr.io/nvidia/tritonserver:{release}-py3"
