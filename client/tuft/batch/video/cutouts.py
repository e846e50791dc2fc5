"""The frames of a video, cut out one after the other: network, steadying, colours."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract, imaging
from tuft.batch.video.keyframes import is_key, tracked
from tuft.batch.video.motion import Motion
from tuft.batch.video.steady import Matted, Past, steadied
from tuft.concurrency import DEFAULT_CONCURRENCY, bounded_map
from tuft.cutout import Cutout
from tuft.errors import NoSubjectError
from tuft.imaging import compose, postprocess, refine
from tuft.imaging.decoding import transparency
from tuft.inference.resilience import CancelToken, linked_token
from tuft.presets import Preset, overridden, preset_from_name, working_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.batch.video.reading import Frame
    from tuft.client import Client
    from tuft.concurrency import TaskResult
    from tuft.options import RemoveOptions

_COLOURS: Final = "+colours"


@dataclass(frozen=True, eq=False)
class Step:
    """A frame on its way.

    Attributes:
        frame: The frame.
        photo: Its picture for the network.
        motion: From the frame before; None if it is not needed.
        key: Whether the network is asked.
    """

    frame: Frame
    photo: imaging.Photo
    motion: Motion | None
    key: bool


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How the frames of a video are cut out.

    Attributes:
        preset: As for `tuft.Client.remove`.
        steady: Whether alpha is steadied over time.
        fast: Whether the network is asked for keyframes only, and others are tracked.
        concurrency: How many frames are worked on at once.
        options: The other arguments of `tuft.Client.remove`.
    """

    preset: str | Preset | None = None
    steady: bool = True
    fast: bool = False
    concurrency: int = DEFAULT_CONCURRENCY
    options: RemoveOptions = field(default_factory=dict)  # type: ignore[assignment]

    def resolved(self, client: Client) -> Preset:
        """The preset with its overrides."""
        refine_, size = self.options.get("refine"), self.options.get("size")
        if isinstance(self.preset, Preset):
            return overridden(self.preset, size=size, refine=refine_)
        return preset_from_name(self.preset or client.settings.preset, size=size, refine=refine_)


def cut_out(
    frames: Iterable[Frame], client: Client, ways: Ways, past: Past | None = None
) -> Generator[tuple[Frame, Cutout, Past], None, None]:
    """The cut-out of each frame, in order; wholly transparent where a frame has no subject.

    While the network works on some frames, others are decoded, steadied and coloured. The number of frames in memory is
    bounded.

    Args:
        frames: The frames, consecutive.
        client: Asks the network.
        ways: How.
        past: Of the frame before the first, from an earlier run.

    Yields:
        The frame, its cut-out, and what an interrupted run needs to go on behind it.

    Raises:
        TuftError: A frame cannot be cut out; the class says why.
    """
    return _Cutting(client, ways).run(frames, past)


