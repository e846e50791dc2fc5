"""Makes `images/gateway.webp`: the page of `tuft gateway`, with two photographs of scikit-image (public domain, CC0).

Beside `tuft gateway --url local`: `PYTHONPATH=tests python docs/_gateway_picture.py http://127.0.0.1:8080/`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image
from support.browser import running_browser

TARGET = Path(__file__).parent / "images" / "gateway.webp"
DONE = "[...document.querySelectorAll('#queue .state')].every(state => state.textContent.startsWith('done'))"

COMPARE = """
    const slider = document.getElementById("compare");
    slider.value = 45;
    slider.dispatchEvent(new Event("input"));
    document.getElementById("live").textContent = "";
"""


def main(address: str) -> None:
    """Cuts out two photographs in the page, compares the first, and takes the picture."""
    with tempfile.TemporaryDirectory() as name, running_browser(Path(name)) as browser:
        photographs = []
        for photo in ("astronaut", "chelsea"):
            photographs.append(Path(name) / f"{photo}.png")
            Image.fromarray(getattr(skimage.data, photo)()).save(photographs[-1])
        browser.settings(width=1280, height=800)
        browser.open_url(address)
        browser.upload("input.files", *photographs)
        browser.wait(f"document.querySelectorAll('#queue li').length === 2 && {DONE}", seconds=120)
        browser.wait("!document.getElementById('download').disabled")
        browser.run(COMPARE)
        browser.screenshot().save(TARGET, quality=88, method=6)


if __name__ == "__main__":
    main(sys.argv[1])
