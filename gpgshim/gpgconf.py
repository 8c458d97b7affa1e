"""The stunt gpgconf: names the stunt gpg to gpgme, which does not look for gpg on PATH.

Rule 1: only what gpgme asks, `--list-components`, has another answer, and only in the line of gpg.
All else becomes the real gpgconf, untouched.
Rule 2: like the stunt gpg it runs under `python3 -I -S`.

Source: gpgme 1.18 and 2.0, src/dirinfo.c; gpgconf(1) for the fields and how they are escaped.
"""

from __future__ import annotations

import posix

from gpgshim.shim import caller_words, find_real, run_in_our_place, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

ASKED = [b"--list-components"]
GPG = b"gpg"  # the component's name: the first field of its line; the third is its program


def gpgconf(job: str) -> NoReturn:
    """Be the stunt gpgconf of the job whose private directory is `job`."""
    words = caller_words()
    real = find_real(job, "gpgconf")
    if words != ASKED:
        run_in_our_place(real, "gpgconf", words)
    try:
        ours, its = posix.pipe2(posix.O_CLOEXEC)
        child = posix.fork()
        if not child:
            posix.dup2(its, 1)
            run_in_our_place(real, "gpgconf", words)
        posix.close(its)
        said = b""
        while more := posix.read(ours, 1 << 16):
            said += more
        _, status = posix.waitpid(child, 0)
        answer = with_stunt(said, f"{job}/bin/gpg".encode("utf-8", "surrogateescape"))
        while answer:
            answer = answer[posix.write(1, answer) :]
    except OSError as error:
        # No answer is better than the real gpg's path: gpgme then signs nothing.
        say(f"gpgconf: gpgshim: {real} cannot be asked: {error.strerror}")
        posix._exit(2)
    posix._exit(posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else 2)


def with_stunt(said: bytes, stunt: bytes) -> bytes:
    """What gpgconf said of its components, with `stunt` for gpg's program."""
    for special, escaped in ((b"%", b"%25"), (b":", b"%3a"), (b",", b"%2c")):
        stunt = stunt.replace(special, escaped)
    lines = [line.split(b":") for line in said.split(b"\n")]
    return b"\n".join(
        b":".join([*line[:2], stunt, *line[3:]] if line[0] == GPG else line) for line in lines
    )
