"""Messages against protobuf's own reading and writing of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tritonclient.grpc import service_pb2
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from tuft.inference.transport.messages import Reply, with_inputs

TENSORS = st.lists(
    st.sampled_from([np.uint8, np.float16, np.float32]).flatmap(
        lambda dtype: arrays(dtype, st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple))
    ),
    min_size=1,
    max_size=3,
)


def response(tensors: list[np.ndarray]) -> service_pb2.ModelInferResponse:
    message = service_pb2.ModelInferResponse(model_name="m", model_version="3", id="7")
    message.parameters["sequence"].int64_param = -1
    for index, tensor in enumerate(tensors):
        message.outputs.add(name=f"O{index}", datatype=np_to_triton_dtype(tensor.dtype), shape=tensor.shape)
        message.raw_output_contents.append(tensor.tobytes())
    return message


def read(message: bytes) -> Reply:
    return Reply(message, service_pb2.ModelInferResponse.FromString, triton_to_np_dtype)


@given(TENSORS, st.text(max_size=300))
def test_protobuf_reads_what_is_written(tensors: list[np.ndarray], request_id: str) -> None:
    request = service_pb2.ModelInferRequest(model_name="m", id=request_id)
    for index, tensor in enumerate(tensors):
        request.inputs.add(name=f"I{index}", datatype=np_to_triton_dtype(tensor.dtype), shape=tensor.shape)
    found = service_pb2.ModelInferRequest.FromString(with_inputs(request.SerializeToString(), tensors))
    request.raw_input_contents.extend(tensor.tobytes() for tensor in tensors)
    assert found == request


def test_a_view_is_written_as_it_looks() -> None:
    view = np.arange(24, dtype=np.uint8).reshape(4, 6)[::2, ::-1]
    found = service_pb2.ModelInferRequest.FromString(with_inputs(b"", [view]))
    assert found.raw_input_contents[0] == view.tobytes()


@given(TENSORS)
def test_what_protobuf_writes_is_read(tensors: list[np.ndarray]) -> None:
    message = response(tensors)
    reply = read(message.SerializeToString())
    for index, tensor in enumerate(tensors):
        found = reply.as_numpy(f"O{index}")
        assert found is not None
        np.testing.assert_array_equal(found, tensor)
        assert found.dtype == tensor.dtype
    assert reply.as_numpy("other") is None
    del message.raw_output_contents[:]
    assert reply.response == message


def test_an_output_without_its_values_is_an_error() -> None:
    message = response([np.ones((2, 3), np.float32)])
    message.raw_output_contents[0] = b""
    with pytest.raises(ValueError, match="reshape"):
        read(message.SerializeToString()).as_numpy("O0")
    del message.raw_output_contents[:]
    with pytest.raises(ValueError, match="no values"):
        read(message.SerializeToString()).as_numpy("O0")


@given(st.integers(0, 200))
def test_a_message_that_is_cut_off_is_an_error(length: int) -> None:
    whole = response([np.zeros((10, 10), np.uint8)]).SerializeToString()
    if length < len(whole):
        with pytest.raises(ValueError, match="cut off"):
            Reply(whole[: len(whole) - 1 - length % 90], lambda _: None, triton_to_np_dtype)
