# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor: it serves one attempt of one job, and performs the effects of its gate.

Rule 1: it decides nothing. Events go through gate.STEPS, and it performs the effects in order.
Rule 2: the outcome is derived from the journal, read back; never from the memory of this process.
Rule 3: one loop waits for everything at once. A slow, silent or broken peer delays no other peer.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from gpgshim.authority.authority import Authority, NotAsked
from gpgshim.core import wire
from gpgshim.core.gate import OUTCOMES, STEPS, TEMPFAIL, Effect, Event, Outcome, State
from gpgshim.core.transcript import TranscriptError, escape, parse_line, quote
from gpgshim.core.verdict import Verdict, ending_of, judge_bytes, judge_journal
from gpgshim.history.journal import Journal, Lost
from gpgshim.supervisor.audit import Witness
from gpgshim.supervisor.hasher import Hasher
from gpgshim.system.errors import Unable
from gpgshim.system.places import can_be_run, own_user

PATIENCE = 10.0  #: seconds in which a client must send its one line
#: Seconds for reading the files of a request. Less than ask.PATIENCE, so that a gpg in observe mode
#: still gets our answer.
READING = 3.0
MOST_REFUSALS = 3  #: causes that are kept for the outcome's line; the journal has all of them
_BACKLOG = 4096  #: connections in the kernel's queue; the kernel limits this to somaxconn


