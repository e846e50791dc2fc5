"""Third-party ONNX files: their input and outputs, and whether they can be wrapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuft import contract
from tuft_export.errors import AdoptError

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

# The first with Resize by sizes and half-pixel coordinates, and Clip with bounds as inputs.
OLDEST_OPSET: Final = 11
# Older versions require weights to be listed among the inputs.
FIRST_IR_WITH_BARE_WEIGHTS: Final = 4


@dataclass(frozen=True, eq=False)
class Source:
    """A network whose only input is an image, float [n, 3, H, W].

    Attributes:
        path: Its file.
        model: The graph with all weights in memory.
        input_name: Name of its input.
        is_half: Whether its input is float16 instead of float32.
        size: Side of its square input in pixels; None if height and width are dynamic.
        is_batched: Whether the batch size is dynamic; otherwise it is 1.
        output_names: Names of all outputs.
        weight_files: Names of the files beside it that contain weights.
        opset: Its version of ONNX's own operator set.
    """

    path: Path
    model: onnx.ModelProto
    input_name: str
    is_half: bool
    size: int | None
    is_batched: bool
    output_names: tuple[str, ...]
    weight_files: tuple[str, ...]
    opset: int

    def working_size(self, wanted: int | None) -> int:
        """The side of its square input in pixels: the fixed one, or `wanted` where it is dynamic.

        Raises:
            AdoptError: The size is neither fixed nor given, or `wanted` differs from the fixed one.
        """
        if self.size is None and wanted is None:
            raise AdoptError(f"{self.path} takes pictures of any size: choose one with --size, for example 1024.")
        if wanted is not None and wanted < 1:
            raise AdoptError(f"There is no size of {wanted} pixels: give one above zero with --size.")
        if self.size is not None and wanted not in (None, self.size):
            raise AdoptError(f"{self.path} takes pictures of {self.size} pixels only: leave out --size.")
        size = self.size or wanted
        assert size is not None
        return size

    def output(self, wanted: str | int | None) -> str:
        """The output called `wanted`, the one at that position, or the only one.

        Raises:
            AdoptError: There is no such output, or there are several and none is named.
        """
        names = ", ".join(self.output_names)
        if wanted is None:
            if len(self.output_names) > 1:
                raise AdoptError(f"{self.path} has several outputs: name the mask's with --output, one of {names}.")
            return self.output_names[0]
        if isinstance(wanted, int):
            if not 0 <= wanted < len(self.output_names):
                raise AdoptError(f"{self.path} has no output at position {wanted}: it has {names}.")
            return self.output_names[wanted]
        if wanted not in self.output_names:
            raise AdoptError(f"{self.path} has no output {wanted!r}: name one of {names} with --output.")
        return wanted


def read_source(path: Path) -> Source:
    """Reads an ONNX file with its weights, including external data.

    Raises:
        AdoptError: The file is not ONNX, its weights are missing, or its input is not one image.
    """
    model, weight_files = _loaded(path)
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise AdoptError(
            f"{path} is written in ONNX's operators of version {opset}, and what tuft puts around it needs "
            f"{OLDEST_OPSET}: export it again with opset_version={OLDEST_OPSET} or newer."
        )
    picture = _only_input(path, model.graph)
    batch, height, width = _axes(path, picture)
    return Source(
        path=path,
        model=model,
        input_name=picture.name,
        is_half=_is_half(path, picture),
        size=_side(path, height, width),
        is_batched=_is_batched(path, batch),
        output_names=tuple(output.name for output in model.graph.output),
        weight_files=weight_files,
        opset=opset,
    )


def _loaded(path: Path) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The model with all its weights, and the names of its external data files."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

    if not path.is_file():
        raise AdoptError(f"There is no file {path}: give the .onnx file that its authors publish.")
    try:
        model: onnx.ModelProto = onnx.load(path, load_external_data=False)
        outside = [tensor for tensor in model.graph.initializer if uses_external_data(tensor)]
        weight_files = {ExternalDataInfo(tensor).location for tensor in outside}
        load_external_data_for_model(model, str(path.parent))
    except DecodeError as exc:
        raise AdoptError(f"{path} is no ONNX file, or not all of it: download it again.") from exc
    except (onnx.checker.ValidationError, OSError) as exc:
        reason = " ".join(str(exc).split())
        raise AdoptError(
            f"The weights of {path} lie in a file of their own that cannot be read ({reason}): put it beside it."
        ) from exc
    if not model.graph.node or not model.graph.output:
        raise AdoptError(f"{path} is no ONNX file, or not all of it: download it again.")
    return model, tuple(sorted(weight_files))


def _only_input(path: Path, graph: onnx.GraphProto) -> Any:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise AdoptError(
            f"{path} takes {len(inputs)} tensors ({names}): tuft can wrap only a network that takes one picture, so "
            "export it without the others."
        )
    return inputs[0]


def _axes(path: Path, picture: Any) -> tuple[int | None, int | None, int | None]:
    """Batch, height and width of the input; None where dynamic."""
    shape = [axis.dim_value or None for axis in picture.type.tensor_type.shape.dim]
    if len(shape) != 4 or shape[1] not in (None, contract.CHANNELS):
        given = [axis or "?" for axis in shape]
        raise AdoptError(
            f"{path} takes {picture.name} of shape {given}: tuft can wrap only a network that takes RGB "
            "as [n, 3, height, width], so export it in this form."
        )
    return shape[0], shape[2], shape[3]


def _side(path: Path, height: int | None, width: int | None) -> int | None:
    if height and width and height != width:
        raise AdoptError(
            f"{path} takes pictures of {width} x {height} pixels: tuft sends squares, so export it for a square."
        )
    return height or width


def _is_batched(path: Path, batch: int | None) -> bool:
    if batch is not None and batch > 1:
        raise AdoptError(f"{path} takes batches of exactly {batch}: export it for any batch, or for single pictures.")
    return batch is None


def _is_half(path: Path, picture: Any) -> bool:
    from onnx import TensorProto

    element = picture.type.tensor_type.elem_type
    if element not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        raise AdoptError(
            f"{path} takes {TensorProto.DataType.Name(element)} numbers: tuft can wrap only a network that takes "
            "float32 or float16, so export it in one of them."
        )
    return bool(element == TensorProto.FLOAT16)
