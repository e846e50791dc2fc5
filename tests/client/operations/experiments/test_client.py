"""A client with an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tuft import Client, FakeTransport
from tuft.cli import main
from tuft.operations.experiments import Experiment, Recorder, Variant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def client(recorder: Recorder, fake: FakeTransport) -> Iterator[Client]:
    with Client(transport=fake, experiment=recorder) as made:
        yield made


def test_each_unit_is_served_what_it_is_given_and_stays_with_it(
    client: Client, experiment: Experiment, scene: Any
) -> None:
    for unit in [*map(str, range(8)), "me"]:
        variant = experiment.assign(unit).variant
        assert variant is not None
        served = {client.remove(scene.rgb, unit=unit).preset for _ in range(2)}
        assert served == {variant.preset or "standard"}
    assert {experiment.assign(str(unit)).name for unit in range(8)} == {"today", "larger"}


def test_who_names_no_unit_takes_no_part(client: Client, recorder: Recorder, scene: Any, tmp_path: Path) -> None:
    assert client.remove(scene.rgb, "maximum").preset == "maximum"
    assert list((tmp_path / "log").iterdir()) == []


def test_the_variant_has_the_last_word(client: Client, scene: Any) -> None:
    assert client.remove(scene.rgb, "maximum", unit="me").preset == "high"


def test_a_variant_elsewhere_is_asked_there(scene: Any, closed_port: int, fake: FakeTransport) -> None:
    variants = (Variant("here"), Variant("there", url=f"127.0.0.1:{closed_port}"))
    experiment = Experiment("moved", variants, control="here", planned_units=2, forced={"me": "there", "you": "here"})
    with Client(transport=fake, experiment=experiment, timeout_s=2) as client:
        client.remove(scene.rgb, unit="you")
        with pytest.raises(Exception, match=str(closed_port)):
            client.remove(scene.rgb, unit="me")
    assert len(fake.requests) == 1


def test_the_report_tells_it(client: Client, scene: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for unit in range(12):
        client.remove(scene.rgb, unit=str(unit), refine="none")
    rated = client.remove(scene.rgb, unit="rater")
    log = tmp_path / "log"
    assert main.main(["experiment", "report", *map(str, log.glob("*.jsonl"))]) == 0
    said = capsys.readouterr().out
    assert "today" in said
    assert "larger" in said
    assert rated.request_id in next(log.glob("*.jsonl")).read_text()
