"""The judgement of the facts that `gpgshim doctor` has collected: facts in, words out.

Rule 1: this module collects no facts; every function depends on its arguments alone.
Rule 2: MEND is for a fault that breaks one of our guarantees here, or makes a job fail: a signature
that would bypass the gate, a gate that would refuse everything, an oracle that would get no jobs.
NOTE is for useful information that requires no change, and for a check that does not apply.
Rule 3: a fact that could not be collected is never OK.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from gpgshim.core import o2m
from gpgshim.gpgargs.argv import CHAMELEON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gpgshim.tag2upload.oracle import Deployment, Unit


class Result(StrEnum):
    """The result of a check, the worst last."""

    OK = "ok"
    NOTE = "note"  # for information, or the check does not apply here
    MEND = "mend"


class Finding(NamedTuple):
    """The facts that a check found, one line each, and what to do about them, one line each."""

    result: Result
    found: tuple[str, ...]
    todo: tuple[str, ...] = ()


def ok(*found: str) -> Finding:
    return Finding(Result.OK, found)


def note(*found: str) -> Finding:
    return Finding(Result.NOTE, found)


def mend(found: str, todo: str) -> Finding:
    return Finding(Result.MEND, (found,), (todo,))


def all_of(findings: Iterable[Finding], otherwise: Finding) -> Finding:
    """Combine several findings: the worst result, all lines; `otherwise` if there are none.

    Faults that must be repaired come first.
    """
    ranks = list(Result)
    several = sorted(findings, key=lambda each: -ranks.index(each.result))
    if not several:
        return otherwise
    found = tuple(line for each in several for line in each.found)
    todo = tuple(line for each in several for line in each.todo)
    return Finding(several[0].result, found, tuple(dict.fromkeys(todo)))


# --- the programs ---------------------------------------------------------------------------------


class SettingFault(NamedTuple):
    """A setting with an unusable value: its FILE:LINE, key and value, and the fault."""

    where: str
    key: str
    value: str
    fault: str


def settings(files: Mapping[str, bool], faults: Sequence[SettingFault] = ()) -> Finding:
    """The settings files, and whether each exists; an invalid file does not reach this function."""
    read = [path for path, there in files.items() if there]
    several = [
        mend(
            f"{each.where}: {each.key} = {each.value!r}: {each.fault}",
            f"install or make it, or change {each.key} in {each.where.rpartition(':')[0]}",
        )
        for each in faults
    ]
    understood = f"understood: {' '.join(read)}" if read else "no file: the defaults are in force"
    return all_of(several, ok(understood))


def dgit(oracle: bool, path: str) -> Finding:
    """The real dgit, by its path; "" if there is none."""
    if path:
        return ok(path)
    if oracle:
        return mend("there is no dgit on PATH", "install dgit")
    return note("there is no dgit")


def gpg(path: str, version: str, maker: str, exact: bool, unknown: Sequence[str]) -> Finding:
    """The real gpg: `exact` is argv.Table.exact, `unknown` its commands that we do not know."""
    if maker == CHAMELEON:
        return note(
            f"{path} is Sequoia's chameleon, as gpg {version}",
            "it reads its words by rules of its own: almost every call of it is asked about",
        )
    words = [f"{path} {version}, GnuPG's own"]
    if not exact:
        words.append("gpgshim was not tried with it: what is not sure about it is asked about")
    if unknown:
        words.append(
            f"commands that gpgshim does not know, and refuses before a commitment:"
            f" {' '.join(unknown)}"
        )
    return note(*words) if words[1:] else ok(*words)


class ConfLine(NamedTuple):
    """A command or a fault in a conf file: FILE:LINE, the word, and gpg's complaint or ""."""

    where: str
    word: str
    fault: str


def conf(lines: Sequence[ConfLine], doubt: str) -> Finding:
    """gpg's conf files: their commands and faults, and the reason if some are unknown."""
    several = [
        mend(
            each.fault or f"{each.where} has the command {each.word}, and so has every call of gpg",
            f"remove that line ({each.where})",
        )
        for each in lines
    ]
    if doubt:
        several.append(
            note(f"not known in advance, so what may sign is asked about sooner: {doubt}")
        )
    return all_of(several, ok("no command and no fault in gpg's conf files"))


