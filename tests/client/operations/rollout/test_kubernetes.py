"""Rollouts of an InferenceService: what is patched and when, and that clients ask the variant of their version."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import yaml
from support.cluster import ClusterApi, cluster_api
from support.tiny import seal, tiny_repository

from tuft import Client, FakeTransport
from tuft.errors import ModelUnavailableError, OptionError, ServerTimeoutError, ServerUnreachableError
from tuft.operations.rollout import Cluster, Outcomes, Plan, Rollout, RolloutController, read_plan
from tuft.operations.rollout.kubernetes import KubernetesControl, model_of
from tuft.operations.rollout.state import write_plan

TINY = "inspyrenet_384"
MANIFEST = Path(__file__).parents[4] / "deploy" / "kubernetes" / "kserve" / "inference_service.yaml"


class Warmed:
    """What is warmed up."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, url: str) -> None:
        self._url = url

    def warm_up(self, model: str, version: str) -> None:
        self.asked.append((self._url, version))

    def close(self) -> None:
        return


@pytest.fixture(autouse=True)
def no_other_rollouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Warmed, "asked", [])


@pytest.fixture
def api() -> Iterator[ClusterApi]:
    with cluster_api(yaml.safe_load(MANIFEST.read_text())) as served:
        yield served


@pytest.fixture
def cluster(api: ClusterApi) -> Cluster:
    return Cluster("tuft", "tuft", api.url, {"2": model_of("s3://tuft-models/releases/2", "0a" * 32)})


def control(cluster: Cluster, **more: Any) -> KubernetesControl:
    return KubernetesControl(cluster, connect=cast("Any", Warmed), poll_s=0.01, **more)


@pytest.fixture
def controller(tmp_path: Path) -> RolloutController:
    return RolloutController(tmp_path / "state", "", settle_s=0, connect_cluster=control)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repository = tiny_repository(tmp_path / "repository")
    version = repository / TINY / "2"
    shutil.copytree(repository / TINY / "1", version, ignore=shutil.ignore_patterns("provenance.json"))
    seal(version)
    return repository


def start(controller: RolloutController, repository: Path, cluster: Cluster) -> Plan:
    return controller.start(repository, TINY, "2", "tuft-triton:8001", cluster=cluster)


def spec(api: ClusterApi) -> dict[str, Any]:
    found: dict[str, Any] = api.resource["spec"]
    return found


def test_a_canary_is_added_without_requests_and_warmed_up_before_it_is_given_a_share(
    api: ClusterApi, controller: RolloutController, repository: Path, cluster: Cluster
) -> None:
    before = spec(api)["predictor"]
    plan = start(controller, repository, cluster)
    assert (plan.old, plan.new, plan.share) == ("1", "2", 0.01)
    first, second = api.patches
    assert [one["trafficPercent"] for one in first["canary"]] == [0]
    assert [one["trafficPercent"] for one in second["canary"]] == [1]
    assert Warmed.asked == [("tuft-v2-predictor.tuft:9000", "2")]
    (canary,) = spec(api)["canary"]
    assert canary["predictor"]["model"]["storageUri"] == "s3://tuft-models/releases/2"
    assert canary["predictor"]["model"]["env"] == [{"name": "TUFT_DIGEST", "value": "0a" * 32}]
    assert canary["predictor"]["affinity"] == before["affinity"], "it runs where the others do"
    assert spec(api)["predictor"] == before, "what serves is not touched"


def test_all_steps_to_the_end_and_back(
    api: ClusterApi, controller: RolloutController, repository: Path, cluster: Cluster
) -> None:
    before = spec(api)["predictor"]
    start(controller, repository, cluster)
    for percent in (10, 50, 100):
        controller.promote()
        assert [one["trafficPercent"] for one in spec(api)["canary"]] == [percent]
    assert controller.promote().phase == "finished"
    assert "canary" not in spec(api)
    assert spec(api)["predictor"]["name"] == "v2"
    assert spec(api)["predictor"]["model"]["storageUri"] == "s3://tuft-models/releases/2"
    assert controller.loaded(controller.status()[0]) == ("2",)
    assert controller.abort().phase == "withdrawn"
    assert spec(api)["predictor"] == before
    assert "canary" not in spec(api)


def test_a_version_that_does_worse_is_withdrawn(
    api: ClusterApi, controller: RolloutController, repository: Path, cluster: Cluster, tmp_path: Path
) -> None:
    plan = start(controller, repository, cluster)
    for version, well in (("1", True), ("2", False)):
        for number in range(60):
            figures = {"ms": 100.0, "quality": 0.9, "subject": 0.3} if well else {}
            Outcomes(tmp_path / "state").append(plan, f"{version}/{number}", version, **figures)
    plan, _ = controller.check()
    assert plan.phase == "withdrawn"
    assert "canary" not in spec(api)
    assert spec(api)["predictor"]["name"] == "v1"


