"""`/v1/videos`: a video is sent, cut out as a job, and fetched; the job tells how far it is, and can be cancelled.

A video is the body of the request, as it is: it may be large, and goes to a file of this gateway while it arrives. Its
job is done by this gateway alone, one job after the other, and forgotten an hour after its end.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse

from tuft import CancelToken, video
from tuft.errors import RequestCancelledError, TuftError
from tuft.imaging import parse_colour
from tuft.presets import PRESETS
from tuft_gateway.metering import Use
from tuft_gateway.problems import LOG, ApiError, api_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft.video import Clip
    from tuft_gateway.metering import Caller, Charge
    from tuft_gateway.service import Service

# From each format to its media type.
MEDIA_TYPES: Final = {
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "mp4": "video/mp4",
    "stacked": "video/mp4",
    "webp": "image/webp",
    "png": "image/apng",
    "gif": "image/gif",
}
MAX_JOBS: Final = 8
KEPT_S: Final = 3600.0
_WAITING, _RUNNING, _DONE, _FAILED, _CANCELLED = "waiting", "running", "done", "failed", "cancelled"
_ENDED: Final = (_DONE, _FAILED, _CANCELLED)
_OPTIONS: Final = {
    "format": f"One of {', '.join(MEDIA_TYPES)}; webm by default.",
    "bg_color": "A colour behind the subject; mp4 needs one.",
    "tuft_preset": "One of tuft's presets.",
    "fast": "Whether the network is asked for keyframes only.",
}
_QUERY: Final = [
    {"name": name, "in": "query", "schema": {"type": "string"}, "description": text} for name, text in _OPTIONS.items()
]
_BODY: Final = {"required": True, "content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}}


@dataclass(frozen=True)
class Asked:
    """What becomes of a video.

    Attributes:
        format: One of `MEDIA_TYPES`.
        background: A colour; None for none.
        preset: Name of a preset; None for the client's.
        fast: Whether the network is asked for keyframes only.
    """

    format: str = "webm"
    background: str | None = None
    preset: str | None = None
    fast: bool = False


@dataclass(eq=False)
class VideoJob:
    """A video on its way.

    Attributes:
        id: Names it.
        caller: Who has sent it, and alone may ask for it.
        asked: What becomes of it.
        folder: Its files, removed with it.
        state: `waiting`, `running`, `done`, `failed` or `cancelled`.
        frames_done: How many frames are cut out.
        frames: About how many there are.
        error: Why it failed.
        ended_s: When it ended, by the monotonic clock.
    """

    id: str
    caller: Caller
    asked: Asked
    folder: Path
    state: str = _WAITING
    frames_done: int = 0
    frames: int = 0
    error: ApiError | None = None
    ended_s: float | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    charge: Charge | None = None

    @property
    def source(self) -> Path:
        """The video as it was sent."""
        return self.folder / "source"

    @property
    def result(self) -> Path:
        """The video without its background."""
        return self.folder / "result"

    def to_dict(self) -> dict[str, Any]:
        """What a caller is told."""
        told: dict[str, Any] = {
            "id": self.id, "state": self.state, "frames_done": self.frames_done, "frames": self.frames,
        }  # fmt: skip
        return told if self.error is None else {**told, **self.error.to_dict()}


class VideoJobs:
    """The jobs of a gateway; used from its event loop.

    Args:
        service: What all requests share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._jobs: dict[str, VideoJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, "tuft-gateway-video")
        self._folder: Path | None = None

    def new(self, caller: Caller, asked: Asked) -> VideoJob:
        """A job whose video has not arrived.

        Raises:
            ApiError: `too_busy`, there are too many.
        """
        self._forget_old()
        if sum(job.state not in _ENDED for job in self._jobs.values()) >= MAX_JOBS:
            raise ApiError("too_busy", "Too many videos are waiting: send it again later.")
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="tuft-videos-"))  # for this user only
        job = VideoJob(secrets.token_hex(12), caller, asked, self._folder / secrets.token_hex(8))
        job.folder.mkdir()
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str, caller: Caller) -> VideoJob:
        """A job of `caller`.

        Raises:
            ApiError: `not_found`.
        """
        self._forget_old()
        job = self._jobs.get(job_id)
        if job is None or job.caller.account != caller.account:
            raise ApiError("not_found", "There is no such video: it is kept for an hour after its end.")
        return job

    def start(self, job: VideoJob) -> None:
        """Queues a job whose video has arrived."""
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self, job: VideoJob) -> None:
        """Cancels a job and removes it."""
        job.cancel.cancel()
        self._jobs.pop(job.id, None)
        if job.state != _RUNNING:
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Cancels all jobs, waits for the one that runs, and removes all files."""
        for job in list(self._jobs.values()):
            self.drop(job)
        self._thread.shutdown(cancel_futures=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _run(self, job: VideoJob) -> None:
        try:
            await self._charged(job)
            job.state = _DONE
        except ApiError as error:
            job.state, job.error = (_CANCELLED if job.cancel.cancelled else _FAILED), error
        except Exception:  # a defect: the caller learns no more than that
            LOG.exception("a video could not be cut out")
            job.state, job.error = _FAILED, ApiError("internal_error")
        finally:
            job.ended_s = time.monotonic()
            job.source.unlink(missing_ok=True)
            if job.id not in self._jobs:
                shutil.rmtree(job.folder, ignore_errors=True)

    async def _charged(self, job: VideoJob) -> None:
        """Cuts out a video whose price is reserved; it is charged when it is done."""
        clip = await self._in_thread(job, lambda: self._examine(job))
        job.frames = clip.frames
        preset = job.asked.preset or self._service.client.settings.preset
        height, width = clip.size_hw
        use = Use(job.id, preset, height * width / 1e6, preview=False, photographs=max(1, clip.frames))
        charge = await self._service.meter.reserve(job.caller, use)
        try:
            await self._in_thread(job, lambda: self._convert(job))
        except BaseException:
            await charge.refund()
            raise
        await charge.settle()

    def _examine(self, job: VideoJob) -> Clip:
        return video.examine(job.source, self._service.client, isolated=self._service.isolated)

    def _convert(self, job: VideoJob) -> None:
        def on_progress(done: int, frames: int) -> None:
            job.frames_done, job.frames = done, frames

        video.convert(
            job.source,
            job.result,
            job.asked.preset,
            client=self._service.client,
            format=job.asked.format,
            background=job.asked.background,
            fast=job.asked.fast,
            isolated=self._service.isolated,
            cancel=job.cancel,
            on_progress=on_progress,
        )

    async def _in_thread(self, job: VideoJob, work: Any) -> Any:
        """The value of `work()` in the thread of the videos.

        Raises:
            ApiError: It failed.
        """

        def begun() -> Any:
            job.cancel.raise_if_cancelled()
            job.state = _RUNNING
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, begun)
        except RequestCancelledError as error:
            raise ApiError("unavailable", "The video was cancelled.") from error
        except TuftError as error:
            told = api_error(error)
            detail = None if told.detail is None else told.detail.replace(str(job.source), "The video")
            raise ApiError(told.code, detail) from error

    def _forget_old(self) -> None:
        now_s = time.monotonic()
        for job in list(self._jobs.values()):
            if job.ended_s is not None and now_s - job.ended_s > KEPT_S:
                self.drop(job)


def asked_from_query(query: Mapping[str, str]) -> Asked:
    """What the query of a request asks for.

    Raises:
        ApiError: A value is none.
    """
    format, preset, colour = query.get("format", "webm"), query.get("tuft_preset"), query.get("bg_color")
    if format not in MEDIA_TYPES:
        raise ApiError("invalid_format", f"format is one of {', '.join(MEDIA_TYPES)}.")
    if preset is not None and preset not in PRESETS:
        raise ApiError("invalid_tuft_preset", f"tuft_preset is one of {', '.join(PRESETS)}.")
    if colour is not None:
        try:
            parse_colour(colour)
        except TuftError as error:
            raise ApiError("invalid_bg_color", str(error)) from error
        colour = colour if colour.isalpha() or colour.startswith(("#", "rgb", "hsl")) else f"#{colour}"
    if format == "mp4" and colour is None:
        raise ApiError("invalid_format", "mp4 has no transparency: choose webm or mov, or give a bg_color.")
    if format == "stacked" and colour is not None:
        raise ApiError("invalid_bg_color", "stacked has the matte below the colours: leave out bg_color.")
    fast = query.get("fast", "false")
    if fast not in ("true", "false"):
        raise ApiError("invalid_parameter", "fast is true or false.")
    return Asked(format, colour, preset, fast == "true")


def router(service: Service, jobs: VideoJobs) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1/videos", tags=["videos"])

    @routes.post(
        "",
        summary="Remove the background of a video",
        status_code=202,
        openapi_extra={"parameters": _QUERY, "requestBody": _BODY},
    )
    async def post(request: Request) -> Response:
        caller = await service.admitted(request)
        job = jobs.new(caller, asked_from_query(request.query_params))
        try:
            await _receive(request, job.source, service)
        except BaseException:
            jobs.drop(job)
            raise
        jobs.start(job)
        return JSONResponse(job.to_dict(), 202, {"Location": f"/v1/videos/{job.id}", **caller.headers})

    @routes.get("/{job_id}", summary="How far a video is")
    async def get(request: Request, job_id: str) -> Response:
        caller = await service.admitted(request)
        return JSONResponse(jobs.get(job_id, caller).to_dict(), headers=dict(caller.headers))

    @routes.get("/{job_id}/result", summary="The video without its background")
    async def result(request: Request, job_id: str) -> Response:
        job = jobs.get(job_id, await service.admitted(request))
        if job.error is not None:
            raise job.error
        if job.state != _DONE:
            raise ApiError("not_ready", f"{job.frames_done} of {job.frames} frames are done: ask again later.")
        return FileResponse(job.result, media_type=MEDIA_TYPES[job.asked.format])

    @routes.delete("/{job_id}", summary="Cancel a video, or remove its result", status_code=204)
    async def delete(request: Request, job_id: str) -> Response:
        jobs.drop(jobs.get(job_id, await service.admitted(request)))
        return Response(status_code=204)

    return routes


async def _receive(request: Request, target: Path, service: Service) -> None:
    """Writes the body of a request to a file as it arrives.

    Raises:
        ApiError: It is too large, too slow, or empty.
    """
    options, count = service.options, 0
    claimed = request.headers.get("content-length", "")
    if claimed.isdecimal() and int(claimed[:20]) > options.max_video_bytes:
        raise _too_large(options.max_video_bytes)
    chunks = request.stream()
    try:
        async with await anyio.open_file(target, "wb") as file:
            while True:
                with anyio.fail_after(options.idle_timeout_s):
                    chunk = await anext(chunks, b"")
                if not chunk:
                    break
                count += len(chunk)
                if count > options.max_video_bytes:
                    raise _too_large(options.max_video_bytes)
                await file.write(chunk)
    except TimeoutError as exc:
        raise ApiError("body_timeout", "The body came too slowly: send it over a faster connection.") from exc
    except ClientDisconnect as exc:
        raise ApiError("client_closed_request") from exc
    if not count:
        raise ApiError("missing_source", "Send the video as the body, such as curl --data-binary @clip.mp4.")


def _too_large(limit_bytes: int) -> ApiError:
    return ApiError("file_too_large", f"A video may have {limit_bytes / 2**20:g} MB: send a smaller one.")
