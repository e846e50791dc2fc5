"""Manifests that a cluster accepts, and that give Triton no more than it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from support.prometheus import RULES
from support.tiny import tiny_repository

from tuft.provenance import check_repository, repository_digest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
SCRIPT = (ROOT / "deploy" / "triton.sh").read_text()
DOCKERFILE = (ROOT / "deploy" / "serving.Dockerfile").read_text()
NOT_SENT = ("Kustomization", "Component", None)  # read by kustomize and helm, not by the cluster

OLDEST_CLUSTER = "1.29"


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


MANIFESTS = sorted(
    str(path.relative_to(FOLDER))
    for path in FOLDER.rglob("*.yaml")
    if yaml.safe_load(path.read_text()).get("kind") not in NOT_SENT
)


def _group(name: str) -> str:
    """The API's group and version; those of extensions are not Kubernetes's own."""
    return str(load(name)["apiVersion"])


@pytest.fixture
def pod() -> dict[str, Any]:
    spec: dict[str, Any] = load("deployment.yaml")["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def triton(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    assert isinstance(container, dict)
    return container


def flag(name: str) -> str:
    match = re.search(rf"--{name}=(\S+)", SCRIPT)
    assert match is not None
    return match[1]


@pytest.mark.parametrize("version", [OLDEST_CLUSTER, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", [name for name in MANIFESTS if ".k8s.io/" in _group(name) or "." not in _group(name)])
def test_clusters_know_every_field(name: str, version: str) -> None:
    kubernetes_validate.validate(load(name), version, strict=True)


def test_the_check_would_see_a_misspelt_field() -> None:
    deployment = load("deployment.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


def test_kustomize_is_told_of_every_manifest_and_of_none_that_is_missing() -> None:
    named = set(load("kustomization.yaml")["resources"])
    for component in ("autoscaling", "gateway", "kserve", "keda"):
        named |= {f"{component}/{name}" for name in load(f"{component}/kustomization.yaml")["resources"]}
    assert named == set(MANIFESTS)


def test_every_container_is_confined(pod: dict[str, Any]) -> None:
    """The Pod Security Standard `restricted`, which the namespace enforces, and a root that cannot be written."""
    namespace = load("namespace.yaml")["metadata"]
    assert namespace["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert load("kustomization.yaml")["namespace"] == namespace["name"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not {"privileged", "runAsUser"} & set(context)
        assert container["resources"]["limits"]["memory"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert all(set(volume) == {"name", "emptyDir"} for volume in pod["volumes"])


def test_the_pod_cannot_talk_to_the_cluster(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_the_digest_of_the_release_is_what_triton_is_started_with(triton: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in triton["env"]}
    release = variables["TUFT_DIGEST"]["valueFrom"]["configMapKeyRef"]
    (made,) = load("kustomization.yaml")["configMapGenerator"]
    assert (release["name"], f"{release['key']}=") == (made["name"], made["literals"][0])


def test_the_script_is_that_of_compose_and_the_key_is_a_secret(triton: dict[str, Any]) -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["triton"]
    assert triton["args"] == [*compose["command"], "--digest=$(TUFT_DIGEST)"]
    assert compose["command"] == ["bash", "/tuft/deploy/triton.sh"]
    variables = {variable["name"]: variable for variable in triton["env"]}
    assert "secretKeyRef" in variables["TUFT_KEY"]["valueFrom"]
    for name in {*variables, *compose["environment"]} - {"HOME"}:
        assert name in SCRIPT


def test_probes_ask_what_they_should(triton: dict[str, Any]) -> None:
    for probe, path in (("startupProbe", "ready"), ("readinessProbe", "ready"), ("livenessProbe", "live")):
        assert triton[probe]["httpGet"] == {"path": f"/v2/health/{path}", "port": "http"}
    assert triton["startupProbe"]["periodSeconds"] * triton["startupProbe"]["failureThreshold"] >= 300


def test_a_pod_that_ends_has_time_for_what_it_is_doing(pod: dict[str, Any], triton: dict[str, Any]) -> None:
    program, seconds = triton["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    leaves_the_service_s = triton["readinessProbe"]["periodSeconds"] * triton["readinessProbe"]["failureThreshold"]
    assert int(seconds) > leaves_the_service_s
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + int(flag("exit-timeout-secs")) + 10
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]["triton"]
    assert int(compose["stop_grace_period"].removesuffix("s")) >= int(flag("exit-timeout-secs")) + 10


def test_only_clients_and_prometheus_get_in_and_nothing_gets_out(triton: dict[str, Any]) -> None:
    policy = load("network_policy.yaml")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    opened = {port["port"]: rule["from"] for rule in policy["ingress"] for port in rule["ports"]}
    assert set(opened) == {"grpc", "metrics"}, "http is for the kubelet's probes"
    assert all(opened.values()), "an empty list would mean everybody"
    assert {port["name"] for port in triton["ports"]} == {"http", "grpc", "metrics"}
    assert [port["port"] for port in load("service.yaml")["spec"]["ports"]] == [8001]


def test_all_of_them_mean_the_same_pods() -> None:
    deployment = load("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = (
        deployment["spec"]["selector"]["matchLabels"],
        load("service.yaml")["spec"]["selector"],
        load("network_policy.yaml")["spec"]["podSelector"]["matchLabels"],
        load("disruption_budget.yaml")["spec"]["selector"]["matchLabels"],
    )
    for selector in selectors:
        assert selector.items() <= labels.items()
    assert load("autoscaling/autoscaler.yaml")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_one_pod_can_always_go_and_one_always_stays() -> None:
    allowed = load("disruption_budget.yaml")["spec"]["maxUnavailable"]
    replicas = load("deployment.yaml")["spec"]["replicas"]
    assert 0 < allowed < replicas
    assert load("autoscaling/autoscaler.yaml")["spec"]["minReplicas"] == replicas


def test_the_autoscaler_follows_a_number_that_prometheus_records() -> None:
    (metric,) = load("autoscaling/autoscaler.yaml")["spec"]["metrics"]
    rules = load("autoscaling/prometheus_adapter.yaml")["rules"]["custom"]
    (rule,) = (rule for rule in rules if rule["name"]["as"] == metric["pods"]["metric"]["name"])
    assert f"record: {rule['seriesQuery'].partition('{')[0]}\n" in RULES.read_text()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the image's COPY lines put together, with a small repository and a tritonserver that prints its flags."""
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            place(ROOT / source, tmp_path / target[1:] / ("" if target.endswith("/") else "."), target.endswith("/"))
    program = tmp_path / "bin" / "tritonserver"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho started "$@"\n')
    program.chmod(0o755)
    return tmp_path


