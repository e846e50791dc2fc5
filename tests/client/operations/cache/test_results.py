"""The cache in a client: which requests are identical, which are not, and that it never fails a request."""

from __future__ import annotations

import io
import logging
import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tuft import Client, Cutout, FakeTransport, Settings
from tuft.errors import OptionError, ServerOutOfMemoryError, ServerUnreachableError
from tuft.inference.observers import Observer, RequestEvent
from tuft.inference.transport.base import Inference
from tuft.operations.cache import VERSION_MAX_AGE_S, ResultCache
from tuft.operations.cache.store import NAME

SMALL = {"size": 384}


class Versioned(FakeTransport):
    """A server whose served version can be changed."""

    served = "1"

    def served_version(self, model: str, *, timeout_s: float) -> str:
        return self.served

    def infer(self, model: str, image: Any, **arguments: Any) -> Inference:
        answer = super().infer(model, image, **arguments)
        return Inference(answer.saliency, model, arguments["options"].version or self.served)


@pytest.fixture
def fake(scene: Any) -> Versioned:
    return Versioned(scene.saliency)


@pytest.fixture
def make_client(fake: Versioned, tmp_path: Path) -> Callable[..., Client]:
    def make(**options: Any) -> Client:
        return Client(**{"transport": fake, "cache": ResultCache(tmp_path / "cache")} | options)

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


def same(one: Cutout, other: Cutout) -> bool:
    """Whether two results are equal, apart from times, request IDs and where they came from."""
    names = [field.name for field in fields(Cutout) if field.name not in ("milliseconds", "request_id", "from_cache")]
    values = [[getattr(cutout, name) for name in names] for cutout in (one, other)]
    return all(
        np.array_equal(mine, its) if isinstance(mine, np.ndarray) else mine == its
        for mine, its in zip(*values, strict=True)
    )


def counts(client: Client) -> tuple[int, int]:
    assert client.cache is not None
    return client.cache.hits, client.cache.misses


@pytest.mark.parametrize("refine", ["none", "edges", "edges+colours"])
@pytest.mark.parametrize("preset", ["stable", "standard", "maximum", "auto"])
def test_a_hit_is_the_same_cutout_bit_for_bit(
    client: Client, fake: Versioned, scene: Any, preset: str, refine: Any
) -> None:
    first = client.remove(scene.rgb, preset, refine=refine)
    second = client.remove(scene.rgb, preset, refine=refine)
    assert same(first, second)
    assert len(fake.requests) == 1
    assert counts(client) == (1, 1)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.milliseconds["network"] == 0
    assert second.rgba.flags.writeable == first.rgba.flags.writeable


def test_the_next_client_and_another_kind_of_source_find_it(
    make_client: Callable[..., Client], fake: Versioned, scene: Any, tmp_path: Path
) -> None:
    file = io.BytesIO()
    Image.fromarray(scene.rgb).save(file, "PNG")
    (tmp_path / "disk.png").write_bytes(file.getvalue())
    first = make_client().remove(scene.rgb, **SMALL)
    for source in (tmp_path / "disk.png", file.getvalue(), Image.fromarray(scene.rgb)):
        assert same(make_client().remove(source, **SMALL), first)
    assert len(fake.requests) == 1


def test_another_question_is_a_miss(client: Client, fake: Versioned, scene: Any) -> None:
    other = scene.rgb.copy()
    other[0, 0, 0] += 1
    opaque, clear = (np.dstack([scene.rgb, np.full(scene.alpha.shape, value, np.uint8)]) for value in (255, 200))
    corners = [opaque.copy(), opaque.copy()]
    for corner, value in zip(corners, (0, 100), strict=True):
        corner[:9, :9] = (255, 255, 255, value)  # on white they look the same
    questions: list[tuple[Any, dict[str, Any]]] = [
        (scene.rgb, {"size": 384}),
        (scene.rgb, {"size": 384, "refine": "edges"}),
        (scene.rgb, {"size": 384, "preset": "high"}),
        (scene.rgb, {"size": 384, "preset": "stable"}),
        (scene.rgb, {"size": 1024}),
        (scene.rgb, {"size": 384, "version": "7"}),
        (scene.rgb, {"model": "inspyrenet_1536"}),
        (other, {"size": 384}),
        (np.roll(scene.rgb, 9, axis=1), {"size": 384}),
        (scene.rgb.reshape(scene.rgb.shape[1], scene.rgb.shape[0], 3), {"size": 384}),
        (clear, {"size": 384}),
        *((corner, {"size": 384}) for corner in corners),
    ]
    for photo, options in questions:
        client.remove(photo, **options)
    assert counts(client) == (0, len(questions))
    client.remove(opaque, size=384)  # it is opaque, so this is the same request as the first
    for photo, options in questions:
        client.remove(photo, **options)
    assert counts(client) == (len(questions) + 1, len(questions))


