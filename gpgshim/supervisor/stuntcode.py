# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiled code of the stunts: one file for each, and the prelude that CPython runs first.

Rule 1: a stunt's file holds every module that the stunt's own module imports when it is loaded,
directly or not, each after those that it imports. There is no list of them: this is read from the
compiled code. `bin/gpg` executes all of them before the stunt decides anything. To import them one
by one takes longer than everything else that a stunt does.
Rule 2: the code is compiled by the interpreter that will run it.
"""

from __future__ import annotations

import functools
import importlib.util
import marshal
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

import gpgshim
from gpgshim.supervisor import leftovers
from gpgshim.system.errors import Unable

#: The stunts that a job can have; each is a module of gpgshim.stunts.
STUNTS = ("gpg", "dgit", "gpgconf")
#: The modules that CPython itself imports from files at its start under -I -S.
START_MODULES = ("encodings.aliases", "encodings.utf_8", "encodings")

#: CPython ignores SIGPIPE and SIGXFSZ at its start, and does not keep their previous state; the
#: real gpg must get them as the caller left them. CPython imports `encodings` before it changes
#: them, so this prelude is the bytecode of `encodings` in JOB/pyc. This was tested for CPython 3.11
#: to 3.14 (tests/process/test_untouched.py); if it should not hold, the two signals get their
#: defaults. The prelude then runs START_MODULES unchanged, so that CPython need not search for the
#: other two.
#: CPython also installs a handler for SIGINT at its start, by importing `_signal`. Until the
#: stunt's own code runs, that handler would turn an interrupt into a traceback or a fatal error of
#: the interpreter, or lose it. So the last lines wait for that import, and set SIGINT back to its
#: default, which kills.
PRELUDE = """\
import builtins
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
_import = builtins.__import__
def _until_signal(name, *more, **named):
    if name != "_signal":
        return _import(name, *more, **named)
    builtins.__import__ = _import
    try:
        module = _import(name, *more, **named)
        if module.getsignal(2) is module.default_int_handler:
            module.signal(2, module.SIG_DFL)
    except KeyboardInterrupt:
        module = _import(name, *more, **named)
        module.signal(2, module.SIG_DFL)
        posix.kill(posix.getpid(), 2)
    return module
builtins.__import__ = _until_signal
"""


def write_code(directory: Path, stunt: str) -> None:
    """Write the code of a stunt into JOB/code. Raises OSError, or Unable."""
    # The tag keeps an interpreter of another version from loading a foreign marshal format.
    path = directory / f"{stunt}.{sys.implementation.cache_tag}"
    path.write_bytes(_marshal(modules_of(stunt)))


@functools.cache
def modules_of(stunt: str) -> tuple[str, ...]:
    """The modules that the stunt loads, each after those that it imports."""
    found: dict[str, None] = {}

    def add(module: str) -> None:
        if module not in found:
            for each in _imports(module):
                add(each)
            found[module] = None

    add(f"gpgshim.stunts.{stunt}")
    return tuple(found)


def _imports(module: str) -> list[str]:
    """Our modules, and `__future__`, that `module` imports when it is loaded.

    `from gpgshim.stunts import ask, process` compiles to the name "gpgshim.stunts" and the constant
    ("ask", "process").
    """
    code = _code(module)
    tuples = [each for each in code.co_consts if isinstance(each, tuple)]
    parent = module.rpartition(".")[0]
    imported = [parent] if parent else []
    for name in code.co_names:
        if name == "__future__":
            imported.append(name)
        elif name.partition(".")[0] == "gpgshim":
            inside = _modules_in(name)
            imported.append(name)
            imported += [f"{name}.{each}" for group in tuples for each in group if each in inside]
    return imported


@functools.cache
def _modules_in(package: str) -> frozenset[str]:
    """The names of the modules in one of our packages; empty for a module."""
    directory = Path(gpgshim.__file__).parent.joinpath(*package.split(".")[1:])
    if not directory.is_dir():
        return frozenset()
    return frozenset(name.removesuffix(".py") for name in os.listdir(directory))


def write_prelude(job: Path) -> None:
    """Write the bytecode of CPython's `encodings`, with the prelude in front, into JOB/pyc."""
    spec = importlib.util.find_spec("encodings")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin)
    text = PRELUDE.format(modules=_marshal(START_MODULES))
    code = compile(text, "gpgshim's prelude", "exec", dont_inherit=True)
    # PEP 552: a hash-based file that is not checked against its source.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
    cached = Path(
        f"{job}/{leftovers.PYC}{source.parent}", f"{source.stem}.{sys.implementation.cache_tag}.pyc"
    )
    cached.parent.mkdir(parents=True)
    cached.write_bytes(head + marshal.dumps(code))


def _marshal(modules: Iterable[str]) -> bytes:
    return marshal.dumps([(module, _code(module)) for module in modules])


@functools.cache  # the stunts have most modules in common
def _code(module: str) -> CodeType:
    if module == "__future__":
        # The compiler has already obeyed `from __future__ import annotations`. At run time the
        # statement only needs the name, and the real module would take 20 µs.
        return compile("annotations = None", "gpgshim's __future__", "exec", dont_inherit=True)
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        raise Unable(f"the module {module} cannot be read")
    code = spec.loader.get_code(module)  # type: ignore[attr-defined]
    assert isinstance(code, CodeType)
    return code
