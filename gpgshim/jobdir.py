"""A job's own directory: the stunts, and all that they need to find beside themselves.

    JOB/bin/gpg, dgit, gpgconf    the stunts; JOB/bin goes first on the job's PATH; dgit only for
                                  a job under dgit-repos-server
    JOB/real/gpg and so on        links to the real programs
    JOB/table                     the real gpg's options
    JOB/until                     when the stunt dgit gives up, where it has to
    JOB/observe                   there if the stunts are to hold and refuse nothing
    JOB/exported                  the boot in which a shell may have taken JOB/bin onto its PATH
    JOB/wall                      a link to the directory behind JOB/bin on the job's PATH (wall.py)
    JOB/socket                    the supervisor; gone when the gate is
    JOB/code/gpg.TAG              all the code of the stunt gpg, compiled; so for the others
    JOB/pyc/                      what CPython itself imports as it starts, compiled

Rule 1: nothing in here changes once the job has started, so an upgrade of the package, or of
python3, cannot give a job half of another version.
Rule 2: every user can run the stunts, where the directory can be reached; a stunt of another user
refuses. Only the job's user can change anything in here, or connect to the socket.
Rule 3: the stunts stay as long as anything of the job is alive. Were they gone, an orphan's PATH
would lead it to the real gpg.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import marshal
import os
import socket
import stat
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

from gpgshim.errors import Misconfigured, Unable
from gpgshim.places import is_stunt, is_trusted
from gpgshim.transcript import escape

#: sun_path has 108 bytes, and the last is a NUL.
LONGEST_SOCKET_PATH = 107
#: Linux reads 256 bytes of a script's first line (BINPRM_BUF_SIZE), line feed included.
LONGEST_SHEBANG = 255

_RANDOM = 6  #: bytes at the end of a directory's name
#: All names that there can be in one: see above.
_ALL_THAT_IS_MADE = frozenset(
    ("bin", "real", "table", "until", "observe", "exported", "socket", "code", "pyc", "wall")
)

_GPG = (
    "__future__",
    "gpgshim",
    "gpgshim.commands",
    "gpgshim.argv",
    "gpgshim.conffile",
    "gpgshim.wire",
    "gpgshim.ask",
    "gpgshim.shim",
)
#: A stunt's modules, each after those that it imports. All are in one file, and executed before the
#: stunt decides anything: finding them one by one costs more than all that they do.
STUNT_MODULES = {
    "gpg": _GPG,
    "dgit": (*_GPG, "gpgshim.failures", "gpgshim.dgit"),
    "gpgconf": (*_GPG, "gpgshim.gpgconf"),
}
#: What CPython itself imports from files as it starts under -I -S.
START_MODULES = ("encodings.aliases", "encodings.utf_8", "encodings")

#: CPython ignores SIGPIPE and SIGXFSZ as it starts, and does not say what they were before; the
#: real gpg has to be given what the caller left. `encodings` is imported before that happens, so
#: its bytecode in JOB/pyc is this. Seen to hold for CPython 3.11 to 3.14
#: (tests/test_untouched.py); where it should not, the two signals are put to their defaults.
#: The last lines are START_MODULES as they are, so that CPython need not look for the other two.
PRELUDE = """\
import marshal
import posix
import sys
caller_status = b""
try:
    _fd = posix.open("/proc/self/status", posix.O_RDONLY | posix.O_CLOEXEC)
    while _more := posix.read(_fd, 1 << 14):
        caller_status += _more
    posix.close(_fd)
except OSError:
    pass
for _name, _code in marshal.loads({modules!r}):
    exec(_code, vars(sys.modules.setdefault(_name, type(sys)(_name))))
