# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The places in which a job can run, and what then is true: the table of SECURITY.md.

Rule 1: each place has an expectation for both columns; the default is the ordinary one.
Rule 2: a place that is not served is not started. A gate that PATH cannot keep is `past the gate`.
"""

from __future__ import annotations

from tools.place import enter
from tools.place.enter import (
    fuse,
    make,
    mounted,
    once,
    script,
    stopped_for,
    stopped_until,
    while_it_waits,
)
from tools.place.world import NOBODY, ORDINARY, ROOT, SIGN, Cell, How, Kind, Place

BLOCKED = Cell(Kind.BLOCKED)
PAST = Cell(Kind.PAST)
UNTOLD = Cell(Kind.UNTOLD)
REFUSED = Cell(Kind.REFUSED)


def not_started(says: str) -> Cell:
    return Cell(Kind.NOT_STARTED, says)


def never(group: str, name: str, says: str, how: How = ORDINARY, **more: object) -> Place:
    """A place in which gpgshim starts nothing, and says why."""
    return Place(group, name, how, not_started(says), not_started(says), **more)  # type: ignore[arg-type]


def blocked(group: str, name: str, how: How = ORDINARY, **more: object) -> Place:
    """A place in which gpg cannot ask for a grant, and does not sign."""
    return Place(group, name, how, BLOCKED, BLOCKED, **more)  # type: ignore[arg-type]


def past(group: str, name: str, how: How = ORDINARY, **more: object) -> Place:
    """A place in which PATH does not lead to the gate."""
    return Place(group, name, how, PAST, PAST, **more)  # type: ignore[arg-type]


OTHER = 54321  #: a user id without a passwd entry

USERS = "Users"
PIDS = "Process namespaces"
MOUNTS = "Mount namespaces and containers"
USER_NAMESPACES = "User namespaces"
IMITATED = "Imitated roots"
FILES = "File systems"
DESCRIPTORS = "Closed descriptors"
LIMITS = "Limits"
CALLERS = "Callers of gpg"
LONG = "Arguments that fit gpg and no script"
WRAPPERS = "A wrapper as the real gpg"
CLOCKS = "Clocks and stops"
ENVIRONMENT = "Environment"
DIRECTORIES = "Directories and paths"
CHANGES = "What changes while the job runs"
BY_OTHER_WAYS = "Ways to gpg that leave PATH"

CONTAINER = (
    "bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts --unshare-net --die-with-parent"
    " --ro-bind /usr /usr --ro-bind /etc /etc --symlink usr/bin /bin"
    " --symlink usr/sbin /sbin --symlink usr/lib /lib --symlink usr/lib64 /lib64"
    " --proc /proc --dev /dev --tmpfs /tmp --ro-bind {shared} {shared} --bind {root} {root}"
)
NO_PROC = "unshare --mount sh -c 'mount -t tmpfs tmpfs /proc && exec \"$@\"' sh"
READ_ONLY = "bwrap --ro-bind / / --dev /dev --proc /proc"
NO_HOME: dict[str, str | None] = {"HOME": None, "XDG_CACHE_HOME": None}
GIT = "git -c user.name=Oracle -c user.email=o@example.org"
COMMIT = f"cd {{root}}/work && git init -q . && {GIT} commit -q --allow-empty -m x && "
IN_PACKAGE = "cd {root}/work/pkg-1 && "
READ = "read line <{root}/go; "

#: Each kind of file system for both directories.
KINDS = [
    Place(FILES, name, around=(mounted("state", kind), mounted("run", kind)), needs=(need,))
    for name, kind, need in [
        ("ext4", "ext4", "ext4"),
        ("XFS", "xfs", "xfs"),
        ("btrfs", "btrfs", "btrfs"),
        ("tmpfs", "tmpfs", "mounts"),
        ("overlayfs", "overlay", "overlay"),
    ]
]

CLOSED = [
    Place(DESCRIPTORS, name or "none", How(outside=f"sh -c 'exec \"$@\" {redirections}' sh"))
    for name, redirections in [
        (
            ", ".join(str(fd) for fd in range(3) if bits >> fd & 1),
            " ".join(f"{fd}>&-" for fd in range(3) if bits >> fd & 1),
        )
        for bits in range(8)
    ]
]

WAYS = ["dash", "bash", "busybox", "zsh", "subprocess", "execvp", "posix_spawnp", "perl"]
NAMES = {
    "busybox": "busybox sh",
    "subprocess": "Python's subprocess",
    "execvp": "Python's os.execvp",
    "posix_spawnp": "posix_spawnp(3)",
    "perl": "perl's system",
}
PROGRAMS = ("dash", "bash", "busybox", "zsh", "perl")
FROM = [
    Place(
        CALLERS,
        NAMES.get(way, way),
        How(sign="{python} {caller} " + way + " {root}"),
        needs=(way,) if way in PROGRAMS else (),
    )
    for way in WAYS
]
NEAR = [
    Place(
        LONG,
        NAMES.get(way, way),
        How(
            inside="prlimit --stack=262144",
            sign="{python} {caller} " + way + " {root} near",
            lines=40,
        ),
        needs=("prlimit", *((way,) if way in PROGRAMS else ())),
    )
    for way in WAYS
]

EDGE = "{python} {caller} dash {root} edge"
EDGES = [
    Place(
        LONG,
        "dash, each length near the limit, PATH without /bin",
        How(inside="prlimit --stack=262144", env={"PATH": "/usr/bin"}, sign=EDGE, lines=200),
        BLOCKED,
        BLOCKED,
        needs=("prlimit",),
    ),
    Place(
        LONG,
        "dash, the same, PATH names /usr/bin and /bin",
        How(inside="prlimit --stack=262144", sign=EDGE, lines=200),
        BLOCKED,
        BLOCKED,
        needs=("prlimit", "merged /usr"),
    ),
    # execve counts the program's path too, and /bin/gpg is 3 bytes shorter than the wall's.
    Place(
        LONG,
        "dash, the 3 lengths at which only /bin/gpg fits, PATH names /bin alone",
        How(inside="prlimit --stack=262144", env={"PATH": "/bin"}, sign=EDGE, lines=200),
        PAST,
        PAST,
        needs=("prlimit", "merged /usr"),
    ),
]

GPGCONF = [
    "--list-components", "", "--list-comp", "--verbose --list-components",
    "--null --list-components", "--homedir {keys} --list-components", "--check-programs",
]  # fmt: skip
BY_GPGCONF = [
    Place(
        CALLERS,
        f"the path that `{f'gpgconf {words}'.strip().replace('{keys}', 'DIR')}` prints",
        How(
            sign="g=$(gpgconf " + words + " | tr '\\0' '\\n' | grep ^gpg: | cut -d: -f3); "
            "test -n \"$g\" && " + SIGN.replace("gpg", '"$g"', 1)
        ),
    )
    for words in GPGCONF
]  # fmt: skip

PLACES: tuple[Place, ...] = (
    Place(USERS, "an ordinary user"),
    Place(USERS, "root", How(user=ROOT), needs=("root",)),
    blocked(
        USERS,
        "root's job becomes another user",
        How(
            user=ROOT,
            keys_of=NOBODY,
            sign=f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups gpg --batch --yes"
            " -o /dev/null -b {root}/work/f",
        ),
        needs=("root",),
    ),
    blocked(
        USERS,
        "root's job becomes another user, and a shell calls gpg",
        How(
            user=ROOT,
            keys_of=NOBODY,
            inside=f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups",
            sign="gpg --batch --yes -o /dev/null -b {root}/work/f",
        ),
        around=(once(enter.belongs_to("work", NOBODY, 0o755)),),
        needs=("root",),
    ),
    Place(USERS, "`sudo gpgshim`", How(user=ROOT, outside="sudo -E"), needs=("root", "sudo")),
    never(
        USERS,
        "root, XDG_RUNTIME_DIR of another user, as after `sudo -E`",
        "user id 65534",
        How(user=ROOT, outside="sudo -E"),
        around=(once(enter.belongs_to("run", NOBODY)),),
        needs=("root", "sudo"),
    ),
    never(
        USERS,
        "state directory of another user",
        "user id 65533",
        around=(once(enter.belongs_to("state", NOBODY - 1, 0o755)),),
        needs=("root",),
    ),
    never(
        USERS,
        "a group may write above the runtime directory",
        "above",
        How(env={"XDG_RUNTIME_DIR": "{root}/above/run"}),
        around=(once(enter.group_may_write),),
    ),
    never(
        USERS,
        "XDG_RUNTIME_DIR is another user's link in a shared directory",
        "shared",
        How(user=ROOT, env={"XDG_RUNTIME_DIR": "{root}/shared/run"}),
        around=(once(enter.planted_link),),
        needs=("root",),
    ),
    blocked(
        USERS,
        "root's job becomes another user, who cannot enter the interpreter's directory",
        How(
            user=ROOT,
            keys_of=NOBODY,
            python="shut/python3",
            inside=f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups",
            sign="gpg --batch --yes -o /dev/null -b {root}/work/f",
        ),
        around=(once(enter.belongs_to("work", NOBODY, 0o755)),),
        needs=("root",),
    ),
    Place(
        USERS,
        "no new privileges, no capabilities",
        How(outside="setpriv --no-new-privs --inh-caps=-all"),
        needs=("setpriv",),
    ),
    # PID namespaces.
    Place(
        PIDS,
        "gpgshim is PID 1",
        How(user=ROOT, outside="unshare --pid --fork --mount-proc"),
        needs=("PID namespaces",),
    ),
    Place(
        PIDS,
        "PID 1 is a shell that starts gpgshim",
        How(user=ROOT, outside="unshare --pid --fork --mount-proc sh -c '\"$@\"; exit $?' sh"),
        needs=("PID namespaces",),
    ),
    never(
        PIDS,
        "gpgshim is PID 1, /proc is the outer one",
        "/proc",
        How(user=ROOT, outside="unshare --pid --fork"),
        needs=("PID namespaces",),
    ),
    Place(
        PIDS,
        "the job has a PID namespace",
        How(user=ROOT, inside="unshare --pid --fork"),
        needs=("PID namespaces",),
    ),
    Place(
        PIDS,
        "the job has a PID namespace and its /proc",
        How(user=ROOT, inside="unshare --pid --fork --mount-proc"),
        needs=("PID namespaces",),
    ),
    Place(
        PIDS,
        "the job has no /proc",
        How(user=ROOT, inside=NO_PROC),
        needs=("PID namespaces",),
    ),
    never(
        PIDS,
        "no /proc",
        "/proc",
        How(user=ROOT, outside=NO_PROC),
        needs=("PID namespaces",),
    ),
    Place(
        PIDS,
        "/proc with hidepid=2",
        How(
            user=ROOT,
            outside="unshare --mount sh -c 'mount -t proc -o hidepid=2 proc /proc &&"
            f' exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "$@"\' sh',
        ),
        around=(once(lambda world: world.give(world.root, NOBODY)),),
        needs=("PID namespaces",),
    ),
    # Mount namespaces.
    Place(
        MOUNTS,
        "job under `bwrap --dev-bind / /`",
        How(inside="bwrap --dev-bind / /"),
        needs=("bwrap",),
    ),
    blocked(
        MOUNTS,
        "job under bwrap, an empty runtime directory",
        How(inside="bwrap --dev-bind / / --tmpfs {run}"),
        needs=("bwrap",),
    ),
    past(
        MOUNTS,
        "job under bwrap, an empty runtime directory, /run and /tmp",
        How(
            inside="bwrap --dev-bind / / --tmpfs /run --tmpfs /tmp --bind {keys} {keys}"
            " --bind {root}/work {root}/work"
        ),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "job under bwrap, a read-only root",
        How(inside=READ_ONLY + " --bind {keys} {keys} --bind {root}/work {root}/work"),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "job under bwrap with a PID namespace and no network",
        How(
            may_outlive=True, inside="bwrap --dev-bind / / --unshare-pid --unshare-net --proc /proc"
        ),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "job under bwrap, as PID 1",
        How(may_outlive=True, inside="bwrap --dev-bind / / --unshare-pid --proc /proc --as-pid-1"),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "job under bwrap with user id 0",
        How(inside="bwrap --dev-bind / / --unshare-user --uid 0 --gid 0"),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "gpgshim in a container-like root, as PID 1",
        How(outside=f"{CONTAINER} --as-pid-1"),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "gpgshim in a container-like root, as PID 1 and user id 0",
        How(outside=f"{CONTAINER} --as-pid-1 --uid 0 --gid 0"),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "gpgshim in a container-like root, with an init before it",
        How(outside=CONTAINER),
        needs=("bwrap",),
    ),
    Place(
        MOUNTS,
        "gpgshim with a read-only root",
        How(outside=READ_ONLY + " --bind {root} {root}"),
        needs=("bwrap",),
    ),
    # User namespaces.
    Place(
        USER_NAMESPACES,
        "gpgshim under `unshare -r`",
        How(outside="unshare --user --map-root-user"),
        needs=("user namespaces",),
    ),
    Place(
        USER_NAMESPACES,
        "gpgshim under `unshare -U`, no id is mapped",
        How(outside="unshare --user", user=OTHER),
        needs=("user namespaces", "root"),
    ),
    Place(
        USER_NAMESPACES,
        "job under `unshare -r`",
        How(inside="unshare --user --map-root-user"),
        needs=("user namespaces",),
    ),
    Place(
        USER_NAMESPACES,
        "job under `unshare -U`, no id is mapped",
        How(inside="unshare --user", user=OTHER),
        needs=("user namespaces", "root"),
    ),
    # Imitated roots.
    Place(IMITATED, "job under fakeroot", How(inside="fakeroot --"), needs=("fakeroot",)),
    Place(IMITATED, "gpgshim under fakeroot", How(outside="fakeroot --"), needs=("fakeroot",)),
    Place(IMITATED, "job under fakechroot", How(inside="fakechroot --"), needs=("fakechroot",)),
    Place(
        IMITATED, "gpgshim under fakechroot", How(outside="fakechroot --"), needs=("fakechroot",)
    ),
    Place(IMITATED, "job under proot", How(inside="proot"), needs=("proot",)),
    Place(IMITATED, "job under `proot -0`", How(inside="proot -0"), needs=("proot",)),
    Place(IMITATED, "gpgshim under proot", How(outside="proot"), needs=("proot",)),
    Place(IMITATED, "gpgshim under `proot -0`", How(outside="proot -0"), needs=("proot",)),
    # File systems.
    *KINDS,
    Place(FILES, "FUSE (bindfs)", around=(fuse("state"), fuse("run")), needs=("fuse",)),
    never(
        FILES,
        "runtime directory noexec",
        "noexec",
        around=(mounted("run", options="noexec"),),
        needs=("mounts",),
    ),
    Place(
        FILES,
        "state directory noexec, nodev, nosuid",
        around=(mounted("state", options="noexec,nodev,nosuid"),),
        needs=("mounts",),
    ),
    Place(
        FILES,
        "runtime directory nosymfollow",
        around=(mounted("run", options="nosymfollow"),),
        needs=("nosymfollow",),
    ),
    never(
        FILES,
        "state directory full",
        "No space left",
        around=(mounted("state", options="size=64k", fill="bytes"),),
        needs=("mounts",),
    ),
    never(
        FILES,
        "runtime directory full",
        "No space left",
        around=(mounted("run", options="size=64k", fill="bytes"),),
        needs=("mounts",),
    ),
    never(
        FILES,
        "state directory has no free inodes",
        "No space left",
        around=(mounted("state", options="nr_inodes=16", fill="inodes"),),
        needs=("mounts",),
    ),
    never(
        FILES,
        "runtime directory has no free inodes",
        "No space left",
        around=(mounted("run", options="nr_inodes=16", fill="inodes"),),
        needs=("mounts",),
    ),
    never(
        FILES,
        "state directory full, ext4",
        "No space left",
        around=(mounted("state", "ext4", fill="bytes"),),
        needs=("ext4",),
    ),
    never(
        FILES,
        "state directory read-only",
        "Read-only",
        around=(enter.read_only_state,),
        needs=("mounts",),
    ),
    never(
        FILES,
        "runtime directory read-only",
        "Read-only",
        around=(enter.read_only_run,),
        needs=("mounts",),
    ),
    blocked(
        FILES,
        "the state directory becomes full while the job runs",
        How(
            notes_lost=True,
            sign="cat /dev/zero 2>/dev/null >{state}/filler; "
            "c=$(head -c 9000 /dev/zero | tr '\\0' x); "
            + SIGN.replace("gpg ", 'gpg --comment "$c" ', 1),
        ),
        around=(mounted("state", options="size=64k"),),
        needs=("mounts",),
    ),
    Place(
        FILES,
        "the signed file is on a stopped FUSE file system",
        How(sign=READ + SIGN.replace("-b {root}/work/f", "-b {root}/slow/f")),
        around=(fuse("slow"),),
        during=stopped_until("slow", "= "),
        needs=("fuse",),
    ),
    Place(
        FILES,
        "the state directory is on a FUSE file system that stops for a time",
        How(sign=READ + SIGN),
        around=(fuse("state"),),
        during=stopped_for("state", 1.0),
        needs=("fuse",),
    ),
    # Closed descriptors.
    *CLOSED,
    # Limits.
    never(
        LIMITS, "files of at most 300 bytes", "File too large", How(outside="prlimit --fsize=300")
    ),
    Place(LIMITS, "stack 256 KiB", How(outside="prlimit --stack=262144")),
    Place(LIMITS, "24 open files", How(outside="prlimit --nofile=24")),
    never(LIMITS, "6 open files", "Too many open files", How(outside="prlimit --nofile=6")),
    Place(LIMITS, "12 open files for the job", How(inside="prlimit --nofile=12")),
    Place(LIMITS, "no core files", How(outside="prlimit --core=0")),
    Place(LIMITS, "files of at most 1 MiB", How(outside="prlimit --fsize=1048576")),
    Place(LIMITS, "files of at most 1 KiB for the job", How(inside="prlimit --fsize=1024")),
    Place(LIMITS, "256 MB of memory", How(outside="prlimit --as=256000000")),
    Place(LIMITS, "64 MB of memory for the job", How(inside="prlimit --as=64000000")),
    blocked(
        LIMITS,
        "12 MB of memory for gpg",
        How(sign=f"prlimit --as=12000000 {SIGN}", no_python=True, lines=60),
    ),
    Place(LIMITS, "32 MB of memory for gpg", How(sign=f"prlimit --as=32000000 {SIGN}")),
    Place(
        LIMITS,
        "one process",
        How(outside="prlimit --nproc=1", user=OTHER + 1),
        not_started("Resource temporarily"),
        not_started("Resource temporarily"),
        needs=("root",),
    ),
    # Who calls gpg.
    *FROM,
    *BY_GPGCONF,
    *(
        Place(CALLERS, words, How(sign=f"{words} {SIGN}"))
        for words in ("env", "nice", "nohup", "timeout 60", "setsid -w", "xargs -a /dev/null")
    ),
    Place(
        CALLERS,
        "find -exec",
        How(sign="find {root}/work/f -exec gpg --batch --yes -o {root}/work/f.sig -b '{}' ';'"),
    ),
    Place(
        CALLERS,
        "awk's system",
        How(sign="awk 'BEGIN { exit system(\"" + SIGN + "\") }'"),
    ),
    Place(CALLERS, "script, with a terminal", How(sign=f"script -eqc '{SIGN}' /dev/null")),
    Place(
        CALLERS,
        "make",
        How(sign="printf 'all:\\n\\t@" + SIGN + "\\n' | make -s -f -", lines=12),
        needs=("make",),
    ),
    Place(CALLERS, "git tag -s", How(sign=COMMIT + f"{GIT} tag -s -m x x"), needs=("git",)),
    *NEAR,
    *EDGES,
    # Wrappers.
    Place(
        WRAPPERS,
        "a shell script",
        How(options="--gpg {root}/own/gpg"),
        around=(once(script("own/gpg", '#!/bin/sh\nexec /usr/bin/gpg "$@"\n')),),
    ),
    Place(
        WRAPPERS,
        "one that needs its environment",
        How(options="--gpg {root}/own/gpg", env={"NEEDED": "yes"}),
        around=(
            once(script("own/gpg", '#!/bin/sh -e\n: "${NEEDED:?}"\nexec /usr/bin/gpg "$@"\n')),
        ),
    ),
    Place(
        WRAPPERS,
        "one that takes itself off PATH",
        How(env={"PATH": "{root}/own:/usr/bin:/bin"}),
        around=(once(script("own/gpg", '#!/bin/sh\nPATH=/usr/bin:/bin\nexec gpg "$@"\n')),),
    ),
    Place(
        WRAPPERS,
        "one of another name that calls gpg by PATH",
        How(options="--gpg {root}/own/my-gpg"),
        around=(once(script("own/my-gpg", '#!/bin/sh\nexec gpg "$@"\n')),),
    ),
    # Clocks.
    Place(CLOCKS, "gpgshim ten years ahead", How(outside="faketime -f +10y"), needs=("faketime",)),
    Place(CLOCKS, "gpgshim a year behind", How(outside="faketime -f -1y"), needs=("faketime",)),
    Place(CLOCKS, "job ten years ahead", How(inside="faketime -f +10y"), needs=("faketime",)),
    Place(
        CLOCKS,
        "gpgshim in a time namespace, ten years after the boot",
        How(user=ROOT, outside="unshare --time --boottime 315360000 --monotonic 315360000"),
        needs=("time namespaces",),
    ),
    Place(
        CLOCKS,
        "job in a time namespace",
        How(user=ROOT, inside="unshare --time --boottime 315360000 --monotonic 315360000"),
        needs=("time namespaces",),
    ),
    Place(
        CLOCKS,
        "the supervisor is stopped past the deadline; the authority answered in time",
        How(
            options="--deadline 1",
            yes="kill -STOP $PPID; (sleep 2; kill -CONT $PPID) >/dev/null 2>&1 & exit 0",
            no="kill -STOP $PPID; (sleep 2; kill -CONT $PPID) >/dev/null 2>&1 & exit 77",
        ),
    ),
    # The environment.
    Place(
        ENVIRONMENT,
        "nothing but GNUPGHOME, HOME and the two directories",
        How(
            outside="env -i GNUPGHOME={keys} HOME={root}/home XDG_STATE_HOME={state}"
            " XDG_RUNTIME_DIR={run} WORLD={root}/"
        ),
    ),
    Place(ENVIRONMENT, "no HOME", How(env=NO_HOME)),
    Place(
        ENVIRONMENT, "no HOME and no passwd entry", How(env=NO_HOME, user=OTHER), needs=("root",)
    ),
    never(
        ENVIRONMENT,
        "no HOME, no passwd entry and no XDG_STATE_HOME",
        "HOME",
        How(env={**NO_HOME, "XDG_STATE_HOME": None}, user=OTHER),
        needs=("root",),
    ),
    Place(ENVIRONMENT, "no PATH", How(env={"PATH": None}, outside="/usr/bin/env -u PATH")),
    Place(ENVIRONMENT, "no locale", How(env={"LC_CTYPE": None})),
    Place(ENVIRONMENT, "a locale that is not there", How(env={"LC_ALL": "xx_XX.UTF-8"})),
    # Directories.
    Place(
        DIRECTORIES,
        "the working directory is removed",
        How(outside="sh -c 'mkdir {root}/x && cd {root}/x && rmdir {root}/x && exec \"$@\"' sh"),
    ),
    Place(
        DIRECTORIES,
        "no permission in the working directory",
        How(outside="sh -c 'mkdir {root}/x && cd {root}/x && chmod 0 {root}/x && exec \"$@\"' sh"),
    ),
    Place(
        DIRECTORIES,
        "paths with spaces",
        How(env={"XDG_RUNTIME_DIR": "{root}/a run", "XDG_STATE_HOME": "{root}/a state"}),
        around=(once(make("a run", "a state")),),
    ),
    Place(
        DIRECTORIES,
        "paths with UTF-8",
        How(env={"XDG_RUNTIME_DIR": "{root}/läuft", "XDG_STATE_HOME": "{root}/Zustände"}),
        around=(once(make("läuft", "Zustände")),),
    ),
    Place(
        DIRECTORIES,
        "both directories by links of the user's",
        How(env={"XDG_RUNTIME_DIR": "{root}/to-run", "XDG_STATE_HOME": "{root}/to-state"}),
        around=(once(enter.links),),
    ),
    never(
        DIRECTORIES,
        "a runtime directory with a line feed",
        "line feed",
        How(env={"XDG_RUNTIME_DIR": "{root}/a\nb"}),
        around=(once(make("a\nb")),),
    ),
    never(
        DIRECTORIES,
        "a runtime directory that is not UTF-8",
        "is not UTF-8",
        How(env={"XDG_RUNTIME_DIR": "{root}/\udcff"}),
        around=(once(make("\udcff")),),
    ),
    Place(
        DIRECTORIES,
        "a state directory that is not UTF-8",
        How(env={"XDG_STATE_HOME": "{root}/\udcff"}),
        around=(once(make("\udcff")),),
    ),
    never(
        DIRECTORIES,
        "a runtime directory with a colon",
        "colon",
        How(env={"XDG_RUNTIME_DIR": "{root}/a:b"}),
        around=(once(make("a:b")),),
    ),
    never(
        DIRECTORIES,
        "a long runtime directory",
        "the limit is 107",
        How(env={"XDG_RUNTIME_DIR": "{root}/" + "r" * 90}),
        around=(once(make("r" * 90)),),
    ),
    Place(
        DIRECTORIES,
        "a long state directory",
        How(env={"XDG_STATE_HOME": "{root}/" + "/".join(["s" * 200] * 10)}),
        around=(once(make("/".join(["s" * 200] * 10))),),
    ),
    never(DIRECTORIES, "the interpreter's path has a space", "space", How(python="my python")),
    # Changes.
    Place(
        CHANGES,
        "the package is removed",
        How(own_package=True, sign="mv {package} {root}/gone; " + SIGN),
    ),
    Place(
        CHANGES,
        "the package is unreadable",
        How(own_package=True, sign="chmod -R 0 {package}; " + SIGN),
    ),
    Place(
        CHANGES,
        "the package is replaced by another",
        How(
            own_package=True,
            sign="for f in {package}/*/*.py; do echo 'raise ImportError' >$f; done;"
            " find {package} -name '*.pyc' -delete; " + SIGN,
        ),
    ),
    blocked(
        CHANGES,
        "the interpreter is removed",
        How(python="python3", sign="rm {root}/python3; " + SIGN),
    ),
    blocked(
        CHANGES,
        "the interpreter may not be executed any more",
        How(python="python3", sign="chmod 0 {root}/python3; " + SIGN),
    ),
    blocked(
        CHANGES,
        "the journal is moved before the question",
        How(sign="mv {state}/gpgshim/j.1 {root}/j.1; " + SIGN),
    ),
    blocked(
        CHANGES,
        "the journal is removed before the question",
        How(sign="rm {state}/gpgshim/j.1; " + SIGN),
    ),
    Place(
        CHANGES,
        "the journal is moved after the question",
        How(sign=SIGN + "; s=$?; mv {state}/gpgshim/j.1 {root}/j.1; (exit $s)"),
        REFUSED,
        UNTOLD,
    ),
    Place(
        CHANGES,
        "the job's directory is removed",
        How(sign="rm -rf {run}/gpgshim; " + SIGN),
        BLOCKED,
        BLOCKED,
    ),
    Place(
        CHANGES,
        "the runtime directory becomes noexec",
        How(sign=READ + SIGN),
        BLOCKED,
        BLOCKED,
        around=(mounted("run"),),
        during=while_it_waits(enter.remount_noexec),
        needs=("mounts",),
    ),
    Place(
        CHANGES,
        "the journal is removed after the question",
        How(sign=SIGN + "; s=$?; rm {state}/gpgshim/j.1; (exit $s)"),
        REFUSED,
        UNTOLD,
    ),
    # Past the gate.
    past(BY_OTHER_WAYS, "/usr/bin/gpg", How(sign=SIGN.replace("gpg", "/usr/bin/gpg", 1))),
    past(BY_OTHER_WAYS, "`bash -l`", How(sign=f"bash -lc '{SIGN}'"), needs=("bash",)),
    past(
        BY_OTHER_WAYS,
        "`su -`",
        How(user=ROOT, sign="su - -c 'GNUPGHOME={keys} " + SIGN + "'"),
        needs=("root", "su"),
    ),
    past(
        BY_OTHER_WAYS,
        "sudo",
        How(user=ROOT, sign="sudo GNUPGHOME={keys} " + SIGN),
        needs=("root", "sudo"),
    ),
    past(BY_OTHER_WAYS, "`env -i`", How(sign="env -i GNUPGHOME={keys} " + SIGN)),
    past(
        BY_OTHER_WAYS,
        "`env -u PATH` and a shell",
        How(sign=f"env -u PATH /bin/dash -c '{SIGN}'"),
        needs=("dash",),
    ),
    past(BY_OTHER_WAYS, "`command -p gpg`", How(sign="command -p " + SIGN)),
    past(
        BY_OTHER_WAYS,
        "`export PATH :=` in a Makefile",
        How(
            sign="printf 'export PATH := /usr/bin:/bin\\nall:\\n\\t@" + SIGN + "\\n' | make -s -f -"
        ),
        needs=("make",),
    ),
    past(
        BY_OTHER_WAYS,
        "gpgtar",
        How(sign="gpgtar --sign -o {root}/work/t {root}/work/f"),
        needs=("gpgtar",),
    ),
    past(
        BY_OTHER_WAYS,
        "git's gpg.program",
        How(sign=COMMIT + f"{GIT} -c gpg.program=/usr/bin/gpg tag -s -m x x"),
        needs=("git",),
    ),
    past(
        BY_OTHER_WAYS,
        "debuild",
        How(
            sign=IN_PACKAGE + "debuild --no-lintian -eGNUPGHOME -S -d",
            env={"DEBEMAIL": "o@example.org"},
        ),
        around=(once(enter.source_package),),
        needs=("debuild",),
    ),
    Place(
        BY_OTHER_WAYS,
        "`debuild --preserve-envvar=PATH`",
        How(
            sign=IN_PACKAGE + "debuild --no-lintian --preserve-envvar=PATH -eGNUPGHOME -S -d",
            env={"DEBEMAIL": "o@example.org"},
        ),
        around=(once(enter.source_package),),
        needs=("debuild",),
    ),
)

#: Places whose results are not those of their rows yet, and why.
NOT_YET: dict[str, str] = {}
