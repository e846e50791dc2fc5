"""Parses `multipart/form-data` into memory: Starlette's parser writes files of more than 1 MiB to the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS: Final = 100


class NotMultipartError(Exception):
    """The body is not what it says, or has too many parts; the message is a sentence."""


@dataclass
class Part:
    """One part of a body.

    Attributes:
        name: Of the field.
        is_file: Whether it has a filename, which is not kept: nothing is stored under a name that a stranger chose.
        content: Its bytes.
    """

    name: str = ""
    is_file: bool = False
    content: bytearray = field(default_factory=bytearray)


async def parse_multipart(chunks: AsyncIterable[bytes], content_type: str) -> list[Part]:
    """The complete parts of a body.

    Args:
        chunks: The body.
        content_type: The header, which has the boundary.

    Raises:
        NotMultipartError: The body cannot be parsed.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise NotMultipartError("The header Content-Type gives no boundary.")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as exc:
        raise NotMultipartError("The parts are not divided as the boundary says.") from exc
    return collector.parts


class _Collector:
    """Collects parts from the events of the parser."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._part = Part()
        self._begun = 0
        self._name = self._value = b""
        self._disposition = b""

    def callbacks(self) -> MultipartCallbacks:
        """Named as the parser calls them."""
        names = (
            "part_begin",
            "part_data",
            "part_end",
            "header_field",
            "header_value",
            "header_end",
            "headers_finished",
        )
        return cast("MultipartCallbacks", {f"on_{name}": getattr(self, name) for name in names})

    def part_begin(self) -> None:
        """A part begins."""
        self._begun += 1
        if self._begun > MAX_PARTS:
            raise NotMultipartError(f"There are more than {MAX_PARTS} parts.")
        self._part, self._disposition = Part(), b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._value += data[start:end]

    def header_end(self) -> None:
        """A header is complete."""
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def headers_finished(self) -> None:
        """All headers of the part are complete."""
        options = parse_options_header(self._disposition)[1]
        if b"name" not in options:
            raise NotMultipartError("A part has no name.")
        self._part.name = options[b"name"].decode("utf-8", "replace")
        self._part.is_file = b"filename" in options

    def part_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of the content."""
        self._part.content += memoryview(data)[start:end]

    def part_end(self) -> None:
        """The part is complete."""
        self.parts.append(self._part)
