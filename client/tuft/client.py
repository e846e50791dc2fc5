"""The client: one call from a photograph to its cut-out."""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuft import imaging
from tuft.concurrency import DEFAULT_CONCURRENCY, MapResult, bounded_map, map_results
from tuft.cutout import Cutout
from tuft.errors import OptionError, ServerUnreachableError
from tuft.imaging import compose
from tuft.imaging.pipeline import result_from_answer
from tuft.imaging.quality_score import quality_score
from tuft.inference.fallback import Asker, Elsewhere, Question, model_of
from tuft.inference.observers import Observers
from tuft.inference.request import Request, observed
from tuft.inference.resilience import CancelToken, cancelled_with
from tuft.inference.transport.triton import TritonTransport
from tuft.operations.cache import Memory, Result, ResultCache
from tuft.operations.experiments import Recorder, Variant
from tuft.operations.rollout import Rollout, Turn
from tuft.operations.telemetry import watchers
from tuft.presets import preset_from_name, smaller_presets
from tuft.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import TracebackType

    from tuft.inference.fallback import Answer
    from tuft.inference.observers import Observer
    from tuft.inference.resilience import CircuitState
    from tuft.inference.transport.base import Transport
    from tuft.operations.cache import Recollection
    from tuft.operations.experiments import Experiment
    from tuft.presets import Preset, Refinement

_NO_VARIANT: Final = Variant("none")


