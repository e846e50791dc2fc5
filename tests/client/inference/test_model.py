"""`model=`: a served model that is not one of tuft's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tuft import Client, FakeTransport
from tuft.cli import main
from tuft.errors import ContractError, ModelUnavailableError, OptionError, ServerBusyError, ServerOutOfMemoryError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MODELS = {"birefnet_1024": 1024, "tiny_96": 96}


@pytest.fixture
def fake(scene: Any) -> FakeTransport:
    return FakeTransport(scene.saliency, adopted=MODELS)


def test_the_model_is_asked_at_its_own_size(client: Client, fake: FakeTransport, scene: Any) -> None:
    seen: list[tuple[int, ...]] = []

    def saliency(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(image.shape)
        return scene.saliency(image)  # type: ignore[no-any-return]

    fake._saliency_from_image = saliency
    for model, size in MODELS.items():
        cutout = client.remove(scene.rgb, model=model)
        assert cutout.model == model
        assert seen.pop() == (size, size, 3)
    assert fake.requests == list(MODELS)


@pytest.mark.parametrize("preset", ["stable", "standard", "high", "auto"])
def test_the_preset_still_says_how_to_resize_and_refine(client: Client, scene: Any, preset: str) -> None:
    adopted = client.remove(scene.rgb, preset, model="birefnet_1024")
    own = client.remove(scene.rgb, preset, size=1024)
    np.testing.assert_array_equal(adopted.rgba, own.rgba)
    assert (adopted.preset, adopted.requested, adopted.model) == (preset, preset, "birefnet_1024")
    assert own.model == "inspyrenet_1024"


def test_tufts_own_can_be_named_as_well(client: Client, scene: Any) -> None:
    named = client.remove(scene.rgb, "stable", model="inspyrenet_384")
    np.testing.assert_array_equal(named.rgba, client.remove(scene.rgb, "stable", size=384).rgba)


def test_a_size_is_the_models_own_affair(client: Client, fake: FakeTransport, scene: Any) -> None:
    with pytest.raises(OptionError, match="tiny_96 has a working size of its own: leave out size, or model"):
        client.remove(scene.rgb, model="tiny_96", size=384)
    assert not fake.requests


@pytest.mark.parametrize("failure", [ServerOutOfMemoryError("no memory"), ServerBusyError("queue full")])
def test_no_other_model_replaces_it(scene: Any, failure: Exception) -> None:
    fake = FakeTransport(scene.saliency, failures=[failure], adopted=MODELS)
    with pytest.raises(type(failure)):
        Client(transport=fake, fallback=True).remove(scene.rgb, "maximum", model="tiny_96")
    assert fake.requests == ["tiny_96"]


def test_a_model_that_is_not_served(client: Client, fake: FakeTransport, scene: Any) -> None:
    with pytest.raises(ModelUnavailableError, match="birefnet_2048"):
        client.remove(scene.rgb, model="birefnet_2048")
    assert not fake.requests


def test_a_fake_without_the_models_size_says_where_to_give_it(scene: Any) -> None:
    fake = FakeTransport(scene.saliency, models=["another"])
    with pytest.raises(ContractError, match="adopted="):
        Client(transport=fake).remove(scene.rgb, model="another")


def test_the_time_for_asking_its_size_counts(scene: Any) -> None:
    allowed: list[float] = []

    class Slow(FakeTransport):
        def model_size(self, model: str, *, timeout_s: float) -> int:
            allowed.append(timeout_s)
            return super().model_size(model, timeout_s=timeout_s)

    client = Client(transport=Slow(scene.saliency, adopted=MODELS), timeout_s=7)
    client.remove(scene.rgb, model="tiny_96", refine="none")
    assert allowed == [pytest.approx(7, abs=0.5)]


# The command line


def test_the_command_line_names_it(server: FakeTransport, photos: Path, tmp_path: Path) -> None:
    assert main.main(["remove", str(photos), "-o", str(tmp_path / "out"), "--model", "tiny_96"]) == 0
    assert server.requests == ["tiny_96", "tiny_96"]


def test_a_model_that_is_not_served_is_told_once(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["remove", str(photos), "-o", str(tmp_path / "out"), "--model", "nothing"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nothing" in error
    assert not (tmp_path / "out").exists()
    assert not server.requests


def test_size_and_model_exclude_each_other(
    server: FakeTransport, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["remove", str(photos), "-o", str(tmp_path / "out"), "--model", "tiny_96", "--size", "384"]
    with pytest.raises(SystemExit) as end:
        main.main(arguments)
    assert end.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
