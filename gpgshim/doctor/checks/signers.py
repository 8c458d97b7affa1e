# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of programs that sign, or that choose a gpg of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.check import Check
from gpgshim.doctor.checks.facts import NoAnswer
from gpgshim.doctor.checks.finding import Finding, Past, combine, fault, note, ok

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gpgshim.doctor.checks.facts import Machine


class Setting(NamedTuple):
    """A setting of git: its origin (`KIND:FILE`), its key and its value."""

    origin: str
    key: str
    value: str


class Git(NamedTuple):
    """The settings of git, in git's order; `unread` says that the repository's are missing."""

    settings: Sequence[Setting]
    unread: bool = False


def gather_git(machine: Machine) -> Git:
    words = ("config", "--list", "--show-origin", "-z")
    try:
        return Git(read_settings(machine.output("git", *words, here=True)))
    except (OSError, NoAnswer):
        # With an invalid repository, git reads only the settings of the user and of the machine.
        return Git(read_settings(machine.output("git", "--git-dir=/dev/null", *words)), True)


def read_settings(listed: str) -> list[Setting]:
    """The settings from `git config --list --show-origin -z`: ORIGIN NUL KEY LF VALUE NUL ...

    Source: git-config(1). A key without a value has no line feed, and is true.
    """
    parts = listed.split("\0")
    found = []
    for origin, setting in zip(parts[::2], parts[1::2], strict=False):
        key, line_feed, value = setting.partition("\n")
        found.append(Setting(origin, key, value if line_feed else "true"))
    return found


class Route(NamedTuple):
    """A setting of git that can lead past PATH: its section and name, and its effect.

    With a value in `harmless` it does not.
    """

    section: str
    name: str
    harmless: tuple[str, ...]
    effect: str


#: Sources: git-config(1); dgit(7), and parseopts_late_defaults in dgit 17.0.
ROUTES = (
    Route("gpg", "program", ("gpg",), "git signs with this program"),
    Route("gpg.openpgp", "program", ("gpg",), "git signs with this program"),
    Route("gpg", "format", ("openpgp",), "git does not sign with gpg"),
    Route("dgit", "cmd-gpg", ("gpg",), "dgit signs tags with this program"),
    Route("dgit", "cmd-debsign", ("debsign",), "dgit signs the upload with this program"),
    Route("dgit", "opts-debsign", (), "dgit passes to debsign which program signs"),
)


def route_of(setting: Setting) -> Route | None:
    """The row of ROUTES for this setting, unless its value is harmless."""
    section, _, name = setting.key.rpartition(".")
    for route in ROUTES:
        # dgit's settings are in [dgit "default"], [dgit-distro "debian"], [dgit-suite "sid"] ...
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


def past_git(found: Git) -> list[Past]:
    """The settings that lead past PATH."""
    return [
        Past(
            f"{each.origin}: {each.key} = {each.value}: {route.effect}",
            f"git config {_file_option(each.origin)} --unset-all {each.key}",
        )
        for each in _in_force(found)
        if (route := route_of(each))
    ]


def _in_force(found: Git) -> Collection[Setting]:
    return {each.key: each for each in found.settings}.values()  # the last value of a key wins


def diagnose_git(found: Git) -> Finding:
    several = [fault(*each) for each in past_git(found)]
    several += [
        note(
            f"{each.origin}: {each.key} = {each.value}: git signs {SIGNERS[each.key]}, and the"
            " first signature in a job commits it"
        )
        for each in _in_force(found)
        if each.key in SIGNERS and each.value.lower() not in _NO
    ]
    if found.unread:
        several.append(
            note("git cannot read the settings of the repository here: their effect is unknown")
        )
    return combine(several, ok("git and dgit look for gpg on PATH"))


def _file_option(origin: str) -> str:
    kind, _, path = origin.partition(":")
    if kind != "file":
        return "(the setting is in the environment)"
    return f"--file {path}" if path.startswith("/") else "--local"


GIT = Check(
    "git",
    looks_at="gpg.program, gpg.format, commit.gpgsign, dgit*.cmd-gpg and similar settings, here",
    why="with such a setting git or dgit signs past the gate, or signs each commit",
    gather=gather_git,
    diagnose=diagnose_git,
    needs="git",
)


def gather_rpm(machine: Machine) -> str:
    return machine.output("rpm", "--eval", "%{__gpg}").strip()


def past_rpm(macro: str) -> list[Past]:
    """For rpm's macro %__gpg, as `rpm --eval` prints it: an unknown macro is printed unchanged."""
    if macro == "gpg":
        return []
    names = "no gpg" if macro in ("", "%{__gpg}") else macro
    return [
        Past(
            f"rpm's macro %__gpg names {names}, and not the gpg on PATH",
            'in gated jobs: rpmsign --define "__gpg $(command -v gpg)"',
        )
    ]


def diagnose_rpm(macro: str) -> Finding:
    several = [note(*each) for each in past_rpm(macro)]
    return combine(several, ok("rpmsign looks for gpg on PATH"))


RPM = Check(
    "rpm",
    looks_at="the gpg that rpm's macro %__gpg names",
    why="rpmsign does not look for gpg on PATH",
    gather=gather_rpm,
    diagnose=diagnose_rpm,
    needs="rpm",
)


class Gpgme(NamedTuple):
    """The gpg that gpgconf names, or "", and the real gpg; `same`: they are one file."""

    named: str
    real: str
    same: bool


def gather_gpgme(machine: Machine) -> Gpgme:
    # gpgconf(1): each line is NAME:DESCRIPTION:PATH.
    rows = [line.split(":") for line in machine.output("gpgconf", "--list-components").splitlines()]
    named = next((row[2] for row in rows if row[0] == "gpg" and len(row) > 2), "")
    real = machine.gpg
    return Gpgme(named, real, bool(named) and machine.resolve(named) == machine.resolve(real))


def diagnose_gpgme(found: Gpgme) -> Finding:
    if not found.named:
        return note("gpgconf names no gpg, so gpgme finds none")
    gated = "in a job, gpgme gets the stunt gpg"
    if found.same:
        return ok(gated)
    return note(gated, f"elsewhere it gets {found.named}, and not {found.real} from PATH")


GPGME = Check(
    "gpgme",
    looks_at="the gpg that gpgconf names",
    why="gpgme looks for gpgconf on PATH, and takes gpg's path from its output",
    gather=gather_gpgme,
    diagnose=diagnose_gpgme,
    needs="gpgconf",
)

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


class Others(NamedTuple):
    """Other programs that sign, name -> path. `builds`: dpkg-buildpackage is installed."""

    oracle: bool
    builds: bool
    found: Mapping[str, str]


def gather_others(machine: Machine) -> Others:
    found = {name: path for name in OTHERS if (path := machine.find(name))}
    return Others(machine.is_oracle, bool(machine.find("dpkg-buildpackage")), found)


def diagnose_others(found: Others) -> Finding:
    several = []
    for name, path in found.found.items():
        if OTHERS[name] and found.builds and not found.oracle:
            several.append(
                fault(
                    f"{path}: dpkg-buildpackage signs with it, and not with gpg",
                    "in gated jobs: dpkg-buildpackage --sign-backend=gpg --sign-command=gpg",
                )
            )
        else:
            several.append(note(f"{path}: signatures with this program are not gated"))
    return combine(several, ok(f"none of {' '.join(OTHERS)}"))


OTHER_PROGRAMS = Check(
    "other programs",
    looks_at="gpg2, gpgtar, gpg-sq, sq and programs for sop on PATH",
    why="signatures that these programs make go past the gate",
    gather=gather_others,
    diagnose=diagnose_others,
)
