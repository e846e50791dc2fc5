"""Schemas of KServe's resources, from the models of its own Python package, and rules that these do not know.

The models are generated from the types of KServe's controller. `kserve_schemas.py kserve-0.21.0-py3-none-any.whl`
writes those that the manifests use to `tests/deploy/schemas/kserve.json`; kserve is under Apache 2.0. Types of
Kubernetes itself, such as containers, are left open: `kubernetes_validate` knows them.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "deploy" / "schemas" / "kserve.json"
# What is not named here is left open.
CLASSES = (
    *("V1beta1InferenceServiceSpec", "V1beta1PredictorSpec", "V1beta1CanarySpec", "V1beta1ModelSpec"),
    *("V1beta1ModelFormat", "V1beta1AutoScalingSpec", "V1beta1MetricsSpec", "V1beta1ExternalMetricSource"),
    *("V1beta1ExternalMetrics", "V1beta1MetricTarget", "V1alpha1ServingRuntimeSpec"),
    *("V1alpha1SupportedModelFormat", "V1alpha1LocalModelCacheSpec", "V1alpha1LocalModelNodeGroupSpec"),
)
SPECS = {
    "InferenceService": "V1beta1InferenceServiceSpec",
    "ServingRuntime": "V1alpha1ServingRuntimeSpec",
    "LocalModelCache": "V1alpha1LocalModelCacheSpec",
    "LocalModelNodeGroup": "V1alpha1LocalModelNodeGroupSpec",
}
_PLAIN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}
_CANARY_HAS_NO = {"maxReplicas", "scaleMetric", "scaleMetricType", "scaleTarget", "autoScaling", "canaryTrafficPercent"}
_MODE = "serving.kserve.io/deploymentMode"
_SCALER = "serving.kserve.io/autoscalerClass"


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of the spec of one kind; fields that KServe does not have are refused."""
    definitions = json.loads(FILE.read_text())["definitions"]
    return {"$ref": f"#/definitions/{SPECS[kind]}", "definitions": definitions}


def broken_rules(service: Mapping[str, Any]) -> Iterator[str]:
    """What KServe refuses or silently ignores in an InferenceService that its schema accepts."""
    annotations = service["metadata"].get("annotations", {})
    predictor = service["spec"]["predictor"]
    canaries = service["spec"].get("canary") or []
    standard = annotations.get(_MODE, "Standard") in ("Standard", "RawDeployment")
    scaler = annotations.get(_SCALER, "hpa")
    if standard and "canaryTrafficPercent" in predictor:
        yield "canaryTrafficPercent is ignored in the mode Standard (kserve #5335, #4074)"
    if standard and "containerConcurrency" in predictor:
        yield "containerConcurrency is Knative's, and ignored in the mode Standard"
    if canaries and not standard:
        yield "spec.canary is ignored outside of the mode Standard"
    metrics = predictor.get("autoScaling", {}).get("metrics", [])
    external = [metric for metric in metrics if metric["type"] == "External"]
    if external and scaler != "keda":
        yield "metrics of the type External are read by KEDA alone, and this is scaled by another class"
    if scaler == "keda" and not standard:
        yield "KEDA scales in the mode Standard alone"
    if scaler == "keda" and not metrics:
        yield "KEDA has nothing to scale by"
    if metrics and "scaleMetric" in predictor:
        yield "scaleMetric is ignored beside autoScaling"
    if scaler == "hpa" and predictor.get("minReplicas") == 0:
        yield "the horizontal autoscaler cannot scale to none"
    yield from _broken_by_canaries(predictor, canaries)


def _broken_by_canaries(predictor: Mapping[str, Any], canaries: list[Any]) -> Iterator[str]:
    names = [predictor.get("name"), *(canary["predictor"].get("name") for canary in canaries)]
    if canaries and (None in names or len(set(names)) < len(names)):
        yield "canaries need names of their own, which name their Deployments"
    if sum(canary.get("trafficPercent", 0) for canary in canaries) > 100:
        yield "canaries are given more than all requests"
    for canary in canaries:
        if scaling := _CANARY_HAS_NO & canary["predictor"].keys():
            yield f"a canary has a fixed number of pods, and {min(scaling)} changes it"


def _definition(text: str) -> dict[str, Any]:
    types = _dictionary(text, "openapi_types")
    names = _dictionary(text, "attribute_map")
    required = [names[name] for name in re.findall(r"and (\w+) is None", text)]
    properties = {names[name]: _type(kind) for name, kind in types.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False, "required": required}


def _dictionary(text: str, name: str) -> dict[str, str]:
    found = re.search(rf"{name} = {{(.*?)}}", text, re.DOTALL)
    assert found is not None
    return dict(re.findall(r"'(\w+)': '([^']+)'", found[1]))


def _type(kind: str) -> dict[str, Any]:
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        return {"type": "array", "items": _type(listed[1])}
    if kind.startswith("dict("):
        return {"type": "object"}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    return {"$ref": f"#/definitions/{kind}"} if kind in CLASSES else {}


def main(wheel: str) -> None:
    """Writes the schemas of a release."""
    with zipfile.ZipFile(wheel) as files:
        names = {name: f"kserve/models/{_file_of(name)}.py" for name in CLASSES}
        definitions = {name: _definition(files.read(path).decode()) for name, path in names.items()}
    note = f"From the models of {Path(wheel).name}, Copyright The KServe Authors, Apache License 2.0."
    FILE.write_text(json.dumps({"note": note, "definitions": definitions}, indent=1) + "\n")


def _file_of(name: str) -> str:
    version, rest = re.fullmatch(r"(V1(?:alpha|beta)1)(\w+)", name).groups()  # type: ignore[union-attr]
    return version.lower() + re.sub(r"(?<!^)(?=[A-Z])", "_", f"_{rest}").lower().replace("__", "_")


if __name__ == "__main__":
    main(sys.argv[1])
