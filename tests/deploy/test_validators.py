"""Validators of other projects on the deployment files. Each is skipped where it is not installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("deploy/**/*.sh"), ROOT / ".ci" / "run"))


def checked(program: str, *arguments: str) -> str:
    """What a validator printed; skips the test without it."""
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    done = subprocess.run([program, *arguments], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_bash(script: str) -> None:
    checked("bash", "-n", script)
    assert (ROOT / script).stat().st_mode & 0o111, "it is started by its name"


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_pass_shellcheck(script: str) -> None:
    checked("shellcheck", script)


def test_the_compose_file_is_of_the_compose_specification() -> None:
    checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "deploy/compose.yaml")


@pytest.mark.parametrize("name", ["engines", "gateway", "serving"])
def test_dockerfiles_pass_hadolint(name: str) -> None:
    checked("hadolint", f"deploy/{name}.Dockerfile")


@pytest.mark.parametrize("components", [(), ("autoscaling",), ("gateway",), ("kserve",), ("gateway", "kserve", "keda")])
def test_kustomize_puts_the_manifests_together(tmp_path: Path, components: tuple[str, ...]) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(ROOT / "deploy" / "kubernetes", folder)
    with (folder / "kustomization.yaml").open("a") as file:
        file.write(yaml.safe_dump({"components": list(components)}))
    everything = list(yaml.safe_load_all(checked("kubectl", "kustomize", str(folder))))
    built = {one["kind"]: one for one in everything if "gateway" not in one["metadata"]["name"]}
    assert ("gateway" in components) is any(one["metadata"]["name"] == "tuft-gateway" for one in everything)
    if "kserve" in components:
        _is_a_fleet(built, everything, scaled="keda" in components)
        return
    assert built["Deployment"]["metadata"]["namespace"] == "tuft"
    (container,) = built["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/tuft-triton:1"
    digest = next(one for one in container["env"] if one["name"] == "TUFT_DIGEST")["valueFrom"]["configMapKeyRef"]
    assert digest["name"] == built["ConfigMap"]["metadata"]["name"]
    assert built["ConfigMap"]["data"] == {"digest": ""}
    assert ("replicas" in built["Deployment"]["spec"]) is not ("autoscaling" in components)


def _is_a_fleet(built: dict[str, Any], everything: list[dict[str, Any]], *, scaled: bool) -> None:
    """No Deployment of Triton, the image and the digest of the release, and one scaler for the gateway."""
    assert "Deployment" not in built
    (container,) = built["ServingRuntime"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/tuft-triton:1"
    model = built["InferenceService"]["spec"]["predictor"]["model"]
    assert model["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == built["ConfigMap"]["metadata"]["name"]
    assert built["Service"]["spec"]["selector"] == {"serving.kserve.io/inferenceservice": "tuft"}
    assert built["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == built["Service"]["spec"]["selector"]
    assert built["RoleBinding"]["subjects"][0]["namespace"] == "tuft"
    kinds = {one["kind"] for one in everything if "gateway" in one["metadata"]["name"]}
    assert ("ScaledObject" in kinds) is scaled
    assert "HorizontalPodAutoscaler" not in kinds


def test_policies_of_checkov_hold() -> None:
    checked("checkov", "--directory", "deploy", "--config-file", "deploy/.checkov.yaml", "--skip-download")
