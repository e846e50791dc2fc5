"""The fleet on KServe: fields that its controller knows, combinations that it does not ignore, and the same fences."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from support.kserve_schemas import SPECS, broken_rules, schema_of
from support.prometheus import RULES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KEDA = json.loads((Path(__file__).parent / "schemas" / "keda.json").read_text())
FLAGS = (ROOT / "deploy" / "triton.sh").read_text()


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    return loaded


@pytest.fixture
def service() -> dict[str, Any]:
    return load("kserve/inference_service.yaml")


@pytest.fixture
def container() -> dict[str, Any]:
    (found,) = load("kserve/runtime.yaml")["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", ["inference_service", "runtime", "model_cache", "node_group"])
def test_kserve_knows_every_field(name: str) -> None:
    resource = load(f"kserve/{name}.yaml")
    assert resource["kind"] in SPECS
    jsonschema.validate(resource["spec"], schema_of(resource["kind"]))


def test_keda_knows_every_field_of_the_gateways_scaler() -> None:
    spec = load("keda/gateway_scaler.yaml")["spec"]
    jsonschema.validate(spec, KEDA)
    assert spec["scaleTargetRef"]["name"] == load("gateway/deployment.yaml")["metadata"]["name"]
    assert spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
    (trigger,) = spec["triggers"]
    assert f"record: {re.findall('pod:[a-z_0-9:]+', trigger['metadata']['query'])[0]}\n" in RULES.read_text()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec, "maxReplicas": 3}, KEDA)


def test_the_schema_would_see_a_misspelt_field(service: dict[str, Any]) -> None:
    service["spec"]["predictor"]["autoScaling"]["metrics"][0]["external"]["metric"]["serverAdress"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(service["spec"], schema_of("InferenceService"))


def test_nothing_in_it_is_silently_ignored(service: dict[str, Any]) -> None:
    assert list(broken_rules(service)) == []


MODE, SCALER = "serving.kserve.io/deploymentMode", "serving.kserve.io/autoscalerClass"


def _canary(**changes: Any) -> dict[str, Any]:
    return {"trafficPercent": 60, "predictor": {"name": "v2", "model": {"modelFormat": {"name": "triton"}}, **changes}}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("spec/predictor/canaryTrafficPercent", 10, "is ignored in the mode Standard"),
        ("spec/predictor/containerConcurrency", 4, "is Knative's"),
        (f"metadata/annotations/{SCALER.replace('/', '~')}", "hpa", "are read by KEDA alone"),
        (f"metadata/annotations/{MODE.replace('/', '~')}", "Knative", "KEDA scales in the mode Standard alone"),
        ("spec/predictor/scaleMetric", "cpu", "is ignored beside autoScaling"),
        ("spec/predictor/autoScaling", {}, "KEDA has nothing to scale by"),
        ("spec/canary", [_canary(), _canary()], "need names of their own"),
        ("spec/canary", [_canary(), _canary(name="v3")], "more than all requests"),
        ("spec/canary", [_canary(maxReplicas=3)], "a fixed number of pods, and maxReplicas changes it"),
    ],
)
def test_what_is_ignored_or_refused_is_told(service: dict[str, Any], path: str, value: Any, told: str) -> None:
    changed = copy.deepcopy(service)
    *parents, last = (part.replace("~", "/") for part in path.split("/"))
    at = changed
    for part in parents:
        at = at[part]
    at[last] = value
    jsonschema.validate(changed["spec"], schema_of("InferenceService"))
    assert any(told in rule for rule in broken_rules(changed)), "the schema alone accepts it"


def test_its_pods_are_pods_and_confined(service: dict[str, Any], container: dict[str, Any]) -> None:
    """KServe puts the predictor's `model` into the runtime's container."""
    predictor, model = service["spec"]["predictor"], service["spec"]["predictor"]["model"]
    own = {"modelFormat", "runtime", "protocolVersion", "storageUri"}
    scaling = {"name", "minReplicas", "maxReplicas", "autoScaling", "deploymentStrategy", "model"}
    merged = {**container, **{key: value for key, value in model.items() if key not in own}}
    spec = {**{key: value for key, value in predictor.items() if key not in scaling}, "containers": [merged]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tuft"}, "spec": spec}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    before = load("deployment.yaml")["spec"]["template"]["spec"]
    (triton,) = before["containers"]
    for name in ("securityContext", "terminationGracePeriodSeconds", "automountServiceAccountToken", "tolerations"):
        assert spec[name] == before[name]
    for name in ("securityContext", "lifecycle", "resources"):
        assert json.dumps(merged[name]).replace('"1"', "1") == json.dumps(triton[name])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert merged[probe]["httpGet"]["path"] == triton[probe]["httpGet"]["path"]
    assert merged["args"] == triton["args"]
    for variable in (*container["env"], *model["env"]):
        assert variable["name"] in FLAGS


def test_only_nodes_with_an_l4_are_taken_and_the_cache_is_on_them(service: dict[str, Any]) -> None:
    affinity = service["spec"]["predictor"]["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert load("deployment.yaml")["spec"]["template"]["spec"]["nodeSelector"] == {
        terms[0]["matchExpressions"][0]["key"]: terms[0]["matchExpressions"][0]["values"][0]
    }
    group, cache = load("kserve/node_group.yaml"), load("kserve/model_cache.yaml")
    assert group["spec"]["persistentVolumeSpec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] == terms
    assert cache["spec"]["nodeGroups"] == [group["metadata"]["name"]]
    assert cache["spec"]["sourceModelUri"] == service["spec"]["predictor"]["model"]["storageUri"]


def test_it_scales_by_the_waiting_time_of_one_model_and_not_by_a_counter(service: dict[str, Any]) -> None:
    (metric,) = service["spec"]["predictor"]["autoScaling"]["metrics"]
    query = metric["external"]["metric"]["query"]
    counters = re.findall(r"(\w*)\((nv_\w+)\{([^}]*)\}\[1m\]\)", query)
    assert {name for _, name, _ in counters} == {"nv_inference_queue_duration_us", "nv_inference_request_success"}
    assert all(function == "rate" for function, _, _ in counters), "a counter grows for ever"
    assert len(re.findall("nv_", query)) == len(counters)
    models = {re.findall('model="([^"]+)"', labels)[0] for _, _, labels in counters}
    assert len(models) == 1, "a mean over models hides the one that is busy"
    assert (ROOT / "model_repository" / models.pop()).is_dir()


def test_what_was_before_triton_is_before_the_inference_service(service: dict[str, Any]) -> None:
    patches = load("kserve/kustomization.yaml")["patches"]
    replaced = {one["target"]["kind"]: yaml.safe_load(one["patch"]) for one in patches}
    assert replaced.pop("Deployment")["$patch"] == "delete"
    label = {"serving.kserve.io/inferenceservice": service["metadata"]["name"]}
    for kind, changes in replaced.items():
        selector = next(one for one in changes if "elector" in one["path"])
        assert (selector["op"], selector["value"]) == ("replace", label), kind
    assert set(replaced) == {"Service", "PodDisruptionBudget", "NetworkPolicy"}
    (port,) = load("service.yaml")["spec"]["ports"]
    names = {one["name"] for one in load("kserve/runtime.yaml")["spec"]["containers"][0]["ports"]}
    assert port["targetPort"] in names
    assert load("gateway/deployment.yaml")["spec"]["template"]["spec"]["containers"][0]["env"][0] == {
        "name": "TUFT_URL", "value": f"{load('service.yaml')['metadata']['name']}:{port['port']}"
    }  # fmt: skip
    assert service["spec"]["predictor"]["minReplicas"] > load("disruption_budget.yaml")["spec"]["maxUnavailable"]


def test_a_rollout_may_change_this_service_and_nothing_else(service: dict[str, Any]) -> None:
    (rule,) = load("kserve/rollout_role.yaml")["rules"]
    assert rule["resourceNames"] == [service["metadata"]["name"]]
    assert set(rule["verbs"]) == {"get", "patch"}
    binding, account = load("kserve/rollout_binding.yaml"), load("kserve/rollout_account.yaml")
    assert binding["subjects"][0]["name"] == account["metadata"]["name"]
    assert re.fullmatch(r"v\d+", service["spec"]["predictor"]["name"]), "its version"