# --- the key --------------------------------------------------------------------------------------


class Key(NamedTuple):
    """A secret key: its fingerprint, how many subkeys it has, and its token's serial number."""

    fingerprint: str
    subkeys: int
    token: str


def keys(oracle: bool, home: str, found: Sequence[Key]) -> Finding:
    """The secret keys of `home`. oracled needs one, and counts `fpr` lines, also of subkeys."""
    words = [
        key.fingerprint
        + (f" with {key.subkeys} subkey{'s' * (key.subkeys > 1)}" if key.subkeys else "")
        + (f", on the token {key.token}" if key.token else "")
        for key in found
    ]
    fingerprints = sum(1 + key.subkeys for key in found)
    if not oracle:
        if len(found) == 1:
            return ok(*words)
        many = f"{len(found)} secret keys; which one signs, the job says" if found else ""
        return note(many or f"no secret key in {home}: nothing can be signed", *words)
    if fingerprints == 1:
        return ok(*words)
    seen = "; ".join(words) or f"nothing in {home}"
    return mend(
        f"tag2upload-oracled wants exactly one, and sees {fingerprints}: {seen}",
        f"leave one secret key, without subkeys, in {home}"
        if found
        else "make the oracle's key, or `gpg --card-status` for one on a token",
    )


class Trial(NamedTuple):
    """A trial signature: whether it was made and verified, gpg's message if not, and the seconds.

    `late` says that it took longer and was stopped.
    """

    made: bool
    complaint: str
    seconds: float
    late: bool = False


def trial(key: Key, tried: Trial) -> Finding:
    """The result of a trial signature, made without asking a person for a PIN or a passphrase."""
    if tried.made:
        return ok(f"made and verified in {tried.seconds:.1f} s, and thrown away")
    token = f" The key is on the token {key.token}." if key.token else ""
    if tried.late:
        return mend(
            f"gpg had made none after {tried.seconds:.0f} s, and was ended.{token}",
            "see whether the token wants a touch, or gpg-agent hangs: gpg-connect-agent /bye",
        )
    return mend(
        f"gpg made none: {tried.complaint}.{token}",
        f"echo | gpg -u {key.fingerprint} --clearsign (which asks for a PIN, if it is that)",
    )


# --- stunts and PATH ------------------------------------------------------------------------------


class Stunt(NamedTuple):
    """A job's stunt on PATH.

    `job` is its job's directory, or ""; `served` says whether that job is under way.
    """

    path: str
    job: str
    served: bool


def stunts(found: Sequence[Stunt]) -> Finding:
    """The jobs' stunts on our PATH: outside of a job there must be none."""
    several = []
    for each in found:
        if each.served:
            several.append(
                mend(
                    f"{each.path}: this is inside a job ({each.job})",
                    "run gpgshim doctor outside of it: what is seen here is true of that job alone",
                )
            )
        elif each.job:
            several.append(
                mend(
                    f"{each.path}: its job is over, and every signature is refused",
                    f"take {each.job}/bin off PATH",
                )
            )
        else:
            several.append(
                mend(
                    f"{each.path} is a stunt in no job's directory: it can only fail",
                    f"take {each.path.rpartition('/')[0]} off PATH: a supervisor puts them there",
                )
            )
    return all_of(several, ok("no job's stunts on PATH"))


#: Other programs that sign -> whether dpkg-buildpackage by default prefers them to gpg.
#: Source: Dpkg::OpenPGP of dpkg 1.23, _auto_backend and each backend's DEFAULT_CMD.
OTHERS = {
    "gpg2": False,
    "gpgtar": False,  # it calls gpg by an absolute path
    "gpg-sq": True,
    "sq": True,
    "sqop": False,  # this and the rest: only for a key in a file
    "rsop": False,
    "gosop": False,
    "hop": False,
    "pgpainless-cli": False,
}


def others(oracle: bool, builds: bool, found: Mapping[str, str]) -> Finding:
    """Other programs that sign: name -> path. `builds`: dpkg-buildpackage is installed."""
    several = []
    for name, path in found.items():
        if OTHERS[name] and builds and not oracle:
            several.append(
                mend(
                    f"{path}: dpkg-buildpackage signs with it rather than with gpg",
                    "in gated jobs: dpkg-buildpackage --sign-backend=gpg --sign-command=gpg",
                )
            )
        else:
            several.append(note(f"{path}: what signs with it is not gated"))
    return all_of(several, ok(f"none of {' '.join(OTHERS)}"))


