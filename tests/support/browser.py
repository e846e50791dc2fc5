"""A headless Chromium, driven over the WebDriver protocol with only the standard library."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER: Final = shutil.which("chromedriver")

_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-color-profile=srgb", "--force-device-scale-factor=1", "--window-size=1280,900"),
)
_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's key of element references
_START_S: Final = 60.0
_ANSWER_S: Final = 120.0
# Of Chromium: a canvas is read often, or while it is still being drawn.
_SPEED_HINTS: Final = ("readback operations", "GPU stall due to ReadPixels")


class Browser:
    """One page at a time; coordinates are CSS pixels of the window."""

    def __init__(self, driver_url: str, profile: Path) -> None:
        self._url = driver_url
        options = {"binary": CHROMIUM, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._url = f"{driver_url}/session/{session['sessionId']}"

    def open(self, file: Path) -> None:
        """Loads a file and clears the logs."""
        self.console(), self.requests()
        self._call("POST", "/url", {"url": file.resolve().as_uri()})

    def open_url(self, url: str) -> None:
        """Loads a page from a server and clears the logs."""
        self.console(), self.requests()
        self._call("POST", "/url", {"url": url})

    def upload(self, selector: str, *files: Path) -> None:
        """Chooses files in the first file input that matches."""
        root = self.devtools("DOM.getDocument", {})["root"]["nodeId"]
        node = self.devtools("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        self.devtools("DOM.setFileInputFiles", {"nodeId": node, "files": [str(file.resolve()) for file in files]})

    def download_to(self, folder: Path) -> None:
        """Saves downloads in a folder without asking."""
        self.devtools("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder.resolve())})

    def run(self, script: str, *arguments: object) -> Any:
        """Runs the body of a JavaScript function and returns its result."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, condition: str, *, seconds: float = 20.0) -> None:
        """Waits until a JavaScript expression is true."""
        deadline_s = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline_s, f"never true: {condition}"
            time.sleep(0.02)

    def settings(self, *, width: int, height: int, dark: bool = False, scale: float = 1.0) -> None:
        """Sets the window's size in CSS pixels, the device pixel ratio and the preferred colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """Runs a command of the Chrome DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self) -> Image.Image:
        """A screenshot of the window as RGB."""
        return Image.open(io.BytesIO(base64.b64decode(self._call("GET", "/screenshot")))).convert("RGB")

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Scrolls the first match to the middle of the window; returns its left, top, width and height."""
        script = """
            const element = document.querySelector(arguments[0]);
            element.scrollIntoView({block: "center", behavior: "instant"});
            const box = element.getBoundingClientRect();
            return [box.left, box.top, box.width, box.height];
        """
        left, top, width, height = self.run(script, selector)
        return left, top, width, height

    def click(self, selector: str) -> None:
        """Clicks on the middle of the first match."""
        left, top, width, height = self.box(selector)
        self.drag((left + width / 2, top + height / 2))

    def drag(self, *places: tuple[float, float]) -> None:
        """Drags with the mouse from the first position to the last."""
        moves = [_move(place) for place in places]
        press, release = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act({"type": "pointer", "id": "mouse", "actions": [moves[0], press, *moves[1:], release]})

    def double_click(self, place: tuple[float, float]) -> None:
        """Double-clicks."""
        press, release = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._act({"type": "pointer", "id": "mouse", "actions": [_move(place), press, release, press, release]})

    def wheel(self, place: tuple[float, float], delta: int, *, ctrl: bool = False) -> None:
        """Turns the mouse wheel at a position; negative values scroll up."""
        x, y = map(round, place)
        parameters = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": delta, "modifiers": 2 * ctrl}
        self.devtools("Input.dispatchMouseEvent", parameters)

    def touch(self, *steps: Sequence[tuple[float, float]]) -> None:
        """Touches the positions of the first step, moves the fingers to those of the others, and lifts them."""
        for number, places in enumerate(steps):
            points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
            kind = "touchMove" if number else "touchStart"
            self.devtools("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.devtools("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def press(self, *keys: str) -> None:
        """Sends keys to the focused element: characters, or names such as `ArrowRight`."""
        codes = {"ArrowLeft": "\ue012", "ArrowRight": "\ue014", "Home": "\ue011", "End": "\ue010"}
        steps = [{"type": kind, "value": codes.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": steps})

    def console(self) -> list[str]:
        """The page's console errors and warnings since the last call, without hints on speed, which depend on load."""
        messages = [str(entry["message"]) for entry in self._log("browser")]
        return [message for message in messages if not any(hint in message for hint in _SPEED_HINTS)]

    def requests(self) -> list[str]:
        """All URLs requested since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        """Closes the browser."""
        self._call("DELETE", "")

    def _log(self, kind: str) -> Any:
        return self._call("POST", "/se/log", {"type": kind})

    def _act(self, source: dict[str, Any]) -> None:
        self._call("POST", "/actions", {"actions": [source]})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as exc:
            with exc:
                raise RuntimeError(exc.read().decode(errors="replace")[:1000]) from exc


@contextmanager
def running_browser(folder: Path) -> Iterator[Browser]:
    """Starts a browser with a profile in `folder`, and closes it afterwards."""
    assert DRIVER is not None
    log = folder / "chromedriver.log"
    with log.open("wb") as file:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=file, stderr=subprocess.STDOUT)
    try:
        browser = Browser(f"http://127.0.0.1:{_port(driver, log)}", folder / "profile")
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.wait(timeout=30)


def _port(driver: subprocess.Popen[bytes], log: Path) -> int:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and driver.poll() is None:
        if found := re.search(r"on port (\d+)\.", log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"chromedriver did not start: {log.read_text()}")


def _move(place: tuple[float, float]) -> dict[str, Any]:
    x, y = map(round, place)
    return {"type": "pointerMove", "duration": 50, "origin": "viewport", "x": x, "y": y}
