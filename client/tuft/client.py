"""The client: one call from a photograph to its cut-out."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypedDict

from tuft import imaging, wiring
from tuft.animation import CutoutAnimation
from tuft.concurrency import DEFAULT_CONCURRENCY, MapResult, bounded_map, map_results
from tuft.cutout import Cutout
from tuft.errors import NoSubjectError, OptionError, ServerUnreachableError
from tuft.imaging import compose, pipeline
from tuft.inference.request import Request, observed
from tuft.inference.resilience import CancelToken, Deadline, linked_token
from tuft.inference.runner import RunRequest
from tuft.inference.transport.access import Access
from tuft.inference.transport.connect import connect
from tuft.options import RemoveOptions, require_known, require_many, require_option_types
from tuft.presets import Preset, overridden, preset_from_name
from tuft.prompts import prompt_set
from tuft.settings import Settings, load_settings
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from os import PathLike
    from types import TracebackType
    from typing import Any

    from typing_extensions import Unpack

    from tuft.inference.observers import Observer
    from tuft.inference.resilience import CircuitState
    from tuft.inference.runner import RunResult
    from tuft.inference.transport.base import Transport
    from tuft.presets import Refinement
    from tuft.prompts import Prompt


_LOG = logging.getLogger("tuft")


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of `Client`, which describes them, for what hands them on."""

    root_certificates: str | PathLike[str] | None
    client_certificate: str | PathLike[str] | None
    client_key: str | PathLike[str] | None
    token: str | None
    headers: Mapping[str, str] | None
    preset: str | None
    timeout_s: float | None
    max_pixels: int | None
    fallback: bool | None
    settings: Settings | None
    observers: Iterable[Observer]
    experiment: wiring.Experiment | wiring.Recorder | None
    rollout: wiring.Rollout | None
    cache: wiring.ResultCache | None
    transport: Transport | None


