"""Diagnoses programs that sign, or that choose a gpg of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.finding import Finding, all_of, mend, note, ok

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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


def rpm(macro: str) -> Finding:
    """rpm's macro %__gpg, as `rpm --eval` prints it."""
    if macro == "gpg":
        return ok("rpmsign calls gpg by PATH")
    names = "no gpg" if macro in ("", "%{__gpg}") else macro
    return note(
        f"rpm's macro %__gpg names {names}, and not the gpg that is on PATH",
        'in gated jobs: rpmsign --define "__gpg $(command -v gpg)"',
    )


def gpgme(path: str, real: str) -> Finding:
    """`path` is the gpg that gpgconf names, or ""; `real` is the gpg on PATH."""
    if not path:
        return note("gpgconf names no gpg: gpgme finds none")
    gated = "in a job, gpgme is told of the stunt gpg"
    return ok(gated) if path == real else note(gated, f"elsewhere of {path}, not of PATH's {real}")


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