class Client:
    """Cuts out subjects with the help of a model server; usable from many threads at once.

    What is not given comes from the environment or a file (`tuft.load_settings`), else from `tuft.Settings`.

    Args:
        url: Address of the server's gRPC port, `localhost:8001` by default.
        preset: The preset of requests that name none, `standard` by default.
        timeout_s: Seconds that the server may take for one photograph.
        max_pixels: Photographs with more pixels are refused before they are decoded.
        fallback: Whether a smaller preset may serve when the one asked for cannot (`Settings.fallback_on`).
        settings: All settings; neither environment nor file is read then. The arguments above go before it.
        observers: Are told of every request.
        experiment: Chooses a variant for requests that name a `unit`; a `Recorder` also writes down what became of it.
        rollout: Chooses the version of a model that `tuft rollout` is changing, for requests that name none.
        cache: Where results are kept, so that the same photograph need not be sent again; `Settings.cache_dir` by
            default. After a rollout it may give results of the version before for `tuft.operations.cache.VERSION_MAX_AGE_S` at
            the most.
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
        settings: Settings | None = None,
        observers: Iterable[Observer] = (),
        experiment: Experiment | Recorder | None = None,
        rollout: Rollout | None = None,
        cache: ResultCache | None = None,
        transport: Transport | None = None,
    ) -> None:
        settings = load_settings() if settings is None else settings
        self.settings = settings.overridden(
            url=url, preset=preset, timeout_s=timeout_s, max_pixels=max_pixels, fallback=fallback
        )
        self.transport = TritonTransport(self.settings.url) if transport is None else transport
        if cache is None and self.settings.cache_dir:
            cache = ResultCache(self.settings.cache_dir, limit_mb=self.settings.cache_mb)
        self.cache = cache
        self._memory = None if cache is None else Memory(cache, self.transport, self.settings.url)
        self._asker = Asker(self.transport, self.settings)
        self._elsewhere = Elsewhere(self.settings)
        self._experiment = experiment
        if rollout is None and self.settings.rollout_dir:
            rollout = Rollout(self.settings.rollout_dir)
        self._rollout = rollout
        if isinstance(experiment, Recorder):
            observers = (*observers, experiment)
        watching = watchers(
            self, metrics_port=self.settings.metrics_port, log=self.settings.log, tracing=self.settings.tracing
        )
        self._observers = Observers((*observers, *watching))
        self._isolated = imaging.IsolatedDecoder() if self.settings.isolate_decoding else None
        self._load: Callable[..., imaging.Photo] = self._isolated or imaging.load_photo
        self._closing = CancelToken()
        self._fallbacks = 0
        self._lock = threading.Lock()

    @property
    def fallbacks(self) -> int:
        """How many photographs a smaller preset than the one asked for has served."""
        return self._fallbacks

    @property
    def circuits(self) -> dict[str, CircuitState]:
        """From each model that was asked so far to `closed`, `open` (it failed too often) or `half-open`."""
        return self._asker.breakers.states

    def remove(
        self,
        image: imaging.ImageSource,
        preset: str | None = None,
        *,
        size: int | None = None,
        model: str | None = None,
        version: str = "",
        refine: Refinement | None = None,
        timeout_s: float | None = None,
        fallback: bool | None = None,
        cancel: CancelToken | None = None,
        unit: str | None = None,
    ) -> Cutout:
        """Cuts the subject out of a photograph.

        Args:
            image: Path, bytes, binary file, PIL image or array, as `tuft.imaging.load_photo` takes it.
            preset: One of `tuft.PRESETS`.
            size: Another working size in pixels, one of `tuft.contract.SIZES`; no smaller one replaces it.
            model: Another served model, such as one that `tuft-export adopt` has published; it has its own working
                size, and no other model replaces it. The preset still says how to resize and refine.
            version: Another version of the model than the server would choose.
            refine: Another refinement: `none`, `edges` or `edges+colours`.
            timeout_s: Seconds that the server may take, everything that is tried included.
            fallback: Whether a smaller preset may serve when the one asked for cannot (`Settings.fallback_on`).
            cancel: Takes the request back, from any thread.
            unit: Whose request it is, such as a customer's number: the client's experiment chooses a variant by it,
                which has the last word over `preset`, `model`, `version` and `refine`.

        Raises:
            ImageError: The photograph cannot be used; the class says why.
            OptionError: An argument has no such value, or `size` and `model` are both given.
            ServerError: The server did not do it; the class says why.
            RequestCancelledError: `cancel`, or `close`, has taken the request back.
        """
        assigned = None if unit is None or self._experiment is None else self._experiment.assign(unit)
        variant = _NO_VARIANT if assigned is None or assigned.variant is None else assigned.variant
        preset, model = variant.preset or preset, variant.model or model
        version, refine = variant.version or version, variant.refine or refine
        if model is not None and size is not None:
            raise OptionError(f"The model {model} has a working size of its own: leave out size, or model.")
        settings = self.settings.overridden(preset=preset, timeout_s=timeout_s, fallback=fallback)
        asked = preset_from_name(settings.preset, size=size, refine=refine)
        may_step_down = settings.fallback and size is None and model is None
        with self._request(asked.name, cancel) as request:
            if assigned is not None:
                request.unit, request.variant = unit, assigned.name
            watch = request.watch
            with watch.stage("decode"):
                photo = self._load(image, max_pixels=settings.max_pixels, max_bytes=settings.max_bytes)
            request.size_hw = photo.size_hw
            wish = _Wish(asked, model, version, variant.url, unit or request.request_id, may_step_down)
            result = self._result(photo, wish, settings, request)
            with watch.stage("compose"):
                rgba = compose.cutout(result.foreground, result.alpha)
            request.alpha = rgba[..., 3]
            if self._observers:
                with watch.stage("compose"):
                    request.quality_score = quality_score(request.alpha, photo.rgb)
        return Cutout(
            rgba=rgba,
            foreground=result.foreground,
            photo=photo.rgb,
            preset=str(request.served),
            requested=asked.name,
            fallback_reason=request.fallback_reason,
            model=str(request.model),
            model_version=str(request.model_version),
            milliseconds=watch.milliseconds,
            request_id=request.request_id,
        )

    def _result(self, photo: imaging.Photo, wish: _Wish, settings: Settings, request: Request) -> Result:
        """Alpha and colours: remembered, or asked for, of the version whose turn it is."""
        turn = Turn()
        if self._rollout is not None and not (wish.version or wish.url):
            turn = self._rollout.turn(wish.model or model_of(wish.preset, photo.size_hw), wish.unit)
        memory = None if wish.url else self._memory  # it knows this server's versions
        version = wish.version or turn.version
        remembered = None if memory is None else memory.of(photo, wish.preset, wish.model, version)
        result = None if remembered is None else _recalled(remembered, wish.preset, request)
        if result is not None:
            return result
        presets = [wish.preset]
        if wish.may_step_down:
            presets += smaller_presets(wish.preset, photo.size_hw, stable_last=settings.stable_last)
        question = Question(photo, presets, settings.fallback_on, wish.model, wish.version)
        asker = self._elsewhere.at(wish.url) if wish.url else self._asker
        answer, result = turn.take(
            lambda question, timeout_s: _asked(asker, question, request, timeout_s), question, settings.timeout_s
        )
        if remembered is not None and request.fallback_reason is None:
            remembered.keep(answer.inference.version, result)
        return result

    def map(
        self,
        photographs: Iterable[imaging.ImageSource],
        preset: str | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        ordered: bool = True,
        **options: Any,
    ) -> Generator[MapResult, None, None]:
        """Cuts the subjects out of many photographs, a few at a time; one that fails does not stop the others.

        While the network works on one, others are decoded and finished, and the server makes batches of those that
        reach it together. At most `concurrency` photographs, twice as many if `ordered`, are taken and not yet
        handed back, however many there are: they may come from a generator, which is advanced in the calling thread.
        Closing the iterator, or leaving its loop, drops what has not begun, takes back what has, and waits for nothing.

        Args:
            photographs: Each as `remove` takes it.
            preset: As for `remove`.
            concurrency: How many are worked on at once, above zero.
            ordered: Whether results come in the order of `photographs` rather than as they are completed.
            options: The other arguments of `remove`.

        Returns:
            An iterator of what became of each.

        Raises:
            OptionError: `concurrency` is not above zero; or, when the iterator is advanced, another argument has no
                such value.
            TypeError: `remove` has no argument of that name.
        """
        inspect.signature(self.remove).bind(b"", preset, **options)
        given, leaving = options.pop("cancel", None), CancelToken()

        def cut_out(photograph: imaging.ImageSource) -> Cutout:
            with cancelled_with(leaving, given) as token:
                return self.remove(photograph, preset, cancel=token, **options)

        results = bounded_map(photographs, cut_out, concurrency=concurrency, ordered=ordered)
        return map_results(results, leaving)

    def close(self) -> None:
        """Ends the connection; requests on their way are taken back and end in a `RequestCancelledError`."""
        self._closing.cancel()
        self._elsewhere.close()
        if self._isolated is not None:
            self._isolated.close()
        self.transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _request(self, requested: str, cancel: CancelToken | None) -> Iterator[Request]:
        """One request, which can be taken back, and of which observers are told."""
        if self._closing.cancelled:
            raise ServerUnreachableError("This client is closed: make a new one.")
        with cancelled_with(self._closing, cancel) as token:
            request = Request(requested, token)
            with observed(request, self._observers):
                yield request
        if request.fallback_reason is not None:
            with self._lock:
                self._fallbacks += 1


@dataclass(frozen=True)
class _Wish:
    """What a request asks for, once experiment and settings have had their say.

    Attributes:
        preset: How to treat the photograph.
        model: Another model than the preset's; None leaves it.
        version: Its version; empty leaves it to a rollout, or to the server.
        url: Another server; None is the client's own.
        unit: By which a rollout draws.
        may_step_down: Whether a smaller preset may serve.
    """

    preset: Preset
    model: str | None
    version: str
    url: str | None
    unit: str
    may_step_down: bool


def _recalled(remembered: Recollection, asked: Preset, request: Request) -> Result | None:
    """The result that is remembered, if one is."""
    result = remembered.find()
    request.cache = "miss" if result is None else "hit"
    if result is not None:
        request.served, request.model, request.model_version = asked.name, remembered.model, remembered.version
    return result


def _asked(asker: Asker, question: Question, request: Request, timeout_s: float) -> tuple[Answer, Result]:
    """What the server says, and what follows from it."""
    answer = asker.ask(question, request, timeout_s=timeout_s)
    return answer, result_from_answer(question.photo, answer, request.watch)
