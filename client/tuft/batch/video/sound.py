"""Carries a video's sound into another file: as it is, or encoded anew where the container wants another codec."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tuft.batch.video.library import av, decoding_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

    from tuft.batch.video.formats import VideoFormat
    from tuft.batch.video.reading import Clip

    Piece: TypeAlias = "Packet[Any] | AudioFrame"
    Heard: TypeAlias = "tuple[Mapping[int, Track], Iterator[tuple[int, Piece]]]"

# The usual layout of so many channels: encoders refuse others, such as 5.1 with side instead of back channels.
LAYOUTS: Final = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_OPUS_RATE: Final = 48_000
# Packets that are looked at before the first is written.
_BEGINNING: Final = 1024
# Containers without edit lists: what comes before time 0 would be heard, and everything else come later.
_FROM_ZERO: Final = ("matroska", "webm")


@dataclass(frozen=True)
class Track:
    """One audio stream.

    Attributes:
        stream: The stream itself; None if its sound is decoded already.
        codec: FFmpeg's name of its codec.
        rate: Samples a second.
        layout: One of `LAYOUTS`.
        cut: Whether an edit list cuts off its beginning within a packet.
    """

    stream: AudioStream | None = field(repr=False)
    codec: str
    rate: int
    layout: str
    cut: bool = False


def usual_layout(channels: int) -> str:
    """The layout of so many channels, of eight at most."""
    return LAYOUTS[min(channels, len(LAYOUTS)) - 1]


def packets_of(container: InputContainer) -> Heard:
    """The audio tracks of a file and their packets."""
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    packets = container.demux(*streams) if streams else iter(())
    begun = list(islice(packets, _BEGINNING))
    cut = {stream.index for stream in streams if _is_cut([each for each in begun if each.stream.index == stream.index])}
    tracks = {
        stream.index: Track(
            stream, stream.codec_context.name, stream.codec_context.sample_rate,
            usual_layout(stream.codec_context.channels), stream.index in cut,
        )
        for stream in streams
    }  # fmt: skip
    return tracks, ((packet.stream.index, packet) for packet in chain(begun, packets))


def _is_cut(packets: list[Packet[Any]]) -> bool:
    """Whether the first packet that is heard begins before time 0, behind others that are not heard."""
    heard = next((packet.pts for packet in packets if packet.size and not packet.is_discard), None)
    return bool(packets) and packets[0].is_discard and heard is not None and heard < 0


class Sound:
    """All sound of a clip on its way into another file.

    Args:
        clip: Whose sound it is.
        heard: Its tracks, and their packets or decoded frames.
        output: The other file; the streams are added to it.
        format: Of the other file.
    """

    def __init__(self, clip: Clip, heard: Heard, output: OutputContainer, format: VideoFormat) -> None:
        self._clip = clip
        self._origin_s = clip.origin * clip.time_base
        self._output = output
        tracks, self._pieces = heard
        self._tracks = {number: _Encoded(track, output, format) for number, track in tracks.items()}
        self._held: tuple[int, Piece] | None = None
        self._ended = not tracks

    def write_until(self, time_s: float) -> None:
        """Writes what is heard before `time_s` seconds since the clip's origin."""
        while not self._ended:
            with decoding_errors(self._clip.path):
                following = self._held or next(self._pieces, None)
                self._held = None
                if following is None:
                    self._ended = True
                    break
                number, piece = following
                time = _time(piece)
                if time is not None and float(time - self._origin_s) > time_s:
                    self._held = following
                    return
                made = self._tracks[number].packets(piece, self._origin_s)
            self._output.mux(made)

    def write_rest(self) -> None:
        """Writes everything that is left."""
        self.write_until(float("inf"))
        for track in self._tracks.values():
            self._output.mux(track.rest())


def _time(piece: Piece) -> Fraction | None:
    stated = piece.dts if isinstance(piece, av().Packet) else piece.pts
    return None if stated is None or piece.time_base is None else Fraction(stated * piece.time_base)


class _Encoded:
    """One audio stream of the output."""

    def __init__(self, track: Track, output: OutputContainer, format: VideoFormat) -> None:
        self._from_zero = format.container in _FROM_ZERO
        known = "*" in format.sound or track.codec in format.sound
        self._copied = track.stream is not None and known and not (track.cut and self._from_zero)
        self._stream: Any
        if self._copied:
            assert track.stream is not None
            self._stream = output.add_stream_from_template(track.stream)
        else:
            assert format.sound_codec is not None
            opus = format.sound_codec == "libopus"
            self._stream = output.add_stream(format.sound_codec, rate=_OPUS_RATE if opus else track.rate)
            self._stream.codec_context.layout = track.layout
            self._stream.codec_context.bit_rate = 64_000 * max(2, LAYOUTS.index(track.layout) + 1)

    def packets(self, piece: Piece, origin_s: Fraction) -> list[Packet[Any]]:
        """What a packet or a frame of the source becomes; its time is counted from `origin_s`."""
        if not isinstance(piece, av().Packet):
            return self._encoded([piece], origin_s)
        if piece.size == 0:
            return []
        if not self._copied:
            return self._encoded(piece.decode(), origin_s)
        if piece.dts is None or (piece.is_discard and self._from_zero):
            return []
        shift = round(origin_s / piece.time_base)
        piece.pts = None if piece.pts is None else piece.pts - shift
        piece.dts -= shift
        piece.stream = self._stream
        return [piece]

    def _encoded(self, frames: list[Any], origin_s: Fraction) -> list[Packet[Any]]:
        made: list[Packet[Any]] = []
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(origin_s / frame.time_base)
            made += self._stream.encode(frame)
        return made

    def rest(self) -> list[Packet[Any]]:
        """What the encoder holds back."""
        return [] if self._copied else list(self._stream.encode(None))
