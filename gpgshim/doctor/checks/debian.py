"""Diagnoses dgit, debsign and debuild."""

from __future__ import annotations

import re

from gpgshim.doctor.checks.finding import Finding, all_of, mend, note, ok


def dgit(oracle: bool, path: str) -> Finding:
    """The real dgit, by its path; "" if there is none."""
    if path:
        return ok(path)
    if oracle:
        return mend("there is no dgit on PATH", "install dgit")
    return note("there is no dgit")


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
