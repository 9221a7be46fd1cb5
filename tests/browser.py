"""Debian's Chromium without a screen, driven by its DevTools protocol (https://chromedevtools.github.io/
devtools-protocol) over the websockets package: opens pages, clicks where an element is, reads what is seen.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

DESKTOP, PHONE = (1280, 900, False), (390, 844, True)
"""Width and height of a window in CSS pixels, and whether it is touched."""
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
_PATIENCE_S = 60.0


def chromium() -> str | None:
    """Return where the browser is, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One tab."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0
        self.complaints: list[str] = []
        """What scripts threw, and what was asked of other machines."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Send a command; return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": arguments}))
        while True:
            said = json.loads(self._socket.recv(timeout=_PATIENCE_S))
            if said.get("id") == self._number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                return said["result"]
            self._hear(said)

    def _hear(self, said: dict[str, Any]) -> None:
        facts = said.get("params", {})
        if said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(facts["exceptionDetails"].get("exception", facts)))
        if said.get("method") == "Network.requestWillBeSent":
            address = facts["request"]["url"]
            if not re.match(r"file:|data:|about:|http://127\.0\.0\.1[:/]", address):
                self.complaints.append(f"asked for {address}")
        if said.get("method") == "Log.entryAdded" and facts["entry"]["level"] == "error":
            self.complaints.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")

    def size(self, window: tuple[int, int, bool]) -> None:
        """Make the window so large."""
        width, height, touched = window
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touched,
        )
        self.ask("Emulation.setTouchEmulationEnabled", enabled=touched)

    def dark(self, is_dark: bool) -> None:
        """Prefer dark colours, or light ones."""
        value = "dark" if is_dark else "light"
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def open(self, address: str | Path) -> None:
        """Open a page and wait until it stands."""
        address = address.resolve().as_uri() if isinstance(address, Path) else address
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, script: str) -> Any:
        """Return what a JavaScript expression is, as plain values; RuntimeError where it throws."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 30.0) -> None:
        """Wait until an expression holds, on a page that may just be loaded anew; AssertionError if it does
        not within a time.
        """
        end, holds = time.monotonic() + seconds, False
        while not holds:
            assert time.monotonic() < end, f"not within {seconds:g} s: {script}"
            with suppress(RuntimeError):
                holds = self.value(script)
            time.sleep(0.05)

    def place(self, selector: str, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """Bring an element into view; return a point of it, (across, down) from 0 to 1, in the window. Of a
        link over two lines it is in the first.
        """
        box = self.value(
            "(async () => { const frame = () => new Promise(requestAnimationFrame); let e; "
            "for (let i = 0; i < 3; ++i) {"  # what comes into view may have another size than was reserved
            f"e = document.querySelector({json.dumps(selector)}); "
            "if (!e || !e.getClientRects().length) return null; "
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); await frame(); } "
            "const b = e.getClientRects()[0]; return [b.x, b.y, b.width, b.height] })()"
        )
        assert box and box[2] > 0 and box[3] > 0, f"{selector} is not seen"
        return box[0] + across * box[2], box[1] + down * box[3]

    def click(self, selector: str, across: float = 0.5, down: float = 0.5) -> None:
        """Press and release the mouse there."""
        self.drag(self.place(selector, across, down))

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, move along the others, release it at the last."""
        self._mouse("mouseMoved", points[0])
        self._mouse("mousePressed", points[0])
        for point in points[1:]:
            self._mouse("mouseMoved", point)
        self._mouse("mouseReleased", points[-1])

    def move(self, point: tuple[float, float]) -> None:
        """Move the mouse."""
        self._mouse("mouseMoved", point)

    def _mouse(self, kind: str, point: tuple[float, float]) -> None:
        pressed = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.ask("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], **pressed)

    def key(self, name: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=name, text=name if len(name) == 1 else "")

    def choose(self, select: str, value: str) -> None:
        """Choose an option of a list, as a person's choice would say it."""
        self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(select)}); "
            f"e.value = {json.dumps(value)}; "
            "e.dispatchEvent(new Event('change', {bubbles: true})) })()"
        )

    def too_wide(self) -> int:
        """Return by how many pixels the page is wider than its window."""
        wide = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        return self.value(f"{wide} - document.documentElement.clientWidth")

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as PNG."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser; end it with the block."""
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [chromium(), *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, start_new_session=True, **quiet)
        try:
            port_file, end = Path(profile) / "DevToolsActivePort", time.monotonic() + _PATIENCE_S
            while not (port_file.exists() and port_file.read_text().count("\n")):
                assert time.monotonic() < end and process.poll() is None, "the browser does not start"
                time.sleep(0.05)
            port = port_file.read_text().split("\n")[0]
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE_S) as reply:
                (page,) = [each for each in json.load(reply) if each["type"] == "page"]
            with connect(page["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Browser(socket)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # its helpers too; asked to end, it takes its time
            process.wait(timeout=_PATIENCE_S)
