from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tuft import contract
from tuft.errors import ModelUnavailableError, ServerBusyError, ServerUnreachableError
from tuft.inference.transport import FakeTransport, Transport, TritonTransport

PICTURE = np.zeros((384, 384, 3), np.uint8)


def test_both_transports_fill_the_same_seam() -> None:
    fake: Transport = FakeTransport()
    real: Transport = TritonTransport("localhost:1")
    fake.close()
    real.close()


def test_the_saliency_is_the_callers() -> None:
    fake = FakeTransport(lambda image: image[..., 0] / 255, version="4")
    answer = fake.infer("inspyrenet_384", np.full((384, 384, 3), 51, np.uint8), timeout_s=1)
    np.testing.assert_allclose(answer.saliency, 0.2, rtol=1e-6)
    assert answer.saliency.dtype == np.float32
    assert (answer.model, answer.version) == ("inspyrenet_384", "4")


def test_the_default_saliency_is_a_disk_of_a_third() -> None:
    saliency = FakeTransport().infer("inspyrenet_384", PICTURE, timeout_s=1).saliency
    assert saliency.sum() == pytest.approx(np.pi * 128**2, rel=1e-3)
    assert saliency[0, 0] == 0
    assert saliency[192, 192] == 1
    np.testing.assert_array_equal(saliency, saliency.T)


def test_failures_come_in_order_and_then_answers() -> None:
    fake = FakeTransport(failures=[ServerBusyError("first"), ServerUnreachableError("second")])
    with pytest.raises(ServerBusyError, match="first"):
        fake.infer("inspyrenet_384", PICTURE, timeout_s=1)
    with pytest.raises(ServerUnreachableError, match="second"):
        fake.infer("inspyrenet_384", PICTURE, timeout_s=1)
    fake.infer("inspyrenet_384", PICTURE, timeout_s=1)
    assert fake.requests == ["inspyrenet_384"] * 3


def test_only_the_named_models_are_served() -> None:
    fake = FakeTransport(models=("inspyrenet_1024", "another"))
    assert fake.ready_models() == ("inspyrenet_1024",)
    assert fake.is_ready("another")
    assert not fake.is_ready("inspyrenet_384")
    with pytest.raises(ModelUnavailableError, match="inspyrenet_384"):
        fake.infer("inspyrenet_384", PICTURE, timeout_s=1)


def test_adopted_models_are_served_beside_tufts_own() -> None:
    fake = FakeTransport(adopted={"tiny_96": 96})
    assert fake.model_size("tiny_96", timeout_s=1) == 96
    assert [fake.model_size(spec.name, timeout_s=1) for spec in contract.MODELS.values()] == list(contract.SIZES)
    assert fake.is_ready("tiny_96")
    assert fake.infer("tiny_96", np.zeros((96, 96, 3), np.uint8), timeout_s=1).model == "tiny_96"
    assert fake.ready_models() == FakeTransport().ready_models()
    with pytest.raises(ModelUnavailableError, match="adopted="):
        fake.model_size("birefnet_1024", timeout_s=1)


def test_all_models_are_served_by_default() -> None:
    assert FakeTransport().ready_models() == tuple(spec.name for spec in contract.MODELS.values())


def test_each_failure_is_raised_once_among_threads() -> None:
    fake = FakeTransport(failures=[ServerBusyError(str(number)) for number in range(8)])

    def failed(_: int) -> bool:
        try:
            fake.infer("inspyrenet_384", PICTURE, timeout_s=1)
        except ServerBusyError:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(failed, range(32))) == 8


def test_a_closed_fake_answers_nothing() -> None:
    fake = FakeTransport()
    assert fake.server_info().name == "fake"
    fake.close()
    for call in (
        fake.server_info,
        fake.ready_models,
        lambda: fake.is_ready("inspyrenet_384"),
        lambda: fake.model_size("inspyrenet_384", timeout_s=1),
    ):
        with pytest.raises(ServerUnreachableError):
            call()
    with pytest.raises(ServerUnreachableError):
        fake.infer("inspyrenet_384", PICTURE, timeout_s=1)
