from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuft import FakeTransport, Settings, SetupError, contract
from tuft.cli import doctor
from tuft.errors import ServerUnreachableError
from tuft.presets import PRESETS
from tuft.provenance import RECORD

if TYPE_CHECKING:
    from pathlib import Path


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


def test_versions_and_adopted_models_are_told() -> None:
    fake = FakeTransport(models=("inspyrenet_1024",), adopted={"birefnet_1024": 1024}, version="3")
    diagnosis = doctor.examine(Settings(), lambda: fake)
    assert diagnosis.models["birefnet_1024"] == ("3",)
    lines = [line.split(maxsplit=1) for line in str(diagnosis).splitlines()]
    assert ["inspyrenet_1024", "ready, version 3"] in lines
    assert ["inspyrenet_2048", "not ready"] in lines
    assert ["birefnet_1024", "ready, version 3"] in lines


def test_of_several_versions_the_one_that_answers_is_told() -> None:
    class Both(FakeTransport):
        def ready_versions(self, model: str) -> tuple[str, ...]:
            return ("1", "2")

    assert "ready, versions 1, 2 (2 answers unless another is named)" in str(doctor.examine(Settings(), Both))


def test_a_server_that_lists_nothing_is_asked_for_the_models_of_the_repository(tmp_path: Path) -> None:
    class Restricted(FakeTransport):
        def other_models(self, key: str = "") -> tuple[str, ...]:
            if key == "secret":
                return super().other_models()
            error = ServerUnreachableError("No entry.")
            error.transient = False
            raise error

    version = tmp_path / "birefnet_1024" / "2"
    (version.parent / "configs").mkdir(parents=True)
    version.mkdir()
    files = ("configs/python.pbtxt", "2/model.onnx", "2/model.py", f"2/{RECORD}")
    for file in files:
        (version.parent / file).touch()

    def connect() -> FakeTransport:
        return Restricted(adopted={"birefnet_1024": 1024, "isnet_1024": 1024})

    diagnosis = doctor.examine(Settings(), connect, repository=tmp_path)
    assert diagnosis.models["birefnet_1024"] == ("1",)
    assert "isnet_1024" not in diagnosis.models
    assert "set TUFT_KEY" in str(diagnosis)
    listed = doctor.examine(Settings(), connect, repository=tmp_path / "none", key="secret")
    assert listed.models["isnet_1024"] == ("1",)
    assert "TUFT_KEY" not in str(listed)


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


def test_without_a_server_it_says_that_this_process_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "transport_name", lambda url: url.partition(":")[0] if "local:" in url else None)
    text = str(doctor.examine(Settings(url="local:/srv/models"), FakeTransport))
    assert "Server        fake 1 computes in this process (local:/srv/models)\n" in text
    assert "answers at" not in text
    assert "Server        fake 1 answers at gpu:8001\n" in str(doctor.examine(Settings(url="gpu:8001"), FakeTransport))
