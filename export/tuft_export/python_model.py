"""The model that Triton's Python backend serves: `model.onnx` in OpenVINO, on the CPU, one image at a time.

`tuft-export publish --runtime python` copies this file into a version folder as `model.py`, beside `model.onnx`.
Triton runs it in a process of its own, so it imports nothing of tuft. Its settings are the `parameters` of
`configs/python.pbtxt`:

    precision         what OpenVINO computes in, `f32` (default) or `bf16`
    threads           CPU threads, 0 (default) for as many as cores
    full_resolution   where the stage at full resolution, a third of the work, is computed: `exact` (default) leaves out
                      only what cannot change the answer, `uncertain` also what would hardly change it

In the folder that the environment variable TUFT_COMPILED names, if it does, compiled graphs are kept for the next
start; not large ones: for the 370 MB of the base network at 384 that saved 2 of 6 seconds and cost 355 MB of disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    Network = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.floating[Any]]]

INPUT_NAME = "IMAGE"
OUTPUT_NAME = "SALIENCY"

# Where the stage at full resolution begins and ends: `tuft_export/graphs/full_resolution.py` explains the names.
FEATURES: Final = "full_resolution.features"
KEY: Final = "full_resolution.key"
VALUE: Final = "full_resolution.value"
COARSE: Final = "full_resolution.coarse"
EDGE: Final = "full_resolution.edge"
DETAIL: Final = "full_resolution.detail"

# Pixels at full resolution. Smaller tiles fit an edge more closely and have more margin: at 1024, tiles of 32, 64 and
# 128 cover 18, 25 and 40 % of eight photographs on average, and 34, 35 and 48 % with their margins.
TILE_PX: Final = 64
# From a pixel, five convolutions of 3×3 and the enlargement of the features see no further.
MARGIN_PX: Final = 6
TILES_AT_ONCE: Final = 4
# `uncertain`: the stage is left out where the saliency is below 10 or above 90 % without it. That moved no photograph's
# or scene's error by more than half a percent (benchmarks/network.py).
CERTAIN_LOGIT: Final = 2.2

_LARGEST_KEPT_BYTES: Final = 64_000_000


class TritonPythonModel:
    """What Triton's Python backend calls: `initialize` once, `execute` for requests, `finalize` at the end."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Compile the graph.

        Args:
            args: From Triton; used are `model_repository` (the model's folder), `model_version` and `model_config`
                (JSON).

        Raises:
            TritonModelException: OpenVINO or the graph is missing, OpenVINO cannot compile it, or a setting is wrong.
        """
        config = json.loads(args["model_config"])
        settings = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        output = pb_utils.get_output_config_by_name(config, OUTPUT_NAME)
        self._output_dtype = pb_utils.triton_string_to_numpy(output["data_type"])
        version_folder = Path(args["model_repository"]) / args["model_version"]
        self._network = _network(version_folder / "model.onnx", settings)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request.

        An exception fails all `requests` and counts as a failure in Triton's metrics, which a response that carries
        an error does not. The configuration hands over one request at a time, so nobody else's fails with it; and
        Triton has refused wrong names, types and shapes before.

        Raises:
            TritonModelException: The network failed; the message says `out of memory` where that is the reason.
        """
        return [self._response(request) for request in requests]

    def finalize(self) -> None:
        """Let go of the compiled graph."""
        del self._network

    def _response(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, INPUT_NAME).as_numpy()
        saliency = np.empty(images.shape[:3], self._output_dtype)
        for index in range(len(images)):
            saliency[index] = self._saliency(images[index : index + 1])
        return pb_utils.InferenceResponse([pb_utils.Tensor(OUTPUT_NAME, saliency)])

    def _saliency(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating[Any]]:
        """The answer of shape [1, S, S] to an image of shape [1, S, S, 3]; its memory may serve the next one."""
        try:
            return self._network(image)
        except (MemoryError, RuntimeError) as exc:
            raise _model_exception("The network failed", exc) from exc


class _Whole:
    """The network in one piece."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating[Any]]:
        answer: npt.NDArray[np.floating[Any]] = self._request.infer([image])[0]
        return answer


class _InTiles:
    """The network without its stage at full resolution, and that stage, in tiles where it is needed.

    Where pyramids blend, EDGE says where the stage counts, and the answer is the whole network's. In a plain network
    it counts everywhere, and is left out where the saliency is certain without it.
    """

    def __init__(self, all_but_it: Any, stage: Any) -> None:
        self._all_but_it, self._stage = all_but_it.create_infer_request(), stage.create_infer_request()

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating[Any]]:
        answer = self._all_but_it.infer([image])
        features, key, value, coarse, *edge = (answer[index] for index in range(len(answer)))
        weight = edge[0][0, 0] if edge else np.ones_like(coarse[0, 0])
        needed = weight != 0 if edge else np.abs(coarse[0, 0]) < CERTAIN_LOGIT
        logits = coarse[0, 0].copy()
        tile_px = _tile_px(len(logits))
        tiles = _tiles(needed, tile_px)
        for first in range(0, len(tiles), TILES_AT_ONCE):
            group = tiles[first : first + TILES_AT_ONCE]
            for (y, x), detail in zip(group, self._detail(group, tile_px, features, key, value), strict=False):
                inside = np.s_[y : y + tile_px, x : x + tile_px]
                logits[inside] += weight[inside] * detail
        return _sigmoid(logits)[None]

    def _detail(
        self, tiles: npt.NDArray[np.intp], tile_px: int, *inputs: npt.NDArray[np.floating[Any]]
    ) -> list[npt.NDArray[np.floating[Any]]]:
        """What the stage says in a few tiles, given by their corners (y, x): [tile_px, tile_px] each."""
        features, key, value = inputs
        window_px, size_px = tile_px + 2 * MARGIN_PX, 2 * features.shape[-1]
        # At the picture's border a window has no margin: it is padded there as the whole picture is.
        windows = np.clip(tiles - MARGIN_PX, 0, size_px - window_px)
        batch = np.zeros((TILES_AT_ONCE, features.shape[1], window_px // 2, window_px // 2), np.float32)
        for index, (y, x) in enumerate(windows // 2):
            batch[index] = features[0, :, y : y + window_px // 2, x : x + window_px // 2]
        answer = self._stage.infer([batch, key, value])[0]
        return [answer[index, 0, y : y + tile_px, x : x + tile_px] for index, (y, x) in enumerate(tiles - windows)]


def _tile_px(size_px: int) -> int:
    """The side of the tiles of a picture: sizes are multiples of 32."""
    return math.gcd(size_px, TILE_PX)


def _tiles(needed: npt.NDArray[np.bool_], tile_px: int) -> npt.NDArray[np.intp]:
    """Corners (y, x) of the tiles in which any pixel of `needed` [S, S] is set: [count, 2]."""
    count = len(needed) // tile_px
    return np.argwhere(needed.reshape(count, tile_px, count, tile_px).any(axis=(1, 3))) * tile_px


def _sigmoid(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    saliency: npt.NDArray[np.floating[Any]] = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))  # float32 ends at exp(88)
    return saliency


def _network(path: Path, settings: Mapping[str, str]) -> Network:
    """The graph at `path`, compiled by OpenVINO for one image."""
    try:
        import openvino  # noqa: F401 -- said before anything else
    except ImportError as exc:
        raise pb_utils.TritonModelException(
            "OpenVINO is missing in the server's Python environment: pip install 'tuft[server]'."
        ) from exc
    if not path.is_file():
        raise pb_utils.TritonModelException(
            f"{path} is missing: publish the model again with `tuft-export publish --runtime python`."
        )
    where = settings.get("full_resolution", "exact")
    if where not in ("exact", "uncertain"):
        raise pb_utils.TritonModelException(f"full_resolution must be exact or uncertain, not {where}.")
    try:
        parts = _compiled(path, _properties(settings), everywhere=where == "exact")
    except (MemoryError, RuntimeError) as exc:
        raise _model_exception(f"OpenVINO cannot load {path}", exc) from exc
    return _InTiles(*parts) if len(parts) > 1 else _Whole(*parts)


def _compiled(path: Path, properties: Mapping[str, str], *, everywhere: bool) -> list[Any]:
    """The parts in which the graph is computed, one or two, from where they are kept or anew."""
    import openvino

    core = openvino.Core()
    blobs = _blobs(path, f"{openvino.__version__} {sorted(properties.items())} {everywhere} {_processor()}")
    for kept in (blobs[:1], blobs[1:]):
        if kept and all(blob.is_file() for blob in kept):
            try:
                # Properties are not kept with it: without them it would compute in bfloat16 where there is such.
                return [core.import_model(blob.read_bytes(), "CPU", dict(properties)) for blob in kept]
            except RuntimeError:
                break  # damaged, or of another build: made anew
    models = _parts(core.read_model(path), everywhere=everywhere)
    parts = [core.compile_model(model, "CPU", dict(properties)) for model in models]
    for blob, part in zip(blobs[:1] if len(parts) == 1 else blobs[1:], parts, strict=False):
        _keep(blob, part)
    return parts


def _parts(model: Any, *, everywhere: bool) -> list[Any]:
    """The graph for one image, cut in two where the stage at full resolution need not be computed everywhere."""
    model.reshape([1, *model.inputs[0].partial_shape[1:]])
    _convolve_apart(model)
    ports = _ports(model)
    can_be_cut = {FEATURES, KEY, VALUE, COARSE, DETAIL} <= ports.keys() and (EDGE in ports or not everywhere)
    return [_all_but_the_stage(model, ports), _stage(model)] if can_be_cut else [model]


def _convolve_apart(model: Any) -> None:
    """Makes a convolution of two joined maps the sum of two: nobody needs the joined map, the largest of all."""
    import openvino

    ops = openvino.opset15
    for node in model.get_ops():
        if node.get_type_name() != "Convolution":
            continue
        joined, weight = node.input_value(0).get_node(), node.input_value(1).get_node()
        if joined.get_type_name() != "Concat" or joined.get_axis() != 1 or joined.get_input_size() != 2:
            continue
        if weight.get_type_name() != "Constant" or weight.get_element_type() != openvino.Type.f32:
            continue
        parts = np.split(weight.data, [joined.input_value(0).shape[1]], axis=1)
        settings = (node.get_strides(), node.get_pads_begin(), node.get_pads_end(), node.get_dilations())
        apart = [
            ops.convolution(joined.input_value(index), np.ascontiguousarray(part), *settings, node.get_auto_pad())
            for index, part in enumerate(parts)
        ]
        node.output(0).replace(ops.add(*apart).output(0))


def _ports(model: Any) -> dict[str, Any]:
    """Where a graph's values come out, by name."""
    return {name: port for node in model.get_ops() for port in node.outputs() for name in port.get_names()}


def _all_but_the_stage(model: Any, ports: Mapping[str, Any]) -> Any:
    import openvino

    names = [FEATURES, KEY, VALUE, COARSE, *([EDGE] if EDGE in ports else [])]
    return openvino.Model([ports[name] for name in names], model.get_parameters())


def _stage(model: Any) -> Any:
    """The stage for a few tiles with their margins."""
    import openvino

    clone = model.clone()  # named: it has to outlive the cut
    ports = _ports(clone)
    channels, size_px = ports[FEATURES].shape[1], 2 * ports[FEATURES].shape[2]
    side = (_tile_px(size_px) + 2 * MARGIN_PX) // 2
    shapes = {FEATURES: [TILES_AT_ONCE, channels, side, side], KEY: ports[KEY].shape, VALUE: ports[VALUE].shape}
    parameters = []
    for name, shape in shapes.items():
        parameter = openvino.opset15.parameter(shape, ports[name].element_type)
        for reader in ports[name].get_target_inputs():
            reader.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    stage = openvino.Model([ports[DETAIL]], parameters)
    stage.validate_nodes_and_infer_types()
    return stage


def _blobs(path: Path, made_by: str) -> list[Path]:
    """Where the compiled graph is kept, in one piece or in two: three files, or none if nothing is to be kept."""
    folder = os.environ.get("TUFT_COMPILED")
    if not folder or path.stat().st_size > _LARGEST_KEPT_BYTES:
        return []
    digest = hashlib.sha256(path.read_bytes() + made_by.encode() + Path(__file__).read_bytes()).hexdigest()
    return [Path(folder) / f"{digest}.{part}.blob" for part in ("whole", "all_but_the_stage", "stage")]


def _keep(blob: Path, compiled: Any) -> None:
    """Writes it, or does not: then the next start takes longer."""
    partial = blob.with_suffix(f".{os.getpid()}.partial")
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(compiled.export_model().getvalue())
        partial.replace(blob)
    except (OSError, RuntimeError):
        with contextlib.suppress(OSError):
            partial.unlink()


def _processor() -> str:
    """Which instructions a compiled graph may use depends on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")


def _properties(settings: Mapping[str, str]) -> dict[str, str]:
    """OpenVINO's properties for our settings."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": settings.get("precision", "f32"),
        "INFERENCE_NUM_THREADS": settings.get("threads", "0"),
    }


def _model_exception(what: str, cause: Exception) -> Exception:
    """Triton's exception with the cause in one line, and the words `out of memory` where that is the cause."""
    lines = (line.strip() for line in str(cause).splitlines())
    # OpenVINO begins with the places in its own sources that the exception passed.
    reason = " ".join(line for line in lines if line and not line.startswith("Exception from"))
    if isinstance(cause, MemoryError) or "Failed to allocate" in reason or "bad_alloc" in reason:
        reason = f"out of memory ({reason})"
    exception: Exception = pb_utils.TritonModelException(f"{what}: {reason}")
    return exception
