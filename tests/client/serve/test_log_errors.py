# ruff: noqa: E501 -- a log is quoted as it is
from __future__ import annotations

from pathlib import Path

import pytest

from tuft.serve.log_errors import LONGEST, error_from_reply, errors_from_log

# Output of Triton 2.51, with shortened paths.
NOISE = """\
W1123 18:28:24.246507 8043 pinned_memory_manager.cc:273] "Unable to allocate pinned system memory, pinned memory pool will not be available: CUDA driver version is insufficient for CUDA runtime version"
E1123 18:28:24.246666 8043 server.cc:241] "CudaDriverHelper has not been initialized."
I1123 18:28:25.374198 8043 model_lifecycle.cc:777] "failed to load 'inspyrenet_384'"
error: creating server: Internal - failed to load all models
"""
BROKEN_GRAPH = r"""E1123 18:28:25.373977 8043 backend_model.cc:692] "ERROR: Failed to create instance: TritonModelException: OpenVINO cannot load r/1/model.onnx: Unable to read the model: \"r/1/model.onnx\"\n\nAt:\n  r/1/model.py(101): _compiled\n"
E1123 18:28:25.374154 8043 model_lifecycle.cc:642] "failed to load 'inspyrenet_384' version 1: Internal: TritonModelException: OpenVINO cannot load r/1/model.onnx: Unable to read the model: \"r/1/model.onnx\"\n\nAt:\n  r/1/model.py(101): _compiled\n  r/1/model.py(48): initialize\n"
"""
SHORT_WARM_UP = """\
E1123 18:28:19.173497 7931 model_lifecycle.cc:642] "failed to load 'inspyrenet_384' version 1: Invalid argument: [request id: <id_unknown>] warmup setting expects 442368 bytes, but the data provided from imageonly has 1000 bytes"
"""
NO_VERSION = """\
E1123 18:29:19.638977 8694 model_repository_manager.cc:724] "failed to load model 'inspyrenet_384': at least one version must be available under the version policy of model 'inspyrenet_384'"
"""
PORT_TAKEN = """\
E1123 18:28:46.865856 8126 main.cc:257] "failed to start HTTP service: Unavailable - Socket '127.0.0.1:9100' already in use "
"""
LOADER = """\
/opt/stub: error while loading shared libraries: libpython3.10.so.1.0: cannot open shared object file: No such file or directory
"""


@pytest.mark.parametrize(
    ("log", "reasons"),
    [
        (BROKEN_GRAPH, ('OpenVINO cannot load r/1/model.onnx: Unable to read the model: "r/1/model.onnx"',)),
        (
            SHORT_WARM_UP,
            (
                "[request id: <id_unknown>] warmup setting expects 442368 bytes, but the data provided from imageonly "
                "has 1000 bytes",
            ),
        ),
        (
            NO_VERSION,
            ("at least one version must be available under the version policy of model 'inspyrenet_384'",),
        ),
        (PORT_TAKEN, ("failed to start HTTP service: Unavailable - Socket '127.0.0.1:9100' already in use",)),
        (
            LOADER,
            (
                "/opt/stub: error while loading shared libraries: libpython3.10.so.1.0: cannot open shared object "
                "file: No such file or directory",
            ),
        ),
        ("", ("creating server: Internal - failed to load all models",)),
    ],
)
def test_the_telling_lines_are_found_among_the_noise(tmp_path: Path, log: str, reasons: tuple[str, ...]) -> None:
    file = tmp_path / "log"
    file.write_text(NOISE + log)
    assert errors_from_log(file) == reasons


def test_each_reason_is_told_once_and_not_at_length(tmp_path: Path) -> None:
    line = "E1123 18:28:25.374154 8043 a.cc:1] \"failed to load 'm' version 1: Internal: {}\"\n"
    file = tmp_path / "log"
    file.write_bytes(line.format("x" * 2000).encode() * 2 + b"\xff\n" + line.format("y").encode())
    long, short = errors_from_log(file)
    assert (len(long), short) == (LONGEST + len(" ..."), "y")


def test_a_log_without_a_reason_gives_none(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text('I1123 18:28:25.374198 8043 server.cc:1] "all is well"\n')
    assert errors_from_log(file) == ()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            rb"""{"error":"load failed for model 'inspyrenet_1536': version 1 is at UNAVAILABLE state: Internal: TritonModelException: OpenVINO cannot load r/1/model.onnx: Unable to read the model: \"r/1/model.onnx\"\n\nAt:\n  r/1/model.py(196): _network\n  r/1/model.py(78): initialize\n;\n"}""",
            'OpenVINO cannot load r/1/model.onnx: Unable to read the model: "r/1/model.onnx"',
        ),
        (
            rb"""{"error":"load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: Stub process 'm_0_0' is not healthy.;\n"}""",
            "Stub process 'm_0_0' is not healthy",
        ),
        (rb"""{"error":"failed to load 'm', failed to poll from model repository"}""",
         "failed to load 'm', failed to poll from model repository"),
        (b"<html>\xff a proxy's page </html>", "<html>\ufffd a proxy's page </html>"),
        (b"[]", "[]"),
        (b"", "it gives no reason"),
    ],
)  # fmt: skip
def test_a_reply_is_one_line_as_a_log_is(reply: bytes, reason: str) -> None:
    """The first three are replies of Triton 2.51."""
    assert error_from_reply(reply) == reason
