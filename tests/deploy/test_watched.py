"""The dashboard and the rules against what really runs: Triton, clients of it, and Prometheus asking both."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from support.calling import wait_until
from support.gateway import live_gateway
from support.production import production_server
from support.prometheus import RULES, Prometheus, needs_prometheus, promtool, running_prometheus
from support.tiny import tiny_repository

from tuft import Client, FakeTransport, NotAnImageError, ServerOutOfMemoryError
from tuft.inference.observers import RequestEvent
from tuft.operations.telemetry import Metrics
from tuft_gateway import GatewayOptions, create_app

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "tuft.json"
PROVISIONING = DASHBOARD.parent

# Without a GPU Triton does not tell of one; the names are those of its documentation.
ONLY_WITH_A_GPU = {"nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes", "nv_gpu_utilization"}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """As Grafana would send them."""
    return [target["expr"].replace("$__rate_interval", "1m") for panel in panels() for target in panel["targets"]]


def metric_names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:tuft|nv|process)_\w+", re.sub(r'"[^"]*"', "", expression)))


def rule_expressions() -> list[str]:
    return [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_panels_do_not_overlap_and_each_has_a_name() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(column for column, _ in cells) < 24
        taken |= cells
    assert len({panel["title"] for panel in panels()}) == len(panels())


def test_grafana_finds_the_dashboard_and_the_dashboard_its_source() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    compose = yaml.safe_load((DASHBOARD.parents[1] / "compose.yaml").read_text())["services"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards.yaml").read_text())["providers"]
    assert f"./grafana/tuft.json:{provider['options']['path']}/tuft.json:ro" in compose["grafana"]["volumes"]
    assert f"--web.listen-address={source['url'].removeprefix('http://')}" in compose["prometheus"]["command"]


@needs_prometheus
def test_promtool_can_read_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", tmp_path / "panels.yaml")
    assert done.returncode == 0, done.stderr


@dataclass
class Watched:
    """Prometheus, and what makes something to be seen."""

    prometheus: Prometheus
    url: str
    metrics: Metrics
    followed: list[Client] = field(default_factory=list)

    def live(self) -> None:
        """One of everything that can be counted."""
        with Client(self.url, observers=[self.metrics]) as client:
            client.remove(white_square(), size=384)
            with pytest.raises(NotAnImageError):
                client.remove(b"none")
        failing = FakeTransport(failures=[ServerOutOfMemoryError("full")])
        with Client(observers=[self.metrics], transport=failing) as client:
            self.metrics.follow(client)
            self.followed.append(client)  # its circuits are told as long as it lives
            assert client.remove(white_square(), preset="high").preset == "standard"
            for cache, version in (("miss", "1"), ("hit", "2")):
                self.metrics.request_started("made", "high")
                self.metrics.request_finished(event(cache=cache, model_version=version))

    def has(self, query: str) -> bool:
        return bool(self.prometheus.query(query))


def white_square() -> NDArray[np.uint8]:
    """Its mean of channels, which is what the small model answers, is a matte."""
    image = np.zeros((96, 128, 3), np.uint8)
    image[24:72, 32:96] = 255
    return image


def event(**changes: Any) -> RequestEvent:
    """What cannot be had from a client alone: an estimate of quality, a look into a cache."""
    values: dict[str, Any] = dict.fromkeys(RequestEvent.__dataclass_fields__)
    values |= {"request_id": "made", "requested": "high", "served": "high", "outcome": "ok", "attempts": 1}
    return RequestEvent(**values | {"retries": 0, "milliseconds": {}, "total_ms": 1.0, "quality_score": 0.9} | changes)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    metrics = Metrics()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app = create_app(Client(transport=FakeTransport()))
    with (
        production_server(tiny_repository(folder / "models"), folder) as server,
        live_gateway(app, GatewayOptions()) as (host, gateway_port),
    ):
        targets = {
            "triton": f"127.0.0.1:{server.addresses.metrics_port}",
            "tuft": f"127.0.0.1:{metrics.serve(0)}",
            "tuft-gateway": f"{host}:{gateway_port}",
        }
        with running_prometheus(folder, port, targets) as prometheus:
            wait_until(prometheus.is_ready)
            yield Watched(prometheus, server.addresses.grpc, metrics)


@needs_prometheus
@pytest.mark.server
@pytest.mark.slow
def test_every_panel_and_every_rule_has_something_to_look_at(watched: Watched) -> None:
    wanted = {query for query in queries() if not metric_names(query) & ONLY_WITH_A_GPU}
    # A sum that shows failures only is empty while there are none.
    wanted -= {query for query in wanted if query.endswith("> 0")}
    deadline_s = time.monotonic() + 60
    while missing := {query for query in wanted if not watched.has(query)}:
        assert time.monotonic() < deadline_s, missing
        watched.live()
        time.sleep(0.5)
    known = {series["metric"]["__name__"] for series in watched.prometheus.query('{__name__!=""}')}
    for expression in (*queries(), *rule_expressions()):
        assert metric_names(expression) - ONLY_WITH_A_GPU <= known, expression


@needs_prometheus
@pytest.mark.server
@pytest.mark.slow
def test_every_rule_is_evaluated_without_an_error(watched: Watched) -> None:
    wait_until(lambda: all(rule["health"] == "ok" for rule in watched.prometheus.rules()))
    assert len(watched.prometheus.rules()) == len(rule_expressions())
    assert watched.prometheus.query('up{job="triton"} == 1')
    assert watched.prometheus.query('up{job="tuft"} == 1')
    assert watched.prometheus.query('up{job="tuft-gateway"} == 1')
