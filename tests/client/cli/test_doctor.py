from __future__ import annotations

import pytest

from tuft import FakeTransport, Settings, SetupError, contract
from tuft.cli import doctor
from tuft.errors import ServerUnreachableError
from tuft.presets import PRESETS


@pytest.fixture(autouse=True)
def no_tritonserver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise SetupError("There is no tritonserver.")

    monkeypatch.setattr(doctor, "find_tritonserver", missing)


def test_a_server_with_every_model_is_ready_for_every_preset() -> None:
    for preset in PRESETS:
        diagnosis = doctor.examine(Settings(preset=preset), FakeTransport)
        assert diagnosis
        assert diagnosis.problem is None
        assert all(diagnosis.models.values())
        assert f"{preset} is ready" in str(diagnosis)


@pytest.mark.parametrize(
    ("preset", "models", "ready"),
    [
        ("standard", ("inspyrenet_1024",), True),
        ("stable", ("inspyrenet_1024",), True),
        ("high", ("inspyrenet_1024",), False),
        ("auto", ("inspyrenet_1024", "inspyrenet_1536"), False),
        ("auto", ("inspyrenet_1024", "inspyrenet_1536", "inspyrenet_2048"), True),
        ("standard", (), False),
    ],
)
def test_ready_means_that_the_preset_can_be_served(preset: str, models: tuple[str, ...], ready: bool) -> None:
    diagnosis = doctor.examine(Settings(preset=preset), lambda: FakeTransport(models=models))
    assert bool(diagnosis) is ready
    assert [name for name, is_ready in diagnosis.models.items() if is_ready] == list(models)
    assert (f"{preset} is ready" in str(diagnosis)) is ready


def test_without_a_server_the_rest_is_told_all_the_same() -> None:
    transport = FakeTransport()
    transport.close()
    diagnosis = doctor.examine(Settings(url="nowhere:8001"), lambda: transport)
    assert not diagnosis
    assert diagnosis.server is None
    text = str(diagnosis)
    assert "closed" in text
    assert "There is no tritonserver." in text
    assert "numpy" in text
    for model in contract.MODELS.values():
        assert model.name in text


def test_without_tritonclient_too() -> None:
    def connect() -> FakeTransport:
        raise SetupError("tritonclient is not installed.")

    assert "tritonclient is not installed." in str(doctor.examine(Settings(), connect))


def test_the_connection_is_given_back() -> None:
    transport = FakeTransport()
    doctor.examine(Settings(), lambda: transport)
    with pytest.raises(ServerUnreachableError):
        transport.server_info()


def test_packages_are_told_with_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", {"numpy": "the client", "no-such-package": "nothing"})
    diagnosis = doctor.examine(Settings(), FakeTransport)
    assert diagnosis.versions["numpy"]
    assert diagnosis.versions["no-such-package"] is None
    assert "missing (nothing)" in str(diagnosis)