def gpgme(path: str, real: str) -> Finding:
    """`path` is the gpg that gpgconf names, or ""; `real` is the gpg on PATH."""
    if not path:
        return note("gpgconf names no gpg: gpgme finds none")
    gated = "in a job, gpgme is told of the stunt gpg"
    return ok(gated) if path == real else note(gated, f"elsewhere of {path}, not of PATH's {real}")


def debsign(program: str, where: str) -> Finding:
    """The value of DEBSIGN_PROGRAM in devscripts' conf files, and the last file that sets it."""
    if program in ("", "gpg"):
        return ok("debsign calls gpg by PATH")
    return mend(
        f"{where} sets DEBSIGN_PROGRAM={program}: debsign does not call the gpg that is on PATH",
        f"remove DEBSIGN_PROGRAM from {where}",
    )


def debuild(kept: str, where: str, builder: str) -> Finding:
    """debuild's PATH: `kept` is DEBUILD_PRESERVE_ENVVARS, which `where` sets.

    `builder` is the program that gbp buildpackage starts; "" without gbp.
    """
    several = []
    if "PATH" in re.split(r"[,\s]+", kept):
        several.append(ok(f"debuild keeps PATH: {where} says so"))
    else:
        several.append(
            note(
                "debuild sets PATH anew: what it signs goes past the gate",
                "in gated jobs: debuild --preserve-envvar=PATH",
            )
        )
        if re.match(r"(\S*/)?debuild(?!.*(--preserve-envvar[= ]|-e)PATH)(\s|$)", builder):
            several.append(
                note(
                    f"gbp buildpackage starts `{builder}`, and so signs past the gate",
                    f"in gated jobs: --git-builder='{_keeping_path(builder)}'",
                )
            )
    return all_of(several, several[0])


def _keeping_path(builder: str) -> str:
    program, space, options = builder.partition(" ")
    return f"{program} --preserve-envvar=PATH{space}{options}"


def rpm(macro: str) -> Finding:
    """rpm's macro %__gpg, as `rpm --eval` prints it."""
    if macro == "gpg":
        return ok("rpmsign calls gpg by PATH")
    names = "no gpg" if macro in ("", "%{__gpg}") else macro
    return note(
        f"rpm's macro %__gpg names {names}, and not the gpg that is on PATH",
        'in gated jobs: rpmsign --define "__gpg $(command -v gpg)"',
    )


def path_resets(file: str, text: str) -> list[str]:
    """FILE:LINE of each line of a shell's `file` that sets PATH without its former value."""
    return [
        f"{file}:{number}"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.match(r"\s*(?:export\s+)?PATH=(.*)", line))
        and not re.search(r"\$\{?PATH\b", found[1])
    ]


def logins(resets: Sequence[str]) -> Finding:
    """Where login shells set PATH without its former value, FILE:LINE each."""
    if not resets:
        return ok("no profile sets PATH without its former value")
    return note(
        f"{', '.join(resets)}: PATH is set anew: `bash -l` and `su -` in a job lead past the gate",
        "in gated jobs: shells that are no login shells",
    )


def sudo(said: str | None) -> Finding:
    """The output of `sudo -V` for root, in English; None for an ordinary user."""
    if said is None:
        return note("only root can see whether sudo sets PATH anew (secure_path); Debian's does")
    found = re.search(r"^Value to override user's \$PATH with: (.*)$", said, re.MULTILINE)
    if not found:
        return ok("sudo keeps PATH")
    return note(
        f"sudo sets PATH to {found[1]}: what a job signs through it goes past the gate",
        "in gated jobs: no sudo; to sign as root, sudo gpgshim run ...",
    )


#: Programs that start others in their own mount namespace or root directory.
SANDBOXES = (
    "bwrap",
    "cowbuilder",
    "docker",
    "firejail",
    "mock",
    "pbuilder",
    "podman",
    "sbuild",
    "schroot",
    "systemd-nspawn",
)


