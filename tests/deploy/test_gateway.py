"""The gateway in Compose and on Kubernetes: confined, in front of Triton, and fetching from public addresses only."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tuft.cli.main import build_parser
from tuft_gateway.addresses import is_public

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes" / "gateway"
DOCKERFILE = (ROOT / "deploy" / "gateway.Dockerfile").read_text()


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


@pytest.fixture
def pod() -> dict[str, Any]:
    spec: dict[str, Any] = load("deployment.yaml")["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def service() -> dict[str, Any]:
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "deploy" / "compose.yaml").read_text())
    loaded: dict[str, Any] = yaml.safe_load(text)["services"]["gateway"]
    return loaded


def test_its_container_is_confined(pod: dict[str, Any], service: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert "USER 1000:1000" in DOCKERFILE
    assert service["user"] == "1000:1000"


def test_the_command_line_knows_what_they_start_it_with(pod: dict[str, Any]) -> None:
    (image_arguments,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    for arguments in (yaml.safe_load(image_arguments), pod["containers"][0]["args"]):
        parsed = build_parser().parse_args(["gateway", *arguments])
        assert parsed.host == "0.0.0.0"
        assert str(parsed.reports).startswith("/var/lib/tuft/")


def test_accounts_are_named_so_that_no_gateway_is_open(pod: dict[str, Any], service: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in pod["containers"][0]["env"]}
    for name in ("TUFT_GATEWAY_DATABASE", "TUFT_GATEWAY_LIMITS"):
        assert "secretKeyRef" in variables[name]["valueFrom"]
        assert service["environment"][name]
    assert variables["TUFT_URL"]["value"] == "tuft-triton:8001"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_its_files_outlive_the_container(service: dict[str, Any]) -> None:
    (volume,) = service["volumes"]
    assert volume == "gateway:/var/lib/tuft"
    assert service["environment"]["TUFT_GATEWAY_DATABASE"].startswith("sqlite:////var/lib/tuft/")


def test_the_second_fence_around_image_url_is_that_of_the_first() -> None:
    """What the network policy lets out is public to the gateway, too; a sample of what it keeps in is not."""
    (internet,) = (rule for rule in load("network_policy.yaml")["spec"]["egress"] if "ipBlock" in rule["to"][0])
    assert {port["port"] for port in internet["ports"]} == {80, 443}
    for block in (one["ipBlock"] for one in internet["to"]):
        inside = ipaddress.ip_network(block["cidr"])
        kept = [ipaddress.ip_network(text) for text in block["except"]]
        for network in kept:
            assert network.subnet_of(inside)  # type: ignore[arg-type]
            assert not is_public(network[1])
    for text in ("10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.1", "100.100.0.1"):
        assert any(ipaddress.ip_address(text) in ipaddress.ip_network(one) for one in _excepted(internet))
    assert not any(ipaddress.ip_address("93.184.215.14") in ipaddress.ip_network(one) for one in _excepted(internet))


def _excepted(rule: dict[str, Any]) -> list[str]:
    return [text for one in rule["to"] for text in one["ipBlock"]["except"]]


def test_triton_lets_the_gateway_in() -> None:
    labels = load("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    policy = yaml.safe_load((FOLDER.parent / "network_policy.yaml").read_text())["spec"]
    (grpc,) = (rule for rule in policy["ingress"] if rule["ports"][0]["port"] == "grpc")
    assert grpc["from"][0]["podSelector"]["matchLabels"].items() <= labels.items()


def test_it_is_scaled_on_its_own_queue() -> None:
    (metric,) = load("autoscaler.yaml")["spec"]["metrics"]
    rules = yaml.safe_load((FOLDER.parent / "autoscaling" / "prometheus_adapter.yaml").read_text())["rules"]["custom"]
    (rule,) = (rule for rule in rules if rule["name"]["as"] == metric["pods"]["metric"]["name"])
    recorded = (ROOT / "deploy" / "prometheus" / "rules.yaml").read_text()
    assert f"record: {rule['seriesQuery'].partition('{')[0]}\n" in recorded
    assert "replicas" not in load("deployment.yaml")["spec"], "else every `kubectl apply` would undo the autoscaler"


def test_a_pod_that_ends_has_time_for_what_it_is_doing(pod: dict[str, Any]) -> None:
    from tuft_gateway import GatewayOptions

    (container,) = pod["containers"]
    seconds = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert seconds > container["readinessProbe"]["periodSeconds"] * container["readinessProbe"]["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] >= seconds + GatewayOptions().stop_timeout_s + 10


def test_all_of_them_mean_the_same_pods() -> None:
    deployment = load("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for name, path in (("service.yaml", ()), ("network_policy.yaml", ("podSelector", "matchLabels"))):
        selector = load(name)["spec"]
        for step in path or ("selector",):
            selector = selector[step]
        assert selector.items() <= labels.items()
    assert load("disruption_budget.yaml")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert load("autoscaler.yaml")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
