"""Downloads one file over HTTP, with a progress bar; interrupted downloads are resumed."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tuft_export.errors import CheckpointError

_TIMEOUT_S = 30
_BLOCK_BYTES = 1 << 18
_TAG_SUFFIX = ".etag"


def download(url: str, target: Path, *, progress: bool = True) -> Path:
    """Fetches `url` to `<target>.partial`, continuing one that is already there.

    Returns:
        The path of the complete but unverified partial file; the caller verifies it and moves it to `target`.

    Raises:
        CheckpointError: The server cannot be reached or refuses, the connection breaks, or the disk is full.
            The partial file is kept for the next attempt.
    """
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, partial, progress=progress)
    except (OSError, http.client.HTTPException) as exc:
        raise CheckpointError(
            f"{url} could not be downloaded ({_reason(exc)}): check the connection and the disk, then run the same "
            f"command again, or put the file at {target} yourself."
        ) from exc
    return partial


def _reason(failure: Exception) -> str:
    """`failure` in words, without the number of the system's error."""
    inner = getattr(failure, "reason", None)  # of a URLError
    cause = inner if isinstance(inner, OSError) else failure
    return str(getattr(cause, "strerror", None) or cause)


def _fetch(url: str, partial: Path, *, progress: bool) -> None:
    have_bytes = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={have_bytes}-"} if have_bytes else {}
    tag = partial.with_name(partial.name + _TAG_SUFFIX)
    if have_bytes and tag.is_file():
        headers["If-Range"] = tag.read_text()  # another file is sent whole, not continued
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as exc:
        if have_bytes and exc.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            # What lies here is as long as the file, or longer: only the hash can tell, so start anew.
            partial.unlink()
            _fetch(url, partial, progress=progress)
            return
        raise
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        if not resumed:
            _remember(response.headers.get("ETag"), tag)
        _copy(response, partial, have_bytes if resumed else 0, progress=progress)
    tag.unlink(missing_ok=True)


def _remember(etag: str | None, tag: Path) -> None:
    """Keeps the strong `ETag` of what is being fetched, so that nothing but the same file continues it."""
    if etag and not etag.startswith("W/"):
        tag.write_text(etag)
    else:
        tag.unlink(missing_ok=True)


def _copy(response: Any, partial: Path, start_bytes: int, *, progress: bool) -> None:
    length = response.headers.get("Content-Length")
    total = start_bytes + int(length) if length else None
    with (
        partial.open("ab" if start_bytes else "wb") as file,
        tqdm(
            total=total, initial=start_bytes, unit="B", unit_scale=True, desc=partial.stem, disable=not progress
        ) as bar,
    ):
        while block := response.read(_BLOCK_BYTES):
            file.write(block)
            bar.update(len(block))
    if total is not None and partial.stat().st_size != total:
        raise http.client.IncompleteRead(b"", total - partial.stat().st_size)