"""


def make(
    base: Path,
    job: str,
    table: str,
    real: dict[str, Path],
    until: float | None = None,
    observe: bool = False,
    wall: Path | None = None,
) -> Path:
    """Make the directory of an attempt of `job` under `base`; its path.

    `table` is what gpgshim.argv.load takes; `real` maps the stunts' names to the real programs;
    `until` is in seconds on the monotonic clock; `observe` has the stunts hold and refuse nothing;
    `wall` is the directory that stands behind JOB/bin on the job's PATH.
    Raises Misconfigured where a path is too long for a socket or a script, Unable where the disk
    does not let us.
    """
    try:
        path = _make_directory(base, job[:24])
        given = os.umask(0o022)  # other users may read all of it, and connect to nothing
        try:
            _check_path(path)
            for name in ("code", "bin", "real"):  # sweep() knows a directory of ours by the first
                (path / name).mkdir()
            (path / "table").write_text(table, "utf-8", "surrogateescape")
            if until is not None:
                (path / "until").write_text(f"{until:.3f}\n")
            if observe:
                (path / "observe").touch()
            if wall is not None:
                (path / "wall").symlink_to(wall)
            for name, program in real.items():
                (path / "real" / name).symlink_to(program)
                _write_stunt(path, name)
            _plant_prelude(path)
            path.chmod(0o711)
        except BaseException:
            import shutil

            shutil.rmtree(path, ignore_errors=True)
            raise
        finally:
            os.umask(given)
    except OSError as error:
        raise Unable(
            f"cannot make a directory for job {job} in {base}: {error.strerror};"
            " nothing was started"
        ) from error
    return path


def _make_directory(base: Path, prefix: str) -> Path:
    # tempfile.mkdtemp, less its import, which takes longer than to make all that is in here.
    while True:
        path = base / f"{prefix}.{os.urandom(_RANDOM).hex()}"
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path


def _interpreter() -> str:
    # Not sys.executable, which is found by argv[0] and PATH, and may be another one. Nor a virtual
    # environment's link to it, which would look for its pyvenv.cfg at every start.
    return os.path.realpath("/proc/self/exe")


def _shebang(path: Path) -> bytes:
    return f"#!{_interpreter()} -ISBXpycache_prefix={path}/pyc\n".encode()


def _check_path(path: Path) -> None:
    if ":" in str(path) or "\n" in str(path):
        # PATH would be cut at it, and the next gpg on PATH is the real one.
        raise Misconfigured(
            f"{escape(str(path))} has a colon or a line feed in it, and cannot stand on PATH:"
            " set XDG_RUNTIME_DIR to another; nothing was started"
        )
    if any("\udc80" <= letter <= "\udcff" for letter in str(path)):
        # It stands in the stunts' first line, and Python reads that as UTF-8.
        raise Misconfigured(
            f"{escape(str(path))} is not UTF-8: set XDG_RUNTIME_DIR to another; nothing was started"
        )
    socket = len(os.fsencode(path / "socket"))
    if socket > LONGEST_SOCKET_PATH:
        raise Misconfigured(
            f"{path}/socket has {socket} bytes, and a socket's path can have {LONGEST_SOCKET_PATH}:"
            " set XDG_RUNTIME_DIR to a shorter one; nothing was started"
        )
    if not os.access(_interpreter(), os.X_OK):
        # execvp(3) steps over a script without its interpreter, to the real gpg.
        raise Misconfigured(
            f"there is no {_interpreter()} that a stunt could be run with (is /proc mounted?);"
            " nothing was started"
        )
    line = _shebang(path)
    if len(line) > LONGEST_SHEBANG or _interpreter().split() != [_interpreter()]:
        raise Misconfigured(
            f"{_interpreter()!r} is too long for a script's first line, or has a space in it;"
            " nothing was started"
        )


def stunt_template(name: str) -> Path:
    """The text of the stunt `name`: beside the package in a checkout, in it when installed."""
    package = Path(__file__).parent
    inside = package / "bin" / name
    return inside if inside.exists() else package.parent / "bin" / name


def _write_stunt(path: Path, name: str) -> None:
    body = stunt_template(name).read_bytes().partition(b"\n")[2]
    stunt = path / "bin" / name
    stunt.write_bytes(_shebang(path) + body)
    stunt.chmod(0o755)
    if not os.access(stunt, os.X_OK):
        # execvp(3) steps over what it may not run, and the next gpg on PATH is the real one.
        raise Misconfigured(
            f"no program can be run from {path} (is it mounted noexec?):"
            " set XDG_RUNTIME_DIR to another; nothing was started"
        )
    # An interpreter of another version, which marshals otherwise, looks for another name.
    code = path / "code" / f"{name}.{sys.implementation.cache_tag}"
    code.write_bytes(_marshal(STUNT_MODULES[name]))


def _plant_prelude(path: Path) -> None:
    spec = importlib.util.find_spec("encodings")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin)
    text = PRELUDE.format(modules=_marshal(START_MODULES))
    code = compile(text, "gpgshim's prelude", "exec", dont_inherit=True)
    # PEP 552: a hash-based file, not to be checked against its source.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    cached = Path(f"{path}/pyc{source.parent}", f"{source.stem}.{sys.implementation.cache_tag}.pyc")
    cached.parent.mkdir(parents=True)
    cached.write_bytes(head + marshal.dumps(code))


def _marshal(modules: Iterable[str]) -> bytes:
    return marshal.dumps([(module, _code(module)) for module in modules])


@functools.cache  # the stunts have most of theirs in common
def _code(module: str) -> CodeType:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        raise Unable(f"the module {module} cannot be read; nothing was started")
    code = spec.loader.get_code(module)  # type: ignore[attr-defined]
    assert isinstance(code, CodeType)
    return code


def keep_until_reboot(job: Path) -> None:
    """Have no sweep remove `job` in this boot. Raises OSError.

    A shell that evals what we print has JOB/bin on a PATH that nobody else can see: its environment
    in /proc is the one that it was started with.
    """
    (job / "exported").write_text(_boot())


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return ""  # the same again next time: what was exported stays


def _may_be_exported(job: Path) -> bool:
    try:
        return (job / "exported").read_text() == _boot()
    except FileNotFoundError:
        return False


def sweep(base: Path) -> None:
    """Remove what attempts before us had to leave under `base`, where nothing needs it any more.

    That is: our own directories, a day old, without a supervisor, that no process of ours has in
    its environment, and no shell can have exported since. What cannot be told or removed stays.
    """
    long_ago = time.time() - 86400
    for entry in _own_directories(base):
        with contextlib.suppress(OSError, ImportError):
            if (
                entry.stat().st_mtime < long_ago
                and not is_served(entry)
                and not _is_on_a_path(entry)
                and not _may_be_exported(entry)
            ):
                import shutil

                shutil.rmtree(entry)


def _own_directories(base: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in base.iterdir() if _is_ours(path)]
    return []


def _is_ours(path: Path) -> bool:
    """Whether `path` is what make() leaves, by all of it: `base` may be /tmp, with others' work."""
    _, dot, suffix = path.name.rpartition(".")
    try:
        found = path.lstat()
        return (
            bool(dot)
            and len(suffix) == 2 * _RANDOM
            and set(suffix) <= set("0123456789abcdef")
            and stat.S_ISDIR(found.st_mode)
            and stat.S_IMODE(found.st_mode) in (0o700, 0o711)
            and is_trusted(found.st_uid)
            and set(os.listdir(path)) <= _ALL_THAT_IS_MADE
            and is_stunt(path / "bin/gpg")
        )
    except OSError:
        return False


def is_served(job: Path) -> bool:
    """Whether the job whose directory this is has its supervisor. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.connect(os.fsencode(job / "socket"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


def _is_on_a_path(job: Path) -> bool:
    wanted = os.fsencode(job / "bin")
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another user's, or gone
            if wanted in each.read_bytes():
                return True
    return False
