"""Pictures of whole pages, by Chromium over its DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from demo.errors import FilmError
from fmnist_lib.release.pdf import find_browser

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

#: Seconds for one answer, and for a page to load and draw its charts.
ANSWER_SECONDS, PAGE_SECONDS = 60.0, 40.0
#: The browser's ends of the two pipes, fixed by Chromium.
_READS, _WRITES = 3, 4
#: Pixels of a page that are photographed: Chromium draws no picture above 16,384.
MAX_HEIGHT = 12_000
_SWITCHES = (
    "headless=new",
    "no-sandbox",
    "disable-gpu",
    "disable-dev-shm-usage",
    "hide-scrollbars",
    "no-first-run",
    "disable-sync",
    "disable-quic",
    "disable-background-networking",
    "disable-component-update",
    "force-color-profile=srgb",
    "remote-debugging-pipe",
)
#: A page's height, and True if nothing of it is still loading.
_STATE = """
[document.documentElement.scrollHeight, document.readyState === "complete"
  && [...document.images].every(image => image.complete)]
"""
_HEADINGS = """
[...document.querySelectorAll("h1, h2, h3, summary, figcaption, th")].map(
  one => [one.innerText, one.getBoundingClientRect().top + window.scrollY])
"""


class Browser:
    """A headless Chromium with one tab; a context manager.

    Parameters
    ----------
    width, height : int
        Size of the window in pixels of the page.
    scale : float, default=1
        Pixels of a picture per pixel of the page.
    """

    def __init__(self, width: int, height: int, scale: float = 1.0) -> None:
        self.width, self.height, self.scale = width, height, scale
        self._last = 0
        self._session: str | None = None
        self._unread = b""

    def __enter__(self) -> Self:
        """Start the browser and open a tab."""
        program = find_browser()
        if program is None:
            raise FilmError("Chromium: expected it on the PATH, found none. Install it.")
        self._profile = tempfile.mkdtemp(prefix="fmnist-flow-chromium-")
        their_read, self._write = _pipe()
        self._read, their_write = _pipe()
        command = [program, *(f"--{switch}" for switch in _SWITCHES)]
        command += [f"--user-data-dir={self._profile}", "about:blank"]
        quiet = os.open(os.devnull, os.O_RDWR)
        self._pid = os.posix_spawn(
            program,
            command,
            os.environ,
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, quiet, descriptor) for descriptor in range(3)),
                (os.POSIX_SPAWN_DUP2, their_read, _READS),
                (os.POSIX_SPAWN_DUP2, their_write, _WRITES),
            ],
            setpgroup=0,
        )
        for descriptor in (their_read, their_write, quiet):
            os.close(descriptor)
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=self.width,
            height=self.height,
            deviceScaleFactor=self.scale,
            mobile=False,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the browser's process group and delete its profile."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> Any:
        """Return the result of a command of the DevTools protocol.

        Raises
        ------
        FilmError
            Chromium reports an error, ended, or did not answer in time.
        """
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._write, content) :]
        end = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = json.loads(self._receive(method, end))
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise FilmError(f"Chromium's {method} failed: {answer['error']['message']}.")
                return answer["result"]

    def _receive(self, method: str, end: float) -> bytes:
        """Return the next message, without the null byte that ends it."""
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise FilmError(
                    f"Chromium: expected an answer to {method} within {ANSWER_SECONDS:.0f} s, "
                    "got none. Check that `chromium --headless --dump-dom about:blank` works here."
                )
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return message

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def open(self, address: str, settle_seconds: float = 2.0) -> None:
        """Load a page, and return when its height and pictures no longer change."""
        self.call("Page.navigate", url=address)
        end = time.monotonic() + PAGE_SECONDS
        before, since = None, time.monotonic()
        while time.monotonic() < end:
            state = self.evaluate(_STATE)
            if state != before or not state or not state[1]:
                before, since = state, time.monotonic()
            elif time.monotonic() - since > settle_seconds:
                return
            time.sleep(0.1)

    def wait_for(self, selector: str) -> None:
        """Return when the page has an element.

        Raises
        ------
        FilmError
            It has none in time.
        """
        end = time.monotonic() + PAGE_SECONDS
        while not self.evaluate(f"!!document.querySelector({json.dumps(selector)})"):
            if time.monotonic() > end:
                raise FilmError(
                    f"{self.evaluate('location.href')}: expected an element {selector} within "
                    f"{PAGE_SECONDS:.0f} s, got none. Name another one in demo/scenes.toml."
                )
            time.sleep(0.2)

    def click(self, selector: str) -> None:
        """Click an element as soon as it exists."""
        self.wait_for(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def headings(self) -> list[tuple[str, float]]:
        """Return the text of every heading and its distance from the top, in picture pixels."""
        return [(text, top * self.scale) for text, top in self.evaluate(_HEADINGS)]

    def take(self, picture: Path, whole: bool = True) -> None:
        """Write the page, or only what the window shows, as a PNG file."""
        height = self.height
        if whole:
            content = self.call("Page.getLayoutMetrics")["cssContentSize"]
            limit = int(MAX_HEIGHT / self.scale)
            height = min(max(height, int(content["height"])), limit)
        result = self.call(
            "Page.captureScreenshot",
            format="png",
            captureBeyondViewport=whole,
            clip={"x": 0, "y": 0, "width": self.width, "height": height, "scale": 1},
        )
        picture.write_bytes(base64.b64decode(result["data"]))


def _pipe() -> tuple[int, int]:
    """Return a pipe whose numbers are not those that the browser expects."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
