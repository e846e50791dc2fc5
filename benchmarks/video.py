"""How steady, how fast and how small is video: against each frame on its own, and against a peer?

    python benchmarks/video.py [--parts steady fast peer memory] [--json FILE]

`steady`: errors of the stabilisers on clips with exact alpha, recorded with the noise of a room in the evening, demo
checkpoint at 384. `fast`: requests and errors of `fast` on a talking head. `peer`: seconds of transparent-background's
video mode and of tuft, with the same random weights of the published shape at 384, on the same clip. `memory`: memory
while one hour at 25 frames a second is cut out, the network faked. Parts that are not asked for keep their numbers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine, resident_bytes
from _lib.markdown_table import markdown_table
from _lib.needs import packages

from tuft import Client, FakeTransport, Inference, video
from tuft.imaging import Photo, pipeline, postprocess
from tuft.presets import preset_from_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

with packages():
    import av
    from _video.exact_clips import CLIPS, ExactClip, recorded
    from _video.stabilisers import EXACT, STABILISERS, Material, moving_error
    from _video.video_measures import video_measures

    from tuft.batch.video.reading import examine, read_frames

SIZE: Final = 384
PER_FRAME: Final = "each frame on its own"
CHOSEN: Final = "mean and memory: chosen"
MOVING: Final = "error that only moves"
HEAD_FRAMES: Final = 64
PEER_FRAMES: Final = 24
HOUR_FRAMES: Final = 90_000
_SMALL_HW: Final = (48, 64)


def measure_steady(client: Client, folder: Path) -> dict[str, Any]:
    """Errors of each way on each clip."""
    results: dict[str, Any] = {}
    for group, clips in CLIPS.items():
        for name, how in clips.items():
            made = recorded(folder / "clip.mp4", **how)
            clip = _material(client, made)
            ways = {PER_FRAME: clip.alphas, **{way: steady(clip) for way, steady in STABILISERS.items()}}
            measured: dict[str, Any] = {way: video_measures(one, made.alphas, made.shots) for way, one in ways.items()}
            measured[MOVING] = {"dtssd": moving_error(clip, made.alphas, made.shots)}
            results.setdefault(group, {})[name] = measured
            print(group, name, {way: round(each["dtssd"], 2) for way, each in measured.items()}, file=sys.stderr)
    return results


def _material(client: Client, made: ExactClip) -> Material:
    """The clip as tuft decodes it, with the network's answers."""
    photos = [frame.pixels for frame in read_frames(examine(made.path))]
    preset = preset_from_name("standard", size=SIZE, refine="edges")
    coarse, frozen, alphas = [], [], []
    for index, pixels in enumerate(photos):
        prepared = pipeline.prepare(Photo(pixels), preset)
        saliency = client.transport.infer(f"inspyrenet_{SIZE}", prepared.picture, timeout_s=600.0).saliency
        alphas.append(pipeline.finish(Photo(pixels), saliency, prepared.geometry, preset).alpha / np.float32(255))
        coarse.append(postprocess.alpha_from_saliency(saliency, prepared.geometry))
        if index == 0 or made.shots[index] != made.shots[index - 1]:
            least, most = saliency.min(), saliency.max()
        scaled = np.clip((saliency - min(least, 0.5)) / (most - min(least, 0.5)), 0, 1)
        # What is 0 at one place and 1 at another is not scaled again.
        scaled.flat[[scaled.argmin(), scaled.argmax()]] = 0, 1
        frozen.append(postprocess.alpha_from_saliency(scaled, prepared.geometry))
    return Material(photos, coarse, frozen, alphas, SIZE, made.frames)


def _head() -> dict[str, Any]:
    return dict(CLIPS["tripod"]["talking head"])


def measure_fast(client: Client, folder: Path) -> dict[str, Any]:
    """Requests and errors of a talking head with and without `fast`."""
    made = recorded(folder / "head.mp4", HEAD_FRAMES, **_head())
    return {name: _run_of(client, made, fast=fast) for name, fast in (("every frame", False), ("fast", True))}


def _run_of(client: Client, made: ExactClip, *, fast: bool) -> dict[str, float]:
    began_s = time.perf_counter()
    cutouts = [cutout for _, cutout in video.remove(made.path, client=client, size=SIZE, fast=fast)]
    seconds = time.perf_counter() - began_s
    alphas = [cutout.alpha.astype(np.float32) / np.float32(255) for cutout in cutouts]
    requests = len({cutout.request_id for cutout in cutouts})
    return {**video_measures(alphas, made.alphas, made.shots), "requests": requests, "seconds": seconds}