def sandboxes(found: Sequence[str], runtime: str) -> Finding:
    """Programs that can hide `runtime`, the directory of the jobs' directories."""
    if not found:
        return ok(f"none of {' '.join(SANDBOXES)}")
    return note(
        f"{' '.join(found)}: where they hide {runtime}, the PATH of a job leads to the real gpg",
        "in gated jobs: run gpgshim inside of the sandbox, or bind that directory into it",
    )


class Setting(NamedTuple):
    """One setting of git's, as `git config --show-origin --list` prints it."""

    origin: str
    key: str
    value: str


class Route(NamedTuple):
    """A git setting that can bypass PATH: `section.….name`, harmless values, and its effect."""

    section: str
    name: str
    harmless: tuple[str, ...]
    what: str


#: Sources: git-config(1); dgit(7), and parseopts_late_defaults in dgit 17.0.
ROUTES = (
    Route("gpg", "program", ("gpg",), "git signs with this program"),
    Route("gpg.openpgp", "program", ("gpg",), "git signs with this program"),
    Route("gpg", "format", ("openpgp",), "git does not sign with gpg"),
    Route("dgit", "cmd-gpg", ("gpg",), "dgit signs tags with this program"),
    Route("dgit", "cmd-debsign", ("debsign",), "dgit has this sign the upload"),
    Route("dgit", "opts-debsign", (), "debsign is told which program signs"),
)


def route_of(setting: Setting) -> Route | None:
    """The row of ROUTES for this setting, unless its value is harmless."""
    section, _, name = setting.key.rpartition(".")
    for route in ROUTES:
        # dgit's settings are in [dgit "default"], [dgit-distro "debian"], [dgit-suite "sid"] …
        is_section = (
            section.startswith("dgit") if route.section == "dgit" else route.section == section
        )
        if is_section and name == route.name and setting.value not in route.harmless:
            by_option = setting.value.startswith("-p") and setting.value != "-pgpg"
            return route if by_option or name != "opts-debsign" else None
    return None


#: Settings that make git sign without an explicit request: key -> what is signed.
SIGNERS = {
    "commit.gpgsign": "each commit",
    "tag.gpgsign": "each tag",
    "tag.forcesignannotated": "each tag with a message",
    "push.gpgsign": "each push",
}
_NO = ("false", "no", "off", "0", "")  # git-config(1)


def git(settings: Iterable[Setting], unread: str = "") -> Finding:
    """The settings of git and dgit in force, and why some could not be read."""
    in_force = {each.key: each for each in settings}  # the last value of a key wins
    several = [
        mend(
            f"{each.origin}: {each.key} = {each.value}: {route.what}",
            f"git config {_file_option(each.origin)} --unset-all {each.key}",
        )
        for each in in_force.values()
        if (route := route_of(each))
    ]
    several += [
        note(
            f"{each.origin}: {each.key} = {each.value}: {SIGNERS[each.key]} asks to sign, and the"
            " first one in a job commits it"
        )
        for each in in_force.values()
        if each.key in SIGNERS and each.value.lower() not in _NO
    ]
    if unread:
        several.append(note(unread))
    return all_of(several, ok("git and dgit call gpg by PATH"))


def _file_option(origin: str) -> str:
    kind, _, path = origin.partition(":")
    if kind != "file":
        return "(it is in the environment)"
    return f"--file {path}" if path.startswith("/") else "--local"


# --- the process and its places -------------------------------------------------------------------

#: The signals that dgit refuses to start without (check_env_sanity in dgit 17.0).
NEEDED = ("SIGPIPE", "SIGCHLD")

#: Programs whose children inherit ignored signals; others may reset the signals for children.
SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "busybox", "tag2upload-oracled")


