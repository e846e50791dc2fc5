"""Carries a video's sound into another file: as it is, or encoded anew where the container wants another codec."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from tuft.batch.video.library import decoding_errors

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

    from tuft.batch.video.formats import VideoFormat
    from tuft.batch.video.reading import Clip

# The usual layout of so many channels: encoders refuse others, such as 5.1 with side instead of back channels.
_LAYOUTS: Final = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_OPUS_RATE: Final = 48_000


class Sound:
    """All sound of a clip on its way into another file.

    Args:
        clip: Whose sound it is.
        source: The clip's file, opened for this alone.
        output: The other file; the streams are added to it.
        format: Of the other file.
    """

    def __init__(self, clip: Clip, source: InputContainer, output: OutputContainer, format: VideoFormat) -> None:
        self._clip = clip
        self._origin_s = clip.origin * clip.time_base
        self._output = output
        streams = [stream for stream in source.streams.audio if stream.codec_context is not None]
        self._tracks = {stream.index: _Track(stream, output, format) for stream in streams}
        self._packets = source.demux(*streams) if streams else iter(())
        self._held: Packet[Any] | None = None
        self._ended = not streams

    def write_until(self, time_s: float) -> None:
        """Writes what is heard before `time_s` seconds since the clip's origin."""
        while not self._ended:
            with decoding_errors(self._clip.path):
                packet = self._held or next(self._packets, None)
                self._held = None
                if packet is None:
                    self._ended = True
                    break
                if packet.dts is not None and float(packet.dts * packet.time_base - self._origin_s) > time_s:
                    self._held = packet
                    return
                made = self._tracks[packet.stream.index].packets(packet, self._origin_s)
            self._output.mux(made)

    def write_rest(self) -> None:
        """Writes everything that is left."""
        self.write_until(float("inf"))
        for track in self._tracks.values():
            self._output.mux(track.rest())


class _Track:
    """One audio stream."""

    def __init__(self, stream: AudioStream, output: OutputContainer, format: VideoFormat) -> None:
        name = stream.codec_context.name
        self._copied = "*" in format.sound or name in format.sound
        self._stream: Any
        if self._copied:
            self._stream = output.add_stream_from_template(stream)
        else:
            assert format.sound_codec is not None
            opus = format.sound_codec == "libopus"
            rate = _OPUS_RATE if opus else stream.codec_context.sample_rate
            self._stream = output.add_stream(format.sound_codec, rate=rate)
            channels = min(stream.codec_context.channels, len(_LAYOUTS))
            self._stream.codec_context.layout = _LAYOUTS[channels - 1]
            self._stream.codec_context.bit_rate = 64_000 * max(2, channels)

    def packets(self, packet: Packet[Any], origin_s: Fraction) -> list[Packet[Any]]:
        """What a packet of the source becomes; its time is counted from `origin_s`."""
        if packet.size == 0:
            return []
        shift = round(origin_s / packet.time_base)
        if self._copied:
            if packet.dts is None:
                return []
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts -= shift
            packet.stream = self._stream
            return [packet]
        made: list[Packet[Any]] = []
        for frame in packet.decode():
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(origin_s / frame.time_base)
            made += self._stream.encode(frame)
        return made

    def rest(self) -> list[Packet[Any]]:
        """What the encoder holds back."""
        return [] if self._copied else list(self._stream.encode(None))
