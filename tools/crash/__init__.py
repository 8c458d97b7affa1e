# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every promise hold wherever one of us is stopped, and whichever call fails?

    python -m tools.crash [--process NAME] [--fail] [--every] [--spoil NAME|all]

A whole job runs in a world of its own, under ptrace(2), and one process of ours is killed at one
system call; the rest runs on; the job is tried again. Then the same at the next call.

Rule 1: exhaustive means: at every call. A process can tell the world nothing but by a call, so
what it does between two of them need not be cut. It is killed as it enters its Nth call, which
then does not happen, for every N until it survives; so "before" and "after" each call are both
there. What is written can also be cut in the middle of a call: that is a point too ("torn").
Rule 2: two points are one where only private calls (calls.PRIVATE) lie between them: a dead process
leaves the same world behind. So one run serves for all of them; --every makes them all.
Rule 3: a kill leaves the page cache, so it says nothing about fsync. That is judged from what the
watched supervisor did: at every call, by the bytes that were synced by then ("power cut").
Rule 4: what finds no fault has to find one in spoilt code (spoils.py); else it proves nothing.

strace can inject kills and errors too; but it cannot follow one process of a family by the part it
plays (the supervisor that dgit-repos-server's stunt forks; the second gpg), and has no short write.
"""
