"""The way of one photograph, for every protocol: decode, reserve credits, cut out, charge."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuft import CancelToken, ModelUnavailableError, PromptModelMissingError
from tuft.errors import TuftError
from tuft_gateway.bodies import received_form
from tuft_gateway.fetch import FetchError
from tuft_gateway.load import unless_disconnected
from tuft_gateway.metering import Use
from tuft_gateway.problems import ApiError, api_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import TypeVar

    from starlette.requests import Request

    from tuft import Cutout
    from tuft.imaging import Photo
    from tuft.presets import Refinement
    from tuft.prompts import Prompt
    from tuft_gateway.bodies import Form
    from tuft_gateway.load import Turn
    from tuft_gateway.metering import Caller, Charge
    from tuft_gateway.sending import BoundedResponse
    from tuft_gateway.service import Service

    Value = TypeVar("Value")


@dataclass(frozen=True)
class Asked:
    """How a photograph is to be cut out; None is the client's default.

    Attributes:
        preset: Name of a preset.
        model: Name of another model.
        refine: Another refinement.
        roi: The region that holds the subject.
        prompt: Which subject is meant.
        preview: Whether the result has at most 0.25 megapixels, which costs less.
    """

    preset: str | None = None
    model: str | None = None
    refine: Refinement | None = None
    roi: str | None = None
    prompt: tuple[Prompt, ...] | None = None
    preview: bool = False


@dataclass(eq=False)
class Cutting:
    """One photograph on its way; used by one request.

    Attributes:
        service: What all requests share.
        caller: Who asks.
        request_id: Names this request in charges.
        cancel: Cancels its work.
    """

    service: Service
    caller: Caller
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    cancel: CancelToken = field(default_factory=CancelToken)
    _turn: Turn | None = None
    _fetched_bytes: int = 0

    def __enter__(self) -> Cutting:
        return self

    def __exit__(self, *_: object) -> None:
        self.service.memory.give_back(self._fetched_bytes)
        self._fetched_bytes = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn to work; what is to be fetched should have been fetched before."""
        async with self.service.load.turn() as self._turn:
            yield

    async def run(self, work: Callable[[], Value]) -> Value:
        """The value of `work()` in a thread, inside a turn; errors of tuft become answers.

        Raises:
            ApiError: The work failed.
        """
        try:
            assert self._turn is not None
            return await self._turn.run(work, self.cancel)
        except TuftError as error:
            raise api_error(error) from error

    async def fetched(self, url: str, code: str) -> bytes:
        """The picture at `url`.

        Raises:
            ApiError: `code`, it cannot be fetched.
        """
        limit = self.service.options.max_file_bytes
        self.service.memory.take(limit)  # counted as an upload, before its size is known
        self._fetched_bytes += limit
        try:
            return await self.service.fetched(url)
        except FetchError as exc:
            raise ApiError(code, "The picture at that URL cannot be fetched: upload it instead.") from exc

    async def photo(self, content: bytes) -> Photo:
        """The photograph in a file, decoded in the sandbox.

        Raises:
            ApiError: It cannot be used; the code says why.
        """
        options = self.service.options
        if len(content) > options.max_file_bytes:
            limit_mb = options.max_file_bytes / 2**20
            raise ApiError("file_too_large", f"A picture may have {limit_mb:g} MB: send a smaller one.")
        return await self.run(lambda: self.service.decode(content, max_pixels=options.max_pixels))

    @asynccontextmanager
    async def charged(self, photo: Photo, asked: Asked) -> AsyncIterator[Charge]:
        """Credits that are reserved inside the block, and given back if it fails; the answer settles the charge.

        Raises:
            ApiError: `insufficient_credits` or `rate_limit_exceeded`.
        """
        height, width = photo.size_hw
        preset = asked.preset or self.service.client.settings.preset
        use = Use(self.request_id, preset, height * width / 1e6, asked.preview)
        charge = await self.service.meter.reserve(self.caller, use)
        try:
            yield charge
        except BaseException:
            await charge.refund()
            raise

    def charge_headers(self, charge: Charge) -> dict[str, str]:
        """What an answer says of its price; clients of remove.bg parse `X-Credits-Charged` as an integer."""
        rounded = max(int(charge.credits), 1) if charge.credits else 0
        exact = {"X-Credits-Charged": str(rounded), "X-Tuft-Credits-Charged": f"{charge.credits:f}"}
        return {**self.caller.headers, **charge.headers, **exact}

    def cut_out(self, photo: Photo, asked: Asked) -> Cutout:
        """The cut-out, computed in this thread.

        Raises:
            ApiError: The model that the caller named is not served.
            TuftError: It cannot be cut out.
        """
        try:
            return self.service.client.remove(
                photo,
                asked.preset,
                model=asked.model,
                refine=asked.refine,
                roi=asked.roi,
                prompt=asked.prompt,
                cancel=self.cancel,
                unit=self.caller.account or None,
            )
        except ModelUnavailableError as error:
            if asked.model is None or isinstance(error, PromptModelMissingError):
                raise
            raise ApiError("invalid_tuft_model", f"There is no model {asked.model[:80]} here.") from error


async def answered(
    service: Service, request: Request, answer: Callable[[Cutting, Form], Coroutine[Any, Any, BoundedResponse]]
) -> BoundedResponse:
    """Admits a request, reads its body and answers it.

    It holds a place until its answer has been sent, and its body's memory until the answer is made.

    Args:
        service: What all requests share.
        request: The request; a GET has an empty form.
        answer: Makes the answer; cancelled if the client disconnects.

    Raises:
        ApiError: The caller is not admitted, all places are taken, the body is none, or `answer` fails.
    """
    caller = await service.admitted(request)
    with ExitStack() as held:
        held.enter_context(service.load.place())
        async with received_form(request, service.options, service.memory) as form:
            with Cutting(service, caller) as cutting:
                response = await unless_disconnected(request, answer(cutting, form))
        response.hold(held.pop_all())
        return response


def tuft_headers(cutout: Cutout) -> dict[str, str]:
    """What every answer says of its origin."""
    agreement = cutout.prompt_agreement
    return {
        "X-Tuft-Request-Id": cutout.request_id,
        "X-Tuft-Preset": cutout.preset,
        "X-Tuft-Model": cutout.model,
        "X-Tuft-Model-Version": cutout.model_version,
        "X-Tuft-Quality-Score": f"{cutout.quality_score:.3f}",
        **({} if agreement is None else {"X-Tuft-Prompt-Agreement": f"{agreement:.3f}"}),
    }
