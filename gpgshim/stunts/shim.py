"""The stunt gpg: reads gpg's command line, asks if need be, and becomes the real gpg.

Rule 1: what makes no signature is not touched: no socket, no wait, and the real gpg gets argv,
descriptors, environment and signals as the caller left them.
Rule 2: all that it needs is found from where it stands. The environment is not asked.
Rule 3: this runs under `python3 -I -S`; every import is paid for by every call of gpg. A module
of ours has to be in jobdir.STUNT_MODULES.
"""

from __future__ import annotations

import encodings
import posix
import sys

from gpgshim.gpgargs import argv, conffile
from gpgshim.gpgargs.text import printable
from gpgshim.stunts import ask, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal  # which has the same, and costs the stunt a lot more
    from typing import NoReturn
else:
    import _signal

REFUSED = 2  #: gpg's own exit status for "it did not work"

#: What stands behind `[GNUPG:] FAILURE`: where, and a libgpg-error code in decimal:
#: GPG_ERR_SOURCE_GPG (2) << 24 | GPG_ERR_FORBIDDEN (251). See GnuPG's doc/DETAILS.
FAILURE = b"[GNUPG:] FAILURE gpgshim 33554683\n"


def gpg(job: str) -> NoReturn:
    """Be the stunt gpg of the job whose directory is `job`."""
    try:
        _be_gpg(job)
    except MemoryError:
        _refuse("there is too little memory for the stunt", None)


def _be_gpg(job: str) -> NoReturn:
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # die of it as gpg would
    raw = caller_words()
    words = [word.decode("utf-8", "surrogateescape") for word in raw]
    try:
        real = posix.readlink(job + "/real/gpg")
        table = argv.load(_read(job + "/table"))
    except (OSError, ValueError) as error:
        why = f"this gpg belongs to no job that is under way ({error})"
        ask.tell(job, why)
        _refuse(why, None)
    environ = {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in posix.environ.items()
    }
    reading = argv.read(words, table, environ, conffile.read)
    replaced = _replaced(table) if reading.verdict == argv.PASS else ""
    if reading.verdict != argv.PASS or replaced:
        word = wire.SIGN if reading.verdict == argv.SIGN else wire.DOUBT
        observed = ask.observes(job)
        try:
            answer, why = ask.ask(job, word, patience=ask.PATIENCE if observed else None)
        except ask.NoAnswer as error:
            answer, why = wire.NO, str(error)
        if answer != wire.GO and not observed:
            if replaced:
                why = f"{replaced} was replaced after the job began, so this call may sign; {why}"
            _refuse(why, reading.status_fd)
    try:
        if table.is_wrapped:
            _leave_path(job)
        become(real, [b"gpg", *raw])
    except OSError as error:
        why = f"{real} cannot be run: {error.strerror}"
        ask.tell(job, why)
        _refuse(why, reading.status_fd)


def _replaced(table: argv.Table) -> str:
    """A file from which the table comes and which is another one by now; empty if there is none."""
    for path, identity in table.sources.items():
        try:
            if conffile.identity(posix.stat(path)) == identity:
                continue
        except OSError:
            pass  # it is gone, and what may be in its place by and by is another one
        return path
    return ""


def _leave_path(job: str) -> None:
    """Take the stunts off PATH for a wrapper, which would find them there in the place of gpg.

    Without us they would not be on its PATH either. Its words have been read, and asked about.
    """
    path = posix.environ.get(b"PATH")
    if path is None:
        return
    ours = job.encode("utf-8", "surrogateescape") + b"/"
    here = posix.stat(ours + b"bin/gpg")
    try:
        wall = posix.readlink(ours + b"wall")
    except OSError:
        wall = ours
    left = [each for each in path.split(b":") if each != wall and not _is_ours(each, ours, here)]
    if left:
        posix.putenv(b"PATH", b":".join(left))
    else:
        posix.unsetenv(b"PATH")


def _is_ours(directory: bytes, job: bytes, stunt: posix.stat_result) -> bool:
    if directory.startswith(job):
        return True
    try:
        return posix.stat(directory + b"/gpg")[:3] == stunt[:3]  # a link to the directory
    except (OSError, ValueError):
        return False


def caller_words() -> list[bytes]:
    """Our words behind argv[0], byte for byte: in some locales sys.argv has lost them."""
    count = len(sys.argv) - 1
    try:
        return _read_bytes("/proc/self/cmdline").split(b"\0")[:-1][-count:] if count else []
    except OSError:
        encoding = sys.getfilesystemencoding()
        return [word.encode(encoding, "surrogateescape") for word in sys.argv[1:]]


def become(real: str, words: list[bytes]) -> NoReturn:
    """Exec `real` as if the caller had. `words` is its argv. Raises OSError."""
    undo_start_up()
    posix.execv(real, words)


def undo_start_up() -> None:
    """Put back what CPython changed as it started: two signals, and perhaps LC_CTYPE.

    It ignores SIGPIPE and SIGXFSZ, which exec passes on; what the caller had is in what
    jobdir's prelude noted before. And it sets LC_CTYPE in a C locale (PEP 538). Without /proc the
    caller's LC_CTYPE is not known. Then it stays: gpg must run, because the job may be committed.
    """
    status: bytes = getattr(encodings, "caller_status", b"")
    ignored = int(status.partition(b"SigIgn:\t")[2][:16] or b"0", 16)
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        if not ignored >> (number - 1) & 1:
            _signal.signal(number, _signal.SIG_DFL)
    if posix.environ.get(b"LC_CTYPE") in (b"C.UTF-8", b"C.utf8", b"UTF-8"):
        try:
            before = _read("/proc/self/environ").split("\0")
        except OSError:
            return
        values = [entry[9:] for entry in before if entry.startswith("LC_CTYPE=")]
        if values:
            posix.putenv(b"LC_CTYPE", values[0].encode("utf-8", "surrogateescape"))
        else:
            posix.unsetenv(b"LC_CTYPE")


def find_real(job: str, name: str) -> str:
    """The real `name` of another stunt than gpg, with what CPython changed put back.

    Where that is not to be had, the end: a line, and an exit status.
    """
    try:
        real = posix.readlink(f"{job}/real/{name}")
    except OSError as error:
        say(f"{name}: gpgshim: this {name} belongs to no job that is under way ({error})")
        posix._exit(2)
    undo_start_up()
    return real


def run_in_our_place(real: str, name: str, words: list[bytes]) -> NoReturn:
    """Exec what find_real found; where it cannot be run, the end."""
    try:
        posix.execv(real, [name.encode(), *words])
    except OSError as error:
        say(f"{name}: gpgshim: {real} cannot be run: {error.strerror}")
    posix._exit(127)


def say(text: str) -> None:
    """One line on stderr, in one write, escaped; lost where there is no stderr."""
    try:
        posix.write(2, f"{printable(text)}\n".encode())
    except OSError:
        pass


def _refuse(why: str, status_fd: int | None) -> NoReturn:
    say(f"gpg: gpgshim refuses: {why}; nothing was signed by this gpg")
    if status_fd is not None:
        try:
            posix.write(status_fd, FAILURE)
        except (OSError, OverflowError):
            pass  # the caller gave us a descriptor that is not open
    posix._exit(REFUSED)


def _read(path: str) -> str:
    return _read_bytes(path).decode("utf-8", "surrogateescape")


def _read_bytes(path: str) -> bytes:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        data = b""
        while more := posix.read(fd, 1 << 16):
            data += more
    finally:
        posix.close(fd)
    return data