def measure_peer(folder: Path) -> dict[str, Any]:
    """Seconds for the same clip with the same weights, after loading; what each output keeps of the source."""
    from _lib.published import published_checkpoint

    from tuft_export.checkpoints import checkpoint_from_name
    from tuft_export.publishing.publish import PublishOptions, publish

    made = recorded(folder / "peer.mp4", PEER_FRAMES, size_hw=(480, 640), encoder={"bf": "0"}, **_head())
    source = _with_sound(made.path, folder / "source.mp4")
    checkpoint = published_checkpoint(folder)
    repository = folder / "repository"
    publish(checkpoint_from_name(str(checkpoint), SIZE), PublishOptions(repository, sizes=(SIZE,)))
    command = [sys.executable, "-m", "_video.peer", str(checkpoint), str(source), str(folder / "peer")]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    peer_s = float(json.loads(done.stdout.splitlines()[-1])["seconds"])
    with Client(f"local:{repository}", timeout_s=600.0, fallback=False) as client:
        client.remove(next(read_frames(examine(source))).pixels, size=SIZE)  # loads the network
        began_s = time.perf_counter()
        video.convert(source, folder / "tuft.webm", client=client, size=SIZE)
        own_s = time.perf_counter() - began_s
    theirs = next(iter((folder / "peer").iterdir()))
    kept = {"source": _kept(source), "transparent-background": _kept(theirs), "tuft": _kept(folder / "tuft.webm")}
    return {"seconds": {"transparent-background": peer_s, "tuft": own_s}, "frames": PEER_FRAMES, "kept": kept}


def _with_sound(path: Path, target: Path) -> Path:
    """The clip with a tone, and with a pause after its fourth frame: its rate varies."""
    from fractions import Fraction

    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        frames = output.add_stream_from_template(source.streams.video[0])
        sound = output.add_stream("aac", rate=48_000)
        sound.codec_context.layout = "mono"
        for packet in source.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                shift = round(Fraction(1, 10) / packet.time_base) if packet.pts * packet.time_base > 0.15 else 0
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, frames
                output.mux(packet)
        for begin in range(0, PEER_FRAMES * 1920 + 4800, 1024):
            tone = np.sin(np.arange(begin, begin + 1024) * (2 * np.pi * 440 / 48_000)).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone / 3, "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, begin, Fraction(1, 48_000)
            output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return target


def _kept(path: Path) -> dict[str, Any]:
    clip = examine(path)
    times = [float(frame.time * clip.time_base) for frame in read_frames(clip)]
    return {"frames": len(times), "end_s": round(times[-1], 3), "sound": clip.has_sound, "alpha": clip.has_alpha}


class _SmallNetwork(FakeTransport):
    """A network of 64 pixels that answers with the red channel; it keeps no record of what it was asked."""

    def __init__(self) -> None:
        network = lambda image: (image[..., 0] / np.float32(255)).astype(np.float32)  # noqa: E731
        super().__init__(network, adopted={"small": _SMALL_HW[1]})

    def infer(self, *arguments: Any, **options: Any) -> Inference:
        try:
            return super().infer(*arguments, **options)
        finally:
            self.requests.clear()
            self.options.clear()


def measure_memory(folder: Path) -> dict[str, Any]:
    """Resident megabytes while one hour is cut out."""
    source = folder / "hour.mp4"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width = _SMALL_HW
        stream.pix_fmt = "yuv420p"
        for index in range(HOUR_FRAMES):
            pixels = np.full((*_SMALL_HW, 3), 40, np.uint8)
            pixels[16:32, index % 40 : index % 40 + 16] = 220
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        output.mux(stream.encode(None))
    resident: list[list[float]] = []

    def on_progress(done: int, _total: int) -> None:
        if done % 1000 == 0:
            resident.append([done, resident_bytes("VmRSS") / 1e6])

    with Client(transport=_SmallNetwork()) as client:
        report = video.convert(
            source, folder / "hour.webm", client=client, model="small", refine="none", on_progress=on_progress
        )
    late = np.array([one for one in resident if one[0] >= HOUR_FRAMES / 10])
    slope = float(np.polyfit(late[:, 0], late[:, 1], 1)[0]) * HOUR_FRAMES
    return {"frames": report.frames, "resident_mb": resident, "mb_an_hour": slope}


