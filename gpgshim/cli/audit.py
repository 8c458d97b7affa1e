# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb that finds the grant of a signature: audit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpgshim.cli import options
from gpgshim.cli.group import cli
from gpgshim.core.quoting import escape
from gpgshim.supervisor.realgpg import find_gpg
from gpgshim.system import places
from gpgshim.system.errors import Malformed, Misused, Unable
from gpgshim.system.ownprocess import caller_environ

if TYPE_CHECKING:
    from gpgshim.history.search import Place, Searched
    from gpgshim.history.signed import Signature

JSON_VERSION = 1  #: the version of --json; it grows when a field is removed or changes its meaning


@cli.command("audit")
@click.option(
    "--signature",
    metavar="SIG",
    type=click.Path(path_type=Path),
    help="The file with the signature: detached, or with its data in it, as `gpg --clearsign` and"
    " `gpg --sign` make them. A .dsc and a .changes are such files.",
)
@click.option(
    "--git",
    "name",
    metavar="TAG-OR-COMMIT",
    help="The signature of a tag or of a commit in the git repository of this directory.",
)
@options.GPG
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
def audit_signature(
    signature: Path | None, name: str | None, gpg: str | None, as_json: bool, file: Path | None
) -> int:
    """Find the attempt and the grant under which a signature was made.

    FILE is the signed file of a detached signature. The journals of attempts with --lock-agent have
    the digest of each signature by gpg-agent. An attempt without this lock leaves no digest, so its
    signatures are not found. gpg needs the public key of the signature.

    The exit status is 0 if journals here know all signatures, 1 if one is not known, 65 if one
    cannot be checked. gpgshim-audit(1) describes each field of --json. No field will be removed, or
    change its meaning, while `version` is 1.

    \b
    Examples:
      gpgshim audit --signature hello_1.0.tar.gz.asc hello_1.0.tar.gz
      gpgshim audit --signature hello_1.0-1.dsc
      gpgshim audit --git v1.0
    """
    import json

    from gpgshim.history import signed

    environ = caller_environ()
    if (signature is None) is (name is None):
        raise Misused("name the signature, with --signature SIG or with --git TAG-OR-COMMIT")
    if name is not None and file is not None:
        raise Misused("--git takes no FILE: the signed data is in the repository")
    found_gpg = find_gpg(os.environ.get("PATH", os.defpath), options.settings_for(gpg=gpg).gpg)
    environ["PATH"] = places.without_stunts(environ.get("PATH", os.defpath))
    reader = signed.Gpg(found_gpg, environ)
    if signature is not None:
        found = signed.read(reader, signature, file)
    else:
        found = signed.read_object(reader, name or "")
    directory = places.state_directory(dict(os.environ))
    searched = _search(directory, found)
    if as_json:
        click.echo(json.dumps(_as_json(directory, found, searched), indent=2))
    else:
        for line in _lines(directory, found, searched):
            click.echo(escape(line))
    return _status(found, searched)


def _search(directory: Path, found: list[Signature]) -> Searched:
    """Search the journals; on a terminal the progress is shown. Raises Unable."""
    from gpgshim.cli.progress import Progress
    from gpgshim.history import search

    wanted = [each.wanted for each in found if each.wanted]
    try:
        with Progress("journals read") as progress:
            return search.search(directory, wanted, progress)
    except FileNotFoundError:
        return search.nothing(wanted)  # no job ran so far
    except OSError as error:
        raise Unable(f"the jobs in {directory} cannot be read: {error.strerror}") from error


def _is_known(signature: Signature, searched: Searched) -> bool:
    from gpgshim.summary.audit import KNOWN

    places = searched.places[signature.wanted] if signature.wanted else []
    return any(each.mention.result in KNOWN for each in places)


def _status(found: list[Signature], searched: Searched) -> int:
    if not all(each.wanted for each in found):
        return Malformed.status
    return int(not all(_is_known(each, searched) for each in found))


def _lines(directory: Path, found: list[Signature], searched: Searched) -> Iterator[str]:
    """The answer for people."""
    for each in found:
        yield _title(each)
        if not each.wanted:
            yield f"  its digest is not known: {each.fault}"
            continue
        for place in searched.places[each.wanted]:
            name = f"{place.job}.{place.attempt}"
            yield f"  {name}: {place.mention.text} [{place.journal}]"
        if not _is_known(each, searched):
            yield f"  no journal in {directory} knows it"
    yield from _limits(searched)


def _title(signature: Signature) -> str:
    checked, wanted, _ = signature
    at = f" at {_time(checked.made)}" if checked.made else ""
    digest = f": digest {wanted.digest} by key {wanted.key}" if wanted else ""
    return f"signature by {checked.key or 'a key'}{at}{digest}"


def _limits(searched: Searched) -> Iterator[str]:
    """What the journals could not tell."""
    of = f"of {searched.journals} journals"
    if searched.without_lock:
        yield f"{searched.without_lock} {of} are of attempts without --lock-agent: no digests"
    if searched.unreadable:
        yield f"{searched.unreadable} {of} could not be read"
    if searched.without_digest:
        yield f"{searched.without_digest} signatures in the journals have no digest"


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _as_json(directory: Path, found: list[Signature], searched: Searched) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "directory": str(directory),
        "journals": searched.journals,
        "without_lock": searched.without_lock,
        "unreadable": searched.unreadable,
        "without_digest": searched.without_digest,
        "signatures": [
            {
                "check": str(each.checked.check),
                "by": each.checked.key or None,
                "made": _time(each.checked.made) if each.checked.made else None,
                "key": each.wanted and each.wanted.key,
                "algorithm": each.wanted and each.wanted.algorithm,
                "digest": each.wanted and each.wanted.digest,
                "fault": each.fault or None,
                "known": _is_known(each, searched) if each.wanted else None,
                "attempts": [_place(place) for place in searched.places.get(each.wanted, [])]
                if each.wanted
                else [],
            }
            for each in found
        ],
    }


def _place(place: Place) -> dict[str, Any]:
    where = {"job": place.job, "attempt": place.attempt, "journal": place.journal}
    return where | place.mention.as_json
