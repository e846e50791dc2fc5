"""rembg in an environment of its own: `python rembg_worker.py GRAPH {plain,matting}`.

It answers each line, a JSON object with the paths `jpeg` and `png`, with the milliseconds from the bytes of the one to
the bytes of the other. It imports rembg and Python alone, and is run as a file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Answers until the input ends."""
    graph, kind = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the standard error
    os.environ["U2NET_HOME"] = str(Path(graph).parent)  # rembg opens models in its own folder only
    from rembg import new_session, remove  # type: ignore[import-not-found,unused-ignore]

    session = new_session("dis_custom", model_path=graph)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        jpeg = Path(task["jpeg"]).read_bytes()
        began_s = time.perf_counter()
        png = remove(jpeg, session=session, alpha_matting=kind == "matting")
        ms = (time.perf_counter() - began_s) * 1e3
        Path(task["png"]).write_bytes(png)
        print(json.dumps({"ms": ms}), file=answers, flush=True)


if __name__ == "__main__":
    main()
