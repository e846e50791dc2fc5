"""transparent-background's video mode and tuft with the same weights on the same clip, each in a process of its own.

    python -m _video.peer CHECKPOINT CLIP FOLDER

It prints the seconds that transparent-background takes, after loading, as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import warnings
from pathlib import Path


def main() -> None:
    checkpoint, clip, folder = sys.argv[1:]
    os.environ["TRANSPARENT_BACKGROUND_FILE_PATH"] = str(Path(checkpoint).parent)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from transparent_background import Remover

        loaded = Remover(mode="fast", resize="static", device="cpu", ckpt=checkpoint)
        Remover.__new__ = lambda cls, *_, **__: loaded
        Remover.__init__ = lambda self, *_, **__: None
        from transparent_background.Remover import entry_point

        began_s = time.perf_counter()
        entry_point("green", "fast", "cpu", checkpoint, clip, folder, False, None, "static")
        seconds = time.perf_counter() - began_s
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