def test_another_server_is_another_question(make_client: Callable[..., Client], scene: Any) -> None:
    make_client(url="one:8001").remove(scene.rgb, **SMALL)
    client = make_client(url="two:8001")
    client.remove(scene.rgb, **SMALL)
    assert counts(client) == (0, 1)


def test_a_rollout_shows_in_time_and_a_rollback_finds_what_was_kept(
    client: Client, fake: Versioned, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    client._wiring.open().versions.clock = lambda: now_s[0]
    assert client.remove(scene.rgb, **SMALL).model_version == "1"
    fake.served = "2"
    now_s[0] += VERSION_MAX_AGE_S - 0.1
    assert client.remove(scene.rgb, **SMALL).model_version == "1"
    now_s[0] += 0.1
    assert client.remove(scene.rgb, **SMALL).model_version == "2"
    assert client.remove(scene.rgb, **SMALL).model_version == "2"
    assert counts(client) == (2, 2)
    fake.served = "1"
    now_s[0] += VERSION_MAX_AGE_S
    assert client.remove(scene.rgb, **SMALL).model_version == "1"
    assert len(fake.requests) == 2


def test_an_answer_by_another_version_than_expected_is_kept_as_what_it_is(
    client: Client, fake: Versioned, scene: Any
) -> None:
    client.remove(np.roll(scene.rgb, 9, axis=1), **SMALL)  # the client knows version 1 now
    fake.served = "2"
    assert client.remove(scene.rgb, **SMALL).model_version == "2"
    assert client.remove(scene.rgb, **SMALL, version="2").model_version == "2"
    assert client.remove(scene.rgb, **SMALL, version="1").model_version == "1"
    assert counts(client) == (1, 3)


def test_a_smaller_preset_is_not_kept_for_the_one_asked_for(client: Client, fake: Versioned, scene: Any) -> None:
    fake.failures.append(ServerOutOfMemoryError("no room"))
    assert client.remove(scene.rgb, "high").preset == "standard"
    assert client.remove(scene.rgb, "high").preset == "high"
    assert client.remove(scene.rgb, "high").preset == "high"
    assert counts(client) == (1, 2)


def test_a_failure_is_not_kept(make_client: Callable[..., Client], fake: Versioned, scene: Any) -> None:
    client = make_client(settings=Settings(retries=0))
    fake.failures.append(ServerUnreachableError("gone"))
    with pytest.raises(ServerUnreachableError):
        client.remove(scene.rgb, **SMALL)
    assert client.remove(scene.rgb, **SMALL).rgba.any()


def test_observers_are_told(make_client: Callable[..., Client], scene: Any) -> None:
    class Listening(Observer):
        def __init__(self) -> None:
            self.events: list[RequestEvent] = []

        def request_finished(self, event: RequestEvent) -> None:
            self.events.append(event)

    listening = Listening()
    make_client(observers=[listening], cache=None).remove(scene.rgb, **SMALL)
    client = make_client(observers=[listening])
    client.remove(scene.rgb, **SMALL)
    client.remove(scene.rgb, **SMALL)
    assert [event.cache for event in listening.events] == ["off", "miss", "hit"]
    made, found = listening.events[1:]
    assert (found.served, found.model, found.model_version) == (made.served, made.model, made.model_version)
    assert (made.attempts, found.attempts) == (1, 0)
    assert made.alpha is not None
    np.testing.assert_array_equal(found.alpha, made.alpha)


@pytest.mark.parametrize("harm", ["not a database", "truncated"])
@pytest.mark.parametrize("when", ["at the start", "in use"])
def test_a_damaged_cache_is_made_anew_with_one_warning(
    make_client: Callable[..., Client],
    scene: Any,
    tmp_path: Path,
    harm: str,
    when: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "harmed"
    cache = ResultCache(folder)
    make_client(cache=cache).remove(np.roll(scene.rgb, 9, axis=1), **SMALL)
    if when == "at the start":
        cache.close()
        harmed(folder, harm)
        cache = ResultCache(folder)
    else:
        settle(folder)
        harmed(folder, harm)
    wanted = make_client(cache=None).remove(scene.rgb, **SMALL)
    client = make_client(cache=cache)
    cache.hits = cache.misses = 0
    cutouts = [client.remove(scene.rgb, **SMALL) for _ in range(4)]
    assert all(same(cutout, wanted) for cutout in cutouts)
    assert cutouts[-1].from_cache
    assert cutouts[-2].from_cache
    (record,) = caplog.records
    told = rf"The cache {folder / NAME} was damaged \(.+\): it is made anew, empty; .*"
    assert re.fullmatch(told, record.getMessage())
    other = make_client(cache=ResultCache(folder))  # as another process would find it
    assert other.remove(scene.rgb, **SMALL).from_cache


def settle(folder: Path) -> None:
    """Writes the write-ahead log into the file."""
    with sqlite3.connect(folder / NAME) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def harmed(folder: Path, harm: str) -> None:
    file = folder / NAME
    if harm == "truncated":
        os.truncate(file, 5000)
    else:
        with file.open("r+b") as opened:
            opened.write(b"nonsense " * 2000)


@pytest.mark.parametrize("harm", ["another table", "a folder", "read-only place"])
def test_a_cache_that_is_of_no_use_is_a_miss_and_one_warning(
    make_client: Callable[..., Client],
    scene: Any,
    tmp_path: Path,
    harm: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "harmed"
    folder.mkdir()
    if harm == "another table":
        with sqlite3.connect(folder / NAME) as connection:
            connection.execute("CREATE TABLE results (something)")
        connection.close()
    elif harm == "a folder":
        (folder / NAME).mkdir()
    else:
        folder = Path("/proc/cache")
    with caplog.at_level(logging.WARNING, logger="tuft"):
        client = make_client(cache=ResultCache(folder))
        wanted = make_client(cache=None).remove(scene.rgb, **SMALL)
        for _ in range(3):
            assert same(client.remove(scene.rgb, **SMALL), wanted)
    assert counts(client) == (0, 3)
    (record,) = caplog.records
    assert str(folder) in record.getMessage()
    assert "Errno" not in record.getMessage()
    assert client.cache is not None
    client.cache.clear()
    client.cache.close()


def test_a_damaged_result_is_a_miss_and_is_replaced(client: Client, scene: Any, tmp_path: Path) -> None:
    wanted = client.remove(scene.rgb, **SMALL)
    with sqlite3.connect(tmp_path / "cache" / NAME) as connection:
        (packed,) = connection.execute("SELECT value FROM results").fetchone()
        connection.execute("UPDATE results SET value = ?", (packed[:-1] + bytes([packed[-1] ^ 1]),))
    connection.close()
    assert same(client.remove(scene.rgb, **SMALL), wanted)
    assert same(client.remove(scene.rgb, **SMALL), wanted)
    assert counts(client) == (1, 2)


def test_after_closing_it_is_a_miss(client: Client, scene: Any) -> None:
    client.remove(scene.rgb, **SMALL)
    assert client.cache is not None
    client.cache.close()
    assert client.remove(scene.rgb, **SMALL).rgba.any()
    assert counts(client) == (0, 2)


def test_a_cache_without_room_is_refused(tmp_path: Path) -> None:
    for limit_mb in (0, -1, float("nan")):
        with pytest.raises(OptionError, match="above zero"):
            ResultCache(tmp_path, limit_mb=limit_mb)
    assert not list(tmp_path.iterdir())


def test_a_cache_that_is_too_small_keeps_the_latest(
    make_client: Callable[..., Client], scene: Any, tmp_path: Path
) -> None:
    client = make_client(cache=ResultCache(tmp_path / "small", limit_mb=0.004))
    photos = [np.roll(scene.rgb, number, axis=1) for number in range(9)]
    for photo in photos:
        client.remove(photo, **SMALL, refine="none")
    for photo in reversed(photos):
        client.remove(photo, **SMALL, refine="none")
    hits, misses = counts(client)
    assert 0 < hits < 9
    assert hits + misses == 18
