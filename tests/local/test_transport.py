"""The transport without a server, on tiny networks whose results numpy computes; both engines are real."""

from __future__ import annotations

import gc
import shutil
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tiny import mean_saliency, seal

from tuft import CallOptions, CancelToken, Client, FakeTransport, Transport
from tuft.errors import (
    ContractError,
    IntegrityError,
    ModelUnavailableError,
    OptionError,
    RequestCancelledError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
    SetupError,
)
from tuft.inference.transport.base import NetworkInput
from tuft_export.publishing.configurations import state_best_size
from tuft_local import LocalTransport, connect, engine
from tuft_runtime import Graph, InferenceError, Interrupt

MODEL = "inspyrenet_384"
TIMEOUT_S = 300.0


@pytest.fixture
def image(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (384, 384, 3), np.uint8)


@pytest.fixture
def bright() -> NDArray[np.uint8]:
    """A photograph of a white square on black, which is its own saliency."""
    photograph = np.zeros((240, 320, 3), np.uint8)
    photograph[60:180, 80:240] = 255
    return photograph


@pytest.mark.parametrize("name", [None, "onnxruntime", "openvino", "cpu"])
def test_the_saliency_is_the_networks(
    transport: LocalTransport, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    if name is not None:
        monkeypatch.setenv("TUFT_ENGINE", name)
    answer = transport.infer(MODEL, image, timeout_s=TIMEOUT_S)
    np.testing.assert_allclose(answer.saliency, mean_saliency(image), atol=1e-6)
    assert (answer.model, answer.version, answer.saliency.dtype) == (MODEL, "1", np.float32)
    assert transport.server_info().name.startswith("OpenVINO" if name == "openvino" else "ONNX Runtime (cpu)")


def test_an_engine_that_is_none_is_refused(
    transport: LocalTransport, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUFT_ENGINE", "gpu")
    with pytest.raises(OptionError, match=r"^TUFT_ENGINE is 'gpu': set it to one of openvino, onnxruntime, .*cpu"):
        transport.infer(MODEL, image, timeout_s=TIMEOUT_S)
    monkeypatch.setenv("TUFT_ENGINE", "directml")
    with pytest.raises(OptionError, match=r"computes on .*cpu"):
        transport.server_info()


def test_an_engine_that_is_not_installed_is_told(
    transport: LocalTransport, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUFT_ENGINE", "openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SetupError, match=r"^TUFT_ENGINE is openvino, which is not installed: "):
        transport.infer(MODEL, image, timeout_s=TIMEOUT_S)
    with pytest.raises(SetupError, match=r"^TUFT_ENGINE is openvino, which is not installed: "):
        transport.server_info()


def test_it_is_a_transport_and_a_client_can_use_it(transport: LocalTransport, bright: NDArray[np.uint8]) -> None:
    seam: Transport = transport
    with Client(transport=seam) as client:
        cutout = client.remove(bright, refine="none")
    with Client(transport=FakeTransport(lambda picture: mean_saliency(picture).astype(np.float32))) as client:
        expected = client.remove(bright, refine="none")
    assert np.abs(cutout.rgba[..., 3].astype(int) - expected.rgba[..., 3]).max() <= 1
    assert (cutout.model, cutout.fallback_reason) == ("inspyrenet_1024", None)


def test_what_is_published_is_ready(transport: LocalTransport, repository: Path, image: NDArray[np.uint8]) -> None:
    assert transport.ready_models() == ("inspyrenet_384", "inspyrenet_1024")
    assert not transport.is_ready("inspyrenet_2048")
    shutil.copytree(repository / MODEL / "1", repository / MODEL / "10")
    seal(repository / MODEL / "10")
    seal(repository / MODEL / "1")
    assert transport.ready_versions(MODEL) == ("1", "10")
    assert transport.served_version(MODEL, timeout_s=TIMEOUT_S) == "10"
    assert transport.infer(MODEL, image, timeout_s=TIMEOUT_S).version == "10"
    first = CallOptions(version="1")
    assert transport.infer(MODEL, image, timeout_s=TIMEOUT_S, options=first).version == "1"
    with pytest.raises(ModelUnavailableError, match=r"has no version 2 of inspyrenet_384"):
        transport.infer(MODEL, image, timeout_s=TIMEOUT_S, options=CallOptions(version="2"))


def test_an_adopted_model_states_its_size_and_resize(transport: LocalTransport, repository: Path) -> None:
    shutil.copytree(repository / MODEL, repository / "isnet")
    configuration = repository / "isnet" / "configs" / "python.pbtxt"
    stated = 'parameters {\n  key: "tuft_resize"\n  value {\n    string_value: "dynamic"\n  }\n}\n'
    configuration.write_text(configuration.read_text() + stated)
    assert transport.other_models() == ("isnet",)
    assert transport.network_input("isnet", timeout_s=TIMEOUT_S) == NetworkInput(384, "dynamic")
    assert transport.network_input(MODEL, timeout_s=TIMEOUT_S) == NetworkInput(384, None)


def test_a_checkpoint_states_its_best_size(transport: LocalTransport, repository: Path) -> None:
    state_best_size(repository / MODEL, 96, "1")
    assert transport.network_input(MODEL, timeout_s=TIMEOUT_S).best_size == 96


@pytest.mark.parametrize(
    ("model", "shape", "error", "words"),
    [
        (MODEL, (1024, 1024, 3), ContractError, r"takes pictures of \[384, 384, 3\] instead of \[1024, 1024, 3\]"),
        ("inspyrenet_2048", (2048, 2048, 3), ModelUnavailableError, "has no inspyrenet_2048 .*tuft-export publish"),
        ("u2net", (96, 96, 3), ModelUnavailableError, "has no u2net"),
    ],
)
def test_what_cannot_be_computed_is_said(
    transport: LocalTransport, model: str, shape: tuple[int, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        transport.infer(model, np.zeros(shape, np.uint8), timeout_s=TIMEOUT_S)


def test_a_file_that_was_not_published_is_not_computed(
    transport: LocalTransport, repository: Path, image: NDArray[np.uint8]
) -> None:
    graph = repository / MODEL / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match=r"model\.onnx is not the file that was published"):
        transport.infer(MODEL, image, timeout_s=TIMEOUT_S)


def test_a_graph_that_cannot_be_loaded_is_one_sentence(
    transport: LocalTransport, repository: Path, image: NDArray[np.uint8]
) -> None:
    (repository / MODEL / "1" / "model.onnx").write_bytes(b"no graph")
    seal(repository / MODEL / "1")
    with pytest.raises(SetupError, match=r"^ONNX Runtime cannot load .*[^.]\.$"):
        transport.infer(MODEL, image, timeout_s=TIMEOUT_S)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"There is no model repository at .*nowhere"):
        connect(str(tmp_path / "nowhere"))


class Slow(Graph):
    """Computes until it is interrupted, or may end."""

    def __init__(self) -> None:
        self.started, self.may_end = threading.Event(), threading.Event()

    def _infer(self, images: NDArray[np.uint8], interrupt: Interrupt) -> NDArray[np.float32]:
        with interrupt.ending(self.may_end.set):
            self.started.set()
            assert self.may_end.wait(TIMEOUT_S)
        return np.zeros(images.shape[1:3], np.float32)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    graph = Slow()
    monkeypatch.setattr(engine, "load", lambda *_: graph)
    return graph


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def test_a_cancel_ends_what_is_computed_and_what_waits(
    transport: LocalTransport, image: NDArray[np.uint8], slow: Slow
) -> None:
    tokens = [CancelToken(), CancelToken()]

    def ask(token: CancelToken) -> Callable[[], object]:
        return lambda: transport.infer(MODEL, image, timeout_s=TIMEOUT_S, options=CallOptions(cancel=token))

    first = in_thread(ask(tokens[0]))
    assert slow.started.wait(TIMEOUT_S)
    second = in_thread(ask(tokens[1]))
    for token, (thread, errors) in ((tokens[1], second), (tokens[0], first)):
        token.cancel()
        thread.join(TIMEOUT_S)
        assert [type(error) for error in errors] == [RequestCancelledError]
    slow.may_end.set()
    assert transport.infer(MODEL, image, timeout_s=TIMEOUT_S).saliency.shape == (384, 384)


def test_a_deadline_ends_the_computation(transport: LocalTransport, image: NDArray[np.uint8], slow: Slow) -> None:
    with pytest.raises(ServerTimeoutError, match="allow more time or take a smaller preset"):
        transport.infer(MODEL, image, timeout_s=0.2)
    assert slow.may_end.wait(TIMEOUT_S)  # set by the interrupt


def test_a_picture_that_waits_too_long_is_told_so(
    transport: LocalTransport, image: NDArray[np.uint8], slow: Slow
) -> None:
    first, _ = in_thread(lambda: transport.infer(MODEL, image, timeout_s=TIMEOUT_S))
    assert slow.started.wait(TIMEOUT_S)
    queued = CallOptions(queue_timeout_s=0.01)
    second, errors = in_thread(lambda: transport.infer(MODEL, image, timeout_s=TIMEOUT_S, options=queued))
    second.join(0.1)
    slow.may_end.set()
    first.join(TIMEOUT_S)
    second.join(TIMEOUT_S)
    assert [type(error) for error in errors] == [ServerBusyError]


def test_closing_ends_what_is_computed(transport: LocalTransport, image: NDArray[np.uint8], slow: Slow) -> None:
    thread, errors = in_thread(lambda: transport.infer(MODEL, image, timeout_s=TIMEOUT_S))
    assert slow.started.wait(TIMEOUT_S)
    transport.close()
    thread.join(TIMEOUT_S)
    transport.close()
    assert [type(error) for error in errors] == [ServerUnreachableError]
    for call in (transport.server_info, transport.ready_models, lambda: transport.model_size(MODEL, timeout_s=1)):
        with pytest.raises(ServerUnreachableError):
            call()


class Hungry(Graph):
    """Has no memory while another graph is loaded, or never."""

    def __init__(self, loaded: list[Graph], *, always: bool) -> None:
        self._loaded, self._always = loaded, always

    def _infer(self, images: NDArray[np.uint8], interrupt: Interrupt) -> NDArray[np.float32]:
        gc.collect()
        if self._always or len(self._loaded) > 1:
            raise InferenceError("The network failed: out of memory", out_of_memory=True)
        return np.zeros(images.shape[1:3], np.float32)


@pytest.mark.parametrize("always", [False, True])
def test_what_lacks_memory_is_tried_again_without_the_others(
    transport: LocalTransport, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    transport.infer("inspyrenet_1024", np.zeros((1024, 1024, 3), np.uint8), timeout_s=TIMEOUT_S)
    graphs = transport._worker._graphs
    monkeypatch.setattr(engine, "load", lambda *_: Hungry(graphs, always=always))  # type: ignore[arg-type]
    if always:
        with pytest.raises(ServerOutOfMemoryError, match="not enough memory for inspyrenet_384: take a smaller"):
            transport.infer(MODEL, image, timeout_s=TIMEOUT_S)
        assert not graphs
    else:
        transport.infer(MODEL, image, timeout_s=TIMEOUT_S)
        assert len(graphs) == 1


def test_a_client_steps_down_where_memory_is_short(
    transport: LocalTransport, monkeypatch: pytest.MonkeyPatch, bright: NDArray[np.uint8]
) -> None:

    find = transport._models.find

    def found(name: str, version: str = "") -> Any:
        if name == "inspyrenet_2048":
            raise engine.out_of_memory(name)
        return find(name, version)

    monkeypatch.setattr(transport._models, "find", found)
    with Client(transport=transport) as client:
        cutout = client.remove(bright, preset="maximum")
    assert (cutout.preset, cutout.requested) == ("standard", "maximum")
    assert "not enough memory for inspyrenet_2048" in (cutout.fallback_reason or "")


def test_a_failed_picture_is_freed_at_once(
    transport: LocalTransport, monkeypatch: pytest.MonkeyPatch, image: NDArray[np.uint8]
) -> None:
    class Failing(Graph):
        def _infer(self, images: NDArray[np.uint8], interrupt: Interrupt) -> NDArray[np.float32]:
            raise InferenceError("The network failed: no reason")

    monkeypatch.setattr(engine, "load", lambda *_: Failing())
    picture = image.copy()
    alive = weakref.ref(picture)
    gc.disable()
    try:
        with pytest.raises(ServerError):
            transport.infer(MODEL, picture, timeout_s=TIMEOUT_S)
        del picture
        transport._worker._thread.submit(int).result()  # the thread has let go of its last job
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("u2netp", "publish it with `tuft models pull u2netp`."),
        ("bria-rmbg", "publish it with `tuft models pull rmbg-2.0`, and call it rmbg-2.0."),
        ("birefnet-genral", "did you mean birefnet-general, which `tuft models pull birefnet-general` publishes?"),
        ("mine", "publish it with `tuft-export publish`, or adopt it with `tuft-export adopt`."),
    ],
)
def test_a_known_model_that_is_not_here_says_how_to_get_it(transport: LocalTransport, name: str, told: str) -> None:
    with pytest.raises(ModelUnavailableError) as raised:
        transport.model_size(name, timeout_s=1)
    assert str(raised.value).endswith(f"has no {name} that can be computed here: {told}")