def test_pods_that_do_not_become_ready_leave_the_old_version_alone(
    api: ClusterApi, controller: RolloutController, repository: Path, cluster: Cluster, tmp_path: Path
) -> None:
    api.looks_until_ready = None
    slow = RolloutController(
        tmp_path / "state", "", settle_s=0, connect_cluster=lambda one: control(one, ready_timeout_s=0.05)
    )
    with pytest.raises(ServerTimeoutError, match=r"v1 and v2 of tuft are not ready after .*: look at their pods"):
        start(slow, repository, cluster)
    assert "canary" not in spec(api)
    plan = read_plan(tmp_path / "state")
    assert plan is not None
    assert plan.phase == "withdrawn"


def test_what_a_cluster_refuses_is_one_sentence(api: ClusterApi, cluster: Cluster, closed_port: int) -> None:
    with pytest.raises(OptionError, match=r"answers 404 .*: check its name and namespace"):
        control(Cluster("other", "tuft", api.url)).versions(TINY)
    with pytest.raises(ServerUnreachableError, match="does not answer"):
        control(Cluster("tuft", "tuft", f"http://127.0.0.1:{closed_port}")).versions(TINY)
    api.resource["spec"]["predictor"]["canaryTrafficPercent"] = 5
    with pytest.raises(ModelUnavailableError, match=r"canaryTrafficPercent is ignored .*: nothing was changed"):
        control(cluster).serve(TINY, ("1", "2"))
    api.resource["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "Knative"
    with pytest.raises(OptionError, match="is deployed as Knative: a rollout needs the mode Standard"):
        control(cluster).versions(TINY)


@pytest.mark.parametrize("uri", ["releases/2", "s3:/b/2", "s3://", ""])
def test_a_storage_uri_is_whole(uri: str) -> None:
    with pytest.raises(OptionError, match=r"names no storage: write the whole URI, such as s3://"):
        model_of(uri, "0a" * 32)


@pytest.mark.parametrize("uri", ["s3://b/2", "gs://b/2", "pvc://claim/2", "hf://org/model", "oci://host/image:2"])
def test_every_storage_of_kserve_may_be_named(uri: str) -> None:
    assert model_of(uri, "0a" * 32)["storageUri"] == uri


def test_an_address_without_a_scheme_is_not_asked() -> None:
    with pytest.raises(OptionError, match=r"is no address of a cluster: write it as http://"):
        control(Cluster("tuft", "tuft", "127.0.0.1:8001"))


def test_a_variant_out_of_reach_tells_where_rollouts_run(cluster: Cluster) -> None:
    class Away(Warmed):
        def warm_up(self, model: str, version: str) -> None:
            raise ServerUnreachableError("There is no host of the name.")

    one = KubernetesControl(cluster, connect=cast("Any", Away))
    with pytest.raises(ServerUnreachableError, match=r"tuft-v2-predictor.* run `tuft rollout` in the cluster"):
        one.warm_up(TINY, "2")


def test_a_change_by_another_hand_is_not_overwritten(api: ClusterApi, cluster: Cluster) -> None:
    one = control(cluster)
    resource = one._read()
    api.resource["metadata"]["resourceVersion"] = "99"
    with pytest.raises(ServerUnreachableError, match="it was changed at the same moment, try again"):
        one._patch(resource, {"canary": None})


def test_clients_ask_the_variant_of_their_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster("tuft", "tuft", "http://unused", {})
    write_plan(tmp_path, Plan("r", "inspyrenet_384", "1", "2", "tuft-triton:8001", step=3, before=2, cluster=cluster))
    asked: list[str] = []

    def network(url: str) -> FakeTransport:
        def saliency(image: Any) -> Any:
            asked.append(url)
            return (image.mean(axis=-1) / 255).astype(np.float32)

        return FakeTransport(saliency)

    monkeypatch.setattr("tuft.wiring.connect", lambda url, access: network(url))
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[16:48, 16:48] = 250
    with Client(transport=network("own"), rollout=Rollout(tmp_path)) as client:
        for number in range(12):
            client.remove(photo, size=384, unit=f"customer {number}")
    assert set(asked) == {"tuft-v1-predictor.tuft:9000", "tuft-v2-predictor.tuft:9000"}
    old, new = Outcomes(tmp_path).samples(cast("Plan", read_plan(tmp_path)))
    assert len(old) + len(new) == 12
