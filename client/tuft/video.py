"""Background removal for video: every frame, steady, with its times and its sound.

It needs `pip install 'tuft-matting[video]'`.

from tuft import Client, video

with Client() as client:
video.convert("clip.mp4", "clip.webm", client=client)
for time_s, cutout in video.remove("clip.mp4", client=client):
...
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.batch.video.cutouts import Ways, cut_out
from tuft.batch.video.jobs import Appearance, VideoReport
from tuft.batch.video.jobs import convert as _convert
from tuft.batch.video.readers import reader_of
from tuft.batch.video.reading import Clip
from tuft.client import Client
from tuft.concurrency import DEFAULT_CONCURRENCY
from tuft.options import require_known

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator

    from typing_extensions import Unpack

    from tuft.background import Background
    from tuft.batch.video.readers import Reader
    from tuft.cutout import Cutout
    from tuft.imaging import compose
    from tuft.options import RemoveOptions
    from tuft.presets import Preset

__all__ = ["Clip", "VideoReport", "convert", "examine", "remove"]


def examine(source: str | os.PathLike[str], client: Client, *, isolated: bool | None = None) -> Clip:
    """What a video file holds: its size, its number of frames and its colours.

    Args:
        source: The video.
        client: Its settings say how large frames may be.
        isolated: Whether the file is read in a process of its own, bounded in time and memory; by default as
            `isolate_decoding` of the client's settings says.

    Raises:
        ImageError: The video cannot be used; the class says why.
        SetupError: PyAV is not installed, or no process starts.
    """
    return _reader(client, isolated).examine(Path(source), max_pixels=client.settings.max_pixels)


def remove(
    source: str | os.PathLike[str],
    preset: str | Preset | None = None,
    *,
    client: Client | None = None,
    steady: bool = True,
    fast: bool = False,
    concurrency: int = DEFAULT_CONCURRENCY,
    isolated: bool | None = None,
    **options: Unpack[RemoveOptions],
) -> Generator[tuple[float, Cutout], None, None]:
    """The cut-out of each frame of a video, in the order in which they are shown.

    Decoding, network and steadying overlap, and memory does not grow with the video's length. Where a frame has no
    subject, its cut-out is wholly transparent.

    Args:
        source: The video.
        preset: As for `tuft.Client.remove`.
        client: Asks the network; by default one that is made from the settings, and closed at the end.
        steady: Whether alpha is steadied over time. Without, each frame is what `tuft.Client.remove` makes of it.
        fast: Whether the network is asked only for keyframes, and alpha is tracked between them.
        concurrency: How many frames are worked on at once, above zero.
        isolated: See `examine`.
        options: The other arguments of `tuft.Client.remove`.

    Yields:
        Seconds since the beginning of the file, and the cut-out.

    Raises:
        ImageError: The video cannot be used; the class says why.
        OptionError: An argument has no such value.
        ServerError: The server did not do it; the class says why.
        SetupError: PyAV is not installed.
        TypeError: `tuft.Client.remove` has no argument of that name.
    """
    require_known(options)
    ways = Ways(preset=preset, steady=steady, fast=fast, concurrency=concurrency, options=options)
    with ExitStack() as stack:
        made = stack.enter_context(Client()) if client is None else client
        reader = _reader(made, isolated)
        clip = reader.examine(Path(source), max_pixels=made.settings.max_pixels)
        frames = stack.enter_context(closing(reader.frames(clip)))
        cutouts = stack.enter_context(closing(cut_out(frames, made, ways)))
        for frame, cutout, _ in cutouts:
            yield float(frame.time * clip.time_base), cutout


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    preset: str | Preset | None = None,
    *,
    client: Client | None = None,
    format: str | None = None,
    background: Background | None = None,
    output_type: compose.OutputType = "cutout",
    quality: int | None = None,
    change: Callable[[Cutout], Cutout] | None = None,
    steady: bool = True,
    fast: bool = False,
    resume: bool = False,
    concurrency: int = DEFAULT_CONCURRENCY,
    isolated: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **options: Unpack[RemoveOptions],
) -> VideoReport:
    """Cuts the subject out of every frame of a video, and writes it with its times and its sound.

    The file appears when it is complete. Until then, finished segments are in a hidden folder beside it; an interrupted
    run leaves them there, for another one with `resume`.

    Args:
        source: The video.
        target: The file to write; its suffix decides the format.
        preset: As for `tuft.Client.remove`.
        client: Asks the network; by default one that is made from the settings, and closed at the end.
        format: `webm`, `mov`, `mkv`, `mp4`, `stacked`, `png` (APNG), `webp`, `gif` or `frames`; by default that of
            the suffix.
        background: Behind the subject, as for `tuft.Cutout.over`; or the path of another video.
        output_type: What is shown of each cut-out, see `tuft.Cutout.as_type`.
        quality: 1..100 of formats that are not lossless.
        change: Is applied to each cut-out before it is written, such as `Cutout.hardened`; it must keep the size.
        steady: See `remove`.
        fast: See `remove`.
        resume: Whether finished segments of an earlier run with the same video and options are taken over.
        concurrency: See `remove`.
        isolated: See `examine`; sound is encoded anew then.
        on_progress: Told after each frame how many are done, and about how many there are.
        options: The other arguments of `tuft.Client.remove`.

    Raises:
        ImageError: The video, or the background, cannot be used; the class says why.
        OptionError: The options do not go together.
        OutputError: The file cannot be written.
        ServerError: The server did not do it; the class says why.
        RequestCancelledError: It was cancelled.
        SetupError: PyAV is not installed.
        TypeError: `tuft.Client.remove` has no argument of that name.
    """
    require_known(options)
    ways = Ways(preset=preset, steady=steady, fast=fast, concurrency=concurrency, options=options)
    appearance = Appearance(
        format=format, background=background, output_type=output_type, quality=quality, change=change
    )
    with ExitStack() as stack:
        made = stack.enter_context(Client()) if client is None else client
        return _convert(
            source, target, made, ways=ways, appearance=appearance, resume=resume, isolated=isolated,
            on_progress=on_progress,
        )  # fmt: skip


def _reader(client: Client, isolated: bool | None) -> Reader:
    return reader_of(isolated=client.settings.isolate_decoding if isolated is None else isolated)