class Client:
    """Cuts out subjects with the help of a model server; usable from many threads at once.

    What is not given comes from the environment or a file (`tuft.load_settings`), else from `tuft.Settings`. Making a
    client has no side effects: what settings ask for (cache folder, metrics port, log) is opened by the first request,
    or by `from_settings`.

    Args:
        url: Address of the server's gRPC port, `localhost:8001` by default; or `local`, which computes in this process
            without a server (`pip install 'tuft-matting[local]'`), `local:FOLDER` with the models of a repository.
        root_certificates: PEM file of the authorities that may sign the server's certificate, for `grpcs://`.
        client_certificate: PEM file of the certificate that the server asks for.
        client_key: PEM file of its private key.
        token: Sent with every call as `authorization: Bearer TOKEN`.
        headers: Sent with every call, from names to values.
        preset: The preset of requests that name none, `standard` by default.
        timeout_s: Seconds that the server may take for one photograph.
        max_pixels: Photographs with more pixels are refused before they are decoded.
        fallback: Whether a smaller preset may serve when the one asked for cannot (`Settings.fallback_on`).
        settings: All settings; neither environment nor file is read then. The arguments above take precedence.
        observers: Are told of every request.
        experiment: Chooses a variant for requests that name a `unit`; a `Recorder` also records their outcomes.
        rollout: Chooses the version of a model that `tuft rollout` is changing, for requests that name none.
        cache: Where results are kept, so that the same photograph need not be sent again; `Settings.cache_dir` by
            default. After a rollout it may return results of the previous version for up to
            `tuft.operations.cache.VERSION_MAX_AGE_S`.
        transport: The way to the server; in tests, a `tuft.FakeTransport`. `url` is not used then.

    Raises:
        OptionError: A setting has no such value.
        SetupError: tritonclient is not installed, or for `local` what it computes with.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        root_certificates: str | PathLike[str] | None = None,
        client_certificate: str | PathLike[str] | None = None,
        client_key: str | PathLike[str] | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        preset: str | None = None,
        timeout_s: float | None = None,
        max_pixels: int | None = None,
        fallback: bool | None = None,
        settings: Settings | None = None,
        observers: Iterable[Observer] = (),
        experiment: wiring.Experiment | wiring.Recorder | None = None,
        rollout: wiring.Rollout | None = None,
        cache: wiring.ResultCache | None = None,
        transport: Transport | None = None,
    ) -> None:
        _require_kinds(
            settings=settings,
            headers=headers,
            observers=observers,
            experiment=experiment,
            rollout=rollout,
            cache=cache,
            transport=transport,
        )
        settings = load_settings() if settings is None else settings
        self.settings = settings.overridden(
            url=url,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=client_key,
            token=token,
            headers=None if headers is None else tuple(f"{name}: {value}" for name, value in headers.items()),
            preset=preset,
            timeout_s=timeout_s,
            max_pixels=max_pixels,
            fallback=fallback,
        )
        if transport is None:
            transport = connect(self.settings.url, Access.of(self.settings))
        self.transport: Transport = transport
        self._experiment = experiment
        self._wiring = wiring.Wiring(
            self.settings,
            self.transport,
            observers=observers,
            experiment=experiment,
            rollout=rollout,
            cache=cache,
        )
        self._sandbox = _sandbox(self.settings) if self.settings.isolate_decoding else None
        self._load: Callable[..., imaging.Photo] = self._sandbox or imaging.load_photo
        self._closing = CancelToken()
        self._fallbacks = 0
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings | None = None, **arguments: Any) -> Client:
        """A client that has opened what its settings ask for, so that their errors are raised here.

        Args:
            settings: All settings; those of environment and file (`tuft.load_settings`) by default.
            **arguments: The other arguments of `Client`.

        Raises:
            OptionError: A setting has no such value, or its log cannot be written.
            SetupError: A library is not installed.
        """
        client = cls(settings=settings, **arguments)
        client.open()
        return client

    def open(self) -> None:
        """Opens what settings ask for now: cache folder, metrics port, log. The first request does otherwise.

        Raises:
            OptionError: A setting cannot be used.
            SetupError: A library is not installed.
        """
        self._wiring.open()

    @property
    def cache(self) -> wiring.ResultCache | None:
        """Where results are kept; None if they are not."""
        return self._wiring.open().cache

    @property
    def fallbacks(self) -> int:
        """How many photographs a smaller preset than the one asked for has served."""
        return self._fallbacks

    @property
    def circuits(self) -> dict[str, CircuitState]:
        """From each model that was asked so far to `closed`, `open` (it failed too often) or `half-open`."""
        return self._wiring.circuits

    def remove(
        self,
        image: imaging.ImageSource,
        preset: str | Preset | None = None,
        *,
        size: int | None = None,
        model: str | None = None,
        version: str = "",
        refine: Refinement | None = None,
        roi: imaging.Lengths | None = None,
        prompt: Prompt | Sequence[Prompt] | None = None,
        timeout_s: float | None = None,
        fallback: bool | None = None,
        cancel: CancelToken | None = None,
        unit: str | None = None,
    ) -> Cutout:
        """Cuts the subject out of a photograph.

        Args:
            image: Path, bytes, binary file, PIL image, array or decoded `tuft.imaging.Photo`, as
                `tuft.imaging.load_photo` takes it.
            preset: The name of one of `tuft.PRESETS`, or a `tuft.Preset` of your own.
            size: Another working size in pixels, one of `tuft.contract.SIZES`; no smaller one replaces it.
            model: Another served model, such as one that `tuft-export adopt` has published; it has its own working
                size, and no other model replaces it. The preset still says how to refine, and how to resize unless the
                model states the mode it was trained with.
            version: Another version of the model than the server would choose.
            refine: Another refinement: `none`, `edges` or `edges+colours`.
            roi: The region of the photograph that holds the subject, `x1 y1 x2 y2`, each in pixels (`30px`, 30) or of
                its width or height (`10%`). The network sees only this; the cut-out keeps the whole frame, transparent
                outside of it.
            prompt: Which subject is meant where there are several: `tuft.Points`, `tuft.Box`, both in a list, or a
                `tuft.Mask`. Points need a model for prompts on the server; a box and a mask work without one.
            timeout_s: Seconds that the server may take, all attempts included.
            fallback: Whether a smaller preset may serve when the one asked for cannot (`Settings.fallback_on`).
            cancel: Cancels the request, from any thread.
            unit: The key of the request's owner, such as a customer's number: the client's experiment chooses a variant
                by it, which has the last word over `preset`, `model`, `version` and `refine`.

        Raises:
            ImageError: The photograph cannot be used; the class says why.
            OptionError: An argument has no such value, or two are given that do not go together: `size` and `model`, or
                `roi` and `prompt`.
            PromptError: The prompt is none, or lies outside of the photograph.
            ServerError: The server did not do it; the class says why.
            RequestCancelledError: The request was cancelled, by `cancel` or by `close`.
        """
        assigned = None if unit is None or self._experiment is None else self._experiment.assign(unit)
        variant = None if assigned is None else assigned.variant
        if variant is not None:
            preset, model = variant.preset or preset, variant.model or model
            version, refine = variant.version or version, variant.refine or refine
        require_option_types(model=model, version=version, cancel=cancel, unit=unit)
        region = None if roi is None else imaging.parse_region(roi)
        if prompt is not None and roi is not None:
            raise OptionError("A prompt says already where the subject is: leave out roi, or prompt.")
        prompts = None if prompt is None else prompt_set(prompt)
        asked = self._preset(preset, size=size, model=model, refine=refine)
        settings = self.settings.overridden(timeout_s=timeout_s, fallback=fallback)
        with self._request(asked.name, cancel) as request:
            if assigned is not None:
                request.note(unit=unit, variant=assigned.name)
            photo = self._decoded(image, request)
            box = None if region is None else region.box(photo.size_hw)
            run_request = RunRequest(
                photo if box is None else pipeline.part_of(photo, box),
                asked,
                request,
                Deadline(settings.timeout_s),
                model=model,
                version=version,
                url="" if variant is None else variant.url or "",
                unit=unit or request.record.request_id,
                may_step_down=settings.fallback and size is None and model is None,
                prompt=prompts,
            )
            result = self._wiring.open().runner.run(run_request)
            if box is not None:
                result = replace(result, matte=pipeline.embedded(result.matte, box, photo))
            return self._cutout(photo, result, request)

    def map(
        self,
        photographs: Iterable[imaging.ImageSource],
        preset: str | Preset | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        ordered: bool = True,
        **options: Unpack[RemoveOptions],
    ) -> Generator[MapResult, None, None]:
        """Cuts the subjects out of many photographs with bounded concurrency; one that fails does not stop the others.

        While the network works on one, others are decoded and refined, and the server batches those that reach it
        together. At most `concurrency` photographs, twice as many if `ordered`, are in flight, however many there are:
        they may come from a generator, which is advanced in the calling thread. Closing the iterator, or leaving its
        loop, drops photographs that have not started, cancels those that have, and returns at once.

        Args:
            photographs: Each as `remove` takes it.
            preset: As for `remove`.
            concurrency: How many are worked on at once, above zero.
            ordered: Whether results come in the order of `photographs` rather than as they are completed.
            options: The other arguments of `remove`.

        Returns:
            An iterator over the results, failures included.

        Raises:
            OptionError: `photographs` is a single one, or `concurrency` is not above zero; or, when the iterator is
                advanced, another argument has no such value.
            TypeError: `remove` has no argument of that name.
        """
        require_known(options)
        require_many(photographs)
        leaving = CancelToken()

        def cut_out(photograph: imaging.ImageSource) -> Cutout:
            with linked_token(leaving, options.get("cancel")) as token:
                linked: RemoveOptions = {**options, "cancel": token}
                return self.remove(photograph, preset, **linked)

        results = bounded_map(photographs, cut_out, concurrency=concurrency, ordered=ordered)
        return map_results(results, leaving)

    def remove_frames(
        self,
        animation: imaging.ImageSource,
        preset: str | Preset | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        **options: Unpack[RemoveOptions],
    ) -> CutoutAnimation:
        """Cuts the subject out of every frame of an animation: GIF, APNG, WebP or AVIF.

        Each frame is a request of its own. In a frame without a subject everything is transparent. All results are in
        memory at once: `Settings.max_pixels` is for the pixels of all frames together.

        Args:
            animation: Path, bytes or binary file; any other picture that `remove` takes has one frame.
            preset: As for `remove`.
            concurrency: How many frames are worked on at once, above zero.
            options: The other arguments of `remove`.

        Raises:
            NoSubjectError: No frame has a subject.
            ImageError: The animation cannot be used; the class says why.
            ServerError: The server did not do it; the class says why.
            OptionError: An argument has no such value.
            RequestCancelledError: The request was cancelled.
        """
        load = imaging.load_frames if self._sandbox is None else self._sandbox.frames
        frames = load(animation, max_pixels=self.settings.max_pixels, max_bytes=self.settings.max_bytes)
        results = list(self.map(frames.photos, preset, concurrency=concurrency, **options))
        for result in results:
            if result.error is not None and not isinstance(result.error, NoSubjectError):
                raise result.error
        found = next((result.cutout for result in results if result.cutout is not None), None)
        if found is None:
            assert results[0].error is not None
            raise results[0].error
        cutouts = (
            result.cutout or found.emptied(photo.rgb) for result, photo in zip(results, frames.photos, strict=True)
        )
        return CutoutAnimation(tuple(cutouts), frames.durations_ms, frames.plays)

    def close(self) -> None:
        """Closes the connection; requests in flight are cancelled and end in a `RequestCancelledError`."""
        self._closing.cancel()
        self._wiring.close()
        if self._sandbox is not None:
            self._sandbox.close()
        self.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _preset(
        self, preset: str | Preset | None, *, size: int | None, model: str | None, refine: Refinement | None
    ) -> Preset:
        """The preset with its overrides; that of the settings by default."""
        if model is not None and size is not None:
            raise OptionError(f"The model {model} has a working size of its own: leave out size, or model.")
        if not isinstance(preset, Preset):
            return preset_from_name(preset or self.settings.preset, size=size, refine=refine)
        return overridden(preset, size=size, refine=refine)

    @contextmanager
    def _request(self, requested: str, cancel: CancelToken | None) -> Iterator[Request]:
        """One request, which can be cancelled, and of which observers are told."""
        if self._closing.cancelled:
            raise ServerUnreachableError("This client is closed: make a new one.")
        with linked_token(self._closing, cancel) as token:
            request = Request(requested, token)
            with observed(request, self._wiring.open().observers):
                yield request
        if request.record.fallback_reason is not None:
            with self._lock:
                self._fallbacks += 1

    def _decoded(self, image: imaging.ImageSource, request: Request) -> imaging.Photo:
        with request.watch.stage("decode"):
            photo = self._load(image, max_pixels=self.settings.max_pixels, max_bytes=self.settings.max_bytes)
        request.note(size_hw=photo.size_hw)
        if photo.animated:
            text = "%s is an animation: its first frame is cut out (remove_frames or --all-frames does all)."
            _LOG.warning(text, imaging.name_of(image))
        return photo

    def _cutout(self, photo: imaging.Photo, result: RunResult, request: Request) -> Cutout:
        with request.watch.stage("compose"):
            rgba = compose.cutout(result.matte.foreground, result.matte.alpha)
        request.note(alpha=rgba[..., 3])
        if self._wiring.open().observers:
            with request.watch.stage("compose"):
                request.score(rgba[..., 3], photo.rgb)
        cutout = Cutout(
            rgba=rgba,
            foreground=result.matte.foreground,
            photo=photo.rgb,
            preset=result.preset.name,
            requested=request.requested,
            fallback_reason=request.record.fallback_reason,
            model=result.model,
            model_version=result.version,
            milliseconds=request.watch.milliseconds,
            request_id=request.record.request_id,
            from_cache=request.record.cache == "hit",
            prompt_agreement=result.matte.agreement,
        )
        if request.record.quality_score is not None:
            vars(cutout)["quality_score"] = request.record.quality_score  # computed once
        return cutout


# From arguments that are objects to an attribute that they have, and their names in messages: doubles will do, too.
_KINDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "settings": ("overridden", "a tuft.Settings"),
        "headers": ("items", "a dictionary of names and values"),
        "observers": ("__iter__", "a list of observers"),
        "experiment": ("assign", "an Experiment or a Recorder of tuft.operations.experiments"),
        "rollout": ("assign", "a tuft.operations.rollout.Rollout"),
        "cache": ("get", "a tuft.ResultCache"),
        "transport": ("infer", "a transport, such as tuft.FakeTransport"),
    }
)


def _require_kinds(**arguments: object) -> None:
    for name, value in arguments.items():
        attribute, meaning = _KINDS[name]
        if value is not None and not hasattr(value, attribute):
            given = f"a {type(value).__name__}" if name == "headers" else shown(repr(value))  # headers may be secret
            raise OptionError(f"{name} is {given}: give {meaning}.")


def _sandbox(settings: Settings) -> imaging.IsolatedDecoder:
    """Workers with memory for the largest photograph that settings allow."""
    return imaging.IsolatedDecoder(memory_bytes=max(imaging.MEMORY_BYTES, 32 * settings.max_pixels))
