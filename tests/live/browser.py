"""A headless Chromium, spoken to in the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PAGE_MODELS = ("pretrained:walker", "pretrained:hardcore")
"""In the page that tests open."""
PATIENCE = 300.0
"""s, until a page must have done what is waited for."""

_COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")


class Browser:
    """One tab. Chromium reads commands from its descriptor 3 and answers on 4, each ended by 0."""

    def __init__(self, commands: int, answers: int) -> None:
        """Take the ends of the pipes, and attach to the tab."""
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._rest = b""
        self.complaints: list[str] = []
        """Exceptions, console messages and errors of the page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Send a command and wait for its result."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("method") in _COMPLAINTS:
                self.complaints.append(json.dumps(message["params"]))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            more = self._answers.read(1 << 16)
            assert more, "the browser ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a page of `bipedal share` and wait until it has compared its episodes."""
        self.go(path.as_uri() + fragment)

    def go(self, url: str) -> None:
        """Open a page, wherever it is, and forget what the one before complained of."""
        self.call("Page.navigate", url="about:blank")  # another fragment alone loads nothing
        self.wait_for("location.href === 'about:blank'")
        self.complaints.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("document.getElementById('parity')?.dataset.same")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)[
            "result"
        ].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true; it is an `AssertionError` if it does not become so."""
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"{expression} never was true: {self.complaints}"
            time.sleep(0.1)

    def text(self, element: str) -> str:
        """The text of an element with this id."""
        return str(self.evaluate(f"document.getElementById({element!r}).textContent"))

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Press, move or release the mouse at a place of the window."""
        event = {"pressed": "mousePressed", "moved": "mouseMoved", "released": "mouseReleased"}
        self.call(
            "Input.dispatchMouseEvent",
            type=event[kind], x=x, y=y, button="left", buttons=1, clickCount=1,
        )  # fmt: skip

    def key(self, key: str, *, down: bool = True) -> None:
        """Press or release a key."""
        kind = "keyDown" if down else "keyUp"
        text = {"text": key} if down and len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type=kind, key=key, **text)

    def choose_files(self, element: str, *paths: Path) -> None:
        """Choose files for a file input with this id."""
        found = self.call("Runtime.evaluate", expression=f"document.getElementById({element!r})")
        files = [str(path) for path in paths]
        self.call("DOM.setFileInputFiles", files=files, objectId=found["result"]["objectId"])

    def resize(self, width: int, height: int) -> None:
        """Show the page as on a screen of this size, CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser that ends with the block."""
    import fcntl  # Windows has none, and no browser of this name

    commands, answers = os.pipe(), os.pipe()
    # Out of the way of 3 and 4, so that neither is overwritten before it is copied.
    reads, writes = (
        fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands[0], answers[1])
    )

    def connect() -> None:
        os.dup2(reads, 3)
        os.dup2(writes, 4)

    process = subprocess.Popen(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"),
            "--disable-features=IsolateSandboxedIframes",  # so that a test can look into them
            *("--remote-debugging-pipe", "--window-size=1000,900", "about:blank"),
        ],
        preexec_fn=connect,
        pass_fds=(3, 4),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (commands[0], answers[1], reads, writes):
        os.close(end)
    try:
        yield Browser(commands[1], answers[0])
    finally:
        process.terminate()
        process.wait()
