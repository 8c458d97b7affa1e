# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser, which a test controls through its debugging pipe.

Rule 1: only chromium and two pipes; the protocol is Chrome's (DevTools Protocol), JSON and a NUL.
Rule 2: it has no profile of anybody's, and is gone with the test.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
PATIENCE = 240.0  #: seconds for one command; a busy machine takes its time over a browser


class BrowserError(Exception):
    """The browser did not do what the test wanted."""


class Browser:
    """A page of a chromium that is under way."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._data = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []  # the events that it sent, oldest first
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have a command done, and take its result. Raises BrowserError."""
        self._number += 1
        words = {"id": self._number, "method": method, "params": parameters, **self._session}
        data = json.dumps(words).encode() + b"\0"
        while data:
            data = data[os.write(self._writer, data) :]
        while True:
            said = self._hear()
            if said.get("id") == self._number:
                if "error" in said:
                    raise BrowserError(f"{method}: {said['error']}")
                result: dict[str, Any] = said["result"]
                return result
            self.events.append(said)

    def _hear(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._data:
            if not select.select([self._reader], [], [], max(0.0, until - time.monotonic()))[0]:
                raise BrowserError("it says nothing any more")
            more = os.read(self._reader, 1 << 20)
            if not more:
                raise BrowserError("it has gone")
            self._data += more
        line, _, self._data = self._data.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def open(self, file: Path, width: int, height: int = 800, scale: float = 1) -> None:
        """Show a file in a window of `width` by `height` pixels, of `scale` device pixels each."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 500,
        )
        self.events.clear()
        self.do("Page.navigate", url=file.absolute().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._hear())

    def tell(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page. The page itself may not run scripts."""
        done = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def requests(self) -> list[str]:
        """The addresses that the last page fetched, or tried to fetch."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What it wrote to its console: refused scripts, broken markup."""
        return [
            event["params"]["entry"]["text"]
            for event in self.events
            if event["method"] == "Log.entryAdded"
        ]

    def picture(self) -> bytes:
        """The whole page as PNG."""
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def print(self) -> bytes:
        """The page as it is printed, on A4, as PDF."""
        return base64.b64decode(
            self.do("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)[
                "data"
            ]
        )


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of those that it becomes."""
    low = os.pipe()
    reader, writer = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in low)
    for fd in low:
        os.close(fd)
    return reader, writer


@contextlib.contextmanager
def open_browser(chromium: str) -> Iterator[Browser]:
    """A chromium of one's own, without a sandbox where we are root, for as long as it is needed."""
    profile = Path(tempfile.mkdtemp(prefix="chromium."))
    (its_in, ours_out), (ours_in, its_out) = _pipe(), _pipe()
    words = [
        chromium,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    # It wants its pipes as descriptors 3 and 4, and a shell can give it those; not dash, which
    # knows no descriptor above 9.
    shell = ["bash", "-c", f'exec "$@" 3<&{its_in} 4>&{its_out}', "bash", *words]
    process = subprocess.Popen(
        shell,
        pass_fds=(its_in, its_out),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(its_in)
    os.close(its_out)
    try:
        yield Browser(ours_in, ours_out)
    finally:
        os.close(ours_out)  # it ends itself then
        os.close(ours_in)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        shutil.rmtree(profile, ignore_errors=True)