class Asker:
    """A connection to a client: a stunt, or any other process."""

    def __init__(self, peer: socket.socket, now: float) -> None:
        self.peer = peer
        self.data = b""
        self.gone = False  # whether we have answered, and closed the connection
        self.asked = False  # whether it has sent its request
        self.number = 0  # the number of its request, from 1; 0 until it is in the journal
        self.until = now + PATIENCE
        self.pid, self.uid, _gid = struct.unpack(
            "3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )

    def fileno(self) -> int:
        return self.peer.fileno()


class Question:
    """A stunt's request, from its arrival until its files are read and it goes to the gate."""

    def __init__(self, asker: Asker, word: str, call: str, about: str, until: float) -> None:
        self.asker = asker
        self.word = word
        self.call = call  # gpg's command line, as written to the journal
        self.about = about  # the note that identifies the client
        self.until = until  # on the clock: the time limit for reading the files
        self.files: list[str] | None = None  # the notes on the files; None until they are read


class Supervisor:
    """Serves `job`, a directory that jobdir made, until the job is over.

    `deadline` is in seconds, for the authority's answer; `clock` gives seconds. With `ends_told` a
    client may report that the job is over; otherwise only a watched descriptor does. With
    `observes` every request is granted at once, and the journal records what a gate would have
    done. Raises Unable if the socket cannot be made.
    """

    def __init__(
        self,
        job: Path,
        journal: Journal,
        authority: Authority,
        deadline: float,
        witness: Witness,
        ends_told: bool = False,
        observes: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job = job
        self.journal = journal
        self.authority = authority
        self.deadline = deadline
        self.witness = witness
        self.ends_told = ends_told
        self.observes = observes
        self.clock = clock
        self._stunt = job / "bin/gpg"
        self._had_stunts = can_be_run(self._stunt)
        self._user = own_user()
        self.state = State.UNCOMMITTED
        self.why = ""  # the reason of all refusals, once all are refused
        self.refusals: list[str] = []  # why gpgs were refused, each cause once
        self.over = ""  # the journal's line that ended the job, once it is over
        self.refusing: Callable[[], None] = lambda: None  # called before a client is refused
        self.latest = math.inf  # on the clock: a later answer counts only for a late commitment
        self._verdict: Verdict | None = None
        self._askers: set[Asker] = set()
        self._waiting: list[Asker] = []  # in the order of requests and answers
        self._gpgs: set[int] = set()  # process ids of granted gpgs that have not ended
        self._questions = 0
        self._hasher = Hasher(witness.read_files, witness.practise)
        self._hasher_fd = -1
        self._reading: deque[Question] = deque()  # in the order of arrival
        self._requests = 0
        self._requested: dict[int, Question] = {}  # requests that the hasher has not answered yet
        self._question: list[str] = []  # the journal's lines of the last request
        self._together: list[Event] = []  # requests in the journal that the gate has not got yet
        self._until: float | None = None  # the authority's time limit, while it has to answer
        self._watched: dict[int, Callable[[], None]] = {}
        self._perform = {
            Effect.REACH: authority.reach,
            Effect.SYNC: journal.sync,
            Effect.WRITE_UNKNOWN: lambda: journal.sync(Effect.WRITE_UNKNOWN.value),
            Effect.SEND_COMMIT: self._send_commit,
            Effect.WRITE_COMMITTED: lambda: journal.sync(Effect.WRITE_COMMITTED.value),
            Effect.GRANT: self._grant,
            Effect.REFUSE: self._refuse,
        }
        try:
            self._selector = selectors.DefaultSelector()
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.setblocking(False)
            self._listener.bind(os.fsencode(job / "socket"))
            self._listener.listen(_BACKLOG)
            self._selector.register(self._listener, selectors.EVENT_READ)
        except OSError as error:
            raise Unable(f"cannot listen at {job}/socket: {error.strerror}") from error

    # The event loop.

    def watch(self, fd: int, handle: Callable[[], None]) -> None:
        """Call `handle` whenever `fd` is readable, until it is unwatched."""
        self._selector.register(fd, selectors.EVENT_READ)
        self._watched[fd] = handle

    def unwatch(self, fd: int) -> None:
        """Do not watch `fd` any more."""
        del self._watched[fd]
        self._selector.unregister(fd)

    def serve(self) -> None:
        """Run until something calls finish()."""
        _raise_descriptor_limit()
        self._start_hasher()  # before the first request, which would wait for it
        self._loop(lambda: bool(self.over))

    def tell_late(self) -> None:
        """The closed job reports `uploaded`, but got no grant: tell the authority, and wait."""
        self._note("% bypassed")
        self.step(Event.BYPASSED)
        self._loop(lambda: self.state is not State.LATE)

    def _loop(self, done: Callable[[], bool]) -> None:
        while not done():
            ready = [key for key, _ in self._selector.select(self._time_left())]
            # Clients go first: a client may have asked before the job ended, even if both are ready
            # now. Its answer must come before the job's end in the journal.
            for key in ready:
                if key.fd not in self._watched:
                    self._handle(key)
            self._step_together()
            for key in ready:
                if key.fd in self._watched and not done():
                    self._handle(key)
            self._look_at_the_clock()
            # Last: if the job ended while files were read, no commitment is requested for it.
            self._put_questions()
            self._step_together()

    def _handle(self, key: selectors.SelectorKey) -> None:
        if self._selector.get_map().get(key.fd) is not key:
            return  # it was closed; a new descriptor with its number may not be ready
        if isinstance(key.fileobj, Asker):
            if key.fileobj in self._askers:
                self._hear(key.fileobj)
        elif key.fileobj is self._listener:
            self._welcome()
        elif key.fd in self._watched:
            self._watched[key.fd]()
        else:
            self._hear_authority()

    def _hear_authority(self) -> None:
        if self._until is not None:
            try:
                answer = self.authority.answer()
            except OSError as error:  # its answer is unknown
                self.authority_is_silent(f"% failed {escape(error.strerror or str(error))}")
                return
            if answer is not None:
                self._answered(answer.event, answer.line)

    def _time_left(self) -> float | None:
        untils = [asker.until for asker in self._askers if not asker.asked]
        untils += [question.until for question in self._requested.values()]
        if self._until is not None:
            untils.append(self._until)
        return max(0.0, min(untils) - self.clock()) if untils else None

    def _look_at_the_clock(self) -> None:
        # We may have been stopped for longer than the time limits. Input that arrived meanwhile may
        # have come in time, and is read before a client or the authority counts as late.
        now = self.clock()
        for asker in [each for each in self._askers if not each.asked and each.until <= now]:
            self._hear(asker)
            if asker in self._askers and not asker.asked:
                self._note(f"# pid {asker.pid} sent no question within {PATIENCE:g} s")
                self._send(asker, wire.NO, "no question came")
        if any(question.until <= now for question in self._requested.values()):
            self._hear_hasher()
            self._give_up_files(now)
        if self._until is not None and self._until <= now:
            self._hear_authority()
        if self._until is not None and self._until <= now:
            self.authority_is_silent("% timeout")

    # Peers.

    def _welcome(self) -> None:
        # Accept all waiting clients: requests that arrive together are answered after one sync.
        for _ in range(_BACKLOG):
            try:
                peer, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError:
                # Most likely no descriptor is left. The other clients wait in the kernel's queue.
                time.sleep(0.01)
                return
            try:
                peer.setblocking(False)
                asker = Asker(peer, self.clock())
                self._selector.register(asker, selectors.EVENT_READ)
            except OSError:
                peer.close()  # most likely too many are watched; no answer counts as a refusal
                return
            self._askers.add(asker)
            if asker.uid == self._user:
                self._hear(asker)
            else:
                self._note(
                    f"# user id {asker.uid} (pid {asker.pid}) is not ours, and was sent away"
                )
                self._add_refusal(f"this gate does not serve user id {asker.uid}")
                self._send(asker, wire.NO, f"this gate does not serve user id {asker.uid}")

    def _hear(self, asker: Asker) -> None:
        try:
            more = asker.peer.recv(wire.LONGEST + 1)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if asker.asked:
            # Further input or EOF means that the client stopped waiting; it may give a reason.
            self._gone(asker)
            with contextlib.suppress(wire.WireError):
                word, argument = wire.decode(more, wire.REQUESTS)
                if word == wire.GAVE_UP:
                    self._gave_up(asker, argument)
            return
        asker.data += more
        if more and b"\n" not in asker.data and len(asker.data) <= wire.LONGEST:
            return
        if not asker.data:
            self._note(f"# pid {asker.pid} hung up before it asked: it gave up, or was killed")
            self._send(asker, wire.NO, "no question came")
            return
        try:
            word, argument = wire.decode(asker.data, wire.REQUESTS)
        except wire.WireError as error:
            self._note(f"# pid {asker.pid} made no sense: {escape(str(error))}")
            self._send(asker, wire.NO, str(error))
            return
        if word in (wire.SIGN, wire.UNKNOWN_COMMAND):
            self._asked(asker, word)
        elif word == wire.GAVE_UP:
            self._gave_up(asker, argument)
            self._send(asker, wire.NO, "it is written down")
        else:
            self._told_to_close(asker, word, argument)

    def _asked(self, asker: Asker, word: str) -> None:
        if not (self.ends_told or self.observes or self.witness.is_of_job(asker.pid)):
            # A stunt of this job that was called by hand or by another job. If another process
            # starts the job, as under `supervise`, the two cannot be told apart.
            self._note(f"# pid {asker.pid} is no process of this job, and was sent away")
            self._send(asker, wire.NO, f"process {asker.pid} was not started by this gate's job")
            return
        asker.asked = True
        words = self.witness.read_command_line(asker.pid)
        call = quote(self.witness.without_secrets(words)) or "gpg"
        about = self.witness.describe(asker.pid)
        question = Question(asker, word, call, about, self.clock() + READING)
        self._reading.append(question)
        if self.witness.has_files(asker.pid, words):
            self._request(question)
        else:
            question.files = []
        self._put_questions()

    def _gave_up(self, asker: Asker, why: str) -> None:
        """A stunt refused by itself, or stopped waiting, and gives the reason."""
        self._note(f"# pid {asker.pid} gave up: {escape(why)}")
        if self.ends_told or self.witness.is_of_job(asker.pid):
            self._add_refusal(why)

    def _add_refusal(self, why: str) -> None:
        """Keep the reason of a refusal for the outcome's line."""
        if why not in self.refusals and len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(why)

    def _gone(self, asker: Asker) -> None:
        """A client that has asked stopped waiting for its answer."""
        if asker in self._waiting:
            self._waiting.remove(asker)
            self._note(f"% gone {asker.number}")
        for question in [each for each in self._reading if each.asker is asker]:
            # Its request has not reached the gate, and will not.
            self._reading.remove(question)
            self._note(f"# pid {asker.pid} was gone before its files were read: {question.call}")
        self._drop(asker)

    def _put_questions(self) -> None:
        """Give the gate those requests whose files are read, in the order of arrival."""
        while self._reading and self._reading[0].files is not None:
            self._put(self._reading.popleft())

    def _put(self, question: Question) -> None:
        asker = question.asker
        self._questions += 1
        asker.number = self._questions
        self._waiting.append(asker)
        asks = f"{'$' if question.word == wire.SIGN else '?'} {question.call}"
        self._question = [asks, question.about, *(question.files or ())]
        if self.observes:
            # The answer goes out before anything is written. The command line was read first.
            self._send(asker, wire.GO)
        try:
            self.journal.note(*self._question)
        except OSError as error:
            self._fail(error)
            return
        if self.state is State.UNCOMMITTED and question.word == wire.UNKNOWN_COMMAND:
            self.why = f"before the commitment, {question.call[:200]} is not a command that we know"
            self.step(Event.UNKNOWN_COMMAND)
            self.why = ""  # this reason was for this request only
            return
        event = Event.ASKED if question.word == wire.SIGN else Event.UNKNOWN_COMMAND
        if self.state is State.COMMITTED:
            self._together.append(event)
        else:
            self.step(event)
        if self.observes:
            self._hear_authority()  # the answer of Nobody; it must come before gpg continues

    # Reading the files that are to be signed, in another process and with a time limit.

    def _start_hasher(self) -> None:
        self._stop_hasher()
        with contextlib.suppress(OSError):  # without it, no files are read, and the journal says so
            fd = self._hasher.start()
            self.watch(fd, self._hear_hasher)
            self._hasher_fd = fd

    def _stop_hasher(self) -> None:
        if self._hasher_fd >= 0:
            self.unwatch(self._hasher_fd)
            self._hasher_fd = -1
        self._hasher.end()

    def _request(self, question: Question, retries: bool = True) -> None:
        if self._hasher_fd < 0:
            self._start_hasher()
            retries = False
        self._requests += 1
        try:
            self._hasher.ask(self._requests, question.asker.pid)
        except OSError as error:
            if retries:  # it was killed, and we have not noticed yet
                self._request_again(question)
            else:
                question.files = [f"# its files were not read: {error.strerror}"]
            return
        self._requested[self._requests] = question

    def _hear_hasher(self) -> None:
        answers = self._hasher.read()
        if answers is not None:
            for number, lines in answers:
                if question := self._requested.pop(number, None):
                    question.files = lines
            return
        # It ended at the first request without an answer. The others are tried once more.
        number = min(self._requested, default=0)
        if number:
            self._requested.pop(number).files = ["# its files were not read: their reader ended"]
        self._request_again()

    def _give_up_files(self, now: float) -> None:
        late = [number for number, each in self._requested.items() if each.until <= now]
        for number in late:
            self._requested.pop(number).files = [
                f"# its files were not read within {READING:g} s, and are not waited for"
            ]
        if late:
            self._request_again()

    def _request_again(self, *more: Question) -> None:
        again, self._requested = [*self._requested.values(), *more], {}
        self._start_hasher()
        for question in again:
            self._request(question, retries=False)

    def _step_together(self) -> None:
        # After the commitment, requests that came together share one sync of the disk: the first
        # step answers all waiting clients, and then no event is left to be performed.
        together, self._together = self._together, []
        for event in together:
            if self._waiting:
                self.step(event)

    def _told_to_close(self, asker: Asker, word: str, argument: str) -> None:
        if word == wire.END and self.ends_told:
            line = "% end" if not argument.isdecimal() else f"% exit {int(argument)}"
            if not self.over:  # several clients may report the end at once; the first counts
                self.finish(line)
            try:
                self.settle()
            except Unable as error:
                self._send(asker, wire.NO, str(error))
                return
        elif word == wire.WOULD:
            if self.observes and argument == str(TEMPFAIL):
                self._note(f"% would {TEMPFAIL}")
        elif word == wire.GIVE_UP and self.state in (State.UNKNOWN, State.COMMITTED):
            self._send(asker, wire.OPEN)
            return
        else:
            self._note("% close")
            self.close()
        now = self._verdict or self._read_verdict()
        self._send(asker, wire.CLOSED, f"{now.state} {now.outcome}")

    def _send(self, asker: Asker, word: str, argument: str = "") -> None:
        if asker.gone:
            return  # it was answered when it asked
        # A new connection's buffer has room for a line; a peer that is gone is ignored.
        with contextlib.suppress(OSError):
            asker.peer.send(wire.encode(word, argument))
        self._drop(asker)

    def _drop(self, asker: Asker) -> None:
        asker.gone = True
        self._askers.discard(asker)
        self._selector.unregister(asker)
        asker.peer.close()

    # The effects of the gate.

    def step(self, event: Event) -> None:
        """Give the gate an event, and perform its effects."""
        self.state, effects = STEPS[self.state, event]
        for effect in effects:
            try:
                self._perform[effect]()
            except OSError as error:
                self._fail(error)
                return

    def _fail(self, error: OSError) -> None:
        text = escape(error.strerror or str(error))
        self._note(f"% failed {text}")
        self.why = self.why or f"the supervisor cannot go on: {text}"
        self.state, effects = STEPS[self.state, Event.FAILED]
        for effect in effects:
            assert effect is Effect.REFUSE  # REFUSE cannot fail: see test_gate
            self._refuse()

    def _send_commit(self) -> None:
        self.journal.note(Effect.SEND_COMMIT.value)
        try:
            self.authority.ask(self._question)
        except NotAsked as error:
            # `! unknown` stays on disk, but the authority has not committed: it is a refusal.
            self._note(f"# it was not asked: {escape(error.strerror or str(error))}")
            self._answered(Event.REFUSAL, "< refused", f"{error.strerror}")
            return
        self._selector.register(self.authority.fileno(), selectors.EVENT_READ)
        latest = math.inf if self.state is State.LATE else self.latest
        self._until = min(self.clock() + self.deadline, latest)

    def _answered(self, event: Event, line: str, why: str = "") -> None:
        self._stop_asking()
        self._note(line)
        if event is not Event.GO_AHEAD:
            self.why = why or f"the authority did not say go-ahead, but {line[2:]!r}"
        self.step(event)

    def authority_is_silent(self, line: str) -> None:
        """The authority will not answer; `line` gives the reason."""
        self._stop_asking()
        self.authority.give_up()
        self._note(line)
        self.why = f"the authority did not answer ({line[2:]})"
        self.step(Event.SILENCE)

    def _stop_asking(self) -> None:
        if self._until is not None:
            self._until = None
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self.authority.fileno())

    def _grant(self) -> None:
        self.journal.note(*[Effect.GRANT.value] * len(self._waiting))
        granted, self._waiting = self._waiting, []
        for asker in granted:
            self._watch_gpg(asker)
            self._send(asker, wire.GO)

    def _watch_gpg(self, asker: Asker) -> None:
        # The stunt is alive, because it waits for us, and keeps its process id when it becomes gpg.
        if asker.pid in self._gpgs:
            return
        try:
            gpg = os.pidfd_open(asker.pid)
        except OSError:
            return

        def ended() -> None:
            self.unwatch(gpg)
            os.close(gpg)
            self._gpgs.discard(asker.pid)
            self._note(f"# gpg {asker.number} (pid {asker.pid}) has ended")

        try:
            self.watch(gpg, ended)
        except OSError:
            os.close(gpg)  # its end is not recorded; it still gets its answer
            return
        self._gpgs.add(asker.pid)

    def _refuse(self) -> None:
        self.refusing()
        while self._waiting:
            asker = self._waiting.pop(0)
            why = self.why or "the gate is closed"
            self._note(f"{Effect.REFUSE.value} {escape(why)}")
            self._add_refusal(why)
            self._send(asker, wire.NO, why)

    def _note(self, line: str) -> None:
        # An error here changes nothing: the lines that matter are not written by this method.
        with contextlib.suppress(OSError):
            self.journal.note(line)

    # The end of the job.

    def close(self) -> None:
        """Close the gate: from now on it grants nothing. The job may continue."""
        if self.state is not State.CLOSED:
            self.why = "the job is over"
            if self._had_stunts and not can_be_run(self._stunt):
                # The stunts were removed, so PATH has led the job to the real gpg since.
                self._note("% ungated")
        # A late commitment continues: the gate was already closed when it began.
        if self._until is not None and self.state is not State.LATE:
            self._stop_asking()
            self.authority.give_up()
        self.step(Event.CLOSE)
        # Requests that came in time, but whose files are not read yet, are too late now.
        self._requested.clear()
        for question in self._reading:
            if question.files is None:
                question.files = ["# its files were not read: the job is over"]
        self._put_questions()

    def finish(self, line: str) -> None:
        """End the job, as `line` reports: close the gate, and let serve() return."""
        self._note(line)
        self.over = line
        self.close()

    def settle(self) -> Verdict:
        """The outcome of the finished job, on disk.

        Raises Unable if the journal was removed or cannot be read back, and if the disk did not
        take the job's end and the outcome depends on it.
        """
        if self._verdict is None:
            seen = self._read_back()
            ending = ending_of(parse_line(self.over))
            assert ending is not None
            if not self.observes and OUTCOMES[seen.state, ending] is not seen.outcome:
                raise Unable(
                    f"{self.journal.path} did not take {self.over!r},"
                    f" so it says: {seen.outcome}, {seen.meaning}"
                )
            failed = None
            if not seen.told:  # an earlier call may have written it, and failed to read it back
                try:
                    self.journal.sync(seen.outcome.value)
                except OSError as error:
                    failed = error
            # If the disk tore the last line, the journal's verdict is another one.
            verdict = self._read_back()
            if failed:
                self._check_the_disk(verdict, failed)
            self._verdict = verdict
        return self._verdict

    def _check_the_disk(self, seen: Verdict, error: OSError) -> None:
        """Raises Unable if a crash of the machine could leave another outcome than the one seen.

        `irrecoverable` is allowed in any case: it claims nothing.
        """
        with contextlib.suppress(OSError):
            self.journal.sync()  # the job's end, if there is no room for the outcome
        on_disk = self._judge(self.journal.read_synced)
        if seen.outcome not in (on_disk.outcome, Outcome.IRRECOVERABLE):
            raise Unable(
                f"{self.journal.path}: the disk did not take {self.over!r} ({error.strerror}),"
                f" so it may say: {on_disk.outcome}, {on_disk.meaning}"
            ) from error

    def durable_state(self) -> State:
        """The state that is on disk."""
        return self._read_verdict().state

    def _read_verdict(self) -> Verdict:
        try:
            return self._read_back()
        except Unable:
            return judge_bytes(b"")  # it is gone, so nothing better can be proved

    def _read_back(self) -> Verdict:
        return self._judge(self.journal.read)

    def _judge(self, read: Callable[[], bytes]) -> Verdict:
        path = self.journal.path
        try:
            return judge_journal(read())
        except (Lost, TranscriptError) as error:
            now = judge_bytes(b"")
            raise Unable(
                f"{path} cannot be read back ({getattr(error, 'strerror', None) or error}):"
                f" {now.outcome}: {now.meaning}"
            ) from error
        except OSError as error:
            # Others may read the journal later, so we must not report an outcome that could differ.
            raise Unable(
                f"{path} cannot be read back ({error.strerror}): this tells no outcome; when it can"
                f" be read, `gpgshim show {path.name}` does, and until then nobody tries again"
            ) from error

    def about_refusals(self) -> str:
        """The addition to the outcome's line: why gpgs were refused. Empty if none was.

        The caller of gpg may hide gpg's messages, as git does.
        """
        if not self.refusals:
            return ""
        return f"; gpg was refused: {escape('; '.join(each[:300] for each in self.refusals))}"

    def shut(self) -> None:
        """Remove the socket and close everything. The stunts then report that the job is over."""
        with contextlib.suppress(OSError):
            os.unlink(self.job / "socket")
        for asker in list(self._askers):
            self._drop(asker)
        self._stop_hasher()
        self._listener.close()
        self._selector.close()
        self.authority.give_up()
        self.journal.close()


def _raise_descriptor_limit() -> None:
    # Only for us: the job was started before this, with its caller's limits.
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def exit_line(status: int) -> tuple[str, int]:
    """(journal line, exit status as a shell reports it) for a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"% signal {number}", 128 + number
    number = os.WEXITSTATUS(status)
    return f"% exit {number}", number
