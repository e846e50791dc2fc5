"""Versions on Kubernetes: variants of a KServe InferenceService, changed by patching the resource.

The version that serves is the resource's predictor, and a new one is an entry of `spec.canary`, with pods of its own
and a model repository of its own in the bucket. KServe makes a Deployment and a Service for each, named by
`predictor.name`: `v1` of the service `tuft` is `tuft-v1-predictor`. Clients are assigned versions as without
Kubernetes, and ask the Service of their version; `trafficPercent` gives other callers the same share, through KServe's
gateway. Promoting renames the predictor, which restarts no pod.
"""

from __future__ import annotations

import json
import math
import os
import re
import ssl
import time
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tuft.errors import ModelUnavailableError, OptionError, ServerTimeoutError, ServerUnreachableError
from tuft.operations.rollout.model_control import ModelControl
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuft.operations.rollout.state import Cluster

DIGEST: Final = "TUFT_DIGEST"
READY_TIMEOUT_S: Final = 1800.0  # a node may have to be started, and a repository copied
_POLL_S: Final = 2.0
_CALL_S: Final = 30.0
_MODE: Final = "serving.kserve.io/deploymentMode"
_STORAGE_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]")
_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# What KServe would silently ignore, or refuse, in a canary: it has a fixed number of pods.
_SCALING: Final = (
    "maxReplicas",
    "scaleMetric",
    "scaleMetricType",
    "scaleTarget",
    "autoScaling",
    "canaryTrafficPercent",
)


