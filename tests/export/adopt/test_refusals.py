"""Files and options that do not fit are refused with one sentence that ends in the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper
from support import published
from support.adopted import adopted
from support.outputs import files
from support.published import SIZE

from tuft.errors import OutputError, TuftError
from tuft_export.errors import AdoptError, ParityError


def two_inputs(path: Path) -> None:
    model = onnx.load(published.birefnet(path))
    model.graph.input.append(helper.make_tensor_value_info("trimap", onnx.TensorProto.FLOAT, ["n", 1, SIZE, SIZE]))
    onnx.save(model, path)


def weights_are_missing(path: Path) -> None:
    published.birefnet(path, save_as_external_data=True, location="published.data", size_threshold=0)
    path.with_name("published.data").unlink()


def text(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 176153355\n")


def cut_off(path: Path) -> None:
    content = published.birefnet(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def unknown_operator(path: Path) -> None:
    tail = [helper.make_node("NoSuchOperator", ["logits"], ["mask"])]
    published.network(path, tail=tail, outputs=["mask"])


def fails_at_other_sizes(path: Path) -> None:
    published.batch_baked_in(path, shape=("n", 3, "h", "w"))


def classifier(path: Path) -> None:
    tail = [
        helper.make_node("GlobalAveragePool", ["logits"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["mask"]),
    ]
    published.network(path, tail=tail, outputs=["mask"])


def with_nan(path: Path) -> None:
    tail = [helper.make_node("Log", ["logits"], ["mask"])]
    published.network(path, tail=tail, outputs=["mask"])


REFUSED: list[tuple[Callable[[Path], Any], dict[str, Any], type[TuftError], str]] = [
    (lambda path: None, {}, AdoptError, r"There is no file .*: give the \.onnx file"),
    (lambda path: path.write_bytes(b""), {}, AdoptError, "is no ONNX file, or not all of it: download it again"),
    (text, {}, AdoptError, "is no ONNX file, or not all of it: download it again"),
    (cut_off, {}, AdoptError, "is no ONNX file, or not all of it: download it again"),
    (weights_are_missing, {}, AdoptError, "lie in a file of their own that cannot be read .*: put it beside it"),
    (two_inputs, {}, AdoptError, r"takes 2 tensors \(input_image, trimap\)"),
    (lambda path: published.birefnet(path, opset=10), {}, AdoptError, "version 10, .*opset_version=11 or newer"),
    (lambda path: published.birefnet(path, shape=("n", SIZE, SIZE, 3)), {}, AdoptError, r", 96, 96, 3\].*\[n, 3,"),
    (lambda path: published.birefnet(path, shape=(3, SIZE, SIZE)), {}, AdoptError, r"of shape \[3, 96, 96\]"),
    (lambda path: published.birefnet(path, shape=("n", 1, SIZE, SIZE)), {}, AdoptError, r"\['\?', 1, 96, 96\]"),
    (lambda path: published.birefnet(path, shape=("n", 3, 64, 96)), {}, AdoptError, "96 x 64 pixels: tuft sends"),
    (lambda path: published.birefnet(path, shape=(4, 3, SIZE, SIZE)), {}, AdoptError, "batches of exactly 4"),
    (lambda path: published.birefnet(path, shape=("n", 3, "h", "w")), {}, AdoptError, "choose one with --size"),
    (published.birefnet, {"size": 64}, AdoptError, "96 pixels only: leave out --size"),
    (lambda path: published.birefnet(path, shape=("n", 3, "h", "w")), {"size": 0}, AdoptError, "no size of 0 pixels"),
    (fails_at_other_sizes, {"size": 64}, AdoptError, "fails on a picture of 64 pixels .*: choose another --size"),
    (unknown_operator, {}, AdoptError, "fails on a picture of 96 pixels .*NoSuchOperator.*: export it again"),
    (published.u2net, {}, AdoptError, "several outputs: name the mask's with --output, one of 1959, 1960,"),
    (published.u2net, {"output": "d0"}, AdoptError, "has no output 'd0': name one of 1959, 1960"),
    (classifier, {}, AdoptError, r"mask of .* has the shape \[1, 1\] for one picture"),
    (lambda path: published.network(path, channels=2), {}, AdoptError, "foreground: give --output-activation softmax"),
    (published.birefnet, {"output_activation": "softmax"}, AdoptError, "one channel: give --output-activation sigmoid"),
    (published.birefnet, {"output_activation": "none"}, AdoptError, "not 0..1 yet: give --output-activation sigmoid"),
    (published.rmbg_1_4, {"output_activation": "sigmoid"}, AdoptError, "0..1 already: give --output-activation none"),
    (with_nan, {}, AdoptError, "not finite: look at --normalize"),
    (published.constant, {}, ParityError, "the same values, nothing was written: look at --normalize"),
    (published.birefnet, {"repository": Path("/proc/nowhere")}, OutputError, "/proc/nowhere/tiny/1 cannot be written"),
    (published.birefnet, {"name": "inspyrenet_96"}, AdoptError, "begin with inspyrenet_"),
    (published.birefnet, {"name": "../tiny"}, AdoptError, "letters, digits, ., _ and -"),
    (published.birefnet, {"name": ""}, AdoptError, "letters, digits, ., _ and -"),
    (published.birefnet, {"normalize": "mean"}, AdoptError, "no normalisation 'mean': choose one of imagenet"),
    (published.birefnet, {"output_activation": "tanh"}, AdoptError, "choose one of sigmoid"),
    (published.birefnet, {"runtime": "tensorrt"}, AdoptError, "choose one of onnxruntime"),
    (published.birefnet, {"max_batch_size": 0}, AdoptError, "no batch of 0"),
    (published.birefnet, {"version": "one"}, AdoptError, "whole number"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "options", "error", "said"), REFUSED, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_does_not_fit_is_one_sentence_and_leaves_nothing(
    make: Callable[[Path], Any], options: dict[str, Any], error: type[TuftError], said: str, file: Path,
    target: Path, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    make(file)
    before = files(target)
    with pytest.raises(error, match=said) as failure:
        adopted(file, **{"repository": target, **options})
    message = str(failure.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert files(target) == before
    assert not (target / "tiny").exists()
    assert capfd.readouterr() == ("", "")
