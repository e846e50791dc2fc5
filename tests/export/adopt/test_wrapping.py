"""Published conventions inside the wire contract, compared with numpy, and with torch for resizing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from support import published
from support.adopted import Truth, adopted, in_onnxruntime, in_openvino
from support.published import SIZE, imagenet, logits, sigmoid

from tuft.provenance import check_model
from tuft_export.adopt.normalisation import NORMALISATIONS
from tuft_export.graphs.parity import check_interface


def by_brightest(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """As rembg before U^2-Net: the brightest value of each image counts as white."""
    scaled = np.stack([image / image.max() for image in images])
    x = (scaled - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    return x.transpose(0, 3, 1, 2)


def half(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return (images / 255 - 0.5).transpose(0, 3, 1, 2)


def enlarged(mask: NDArray[np.float64]) -> NDArray[np.float64]:
    """[n, 1, h, w] bilinear to the working size, by torch."""
    return F.interpolate(torch.from_numpy(mask), size=(SIZE, SIZE), mode="bilinear", align_corners=False).numpy()


def pooled(x: NDArray[np.float64]) -> NDArray[np.float64]:
    n, c, h, w = x.shape
    return np.asarray(x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)))


def softmax_foreground(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    exponentials = np.exp(logits(imagenet(images), 2))
    return np.asarray(exponentials[:, 1] / exponentials.sum(axis=1))


RANK_3 = {
    "tail": [helper.make_node("Squeeze", ["logits", "one"], ["mask"])],
    "constants": [numpy_helper.from_array(np.array([1], np.int64), "one")],
    "outputs": ["mask"],
}

# What is published -> what to say of it -> what it then has to answer.
CONVENTIONS: dict[str, tuple[Callable[..., Path], dict[str, Any], dict[str, Any], Truth]] = {
    "birefnet": (published.birefnet, {}, {}, lambda images: sigmoid(logits(imagenet(images)))),
    "birefnet, single pictures": (
        published.birefnet, {"shape": (1, 3, SIZE, SIZE)}, {}, lambda images: sigmoid(logits(imagenet(images))),
    ),
    "birefnet, any size": (
        published.birefnet, {"shape": ("n", 3, "h", "w")}, {"size": SIZE},
        lambda images: sigmoid(logits(imagenet(images))),
    ),
    "float16": (published.birefnet, {"half": True}, {}, lambda images: sigmoid(logits(imagenet(images)))),
    "rmbg 1.4": (
        published.rmbg_1_4, {}, {"normalize": "half", "output_activation": "none"},
        lambda images: sigmoid(logits(half(images))),
    ),
    "u2net": (
        published.u2net, {}, {"normalize": "u2net", "output_activation": "none", "output": "1959"},
        lambda images: sigmoid(logits(by_brightest(images))),
    ),
    "u2net, opset 11": (
        published.u2net, {"opset": 11}, {"normalize": "u2net", "output_activation": "none", "output": "1959"},
        lambda images: sigmoid(logits(by_brightest(images))),
    ),
    "u2net, opset 18": (
        published.u2net, {"opset": 18}, {"normalize": "u2net", "output_activation": "none", "output": "1959"},
        lambda images: sigmoid(logits(by_brightest(images))),
    ),
    "a smaller mask, opset 11": (
        published.smaller, {"opset": 11}, {}, lambda images: enlarged(sigmoid(pooled(logits(imagenet(images))))),
    ),
    "a smaller mask, opset 13": (
        published.smaller, {"opset": 13}, {}, lambda images: enlarged(sigmoid(pooled(logits(imagenet(images))))),
    ),
    "a smaller mask, opset 18": (
        published.smaller, {"opset": 18}, {}, lambda images: enlarged(sigmoid(pooled(logits(imagenet(images))))),
    ),
    "two channels": (published.network, {"channels": 2}, {"output_activation": "softmax"}, softmax_foreground),
    "two channels, opset 11": (
        published.network, {"channels": 2, "opset": 11}, {"output_activation": "softmax"}, softmax_foreground,
    ),
    "no channel axis": (published.network, RANK_3, {}, lambda images: sigmoid(logits(imagenet(images)))),
    "weights among the inputs": (
        published.birefnet, {"ir_version": 3, "opset": 11}, {}, lambda images: sigmoid(logits(imagenet(images))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_published_network_is_served_as_numpy_says(
    convention: str, file: Path, target: Path, images: NDArray[np.uint8]
) -> None:
    make, changes, options, truth = CONVENTIONS[convention]
    result = adopted(make(file, **changes), target, **options)
    expected = truth(images).reshape(3, SIZE, SIZE)
    tolerance = 5e-3 if convention == "float16" else 1e-5
    singles = np.concatenate([in_onnxruntime(result.folder, image[None]) for image in images])
    np.testing.assert_allclose(singles, expected, atol=tolerance)
    np.testing.assert_allclose(in_openvino(result.folder, images), expected, atol=tolerance)
    assert expected.std() > 0.05
    assert bool(result.proof)
    check_interface(onnx.load(result.folder / "model.onnx"), SIZE)
    if result.max_batch_size > 1:
        np.testing.assert_allclose(in_onnxruntime(result.folder, images), expected, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("imagenet", imagenet),
        ("unit", lambda images: (images / 255).transpose(0, 3, 1, 2)),
        ("half", half),
        ("symmetric", lambda images: (images / 127.5 - 1).transpose(0, 3, 1, 2)),
        ("none", lambda images: images.astype(float).transpose(0, 3, 1, 2)),
        ("u2net", by_brightest),
    ],
)
def test_normalisations_are_their_formulas_in_numpy(name: str, formula: Truth, images: NDArray[np.uint8]) -> None:
    normalised = NORMALISATIONS[name](images)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised, formula(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NORMALISATIONS)
def test_normalisations_are_the_same_in_the_graph(
    name: str, file: Path, target: Path, images: NDArray[np.uint8]
) -> None:
    scale = {"none": 1e-2, "unit": 4.0}.get(name, 1.0)  # logits that look like logits and do not saturate
    tail = [helper.make_node("Mul", ["logits", "scale"], ["mask"])]
    constants = [numpy_helper.from_array(np.float32(scale), "scale")]
    published.network(file, tail=tail, constants=constants, outputs=["mask"])
    result = adopted(file, target, normalize=name)
    expected = sigmoid(scale * logits(NORMALISATIONS[name](images)))[:, 0]
    np.testing.assert_allclose(in_onnxruntime(result.folder, images), expected, atol=1e-5)
    assert set(NORMALISATIONS) == {"imagenet", "unit", "half", "symmetric", "none", "u2net"}


def test_a_black_picture_is_not_divided_by_nothing(file: Path, target: Path) -> None:
    result = adopted(
        published.u2net(file), target, normalize="u2net", output_activation="none", output="1959"
    )  # fmt: skip
    black = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_allclose(in_onnxruntime(result.folder, black), sigmoid(logits(imagenet(black)))[:, 0], atol=1e-5)


def test_the_outputs_of_others_are_gone_and_the_network_is_whole(file: Path, target: Path) -> None:
    before = onnx.load(published.u2net(file))
    result = adopted(file, target, normalize="u2net", output_activation="none", output="1959")
    after = onnx.load(result.folder / "model.onnx")
    assert [output.name for output in after.graph.output] == ["SALIENCY"]
    kept = [node for node in after.graph.node if not node.name.startswith("tuft/")]
    assert kept == list(before.graph.node)
    onnx.checker.check_model(after, full_check=True)


def test_names_that_are_ours_are_no_clash(file: Path, target: Path, images: NDArray[np.uint8]) -> None:
    tail = [
        helper.make_node("Identity", ["logits"], ["SALIENCY_0"]),
        helper.make_node("Identity", ["SALIENCY_0"], ["SALIENCY"]),
    ]
    published.network(file, input_name="IMAGE", tail=tail, outputs=["SALIENCY"])
    result = adopted(file, target)
    expected = sigmoid(logits(imagenet(images)))[:, 0]
    np.testing.assert_allclose(in_onnxruntime(result.folder, images), expected, atol=1e-5)
    assert check_model(target / "tiny")[0].chain[1]["adopted"]["output"] == "SALIENCY"


def test_what_the_authors_note_in_their_file_stays(file: Path, target: Path) -> None:
    model = onnx.load(published.birefnet(file))
    helper.set_model_props(model, {"author": "somebody"})
    onnx.save(model, file)
    served = onnx.load(adopted(file, target).folder / "model.onnx")
    notes = {entry.key: entry.value for entry in served.metadata_props}
    assert notes["author"] == "somebody"
    assert json.loads(notes["tuft.adopted"])["answer_shape"] == [1, 1, SIZE, SIZE]
