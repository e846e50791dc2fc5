"""One picture in the way of rembg 2.0.86, in a fresh process: `python -m _coldstart.rembgs_way GRAPH JPEG PNG`.

Import, load the graph with ONNX Runtime, resize, one pass, the mask scaled to 0..1 and resized, PNG. rembg itself
imports more (SciPy, scikit-image, pymatting) and computes another network.
"""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
from PIL import Image


def main() -> None:
    """Cuts out one picture."""
    graph, jpeg, png = sys.argv[1:]
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    size = taken.shape[1]
    with Image.open(jpeg) as file:
        photo = file.convert("RGB")
    picture = np.asarray(photo.resize((size, size), Image.Resampling.LANCZOS))
    saliency = session.run(None, {taken.name: picture[np.newaxis]})[0][0]
    least, most = saliency.min(), saliency.max()
    mask = Image.fromarray(((saliency - least) / (most - least) * 255).astype(np.uint8), "L")
    mask = mask.resize(photo.size, Image.Resampling.LANCZOS)
    Image.composite(photo.convert("RGBA"), Image.new("RGBA", photo.size, 0), mask).save(png)


if __name__ == "__main__":
    main()
