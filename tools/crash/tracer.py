# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a program and its descendants under ptrace(2), and stops one process at one system call.

Rule 1: a process is stopped before a call is made. If it is killed there, it has made all earlier
calls and not this one. Other processes cannot see anything between two calls.
Rule 2: only the target is slowed down, and only at relevant calls: seccomp(2) lets all others pass.
The other processes are followed only when they are born, exec and end.
Rule 3: a run is over when all processes have ended. A process that still runs after PATIENCE is a
fault.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from gpgshim.supervisor import hasher
from tools.crash.calls import (
    AT_CALLS,
    CAN_TAMPER,
    CLOSE,
    FSYNC,
    PRIVATE,
    SENDTO,
    WITH_FD,
    WITH_PATH,
    WRITE,
    Call,
    is_private,
    normal,
)

PATIENCE = 60  #: seconds until a run that does not end is a failure; none comes near it

_TRACEME, _CONT, _SYSCALL = 0, 7, 24
_POKEUSER, _SETOPTIONS, _GETEVENTMSG, _GET_SYSCALL_INFO = 6, 0x4200, 0x4201, 0x420E
#: SYSGOOD, FORK, VFORK, CLONE, EXEC, SECCOMP, EXITKILL: no process outlives an interrupted
#: harness.
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_EVENT_EXEC, _EVENT_SECCOMP = 4, 7
_EVENTS_BIRTH = (1, 2, 3)
_ENTRY, _SECCOMP = 1, 3
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_SECCOMP_RET_TRACE, _SECCOMP_RET_ALLOW = 0x7FF00000, 0x7FFF0000
_WALL = 0x40000000
_RAX, _RDX, _ORIG_RAX = 10 * 8, 12 * 8, 15 * 8

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Info(ctypes.Structure):
    # ptrace(2), struct ptrace_syscall_info; the union's two members that we read, as words.
    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64),
        ("stack_pointer", ctypes.c_uint64),
        ("words", ctypes.c_uint64 * 8),
    )


