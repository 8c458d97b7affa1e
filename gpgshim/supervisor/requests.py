# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests on their way to the gate, until the files that would be signed are read.

Rule 1: another process reads the files, with a time limit: a file system may never answer.
Rule 2: requests keep the order of their arrival.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from gpgshim.core import records as r
from gpgshim.core import wire
from gpgshim.core.codec import Record
from gpgshim.core.quoting import quote
from gpgshim.supervisor.entrance import Admissions, Requester
from gpgshim.supervisor.entries import Entries, reason_of
from gpgshim.supervisor.hasher import Hasher
from gpgshim.supervisor.loop import Loop
from gpgshim.supervisor.requester import Inspector

#: Seconds for reading the files of a request. Less than ask.PATIENCE, so that a gpg in observe mode
#: still gets our answer.
READING = 3.0


class Request:
    """A client's request for a gpg. `event` is ASKED or UNKNOWN_COMMAND."""

    def __init__(
        self,
        client: Requester,
        record: r.Request,
        words: list[str],
        admission: Admissions,
        about: r.Client,
        until: float,
    ) -> None:
        self.client = client
        self.record = record
        self.words = words  # the client's command line, masked
        self.admission = admission  # effects that come before the event
        self.about = about
        self.until = until  # on the clock: the time limit for reading the files
        self.files: list[Record] | None = None  # the notes on the files; None until they are read


class Requests:
    """Gives each request to `put` when its files are read. Raises nothing."""

    def __init__(
        self, loop: Loop, inspector: Inspector, entries: Entries, put: Callable[[Request], None]
    ) -> None:
        self._loop = loop
        self._inspector = inspector
        self._entries = entries
        self._put = put
        self._reading: deque[Request] = deque()  # in the order of arrival
        self._hasher = Hasher(inspector.read_files, inspector.practise)
        self._hasher_fd = -1
        self._number = 0  # of the last request to the hasher
        self._requested: dict[int, Request] = {}  # requests that the hasher has not answered yet

    def add(self, client: Requester, word: str, admission: Admissions) -> None:
        """A client has asked; `word` is wire.SIGN or wire.UNKNOWN_COMMAND."""
        words = self._inspector.read_command_line(client.pid)
        request = self._add(client, words, word, admission)
        if self._inspector.has_files(client.pid, words):
            self._read(request)
        else:
            request.files = []
        self.put_ready()

    def add_held(self, client: Requester, command: r.AtAgent, admission: Admissions) -> None:
        """The lock holds a command of the client.

        The files are not known: the command has only the digest of a file and more.
        """
        words = self._inspector.read_command_line(client.pid)
        request = self._add(client, words, wire.SIGN, admission)
        request.files = [command]
        self.put_ready()

    def _add(
        self, client: Requester, words: list[str], word: str, admission: Admissions
    ) -> Request:
        shown = self._inspector.without_secrets(words)
        call = quote(shown) or "gpg"
        about = self._inspector.describe(client.pid)
        kind = r.SignRequest if word == wire.SIGN else r.UnknownRequest
        until = self._loop.clock() + READING
        request = Request(client, kind(call), shown, admission, about, until)
        self._reading.append(request)
        return request

    def put_ready(self) -> None:
        """Give the gate those requests whose files are read, in the order of arrival."""
        while self._reading and self._reading[0].files is not None:
            self._put(self._reading.popleft())

    def gone(self, client: Requester) -> None:
        """The client stopped waiting: its request does not reach the gate any more."""
        for request in [each for each in self._reading if each.client is client]:
            self._reading.remove(request)
            self._entries.note(r.Withdrawn(client.pid, request.record.call))

    def stop_reading(self) -> None:
        """The gate is closed: requests whose files are not read yet are too late now."""
        self._requested.clear()
        for request in self._reading:
            if request.files is None:
                request.files = [r.FilesUnread(r.Unread.CLOSED, "")]
        self.put_ready()

    def time_limits(self) -> list[float]:
        """On the clock: the times at which files are not waited for any more."""
        return [request.until for request in self._requested.values()]

    def look_at_the_clock(self, now: float) -> None:
        """Give up files that take too long, after a last look at the hasher's answers."""
        if any(request.until <= now for request in self._requested.values()):
            self._hear()
            self._give_up(now)

    def start(self) -> None:
        """Start the hasher, before the first request, which would wait for it."""
        self.stop()
        with contextlib.suppress(OSError):  # without it, no files are read, and the journal says so
            fd = self._hasher.start()
            self._loop.watch(fd, self._hear)
            self._hasher_fd = fd

    def stop(self) -> None:
        """End the hasher."""
        if self._hasher_fd >= 0:
            self._loop.unwatch(self._hasher_fd)
            self._hasher_fd = -1
        self._hasher.end()

    def _read(self, request: Request, retries: bool = True) -> None:
        if self._hasher_fd < 0:
            self.start()
            retries = False
        self._number += 1
        try:
            self._hasher.ask(self._number, request.client.pid)
        except OSError as error:
            if retries:  # it was killed, and we have not noticed yet
                self._read_again(request)
            else:
                request.files = [r.FilesUnread(r.Unread.FAILED, reason_of(error))]
            return
        self._requested[self._number] = request

    def _hear(self) -> None:
        answers = self._hasher.read()
        if answers is not None:
            for number, lines in answers:
                if request := self._requested.pop(number, None):
                    request.files = lines
            return
        # It ended at the first request without an answer. The others are tried once more.
        number = min(self._requested, default=0)
        if number:
            self._requested.pop(number).files = [r.FilesUnread(r.Unread.READER_ENDED, "")]
        self._read_again()

    def _give_up(self, now: float) -> None:
        late = [number for number, each in self._requested.items() if each.until <= now]
        for number in late:
            self._requested.pop(number).files = [r.FilesUnread(r.Unread.TIMEOUT, "")]
        if late:
            self._read_again()

    def _read_again(self, *more: Request) -> None:
        again, self._requested = [*self._requested.values(), *more], {}
        self.start()
        for request in again:
            self._read(request, retries=False)
