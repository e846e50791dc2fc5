"""The pipeline unrolled, without `Client`: python examples/expert.py dog.jpg dog.png [PRESET].

Decode, prepare, infer, finish, compose, encode: each step is a plain function. `Client.remove` takes the same steps,
and adds retries, fallbacks, circuit breakers, the cache and observers around the inference.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuft import PRESETS, TritonTransport, contract, load_settings
from tuft.imaging import compose, encode, load_photo, pipeline
from tuft.inference.transport import Access

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft import Preset, Transport


def cut_out(photo_path: str, preset: Preset, transport: Transport) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 sRGB with straight alpha."""
    photo = load_photo(photo_path)  # (H, W, 3) uint8, upright, in sRGB
    prepared = pipeline.prepare(photo, preset)  # (S, S, 3) uint8, and its position in the photograph
    model = contract.model_name(prepared.geometry.size)
    inference = transport.infer(model, prepared.picture, timeout_s=60)  # (S, S) float32 in 0..1
    matte = pipeline.finish(photo, inference.saliency, prepared.geometry, preset)  # (H, W) alpha, (H, W, 3) colours
    return compose.cutout(matte.foreground, matte.alpha)


def main(arguments: list[str]) -> None:
    """Cuts out one photograph."""
    photo, output, preset = arguments[0], arguments[1], PRESETS[arguments[2] if len(arguments) > 2 else "standard"]
    settings = load_settings()
    transport = TritonTransport(settings.url, access=Access.of(settings))
    try:
        rgba = cut_out(photo, preset, transport)
    finally:
        transport.close()
    Path(output).write_bytes(encode(rgba, "png"))


if __name__ == "__main__":
    main(sys.argv[1:])
