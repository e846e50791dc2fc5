"""Reads the body of a request, multipart, urlencoded or JSON, within limits of bytes, memory and time."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import anyio
from starlette.requests import ClientDisconnect

from tuft_gateway.multipart import NotMultipartError, parse_multipart
from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from starlette.requests import Request

    from tuft_gateway.options import GatewayOptions

MAX_FIELDS: Final = 100
_MULTIPART, _URLENCODED, _JSON = "multipart/form-data", "application/x-www-form-urlencoded", "application/json"


@dataclass(frozen=True)
class Form:
    """The fields of a request.

    Attributes:
        fields: From names to texts; booleans and numbers of JSON as forms write them, absent and empty ones left out.
        files: From names to the contents of the files of that name.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)


class UploadMemory:
    """Counts the bytes of all bodies in memory, so that many uploads at once cannot exhaust it."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.used_bytes = 0

    def take(self, count: int) -> None:
        """Takes `count` bytes.

        Raises:
            ApiError: `too_busy`, there are not so many.
        """
        if self.used_bytes + count > self._limit_bytes:
            raise ApiError("too_busy", "The uploads in progress fill the gateway's memory: send the request again.")
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        """Gives `count` bytes back."""
        self.used_bytes -= count


@asynccontextmanager
async def received_form(request: Request, options: GatewayOptions, memory: UploadMemory) -> AsyncIterator[Form]:
    """The form of `request`, whose bytes count as memory in use inside the block.

    Raises:
        ApiError: The body is too large or too slow, or it is no form.
    """
    body = _Body(request, options, memory)
    try:
        with anyio.fail_after(options.body_timeout_s):
            form = await _form(request, body)
    except TimeoutError as exc:
        body.release()
        raise ApiError("body_timeout", "The body came too slowly: send it over a faster connection.") from exc
    except ClientDisconnect as exc:
        body.release()
        raise ApiError("client_closed_request") from exc
    except BaseException:
        body.release()
        raise
    try:
        yield form
    finally:
        body.release()


class _Body:
    """The bytes of one body, counted while they arrive."""

    def __init__(self, request: Request, options: GatewayOptions, memory: UploadMemory) -> None:
        self._request = request
        self._options = options
        self._memory = memory
        self._count = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body in chunks as they arrive."""
        claimed = self._request.headers.get("content-length", "")
        if claimed.isdecimal() and int(claimed[:20]) > self._options.max_body_bytes:
            raise self._too_large()
        chunks = self._request.stream()
        while True:
            with anyio.fail_after(self._options.idle_timeout_s):
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            if self._count + len(chunk) > self._options.max_body_bytes:
                raise self._too_large()
            self._memory.take(len(chunk))
            self._count += len(chunk)
            yield chunk

    async def read(self) -> bytes:
        """The whole body."""
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
        return bytes(content)

    def release(self) -> None:
        """The body is no longer in memory."""
        self._memory.give_back(self._count)
        self._count = 0

    def _too_large(self) -> ApiError:
        detail = f"A picture may have {self._options.max_file_bytes / 2**20:g} MB: send a smaller one."
        return ApiError("file_too_large", detail)


async def _form(request: Request, body: _Body) -> Form:
    if request.method == "GET":
        return Form()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _MULTIPART:
        return await _multipart(request, body)
    if kind == _URLENCODED:
        content = await body.read()
        return await anyio.to_thread.run_sync(_urlencoded, content)
    if kind == _JSON:
        content = await body.read()
        return await anyio.to_thread.run_sync(_json, content)
    raise ApiError("unsupported_media_type", f"Send {_MULTIPART}, {_URLENCODED} or {_JSON}.")


async def _multipart(request: Request, body: _Body) -> Form:
    try:
        parts = await parse_multipart(body.chunks(), request.headers["content-type"])
    except NotMultipartError as exc:
        raise ApiError("invalid_body", f"The multipart body cannot be read: {exc}") from exc
    fields: dict[str, str] = {}
    files: dict[str, tuple[bytes, ...]] = {}
    for part in parts:
        if part.is_file:
            files[part.name] = (*files.get(part.name, ()), bytes(part.content))
        elif part.content:
            fields[part.name] = part.content.decode("utf-8", "replace")
    return Form(fields, files)


def _urlencoded(content: bytes) -> Form:
    try:
        pairs = parse_qsl(content.decode("utf-8"), keep_blank_values=False, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as exc:
        raise ApiError("invalid_body", "The form cannot be read: send UTF-8, and at most 100 fields.") from exc
    return Form(dict(pairs))


def _json(content: bytes) -> Form:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise ApiError("invalid_body", "The body is no JSON: send an object of fields.") from exc
    if not isinstance(value, dict):
        raise ApiError("invalid_body", "The body must be a JSON object of fields.")
    texts = {name: _text(name, each) for name, each in value.items() if each is not None}
    return Form({name: text for name, text in texts.items() if text})


def _text(name: str, value: Any) -> str:
    """A value of JSON as a form would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ApiError("invalid_body", f"The field {name[:40]} must be a text, a number or a boolean.")
