"""Diagnoses the real gpg, its conf files and its secret key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpgshim.doctor.checks.finding import Finding, all_of, mend, note, ok
from gpgshim.gpgargs.optiontable import CHAMELEON

if TYPE_CHECKING:
    from collections.abc import Sequence


def gpg(path: str, version: str, maker: str, exact: bool, unknown: Sequence[str]) -> Finding:
    """The real gpg: `exact` is Table.exact, `unknown` its commands that we do not know."""
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
