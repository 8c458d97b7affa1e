# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every promise hold, wherever a process of ours is killed, and whichever call fails?

    python -m tools.crash [--process NAME] [--fail] [--contest] [--every] [--spoil NAME|all]

A whole job runs in a scratch world under ptrace(2). One process of ours is killed at one system
call, the other processes continue, and the job is tried again. Then this is repeated for the next
call.

Rule 1: exhaustive means at every call. A process affects the world only by its calls, so it need
not be killed between two of them. It is killed when it enters its Nth call, before the call is
made, for every N until it survives. So each point before and after a call is tried. A write can
also be cut in the middle of the call: that is a point too ("torn").
Rule 2: two points count as one if only private calls (calls.PRIVATE) are between them, because a
dead process then leaves the same world. One run serves for both; --every runs each point.
Rule 3: a kill leaves the page cache, so it proves nothing about fsync. Therefore the calls of a
watched supervisor are examined: at every call, only the bytes that were synced count ("power cut").
Rule 4: each check that finds no fault must find one in spoilt code (spoils.py), because otherwise
it proves nothing.

With --contest a rival wants the same job: it starts at each call of the program's start, or runs
already; or the program is `gpgshim resolve`. The checks are that never two attempts are granted,
that exactly those start that may, and that nobody holds the claim afterwards.

strace can also inject kills and errors. But it cannot choose a process by its role (the supervisor
that dgit-repos-server's stunt forks; the second gpg), and has no short write.

Read calls.py (system calls), tracer.py (ptrace), standins.py and world.py (a job, and what is
around it), checks.py (what must be true afterwards), points.py (what is done to it), spoil.py and
spoils.py (faults in the code). contest.py and contestpoints.py have all of this for two programs.
"""