def table(data: Mapping[str, Any]) -> str:
    """All parts that were measured, as Markdown."""
    parts = {"steady": _steady_table, "fast": _fast_table, "peer": _peer_table, "memory": _memory_line}
    return "\n\n".join([f"{data['machine']}", *(make(data[name]) for name, make in parts.items() if name in data)])


def _steady_table(data: Mapping[str, Any]) -> str:
    ways = [way for way in next(iter(next(iter(data.values())).values())) if way not in (PER_FRAME, MOVING)]
    shares = {group: [_shares(clip, ways) for clip in clips.values()] for group, clips in data.items()}
    rows = [["dtSSD / MAD / gradient, by those of each frame on its own", *shares], ["---", *["---:"] * len(shares)]]
    for number, way in enumerate(ways):
        rows.append([way, *(_cell(np.mean(each, axis=0)[number]) for each in shares.values())])
    clips = [["clip", "chosen", "with the exact motion", "dtSSD of an error that only moves"], ["---", *["---:"] * 3]]
    for group, names in data.items():
        for name, measured in names.items():
            moving = measured[MOVING]["dtssd"] / measured[PER_FRAME]["dtssd"]
            chosen, exact = (_cell(each) for each in _shares(measured, [CHOSEN, EXACT]))
            clips.append([f"{group}: {name}", chosen, exact, f"{moving:.2f}"])
    return f"{markdown_table(rows)}\n\n{markdown_table(clips)}"


def _shares(measured: Mapping[str, Mapping[str, float]], ways: list[str]) -> NDArray[np.float64]:
    base = measured[PER_FRAME]
    return np.array([[measured[way][key] / base[key] for key in ("dtssd", "mad", "gradient")] for way in ways])


def _cell(share: NDArray[np.float64]) -> str:
    return " / ".join(f"{each:.2f}" for each in share)


def _fast_table(data: Mapping[str, Any]) -> str:
    rows = [["talking head", "requests", "MAD", "dtSSD", "gradient", "seconds"], ["---", *["---:"] * 5]]
    for name, one in data.items():
        figures = [f"{one[key]:.2f}" for key in ("mad", "dtssd", "gradient")]
        rows.append([name, f"{one['requests']}", *figures, f"{one['seconds']:.1f}"])
    return markdown_table(rows)


def _peer_table(data: Mapping[str, Any]) -> str:
    rows = [["", "seconds a frame", "frames", "last frame at", "sound", "alpha"], ["---", *["---:"] * 5]]
    for name, kept in data["kept"].items():
        seconds = data["seconds"].get(name)
        rate = "" if seconds is None else f"{seconds / data['frames']:.2f}"
        answers = ["yes" if kept[key] else "no" for key in ("sound", "alpha")]
        rows.append([name, rate, f"{kept['frames']}", f"{kept['end_s']:.2f} s", *answers])
    return markdown_table(rows)


def _memory_line(data: Mapping[str, Any]) -> str:
    resident = [each[1] for each in data["resident_mb"]]
    minutes = data["frames"] / 25 / 60
    return (
        f"{minutes:.0f} minutes at 25 frames a second, {data['frames']} frames, the network faked: from frame "
        f"{data['resident_mb'][0][0]:.0f} on between {min(resident):.1f} and {max(resident):.1f} MB resident; after a "
        f"tenth of it, {data['mb_an_hour']:+.2f} MB an hour."
    )


def _measured(part: str, client: Client, folder: Path) -> dict[str, Any]:
    if part == "steady":
        return measure_steady(client, folder)
    if part == "fast":
        return measure_fast(client, folder)
    return measure_peer(folder) if part == "peer" else measure_memory(folder)


def main() -> None:
    """Measures, prints the tables and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("steady", "fast", "peer", "memory")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="all by default")
    parser.add_argument("--json", type=Path, help="file for the numbers; parts that are not asked for stay in it")
    options = parser.parse_args()
    data = json.loads(options.json.read_text()) if options.json and options.json.is_file() else {}
    data["machine"] = machine()
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="tuft-video-") as name, Client("local") as client:
            data[part] = _measured(part, client, Path(name))
        if options.json:
            options.json.write_text(json.dumps(data, indent=1) + "\n")
    print(table(data))


if __name__ == "__main__":
    main()