def start(image: Path, triton: dict[str, Any], digest: str) -> subprocess.CompletedProcess[str]:
    """Runs the container's arguments in the image."""
    shell, script, *arguments = triton["args"]
    command = [shell, str(image / script[1:]), *(one.replace("$(TUFT_DIGEST)", digest) for one in arguments)]
    inside = {"PATH": f"{image / 'bin'}:{os.environ['PATH']}", "NVIDIA_TRITON_SERVER_VERSION": "26.07"}
    inside |= {"TUFT_MODELS": str(image / "models"), "TUFT_DIGEST": digest}
    return subprocess.run(command, env=inside, capture_output=True, text=True, check=False)


def test_the_pod_starts_on_the_pinned_models_only(image: Path, triton: dict[str, Any]) -> None:
    digest = repository_digest(check_repository(image / "models"))
    done = start(image, triton, digest)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("started --model-repository=")
    for other, told in (("", "The digest is empty: pin one"), ("0a" * 32, f"has the digest {digest} instead of")):
        done = start(image, triton, other)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert told in done.stderr
    assert re.search(r"^USER 1000:1000$", DOCKERFILE, re.MULTILINE)
    assert '"/tuft/deploy/triton.sh"' in DOCKERFILE


def checkout(folder: Path) -> Path:
    """As much of a checkout as pin.sh needs."""
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    shutil.copytree(ROOT / "client" / "tuft", folder / "client" / "tuft")
    return folder / "deploy" / "kubernetes"


def test_one_command_pins_the_models_and_kustomize_gives_the_pod_their_digest(tmp_path: Path) -> None:
    folder, repository = checkout(tmp_path), tiny_repository(tmp_path / "model_repository")
    before = (folder / "kustomization.yaml").read_text()
    digest = repository_digest(check_repository(repository))
    for _ in range(2):  # again changes nothing
        subprocess.run([folder / "pin.sh"], check=True, capture_output=True)
        assert (folder / "kustomization.yaml").read_text() == before.replace("digest=]", f"digest={digest}]")
    assert before.count("digest=]") == 1, "none is pinned in the project itself"
    (repository / "inspyrenet_384" / "1" / "model.onnx").write_bytes(b"another")
    done = subprocess.run([folder / "pin.sh"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert digest in (folder / "kustomization.yaml").read_text()


def place(source: Path, target: Path, into: bool) -> None:
    """As COPY does: a folder's contents, a file into a folder. The repository is a small one."""
    if source.name == "model_repository":
        tiny_repository(target)
    elif source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        assert into
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