class KubernetesApi:
    """The API of a cluster.

    Args:
        url: Its address, such as `http://127.0.0.1:8001` of `kubectl proxy`; empty for the cluster that this process
            runs in, with the token of its service account.

    Raises:
        OptionError: It is empty, and this process runs in no cluster; or it is no address of HTTP.
    """

    def __init__(self, url: str = "") -> None:
        self._in_cluster = not url
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not url and not host:
            raise OptionError("This is no pod of a cluster: give the address of `kubectl proxy` with --kubernetes.")
        if url and not url.startswith(("http://", "https://")):
            raise OptionError(f"{url} is no address of a cluster: write it as http://127.0.0.1:8001.")
        self.url = url.rstrip("/") or f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"

    def call(self, path: str, patch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Reads a resource, or changes it by a merge patch first.

        Raises:
            OptionError: There is no such resource, or this account may not change it.
            ServerError: The cluster does not answer, refuses the change, or another one came between.
        """
        headers = {"Accept": "application/json"}
        context = None
        if self._in_cluster:
            headers["Authorization"] = f"Bearer {(_ACCOUNT / 'token').read_text().strip()}"  # it is renewed
            context = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
        data = None if patch is None else json.dumps(patch).encode()
        if data is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        request = Request(f"{self.url}{path}", data, headers, method="GET" if data is None else "PATCH")
        try:
            with urlopen(request, timeout=_CALL_S, context=context) as answer:
                values: dict[str, Any] = json.load(answer)
                return values
        except HTTPError as exc:
            raise self._refused(exc, path) from exc
        except (URLError, OSError, HTTPException, ValueError) as exc:
            reason = shown(str(getattr(exc, "reason", exc)))
            raise ServerUnreachableError(f"The cluster at {self.url} does not answer ({reason}): check it.") from exc

    def _refused(self, answer: HTTPError, path: str) -> Exception:
        try:
            message = shown(str(json.load(answer)["message"])).rstrip(".")
        except (ValueError, KeyError, TypeError, OSError):
            message = answer.reason or "no reason given"
        text = f"The cluster answers {answer.code} for {path} ({message})"
        if answer.code in (401, 403, 404):
            return OptionError(f"{text}: check its name and namespace, and what this account may do.")
        if answer.code == 409:
            return ServerUnreachableError(f"{text}: it was changed at the same moment, try again.")
        return ModelUnavailableError(f"{text}: nothing was changed.")


class KubernetesControl:
    """The versions of an InferenceService; what `ModelControl` is for one server.

    Args:
        cluster: The resource, and where each version's model repository is.
        connect: Connects to the model control of one variant, given its gRPC address.
        ready_timeout_s: Seconds for the pods of a variant to become ready.
        poll_s: Seconds between two looks at that.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        connect: Callable[[str], ModelControl] = lambda url: ModelControl.connect(url, ""),
        ready_timeout_s: float = READY_TIMEOUT_S,
        poll_s: float = _POLL_S,
    ) -> None:
        self._cluster = cluster
        self._api = KubernetesApi(cluster.api)
        self._connect = connect
        self._ready_timeout_s = ready_timeout_s
        self._poll_s = poll_s

    def versions(self, model: str) -> tuple[str, ...]:
        """The versions that have pods, in ascending order.

        Raises:
            OptionError: There is no such InferenceService, or not one that can be rolled out.
            ServerError: The cluster does not answer.
        """
        resource = self._read()
        names = [_stable(resource), *_canaries(resource)]
        return tuple(sorted((_version(name) for name in names), key=int))

    def serve(self, model: str, versions: Sequence[str]) -> None:
        """Gives these versions pods, and no others; returns once they are ready.

        Raises:
            ServerTimeoutError: They do not become ready.
            ServerError: The cluster does not answer, or refuses.
        """
        resource, wanted = self._read(), [_name(version) for version in versions]
        stable, canaries = _stable(resource), _canaries(resource)
        if {stable, *canaries} != set(wanted):
            if stable in wanted:
                added = [name for name in wanted if name != stable]
                self._patch(resource, {"canary": [self._canary(resource, name) for name in added] or None})
            else:
                (name,) = wanted
                promoted = {"name": name, "model": dict(self._cluster.models[_version(name)])}
                self._patch(resource, {"predictor": promoted, "canary": None})
        if set(wanted) - {stable}:  # to take a variant away, none has to become ready
            self._wait(wanted)

    def give(self, share: float) -> None:
        """Gives the canary a share of the requests that come through KServe's gateway, and pods for it.

        Raises:
            ServerError: The cluster does not answer, or refuses.
        """
        resource = self._read()
        for name, canary in _canaries(resource).items():
            percent = round(100 * share)
            replicas = self._replicas(resource, share)
            changed = {**canary, "trafficPercent": percent}
            changed["predictor"] = {**canary["predictor"], "minReplicas": replicas}
            self._patch(resource, {"canary": [changed]})
            self._wait([_stable(resource), name])

    def warm_up(self, model: str, version: str) -> None:
        """As `ModelControl.warm_up`, of the variant's own Service.

        Raises:
            ContractError: The saliency is not finite, not within 0..1, or constant.
            ServerError: The version did not answer.
        """
        url = self._cluster.url_of(version)
        control = self._connect(url)
        try:
            control.warm_up(model, version)
        except ServerUnreachableError as exc:
            raise ServerUnreachableError(
                f"{url} does not answer: run `tuft rollout` in the cluster, where each version's Service has this name."
            ) from exc
        finally:
            control.close()

    def close(self) -> None:
        """Nothing is kept open."""

    def _canary(self, resource: Mapping[str, Any], name: str) -> dict[str, Any]:
        """A variant without requests: the predictor with another name and another model repository."""
        predictor = resource["spec"]["predictor"]
        kept = {key: value for key, value in predictor.items() if key not in _SCALING}
        model = {**predictor["model"], **self._cluster.models[_version(name)]}
        return {"trafficPercent": 0, "predictor": {**kept, "name": name, "minReplicas": 1, "model": model}}

    @staticmethod
    def _replicas(resource: Mapping[str, Any], share: float) -> int:
        """Pods of the canary; one of the old version stays, to answer what the new one fails."""
        least = int(resource["spec"]["predictor"].get("minReplicas") or 1)
        return max(1, min(math.ceil(share * least), least - 1))

    def _read(self) -> dict[str, Any]:
        resource = self._api.call(self._cluster.path)
        mode = resource.get("metadata", {}).get("annotations", {}).get(_MODE, "Standard")
        if mode != "Standard":  # elsewhere spec.canary means nothing
            raise OptionError(f"{self._cluster.service} is deployed as {mode}: a rollout needs the mode Standard.")
        _version(_stable(resource))
        return resource

    def _patch(self, resource: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        version = resource["metadata"]["resourceVersion"]  # refused if it was changed since
        self._api.call(self._cluster.path, {"metadata": {"resourceVersion": version}, "spec": spec})

    def _wait(self, names: Sequence[str]) -> None:
        ends_s = time.monotonic() + self._ready_timeout_s
        while not _are_ready(resource := self._read(), names):
            if time.monotonic() >= ends_s:
                raise ServerTimeoutError(
                    f"{' and '.join(names)} of {self._cluster.service} are not ready after "
                    f"{self._ready_timeout_s:.0f} s ({_reason(resource)}): look at their pods."
                )
            time.sleep(self._poll_s)


def _are_ready(resource: Mapping[str, Any], names: Sequence[str]) -> bool:
    status = resource.get("status", {})
    if status.get("observedGeneration", 0) < resource["metadata"].get("generation", 0):
        return False
    conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
    canaries = {one["name"] for one in status.get("canaryStatuses") or () if one.get("ready")}
    return conditions.get("PredictorReady", conditions.get("Ready")) == "True" and set(names) <= {
        _stable(resource),
        *canaries,
    }


def _reason(resource: Mapping[str, Any]) -> str:
    conditions = resource.get("status", {}).get("conditions", ())
    told = [str(one.get("message") or one["type"]) for one in conditions if one["status"] != "True"]
    return shown("; ".join(told) or "no condition tells why")


def _stable(resource: Mapping[str, Any]) -> str:
    return str(resource["spec"]["predictor"].get("name") or "")


def _canaries(resource: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {str(one["predictor"].get("name")): one for one in resource["spec"].get("canary") or ()}


def _name(version: str) -> str:
    return f"v{version}"


def _version(name: str) -> str:
    """The version that a predictor's name states.

    Raises:
        OptionError: It states none.
    """
    if not (name.startswith("v") and name[1:].isdecimal()):
        raise OptionError(f"The predictor is called {name or 'nothing'!r}: call it by its version, such as v1.")
    return name[1:]


def serving_model(cluster: Cluster) -> dict[str, Any]:
    """What tells the version that serves from others in the predictor's `model`, before anything is changed.

    Raises:
        OptionError: There is no such resource, or its models are not in a bucket.
        ServerError: The cluster does not answer.
    """
    model = KubernetesApi(cluster.api).call(cluster.path)["spec"]["predictor"].get("model", {})
    if not model.get("storageUri"):
        raise OptionError(f"The predictor of {cluster.service} has no model.storageUri: give it one in the bucket.")
    return {name: model[name] for name in ("storageUri", "env") if name in model}


def model_of(storage_uri: str, digest: str) -> dict[str, Any]:
    """What a version changes in the predictor's `model`.

    Args:
        storage_uri: Its model repository in the bucket, such as `s3://tuft-models/releases/2`.
        digest: Of that repository; `deploy/triton.sh` serves no other.

    Raises:
        OptionError: `storage_uri` names no storage.
    """
    if not _STORAGE_URI.match(storage_uri):
        raise OptionError(
            f"{storage_uri!r} names no storage: write the whole URI, such as s3://tuft-models/releases/2."
        )
    return {"storageUri": storage_uri, "env": [{"name": DIGEST, "value": digest}]}