def signals(who: str, blocked: Sequence[str], parent: str, ignored: Sequence[str]) -> Finding:
    """Signals that `who` inherited as blocked, and signals that the program `parent` ignores."""
    several = []
    if harmful := [name for name in blocked if name in NEEDED]:
        several.append(
            mend(
                f"{who} has {' and '.join(harmful)} blocked: dgit refuses to start like that",
                "start it from where they are not: env --block-signal shows what is blocked"
                " and a new login has nothing blocked",
            )
        )
    if rest := [name for name in blocked if name not in NEEDED]:
        several.append(note(f"{who} has {' '.join(rest)} blocked, and so have its jobs"))
    if harmful := [name for name in ignored if name in NEEDED]:
        what = f"{parent} ignores {' and '.join(harmful)}"
        if parent.partition("[")[0] in SHELLS:
            several.append(
                mend(
                    f"{what}, and so does what it starts: dgit refuses to start like that",
                    "gpgshim run does that itself; elsewhere: env --default-signal=PIPE,CHLD",
                )
            )
        else:
            several.append(
                note(
                    f"{what}; whether what it starts does too cannot be seen."
                    " gpgshim run puts it right for its job"
                )
            )
    return all_of(several, ok(f"nothing that {who} needs is ignored or blocked"))


class Place(NamedTuple):
    """One of our directories.

    `fault` is why it cannot be used, or "". `exists` says whether it exists. `free` is in bytes,
    and `names` in inodes, None if the disk does not count them.
    """

    path: str
    exists: bool
    fault: str
    volatile: bool
    free: int
    names: int | None


LEAST_FREE = 64 << 20  #: bytes: some thousand journals, so that no job stops for lack of space
LEAST_NAMES = 1000


def state_directory(place: Place) -> Finding:
    """The directory of the journals, which must survive a crash."""
    several = [_room(place)]
    if place.volatile:
        several.append(
            mend(
                f"{place.path} is in memory: a crash of the machine takes the journals with it",
                "set XDG_STATE_HOME to a directory on a disk",
            )
        )
    return all_of(several, several[0])


def runtime_directory(place: Place) -> Finding:
    """The directory of the jobs' directories."""
    return _room(place)


def _room(place: Place) -> Finding:
    if place.fault:
        return mend(place.fault, f"put {place.path} right: it has to be this user's own, mode 0700")
    free = f"{place.free >> 20} MiB free"
    if place.free < LEAST_FREE or (place.names is not None and place.names < LEAST_NAMES):
        names = "" if place.names is None else f", room for {place.names} files"
        return mend(
            f"{place.path}: {free}{names}; a job whose journal cannot be written is refused",
            "make room there",
        )
    return ok(f"{place.path}{'' if place.exists else ', which will be made'}; {free}")


def trial_job(path: str, complaint: str) -> Finding:
    """Whether the stunt gpg of a job's directory under `path` became the real one."""
    if complaint:
        return mend(
            complaint, f"jobs cannot run like that; set XDG_RUNTIME_DIR to another than {path}"
        )
    return ok(f"a stunt gpg made in {path} became the real one")


# --- the oracle -----------------------------------------------------------------------------------

#: Versions of dgit-infrastructure that `make e2e` ran with; a backport counts as its original.
TRIED_DGIT = ("17.0", "17.1")
O2M_VERSION = "9"


def versions(dgit: str, protocol: str, mode: bool) -> Finding:
    """oracled's version, the version of o2m that it speaks, and whether d-r-s knows our mode."""
    if protocol != O2M_VERSION:
        return mend(
            f"tag2upload-oracled {dgit} speaks version {protocol or '?'} of its protocol,"
            f" and gpgshim {O2M_VERSION}",
            "install a gpgshim for it; until then take the stunt out of the oracle's PATH",
        )
    if not mode:
        return mend(
            f"dgit-repos-server {dgit} does not know --tag2upload12: its jobs are not gated",
            "install a gpgshim for it",
        )
    if dgit.partition("~bpo")[0] not in TRIED_DGIT:
        return note(
            f"dgit-infrastructure {dgit or 'of an unknown version'}, which gpgshim was not tried"
            f" with (but {', '.join(TRIED_DGIT)}); it speaks the same protocol"
        )
    return ok(f"dgit-infrastructure {dgit}, protocol version {protocol}")


def rehearsal(reached: bool, said: bytes, status: int | None, complaint: str) -> Finding:
    """The result of a dgit-repos-server whose dgit exits 75: see gpgshim.tag2upload.rehearsal."""
    todo = "do not rely on retries: without it every failure is final, as it is without gpgshim"
    report = o2m.parse_report(said)
    if not reached:
        return mend(
            f"dgit-repos-server did not come to run dgit, and nothing is known: {complaint}",
            "see whether dgit-infrastructure is installed whole, and of a version that is known",
        )
    if status != 0 or report is None:
        how = "did not end" if status is None else f"ended with {status}, and no whole report"
        return mend(f"dgit-repos-server {how} when dgit exited 75: {complaint}", todo)
    told = f"email {report.email.partition(' ')[0]}, {report.outcome}"
    if (report.outcome, report.email.partition(" ")[0]) != ("retriable", "unreported"):
        return mend(f"when dgit exits 75, dgit-repos-server says: {told}", todo)
    return ok(f"when dgit exits 75, dgit-repos-server says: {told}")