class _Cutting:
    def __init__(self, client: Client, ways: Ways) -> None:
        self._client, self._ways = client, ways
        self._preset = ways.resolved(client)
        self._with_colours = self._preset.refine.endswith(_COLOURS)
        # Colours follow from the steadied alpha, so the request leaves them out.
        asked: Any = self._preset.refine.removesuffix(_COLOURS)
        self._asked = replace(self._preset, refine=asked)
        self._size: int | None = None
        self._leaving = CancelToken()

    def run(self, frames: Iterable[Frame], past: Past | None) -> Generator[tuple[Frame, Cutout, Past], None, None]:
        ways = self._ways
        with ExitStack() as stack:
            stack.callback(self._leaving.cancel)
            token = stack.enter_context(linked_token(self._leaving, ways.options.get("cancel")))
            self._options: RemoveOptions = {**ways.options, "cancel": token, "refine": None}
            answers = bounded_map(self._steps(frames, past), self._answer, concurrency=ways.concurrency)
            stack.enter_context(closing(answers))
            matted = self._matted(answers, past)
            pairs = steadied(matted, past) if ways.steady else ((each, each.alpha) for each in matted)
            finished = stack.enter_context(closing(bounded_map(pairs, self._finished, concurrency=ways.concurrency)))
            for result in finished:
                if result.error is not None:
                    raise result.error
                assert result.value is not None
                yield result.value

    def _steps(self, frames: Iterable[Frame], past: Past | None) -> Iterator[Step]:
        before = None if past is None else past.photo
        backdrop: int | None = None
        for frame in frames:
            photo = _photo(frame.pixels, backdrop)
            backdrop = photo.backdrop
            needed = before is not None and (self._ways.steady or self._ways.fast)
            motion = Motion(before, photo.rgb) if needed and before is not None else None
            key = not self._ways.fast or is_key(frame.index, motion)
            yield Step(frame, photo, motion, key)
            before = photo.rgb

    def _answer(self, step: Step) -> tuple[Step, Cutout | None]:
        """The network's cut-out of a keyframe, in a thread."""
        if step.motion is not None and self._ways.steady:
            _ = step.motion.is_cut  # computed here, beside the network, and not in the thread of the caller
            _ = step.motion.forward_trust
        if not step.key:
            return step, None
        try:
            return step, self._client.remove(step.photo, self._asked, **self._options)
        except NoSubjectError:
            return step, None

    def _matted(
        self, answers: Iterator[TaskResult[Step, tuple[Step, Cutout | None]]], past: Past | None
    ) -> Iterator[Matted]:
        alpha = None if past is None else past.alpha
        template: Cutout | None = None
        for result in answers:
            if result.error is not None:
                raise result.error
            assert result.value is not None
            step, cutout = result.value
            if cutout is not None:
                template = cutout
                alpha = cutout.alpha.astype(np.float32) / np.float32(255)
            elif step.key or alpha is None or step.motion is None:
                alpha, template = np.zeros(step.photo.size_hw, np.float32), None
            else:
                alpha = tracked(alpha, step.motion, self._network_size(step.photo.size_hw), self._asked.refine)
            yield Matted(step.frame, step.photo.rgb, alpha, template, step.motion)

    def _network_size(self, size_hw: tuple[int, int]) -> int:
        if self._size is None:
            model = self._ways.options.get("model")
            timeout_s = self._client.settings.timeout_s
            self._size = (
                working_size(self._preset, size_hw)
                if model is None
                else self._client.transport.model_size(model, timeout_s=timeout_s)
            )
        return self._size

    def _finished(self, pair: tuple[Matted, NDArray[np.float32]]) -> tuple[Frame, Cutout, Past]:
        """The cut-out of a frame with its steadied alpha, in a thread."""
        matted, alpha = pair
        foreground = matted.photo
        if self._with_colours:
            foreground = refine.estimate_foreground(matted.photo, alpha)
        rgba = compose.cutout(foreground, postprocess.to_uint8(alpha))
        template = matted.cutout or self._template(matted.photo)
        cutout = replace(template, rgba=rgba, foreground=foreground, photo=matted.photo)
        return matted.frame, cutout, Past(matted.photo, matted.alpha, alpha)

    def _template(self, photo: NDArray[np.uint8]) -> Cutout:
        name = self._preset.name
        model = self._ways.options.get("model") or contract.model_name(
            working_size(self._preset, (photo.shape[0], photo.shape[1]))
        )
        return Cutout(
            rgba=np.zeros((*photo.shape[:2], 4), np.uint8),
            foreground=photo,
            photo=photo,
            preset=name,
            requested=name,
            fallback_reason=None,
            model=model,
            model_version="",
            milliseconds={},
        )


def _photo(pixels: NDArray[np.uint8], backdrop: int | None) -> imaging.Photo:
    """A frame as the network sees it; all translucent ones are over the backdrop of the first."""
    if pixels.shape[2] == 3:
        return imaging.Photo(pixels)
    if backdrop is None:
        return imaging.load_photo(pixels)
    rgb, alpha = np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
    return imaging.Photo(transparency.over(rgb, alpha, backdrop), alpha, backdrop)
