"""The client: one call from a photograph to its cut-out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft import compose, contract, images, postprocess, preprocess
from tuft import refine as refinement
from tuft.cutout import Cutout
from tuft.errors import ModelUnavailableError, OptionError, ServerBusyError, ServerError, ServerOutOfMemoryError
from tuft.pixels import strips
from tuft.presets import PRESETS, STEP_DOWN, Preset, preset_from_name, working_size
from tuft.settings import Settings
from tuft.stopwatch import Stopwatch
from tuft.transport.triton import TritonTransport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from numpy.typing import NDArray

    from tuft.geometry import Geometry
    from tuft.presets import Refinement
    from tuft.transport.base import Inference, Transport

REFERENCE_PRESET: Final = "stable"  # scaled as transparent-background does it


class Client:
    """Cuts out subjects with the help of a model server; usable from many threads at once.

    What is not given comes from the environment (`tuft.settings.VARIABLES`), else from `tuft.Settings`.

    Args:
        url: Address of the server's gRPC port, `localhost:8001` by default.
        preset: The preset of requests that name none, `standard` by default.
        timeout_s: Seconds that the server may take for one photograph.
        max_pixels: Photographs with more pixels are refused before they are decoded.
        fallback: Whether a smaller preset may serve when the server is out of memory or busy.
        transport: The way to the server; in tests, a `tuft.FakeTransport`. `url` is not used then.

    Raises:
        OptionError: A setting has no such value.
        SetupError: tritonclient is not installed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        preset: str | None = None,
        timeout_s: float | None = None,
        max_pixels: int | None = None,
        fallback: bool | None = None,
        transport: Transport | None = None,
    ) -> None:
        self.settings = Settings.from_environment().overridden(
            url=url, preset=preset, timeout_s=timeout_s, max_pixels=max_pixels, fallback=fallback
        )
        self.transport = TritonTransport(self.settings.url) if transport is None else transport
        self._fallbacks = 0
        self._lock = threading.Lock()

    @property
    def fallbacks(self) -> int:
        """How many photographs a smaller preset than the one asked for has served."""
        return self._fallbacks

    def remove(
        self,
        image: images.ImageSource,
        preset: str | None = None,
        *,
        size: int | None = None,
        model: str | None = None,
        refine: Refinement | None = None,
        timeout_s: float | None = None,
        fallback: bool | None = None,
    ) -> Cutout:
        """Cuts the subject out of a photograph.

        Args:
            image: Path, bytes, binary file, PIL image or array, as `tuft.images.load_photo` takes it.
            preset: One of `tuft.PRESETS`.
            size: Another working size in pixels, one of `tuft.contract.SIZES`; no smaller one replaces it.
            model: Another served model, such as one that `tuft-export adopt` has published; it has its own working
                size, and no other model replaces it. The preset still says how to resize and refine.
            refine: Another refinement: `none`, `edges` or `edges+colours`.
            timeout_s: Seconds that the server may take.
            fallback: Whether a smaller preset may serve when the server is out of memory or busy.

        Raises:
            ImageError: The photograph cannot be used; the class says why.
            OptionError: An argument has no such value, or `size` and `model` are both given.
            ServerError: The server did not do it; the class says why.
        """
        if model is not None and size is not None:
            raise OptionError(f"The model {model} has a working size of its own: leave out size, or model.")
        settings = self.settings.overridden(preset=preset, timeout_s=timeout_s, fallback=fallback)
        asked = preset_from_name(settings.preset, size=size, refine=refine)
        reference = asked.name == REFERENCE_PRESET
        watch = Stopwatch()
        with watch.stage("decode"):
            photo = images.load_photo(image, max_pixels=settings.max_pixels)
        may_step_down = settings.fallback and size is None and model is None
        smaller = _smaller_presets(asked, photo.size_hw) if may_step_down else ()
        answer = self._ask(photo, (asked, *smaller), model, settings.timeout_s, watch)
        with watch.stage("postprocess"):
            alpha = postprocess.alpha_from_saliency(answer.inference.saliency, answer.geometry, reference=reference)
        with watch.stage("refine"):
            if answer.preset.refine != "none":
                alpha = refinement.refine_alpha(photo.rgb, alpha, answer.geometry.size)
            alpha = _with_own_alpha(alpha, photo.alpha)
        with watch.stage("colours"):
            foreground = photo.rgb
            if answer.preset.refine == "edges+colours":
                foreground = refinement.estimate_foreground(photo.rgb, alpha)
        with watch.stage("compose"):
            opacity = postprocess.to_uint8(alpha, reference=reference)
            del alpha  # 400 MB of a photograph of 100 megapixels
            rgba = compose.cutout(foreground, opacity)
        return Cutout(
            rgba=rgba,
            foreground=foreground,
            photo=photo.rgb,
            preset=answer.preset.name,
            requested=asked.name,
            fallback_reason=answer.fallback_reason,
            model=answer.inference.model,
            model_version=answer.inference.version,
            milliseconds=watch.milliseconds,
        )

    def close(self) -> None:
        """Ends the connection; requests on their way end in an error."""
        self.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self, photo: images.Photo, presets: Sequence[Preset], model: str | None, timeout_s: float, watch: Stopwatch
    ) -> _Answer:
        """What the first of `presets` that the server has room for says; the first one's error if none has.

        Each is served by its own model, unless `model` names another.
        """
        deadline_s = time.monotonic() + timeout_s
        failure: ServerError | None = None
        for preset in presets:
            with watch.stage("network"):
                name, size = self._served_model(model, preset, photo.size_hw, timeout_s)
            with watch.stage("resize"):
                picture, geometry = preprocess.network_image(photo.rgb, size, preset.resize)
            remaining_s = max(deadline_s - time.monotonic(), 0.0)
            try:
                with watch.stage("network"):
                    inference = self.transport.infer(name, picture, timeout_s=remaining_s)
            except (ServerOutOfMemoryError, ServerBusyError) as error:
                failure = failure or error
            except ModelUnavailableError:  # of a smaller preset, nobody has asked for it
                if failure is None:
                    raise
            else:
                return self._counted(_Answer(preset, geometry, inference, str(failure) if failure else None))
        assert failure is not None
        raise failure

    def _served_model(
        self, model: str | None, preset: Preset, size_hw: tuple[int, int], timeout_s: float
    ) -> tuple[str, int]:
        """Name and working size (pixels) of the model that is meant for a photograph of `size_hw`."""
        if model is not None:
            return model, self.transport.model_size(model, timeout_s=timeout_s)
        size = working_size(preset, size_hw)
        return contract.model_name(size), size

    def _counted(self, answer: _Answer) -> _Answer:
        if answer.fallback_reason is not None:
            with self._lock:
                self._fallbacks += 1
        return answer


@dataclass(frozen=True, eq=False)
class _Answer:
    """What the server said, and to what."""

    preset: Preset
    geometry: Geometry
    inference: Inference
    fallback_reason: str | None


def _smaller_presets(asked: Preset, size_hw: tuple[int, int]) -> Iterator[Preset]:
    """The presets below the one that is as large as `asked`, largest first, refined as `asked` is."""
    size = working_size(asked, size_hw)
    name = next((name for name in STEP_DOWN if PRESETS[name].size == size), "")
    while name in STEP_DOWN:
        name = STEP_DOWN[name]
        yield preset_from_name(name, refine=asked.refine)


def _with_own_alpha(alpha: NDArray[np.float32], own: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """(H, W) alpha in 0..1, made no more opaque than the photograph came (uint8).

    The smaller of the two, not their product: a soft edge that the network has seen as well would fade twice.
    """
    if own is not None:
        for rows in strips(len(own)):
            np.minimum(alpha[rows], own[rows] / np.float32(255), out=alpha[rows])
    return alpha