def deployment(found: Deployment) -> Finding:
    """Whether the stunt dgit-repos-server, and no other program, comes before Debian's."""
    source, program = found.source, found.program
    several = [
        mend(
            f"{source}: {gate} is on PATH: oracled's own probe of its key would meet it",
            f"take {gate.rpartition('/')[0]} off the oracle's PATH",
        )
        for gate in found.gates
    ]
    if program is None:
        several.append(
            mend(
                f"{source}: there is no dgit-repos-server on PATH",
                "mend PATH; see gpgshim-tag2upload(7)",
            )
        )
    elif not found.stunt:
        named = "DGIT_REPOS_SERVER_TEST names" if found.by_variable else "PATH leads to"
        several.append(
            mend(
                f"{source}: {named} {program}, which is not ours: jobs are not gated",
                "unset DGIT_REPOS_SERVER_TEST"
                if found.by_variable
                else "put a directory with a link to gpgshim's dgit-repos-server first on PATH in"
                " ~/.config/environment.d/50-gpgshim.conf; then systemctl --user daemon-reexec,"
                " and restart tag2upload-oracled",
            )
        )
    elif found.complaint or found.real is None:
        several.append(
            mend(
                f"{source}: {program} does not run: {found.complaint or 'no real one behind it'}",
                "link to the one that was installed with gpgshim; install dgit-infrastructure",
            )
        )
    elif found.beside and not found.by_variable:
        directory = program.rpartition("/")[0]
        several.append(
            mend(
                f"{source}: beside dgit-repos-server {directory} holds {' '.join(found.beside)}",
                f"leave nothing else in {directory}: it comes before all of PATH",
            )
        )
    else:
        several.append(ok(f"{source}: {program}, before {found.real}"))
    return all_of(several, several[0])


def unit(found: Unit) -> Finding:
    """The facts by which oracled decides whether it is `production`, or `testing` without jobs."""
    if found.forced:
        return ok(f"{found.fragment}: --force-production, so it takes itself for production")
    several = []
    if not found.fragment:
        several.append(
            mend(
                f"{found.source}: there is no tag2upload-oracled.service",
                "install dgit-infrastructure",
            )
        )
    elif not found.fragment.startswith(("/lib/", "/usr/lib/")):
        several.append(
            mend(
                f"{found.source}: the unit is {found.fragment}: oracled calls itself `testing`",
                f"remove {found.fragment}, so that Debian's own is used",
            )
        )
    several += [
        mend(
            f"{found.source}: the unit has the drop-in {each}: oracled calls itself `testing`",
            f"remove {each}; environment.d can set what it sets",
        )
        for each in found.drop_ins
    ]
    return all_of(several, ok(f"{found.source}: {found.fragment}, without drop-ins"))


#: Variables that lead a job to another program, and how.
VARIABLES = {
    "DGIT_DRS_DGIT": "dgit-repos-server runs this, and not the dgit that is on PATH",
    "DGIT_SSH": "dgit puts its words after the ssh that dgit-repos-server names",
}


def variables(source: str, environ: Mapping[str, str]) -> Finding:
    """Variables in a job's environment that must not be there."""
    several = [
        mend(f"{source}: {name}={environ[name]}: {what}", f"unset {name} for the oracle")
        for name, what in VARIABLES.items()
        if name in environ and not _is_harmless(name, environ[name])
    ]
    return all_of(several, ok(f"{source}: nothing in {' or '.join(VARIABLES)}"))


def _is_harmless(name: str, value: str) -> bool:
    # A DGIT_SSH of one word is replaced completely (parseopts_cmd_opts_resolve in dgit 17.0).
    return value == "dgit" if name == "DGIT_DRS_DGIT" else len(value.split()) == 1
