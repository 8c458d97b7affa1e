# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive on the loopback interface, which fails on demand.

1. Each answer about a package is read from the real .dsc files in its pool at that moment.
2. A fault is scheduled, never random, and the log has it.
3. When the archive is closed, every query that hangs ends.

It answers what dgit's `ftpmasterapi` method asks, under /api/, and serves the pool under /debian/.
As a program, `archive.py --fault '503 file_in_archive/* 1' DIR`, where DIR holds `pool/`, prints
its URL and serves until SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, TextIO
from urllib.parse import parse_qs, unquote, urlsplit

HANG, RESET = "hang", "reset"


@dataclass
class Fault:
    """From its `first` matching query to its `last` (counted from 1; None: for ever), answer so."""

    answer: str  # an HTTP status, or `hang`, or `reset`
    pattern: str = "*"  # a glob over what follows /api/ or /debian/, as dgit wrote it
    first: int = 1
    last: int | None = None
    seen: int = field(default=0, init=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ANSWER [PATTERN [FIRST[-[LAST]]]]`: `503 file_in_archive/* 1`, `hang * 3-`."""
        match = re.fullmatch(r"([1-5]\d\d|hang|reset)(?: (\S+)(?: (\d+)(-(\d*))?)?)?", text)
        if match is None:
            raise ValueError(f"not a fault: {text!r}")
        answer, pattern, first, span, last = match.groups()
        if first is None:
            return cls(answer, pattern or "*")
        end = int(last) if last else None if span else int(first)
        return cls(answer, pattern, int(first), end)

    def strike(self, asked: str) -> bool:
        """Count this query if it matches; is it one to spoil?"""
        if not fnmatchcase(asked, self.pattern):
            return False
        self.seen += 1
        return self.first <= self.seen and (self.last is None or self.seen <= self.last)


@dataclass(frozen=True)
class Query:
    """One request, and what became of it."""

    asked: str
    answer: str
    fault: bool
    at: float  # seconds since the archive opened

    def __str__(self) -> str:
        return f"+{self.at:07.3f} {self.answer:>5}{'!' if self.fault else ' '} {self.asked}"


def read_dsc(path: Path) -> dict[str, str]:
    """Read the fields of a .dsc, signed or not; a field's further lines stay in it."""
    fields: dict[str, str] = {}
    name = ""
    for line in path.read_text().splitlines():
        if line.startswith("-----BEGIN PGP SIGNATURE"):
            break
        if line[:1] == " " and name:
            fields[name] += "\n" + line.strip()
        elif match := re.match(r"([A-Za-z0-9-]+):\s*(.*)", line):
            name = match[1]
            fields[name] = match[2]
    return fields


def match_like(pattern: str, text: str) -> bool:
    r"""SQL's LIKE, which the real archive asks its database: % any run, _ any one, \ quotes."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, text, re.DOTALL) is not None


class Archive:
    """Serves DIR/pool on 127.0.0.1 until it is closed; `queries` has the queries in order."""

    def __init__(
        self,
        root: Path,
        suites: dict[str, str] | None = None,  # codename: name; each holds the whole pool
        faults: list[Fault] | None = None,
        log: TextIO | None = None,
    ) -> None:
        self.root = root
        self.suites = {"sid": "unstable"} if suites is None else suites
        self.faults = [] if faults is None else faults
        self.queries: list[Query] = []
        self._log = log
        self._lock = threading.Lock()  # over faults, queries and log
        self._closing = threading.Event()
        self._began = time.monotonic()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def api(self) -> str:
        """What `archive-query-url` wants: dgit appends to it as it stands."""
        return f"{self.url}/api/"

    @property
    def mirror(self) -> str:
        """What `mirror` wants: dgit appends `/pool/…`."""
        return f"{self.url}/debian"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find_fault(self, asked: str) -> str | None:
        """Which fault strikes this query, if one does; every schedule counts it."""
        with self._lock:
            struck = [fault.answer for fault in self.faults if fault.strike(asked)]
        return struck[0] if struck else None

    def record(self, asked: str, answer: str, fault: bool) -> None:
        query = Query(asked, answer, fault, time.monotonic() - self._began)
        with self._lock:
            self.queries.append(query)
            if self._log is not None:
                print(query, file=self._log, flush=True)

    def wait_closing(self) -> None:
        self._closing.wait()

    def answer_api(self, asked: str) -> Any:
        """The JSON value for what stands after /api/, or None: no such thing to ask."""
        parts = urlsplit(asked)
        words = [unquote(word) for word in parts.path.split("/")]
        if words == ["suites"]:
            return [
                {"codename": codename, "name": name, "dakname": name, "archive": "ftp-master"}
                for codename, name in self.suites.items()
            ]
        if words[0] == "dsc_in_suite" and len(words) == 3:
            return self._answer_dsc_in_suite(words[1], words[2])
        if words[0] == "file_in_archive" and len(words) > 1:
            return self._answer_file_in_archive("/".join(words[1:]))
        if words == ["madison"]:
            wanted = parse_qs(parts.query)
            if wanted.get("f") == ["json"] and "package" in wanted:
                return self._answer_madison(wanted["package"][0])
        return None

    def _answer_dsc_in_suite(self, suite: str, source: str) -> list[dict[str, Any]]:
        if suite not in {*self.suites, *self.suites.values()}:
            return []
        return [
            {
                "version": fields["Version"],
                "component": component,
                "filename": name,
                "filesize": path.stat().st_size,
                "sha256sum": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for component, name, path, fields in self._dscs()
            if fields["Source"] == source
        ]

    def _answer_file_in_archive(self, pattern: str) -> list[dict[str, str]]:
        found = {}
        for component, name, path, fields in self._dscs():
            sums = {name: hashlib.sha256(path.read_bytes()).hexdigest()}
            for line in fields["Checksums-Sha256"].split("\n"):
                if line:
                    digest, _size, file = line.split()
                    sums[f"{Path(name).parent}/{file}"] = digest
            for file, digest in sums.items():
                if match_like(pattern, f"{component}/{file}"):
                    found[component, file] = {
                        "filename": file,
                        "component": component,
                        "sha256sum": digest,
                    }
        return list(found.values())

    def _answer_madison(self, source: str) -> list[dict[str, Any]]:
        versions = {
            fields["Version"]: {
                "architectures": ["source"],
                "component": component,
                "source": source,
                "source_version": fields["Version"],
            }
            for component, _name, _path, fields in self._dscs()
            if fields["Source"] == source
        }
        return [{source: dict.fromkeys(self.suites.values(), versions)}] if versions else []

    def _dscs(self) -> Iterator[tuple[str, str, Path, dict[str, str]]]:
        """Component, name within it, path and fields of every .dsc."""
        pool = self.root / "pool"
        for path in sorted(pool.rglob("*.dsc")):
            component, name = str(path.relative_to(pool)).split("/", 1)
            yield component, name, path, read_dsc(path)

    def find_file(self, asked: str) -> Path | None:
        """The pool file that stands after /debian/, unless it is outside the pool."""
        pool = (self.root / "pool").resolve()
        path = (self.root / unquote(urlsplit(asked).path)).resolve()
        return path if path.is_file() and pool in path.parents else None


def _handler_for(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(body_wanted=True)

        def do_HEAD(self) -> None:
            self._serve(body_wanted=False)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on stderr: the archive's own log has it."""

        def _serve(self, body_wanted: bool) -> None:
            area, _, asked = self.path.removeprefix("/").partition("/")
            fault = archive.find_fault(asked)
            if fault in (HANG, RESET):
                archive.record(asked, fault, True)
                if fault == HANG:
                    archive.wait_closing()
                # Linger on, for no time: the kernel then sends RST, not FIN.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            status, kind, body = 404, "text/plain", b"not here\n"
            if fault is not None:
                status, body = int(fault), b"fault by schedule\n"
            elif area == "api" and (answer := archive.answer_api(asked)) is not None:
                status, kind, body = 200, "application/json", json.dumps(answer).encode()
            elif area == "debian" and (path := archive.find_file(asked)) is not None:
                status, kind, body = 200, "application/octet-stream", path.read_bytes()
            # Recorded first: who has its answer must find its query in the log.
            archive.record(asked, str(status), fault is not None)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if body_wanted:
                self.wfile.write(body)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description="An archive on loopback, with faults by schedule.")
    parser.add_argument("dir", type=Path, metavar="DIR", help="holds pool/COMPONENT/…/*.dsc")
    add = parser.add_argument
    add("--suite", action="append", metavar="CODENAME:NAME", help="default: sid:unstable")
    add("--fault", action="append", type=Fault.parse, default=[], metavar="'503 PATTERN 1-2'")
    add("--log", type=Path, metavar="FILE", help="append to it; default: stderr")
    args = parser.parse_args()
    suites = dict(suite.split(":", 1) for suite in args.suite or ["sid:unstable"])
    # Blocked before there are threads, so that none of them can take it away from sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with (
        contextlib.nullcontext(sys.stderr) if args.log is None else args.log.open("a") as log,
        Archive(args.dir, suites, args.fault, log) as archive,
    ):
        print(archive.url, flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
