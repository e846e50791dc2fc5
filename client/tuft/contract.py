"""The wire contract between client and model server: model names, tensor names, data types and shapes.

Each served model is a network at one square working size S:

    IMAGE     UINT8      [n, S, S, 3]   sRGB, NHWC, 0..255
    SALIENCY  FP32|FP16  [n, S, S]      sigmoid of the saliency, 0..1, not yet scaled to the full range

A model that takes prompts, SAM 2.1, is served as two. Its encoder sees the picture once, squashed to a square of
`PROMPT_SIZE`; its decoder answers each prompt from the encoder's embeddings. n is the batch, p the number of points:

    encoder   IMAGE      UINT8  [n, 1024, 1024, 3]   as above
              EMBEDDING  FP16   [n, 256, 64, 64]
              FEATURES_64, FEATURES_32  FP16  [n, 64, 128, 128] and [n, 32, 256, 256]
    decoder   the encoder's outputs, and
              POINTS     FP32   [n, p, 2]            x, y in pixels of the square
              LABELS     INT32  [n, p]               1 on the subject, 0 beside it, 2 and 3 a box's corners
              MASKS      FP32   [n, 4, 256, 256]     logits: the answer to a precise prompt, then three for a vague one
              SCORES     FP32   [n, 4]               the estimated intersection over union of each

The matting stage is one more model, which corrects alpha in tiles of the photograph itself:

    PLANES    UINT8      [n, T, T, 9]   `MATTING_PLANES`, 0..255
    MATTE     UINT8      [n, T, T, 1]   alpha, 0..255

Normalisation with `MEAN` and `STD` is part of the graph; the client resizes. The `config.pbtxt` files of the model
repository and the exported graphs are tested against this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

INPUT_NAME: Final = "IMAGE"
OUTPUT_NAME: Final = "SALIENCY"
INPUT_DTYPE: Final = "UINT8"
OUTPUT_DTYPES: Final = ("FP32", "FP16")
CHANNELS: Final = 3

# What a model can be served with, in order of preference; Triton's backends have the same names.
RUNTIMES: Final = ("tensorrt", "onnxruntime", "openvino", "python")

# A parameter of a model's configuration in Triton: the resize mode that the network was trained with, `static` or
# `dynamic` (`tuft.presets.RESIZES`). It wins over the preset's. tuft's own models take both and state none.
RESIZE_PARAMETER: Final = "tuft_resize"

# Another one: the working size in pixels above which its checkpoint gains nothing. Presets that are as large as helps
# use the largest of tuft's models that is not above it.
BEST_SIZE_PARAMETER: Final = "tuft_best_size"

# ImageNet statistics of RGB in 0..1, as the published weights expect (transparent-background 1.3.4, Remover.py).
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ModelSpec:
    """A served model: its name, the side of its square input in pixels, and its largest batch."""

    name: str
    size: int
    max_batch_size: int

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of one image without the batch axis: height, width, channels."""
        return (self.size, self.size, CHANNELS)

    @property
    def output_shape(self) -> tuple[int, int]:
        """The shape of one saliency map without the batch axis: height, width."""
        return (self.size, self.size)


def model_name(size: int) -> str:
    """The name under which the network with working size `size` (pixels) is served."""
    return f"inspyrenet_{size}"


# The largest batches keep activations near 2 GB on an L4; see docs/architecture.md.
MODELS: Final[Mapping[int, ModelSpec]] = MappingProxyType(
    {
        size: ModelSpec(model_name(size), size, max_batch_size)
        for size, max_batch_size in ((384, 16), (1024, 8), (1536, 4), (2048, 2))
    }
)
SIZES: Final = tuple(MODELS)

ENCODER: Final = "sam2_encoder"
DECODER: Final = "sam2_decoder"
PROMPT_MODELS: Final = (ENCODER, DECODER)
PROMPT_SIZE: Final = 1024
MASK_SIZE: Final = 256
MASKS_PER_PROMPT: Final = 4

EMBEDDING_NAMES: Final = ("EMBEDDING", "FEATURES_64", "FEATURES_32")
EMBEDDING_DTYPE: Final = "FP16"
# Without the batch axis: channels, height, width.
EMBEDDING_SHAPES: Final = ((256, 64, 64), (64, 128, 128), (32, 256, 256))
POINTS_NAME: Final = "POINTS"
LABELS_NAME: Final = "LABELS"
MASKS_NAME: Final = "MASKS"
SCORES_NAME: Final = "SCORES"

# Values of LABELS.
BESIDE, ON_SUBJECT, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = 0, 1, 2, 3

MATTING_MODEL: Final = "matting"
MATTING_INPUT_NAME: Final = "PLANES"
MATTING_OUTPUT_NAME: Final = "MATTE"
# What a tile holds: the photograph, the network's alpha, two classical estimates after it, how far each is trusted, and
# how likely a colour is the subject's.
MATTING_PLANES: Final = (
    "red", "green", "blue", "coarse", "by_line", "refined", "line_trust", "guided_trust", "likelihood",
)  # fmt: skip
# Side of a tile in pixels, and its largest batch.
MATTING_TILE: Final = 256
MATTING_MAX_BATCH: Final = 32

# All that tuft itself publishes.
OWN_MODELS: Final = (*(spec.name for spec in MODELS.values()), MATTING_MODEL)
