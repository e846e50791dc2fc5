"""A cluster's API with one InferenceService, over HTTP: merge patches, conflicts, refusals, and pods that take time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.kserve_schemas import broken_rules

PATH = "/apis/serving.kserve.io/v1beta1/namespaces/tuft/inferenceservices/tuft"


class ClusterApi(ThreadingHTTPServer):
    """What KServe's controller and webhook do to the resource, as far as a rollout sees it.

    Attributes:
        resource: The InferenceService.
        patches: Every change that was accepted, as its spec.
        looks_until_ready: How often the resource is read before the pods of a change are ready; None for never.
    """

    daemon_threads = True

    def __init__(self, resource: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resource = json.loads(json.dumps(resource))
        self.resource["metadata"] |= {"resourceVersion": "1", "generation": 1}
        self.patches: list[dict[str, Any]] = []
        self.looks_until_ready: int | None = 1
        self._looks = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def read(self) -> dict[str, Any]:
        self._looks += 1
        if self.looks_until_ready is not None and self._looks > self.looks_until_ready:
            spec = self.resource["spec"]
            self.resource["status"] = {
                "observedGeneration": self.resource["metadata"]["generation"],
                "conditions": [{"type": "PredictorReady", "status": "True"}],
                "canaryStatuses": [
                    {"name": one["predictor"]["name"], "ready": True, "trafficPercent": one["trafficPercent"]}
                    for one in spec.get("canary", ())
                ],
            }
        return self.resource  # type: ignore[no-any-return]

    def patch(self, patch: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if patch["metadata"]["resourceVersion"] != self.resource["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        changed = merged(self.resource, patch)
        if broken := list(broken_rules(changed)):
            return 422, {"message": broken[0]}
        self.resource = changed
        metadata = changed["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        metadata["generation"] += 1
        self.patches.append(patch["spec"])
        self._looks = 0
        return 200, changed


class _Handler(BaseHTTPRequestHandler):
    server: ClusterApi

    def do_GET(self) -> None:
        with self.server.lock:
            found = self.path == PATH
            self._answer(200 if found else 404, self.server.read() if found else {"message": "not found"})

    def do_PATCH(self) -> None:
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self._answer(*self.server.patch(patch))

    def _answer(self, status: int, values: dict[str, Any]) -> None:
        data = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch, RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@contextmanager
def cluster_api(resource: dict[str, Any]) -> Iterator[ClusterApi]:
    """Serves a resource until the block ends."""
    server = ClusterApi(resource)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
