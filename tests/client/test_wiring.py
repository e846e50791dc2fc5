"""What settings ask for is built once, when it is first needed."""

from __future__ import annotations

import inspect
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tuft import Client, FakeTransport, Settings
from tuft.errors import OptionError
from tuft.options import RemoveOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    logger = logging.getLogger("tuft")
    before, level = list(logger.handlers), logger.level
    yield
    for handler in set(logger.handlers) - set(before):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    log, cache, rollout = tmp_path / "tuft.log", tmp_path / "cache", tmp_path / "rollout"
    return Settings(cache_dir=str(cache), rollout_dir=str(rollout), log=str(log), metrics_port=free_port())


def test_making_a_client_has_no_side_effects(settings: Settings, tmp_path: Path, scene: Any) -> None:
    handlers = list(logging.getLogger("tuft").handlers)
    client = Client(settings=settings, transport=FakeTransport())
    assert list(tmp_path.iterdir()) == []
    assert not answers(settings.metrics_port)
    assert logging.getLogger("tuft").handlers == handlers
    client.remove(scene.rgb, size=384, refine="none")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "tuft.log"]
    assert answers(settings.metrics_port)
    assert len((tmp_path / "tuft.log").read_text().splitlines()) == 1


def test_from_settings_opens_everything_at_once(settings: Settings, tmp_path: Path) -> None:
    Client.from_settings(settings, transport=FakeTransport())
    assert answers(settings.metrics_port)
    assert (tmp_path / "cache").is_dir()


def test_from_settings_raises_at_once_what_the_first_request_would_raise(tmp_path: Path, scene: Any) -> None:
    unwritable = Settings(log=str(tmp_path / "absent" / "tuft.log"))
    with pytest.raises(OptionError, match="cannot be written"):
        Client.from_settings(unwritable, transport=FakeTransport())
    client = Client(settings=unwritable, transport=FakeTransport())
    with pytest.raises(OptionError, match="cannot be written"):
        client.remove(scene.rgb, size=384)


@pytest.mark.parametrize("make", [Client, Client.from_settings])
def test_a_metrics_port_in_use_stops_neither_a_client_nor_a_request(
    make: Callable[..., Client], scene: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = Settings(metrics_port=int(other.getsockname()[1]))
        client = make(settings=settings, transport=FakeTransport())
        for _ in range(2):
            assert client.remove(scene.rgb, size=384, refine="none").preset == "standard"
    assert [record.name for record in caplog.records] == ["tuft.telemetry"]


def test_options_are_the_keyword_arguments_of_remove() -> None:
    keywords = [
        parameter.name
        for parameter in inspect.signature(Client.remove).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    assert keywords == list(RemoveOptions.__annotations__)
