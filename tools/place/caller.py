# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls gpg as a program would: `caller.py CALLER ROOT [near|edge]`; then with long arguments.

It runs in a place, so it needs nothing but the standard library. With `near` it calls gpg several
times: the arguments grow up to what execve(2) takes, a step at a time, so some fit gpg and not
a script in its place. With `edge` it calls gpg with each length at which the last of these fails.
The exit status is the first call's.
"""

import os
import subprocess
import sys

LIMIT = 131072  # bytes of arguments and environment with a stack of at most 512 KiB
STEP = 70
AROUND = 240, 120  # bytes: such lengths begin before the limit, and end before it

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"], "zsh": ["zsh", "-f"]}
IN_SHELL = """\
c=$(head -c "$1" /dev/zero | tr '\\0' x)
gpg --batch --yes --comment "$c" -o "$2/work/f.sig" -b "$2/work/f"
exit $?
"""
IN_PERL = """\
my ($n, $root) = @ARGV;
my @words = ("--comment", "x" x $n, "-o", "$root/work/f.sig", "-b", "$root/work/f");
exit(system("gpg", "--batch", "--yes", @words) >> 8);
"""


def gpg(size: int, root: str) -> list[str]:
    words = ["gpg", "--batch", "--yes", "--comment", "x" * size]
    return [*words, "-o", f"{root}/work/f.sig", "-b", f"{root}/work/f"]


def by_subprocess(size: int, root: str) -> int:
    return subprocess.run(gpg(size, root)).returncode


def by_execvp(size: int, root: str) -> int:
    child = os.fork()
    if not child:
        try:
            os.execvp("gpg", gpg(size, root))
        finally:
            os._exit(127)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def by_posix_spawnp(size: int, root: str) -> int:
    child = os.posix_spawnp("gpg", gpg(size, root), os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def call(caller: str, size: int, root: str) -> int:
    if caller in SHELLS:
        words = [*SHELLS[caller], "-c", IN_SHELL, "sh", str(size), root]
        return subprocess.run(words).returncode
    if caller == "perl":
        return subprocess.run(["perl", "-e", IN_PERL, str(size), root]).returncode
    return {"subprocess": by_subprocess, "execvp": by_execvp, "posix_spawnp": by_posix_spawnp}[
        caller
    ](size, root)


def main() -> int:
    caller, root, *near = sys.argv[1:]
    if not near:
        return call(caller, 4, root)
    used = sum(len(f"{name}={value}") + 9 for name, value in os.environ.items())
    room = LIMIT - used
    sizes = range(room - 1600, room, STEP)
    if near == ["edge"]:
        sizes = range(room - AROUND[0], room - AROUND[1])
    statuses = []
    for size in sizes:
        try:
            statuses.append(call(caller, size, root))
        except OSError:
            statuses.append(126)
    return statuses[0]


if __name__ == "__main__":
    sys.exit(main())
