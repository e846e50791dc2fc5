"""rembg's `-a` in an environment of its own: `python rembg_worker.py`.

It answers each line, a JSON object with the paths `photo`, `mask` and `cutout`, with its processor seconds. It imports
rembg and Pillow alone, and is run as a file.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the standard error
    from PIL import Image
    from rembg.bg import alpha_matting_cutout  # type: ignore[import-not-found,unused-ignore]

    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        photo, mask = Image.open(task["photo"]), Image.open(task["mask"])
        photo.load()
        mask.load()
        began_s = time.process_time()
        try:
            cutout = alpha_matting_cutout(photo, mask, 240, 10, 10)  # its own defaults
        except ValueError:  # nothing is certain: rembg gives the network's own matte then
            cutout = photo.convert("RGBA")
            cutout.putalpha(mask)
        spent_s = time.process_time() - began_s
        cutout.save(task["cutout"])
        print(json.dumps({"cpu_s": spent_s}), file=answers, flush=True)


if __name__ == "__main__":
    main()