class _Instruction(ctypes.Structure):
    # seccomp(2), struct sock_filter.
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("true", ctypes.c_uint8),
        ("false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    # seccomp(2), struct sock_fprog.
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


class Target(NamedTuple):
    """The `which`-th process (from 1) that plays `role`."""

    role: str
    which: int

    def __str__(self) -> str:
        return f"{self.role} {self.which}"


PUBLIC, ALL = -1, -2  #: in a Deed's number


class Deed(NamedTuple):
    """What happens at the `at`-th call (from 1) of the target, of those that count.

    These are the calls with this `number` and normal `name`; or all calls that are not private
    (PUBLIC), however many private ones this run has; or ALL.
    `what`: "kill" it there; "tear": half is written, and it is killed at its next call; "fail" with
    `error`; "short": half is written, or one byte read, and it goes on; "full": half is written,
    and every later write to that file fails with ENOSPC; "spell": only the next one does. "move":
    the newest journal is moved away, and it goes on. "meet": it goes on, after the Tracer's `met`
    was called. "" is nothing: the run is watched.
    """

    what: str = ""
    at: int = 0
    number: int = PUBLIC
    error: int = 0
    name: str = ""


WAITS = (61, 247)  #: wait4, waitid
LOOKED_AT = (WRITE, FSYNC, SENDTO)  #: calls that are recorded once the deed is done


class Seen(NamedTuple):
    """What became of a run. Statuses are as in os.waitstatus_to_exitcode."""

    status: int
    done: bool  # whether the deed was done
    calls: dict[Target, list[Call]]
    ends: list[tuple[Target, int]]
    alive: list[str]  # who still lived when the first process had ended by itself
    late: list[str]  # the roles of programs that began when the first process had been killed
    moved: bytes | None = None  # the journal as it was when it was moved away


class Stuck(Exception):
    """A run that did not end. The message says who was left."""


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    done: int = _libc.ptrace(request, pid, address, data)
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return done


class _Process:
    """One that we follow."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.target: Target | None = None
        self.traced = False
        self.to_exit = False  # whether to stop at the exit of the call under way
        self.entry: Call | None = None  # the call under way, if it is to be recorded


class Tracer:
    """Follows a program. `role_of` names a process by its words once it has exec'd, "" for no role.

    `met` is called when the target is stopped at the call of the deed.

    `first` is the role of the program itself; a child that has not exec'd yet is `forks` of its
    parent's role, if it has one.
    """

    def __init__(
        self,
        first: str,
        forks: dict[str, str],
        role_of: Callable[[list[str]], str],
        target: Target | None,
        deed: Deed,
        met: Callable[[], None] = lambda: None,
    ) -> None:
        self._met = met
        self._first = first
        self._forks = forks
        self._role_of = role_of
        self._target = target
        self._deed = deed
        self._done = False
        self._count = 0
        self._full = ""  # the file that takes no more
        self._fate = ""  # what to do at the exit of the call under way, or at the next entry
        self._processes: dict[int, _Process] = {}
        self._which: dict[str, int] = {}
        self._born: dict[int, str] = {}  # the roles of children that are still to be seen
        self._calls: dict[Target, list[Call]] = {}
        self._ends: list[tuple[Target, int]] = []
        self._alive: list[str] = []
        self._late: list[str] = []
        self._moved: bytes | None = None
        self._killed = False  # whether the first process was
        # (numbers, whether those are the calls to be stopped at, or those that are let through);
        # None where all are stopped at.
        self._sieve: tuple[Sequence[int], bool] | None = None
        if CAN_TAMPER and target is not None and deed.what:
            if deed.number == PUBLIC or deed.what == "tear":
                self._sieve = (list(PRIVATE), False)
            elif deed.number != ALL:
                self._sieve = (sorted({deed.number, *LOOKED_AT, *WAITS}), True)
        self._root = 0
        self._status = 0  # how the first process ended
        self._began = False  # whether the first process has become the program
        self._world = ""  # where it runs

    def start(
        self, words: Sequence[str], environ: dict[str, str], directory: Path, fds: Sequence[int]
    ) -> None:
        """Start it, stopped before it becomes `words`, with `fds` for its 0, 1 and 2."""
        self._world = str(directory)
        self._root = os.fork()
        if not self._root:
            try:
                os.chdir(directory)
                for number, fd in enumerate(fds):
                    os.dup2(fd, number)
                os.setsid()
                for signaled in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
                    signal.signal(signaled, signal.SIG_DFL)  # as a shell leaves them
                _ptrace(_TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                if self._sieve is not None:
                    _sift(*self._sieve)
                os.execve(words[0], list(words), environ)
            finally:
                os._exit(99)
        os.waitpid(self._root, _WALL)
        _ptrace(_SETOPTIONS, self._root, 0, _OPTIONS)
        self._processes[self._root] = _Process("")
        _ptrace(_CONT, self._root)

    def follow(self) -> Seen:
        """Run the program, do the deed, and wait until all processes have ended. Raises Stuck."""
        old = signal.signal(signal.SIGALRM, _raise_stuck)
        signal.alarm(PATIENCE)
        try:
            return self._follow()
        except Stuck:
            left = [describe(pid) for pid in self._processes]
            for pid in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-1, _WALL)
            raise Stuck(f"still running: {', '.join(left)}") from None
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, old)

    def _follow(self) -> Seen:
        with contextlib.suppress(ChildProcessError):  # no process is left
            while True:
                pid, raw = os.waitpid(-1, _WALL)
                if not os.WIFSTOPPED(raw):
                    self._ended(pid, os.waitstatus_to_exitcode(raw))
                    continue
                # One that is being killed may be gone before we have said a word.
                with contextlib.suppress(ProcessLookupError):
                    self._stopped(pid, raw)
        seen = (self._status, self._done, self._calls, self._ends, self._alive, self._late)
        return Seen(*seen, self._moved)

    def _ended(self, pid: int, code: int) -> None:
        process = self._processes.pop(pid, None)
        if process is not None and process.target is not None:
            self._ends.append((process.target, code))
        if pid == self._root:
            self._status = code
            self._killed = code < 0
            if code >= 0:
                # A reader of files holds nothing, and ends when it sees that its supervisor did.
                left = [each for each in self._processes if comm_of(each) != hasher.NAME]
                self._alive = [x for x in map(describe, left) if x]

    def _bury(self) -> None:
        """Reap dead processes before their parents do, which cannot reap them before us.

        A parent sees that they are dead, and would try again and again.
        """
        for pid in list(self._processes):
            peeked = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT | _WALL)
            if peeked and peeked.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
                self._ended(pid, os.waitstatus_to_exitcode(os.waitpid(pid, _WALL)[1]))

    def _stopped(self, pid: int, raw: int) -> None:
        number, event = os.WSTOPSIG(raw), raw >> 16
        process = self._processes.get(pid)
        deliver = 0
        if process is None:
            process = self._processes[pid] = _Process("")
            parent = self._processes.get(parent_of(pid))
            # A parent may be dead by now; it has said what it had born before that.
            role = self._forks.get(parent.role, "") if parent else self._born.pop(pid, "")
            self._play(process, role)
        elif number == signal.SIGTRAP | 0x80 or event == _EVENT_SECCOMP:
            if process.traced:
                self._at_call(pid, process)
        elif event == _EVENT_EXEC:
            self._record(process, 0)
            is_first = pid == self._root and not self._began
            self._began = True
            self._play(process, self._first if is_first else self._role_of(words_of(pid)))
            if self._killed:
                self._late.append(process.role)
        elif event in _EVENTS_BIRTH:
            child = ctypes.c_ulong()
            _ptrace(_GETEVENTMSG, pid, 0, ctypes.addressof(child))
            self._born[child.value] = self._forks.get(process.role, "")
        elif not event:
            deliver = number
        every = process.traced and self._sieve is None
        _ptrace(_SYSCALL if every or process.to_exit else _CONT, pid, 0, deliver)

    def _play(self, process: _Process, role: str) -> None:
        process.role = role
        process.target = None
        process.traced = False
        process.to_exit = False
        process.entry = None
        if role:
            which = self._which[role] = self._which.get(role, 0) + 1
            process.target = Target(role, which)
            process.traced = self._target in (None, process.target)

    def _at_call(self, pid: int, process: _Process) -> None:
        info = _Info()
        _ptrace(_GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
        assert process.target is not None
        process.to_exit = False
        if info.op in (_ENTRY, _SECCOMP):
            number = info.words[0]
            call = Call(number, tuple(info.words[1:7]), 0, "", b"")
            process.entry = None
            if number in WAITS:
                self._bury()
            if self._target is None:
                process.entry = look(pid, call)
                return
            if not self._done and self._may_count(number):
                call = look(pid, call)
                self._meet(pid, call)
            elif self._done and (self._fate or number in LOOKED_AT):
                call = look(pid, call)
                self._follow_up(pid, call)
            if self._done and number in LOOKED_AT:
                process.entry = call
            process.to_exit = process.entry is not None or self._fate in ("fail", "full")
        else:
            result = ctypes.c_int64(info.words[0]).value
            if self._fate == "fail":
                self._fate = ""
                _poke(pid, _RAX, -self._deed.error)
                result = -self._deed.error
            elif self._fate == "full":
                _poke(pid, _RAX, -errno.ENOSPC)
                result = -errno.ENOSPC
                self._fate = ""
            self._record(process, result)

    def _record(self, process: _Process, result: int) -> None:
        if process.entry is not None and process.target is not None:
            calls = self._calls.setdefault(process.target, [])
            calls.append(process.entry._replace(result=result))

    def _may_count(self, number: int) -> bool:
        # This is called very often, so it examines as little as possible.
        if self._deed.number == PUBLIC:
            return not CAN_TAMPER or number not in PRIVATE
        return self._deed.number in (ALL, number)

    def _counts(self, call: Call) -> bool:
        if self._deed.number == PUBLIC:
            return not is_private(call)
        return self._deed.number == ALL or normal(call.name, self._world) == self._deed.name

    def _follow_up(self, pid: int, call: Call) -> None:
        """The effect of the deed on later calls."""
        if self._fate == "kill":
            os.kill(pid, signal.SIGKILL)
        elif self._full and call.number == WRITE and call.name == self._full:
            _poke(pid, _ORIG_RAX, -1)
            self._fate = "full"
            if self._deed.what == "spell":
                self._full = ""

    def _meet(self, pid: int, call: Call) -> None:
        deed = self._deed
        self._count += self._counts(call)
        if self._count != deed.at:
            return
        self._done = True
        self._met()
        if deed.what == "kill":
            os.kill(pid, signal.SIGKILL)
        elif deed.what == "move":
            self._moved = move_journal(Path(self._world))
            self._done = self._moved is not None
        elif deed.what == "fail":
            self._fate = "fail"
            if call.number != CLOSE:  # which closes even when it fails
                _poke(pid, _ORIG_RAX, -1)
        elif deed.what in ("short", "tear", "full", "spell"):
            less = call.arguments[2] // 2 if call.number in (WRITE, SENDTO) else 1
            _poke(pid, _RDX, less)
            self._fate = "kill" if deed.what == "tear" else ""
            self._full = call.name if deed.what in ("full", "spell") else ""


def move_journal(world: Path) -> bytes | None:
    """Move the newest journal of a world away; what it held. None where there is no journal yet."""
    made = sorted((world / "state/gpgshim").glob("[!.]*.*"), key=lambda path: int(path.suffix[1:]))
    if not made:
        return None
    made[-1].rename(world / "moved" / made[-1].name)
    return (world / "moved" / made[-1].name).read_bytes()


def _sift(numbers: Sequence[int], traced: bool) -> None:
    """Stop this process and its descendants at calls with these `numbers`, or at no call.

    Raises OSError.
    """
    hit, miss = _SECCOMP_RET_TRACE, _SECCOMP_RET_ALLOW
    if not traced:
        hit, miss = miss, hit
    # BPF: load the number; jump to the last instruction where it is one of them.
    code = [_Instruction(0x20, 0, 0, 0)]
    code += [_Instruction(0x15, len(numbers) - at, 0, each) for at, each in enumerate(numbers)]
    code += [_Instruction(0x06, 0, 0, miss), _Instruction(0x06, 0, 0, hit)]
    program = _Program(len(code), (_Instruction * len(code))(*code))
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def look(pid: int, call: Call) -> Call:
    """A call under way, with what it is about, and what it writes."""
    if not CAN_TAMPER:
        return call
    name, data = "", b""
    number, arguments = call.number, call.arguments
    if number in WITH_FD:
        name = link_of(pid, arguments[WITH_FD[number]])
    elif number in WITH_PATH:
        place = WITH_PATH[number]
        name = (
            read_memory(pid, arguments[place], 4096)
            .partition(b"\0")[0]
            .decode("utf-8", "surrogateescape")
        )
        if number >= AT_CALLS and not name.startswith("/"):
            directory = link_of(pid, arguments[place - 1])
            name = f"{directory}/{name}" if name and directory else name or directory
    if number in (WRITE, SENDTO):
        data = read_memory(pid, arguments[1], min(arguments[2], 1 << 16))
    return call._replace(name=name, data=data)


def link_of(pid: int, fd: int) -> str:
    """The target of a process's descriptor; "" if there is no such descriptor (AT_FDCWD)."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def read_memory(pid: int, address: int, size: int) -> bytes:
    """As many bytes of its memory as there are, up to `size`."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        try:
            memory.seek(address)
            return memory.read(size)
        except (OSError, ValueError):
            return b""


def words_of(pid: int) -> list[str]:
    """The command line of a process."""
    data = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [word.decode("utf-8", "surrogateescape") for word in data.split(b"\0")[:-1]]


def parent_of(pid: int) -> int:
    """Whose child it is."""
    stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    return int(stat.rpartition(") ")[2].split()[1])


def comm_of(pid: int) -> str:
    """The name of a process; "" for one that is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").removesuffix("\n")
    except OSError:
        return ""


def describe(pid: int) -> str:
    """`words[pid]` of one that lives; "" for the dead, and those that wait to be buried."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(") ")[2][0]
        words = words_of(pid)  # none where it is about to die, and has given its memory back
        return "" if state in "ZX" or not words else f"{' '.join(words)}[{pid}]"
    except OSError:
        return ""


def _poke(pid: int, register: int, value: int) -> None:
    _ptrace(_POKEUSER, pid, register, value & (1 << 64) - 1)


def _raise_stuck(_number: int, _frame: FrameType | None) -> None:
    raise Stuck


if not sys.platform.startswith("linux"):
    raise ImportError("ptrace as it is used here is Linux's")
