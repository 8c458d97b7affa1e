# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git forge on loopback, in Salsa's place: bare repositories over HTTP, failing when told to.

1. It serves files (git's `dumb' protocol). Only git writes into its repositories.
2. A fault is scheduled, as those of the archive.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.world.archive import Fault


class Forge:
    """Serves DIR/*.git on 127.0.0.1 until it is closed; `requests` has the requests in order."""

    def __init__(self, root: Path, faults: list[Fault]) -> None:
        self.root = root
        self.faults = faults
        self.requests: list[str] = []
        self._lock = threading.Lock()  # over faults and requests
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, asked: str) -> tuple[int, bytes]:
        """Status and body for one request."""
        path = (self.root / unquote(urlsplit(asked).path).lstrip("/")).resolve()
        with self._lock:
            struck = [fault.answer for fault in self.faults if fault.strike(asked)]
            status = int(struck[0]) if struck else 200 if path.exists() else 404
            self.requests.append(f"{status} {asked}")
        # A directory is the project's page: tag2upload-fetch-inputs looks whether there is one.
        return status, path.read_bytes() if status == 200 and path.is_file() else b""


def _handler_for(forge: Forge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(body_wanted=True)

        def do_HEAD(self) -> None:
            self._serve(body_wanted=False)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr: `requests` has it."""

        def _serve(self, body_wanted: bool) -> None:
            status, body = forge.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if body_wanted:
                self.wfile.write(body)

    return Handler
