# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs dgit's own tests in a Debian root, plain and under the gate, side by side.

`python -m tools.world.dgit_tests [TEST…]` runs them in the root that GPGSHIM_ROOT names, and writes
what came of them into dgit-tests.md, beside this file. Without names it runs all of them.

1. The tests are dgit's, fetched from the Debian mirror and checked; nothing of them is kept here.
   Only what PATCHES lists is changed, the same for both runs.
2. A test that passes plain must pass under the gate, or this fails. A test that fails plain says
   nothing about the gate, and is not run under it.
3. Each run has a world of its own, and the dgit that is installed in the root.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from gpgshim.core.transcript import parse
from tools.world.root import DEBROOT, ROOT, ask
from tools.world.scenarios import count_grants

VERSION = "12.16"  #: trixie's own; of the versions in backports and sid mirrors keep no source
SHA256 = "90e840f4a3e25ec3e0129d46d224017b9452c445f13bb8d061c47c4efc7a2266"
CHECKOUT = Path(__file__).parents[2]
BUILD = CHECKOUT / "build" / "dgit-tests"
PAGE = Path(__file__).with_name("dgit-tests.md")

#: Restrictions of tests that need what the root does not have.
MISSING = {
    "x-dgit-intree-only": "a build tree of dgit",
    "x-dgit-git-only": "dgit's git repository",
    "x-dgit-schroot-build": "a schroot",
    "x-tag2upload-service-manager": "tag2upload-service-manager",
    "x-dgit-unfinished": "an author: the test is not finished",
}

#: (file, old, new). The dgit in the root speaks version 9 of the manager's protocol, and these
#: tests version 4; it has other names for the git server's keyrings.
PATCHES = (
    *(
        ("tests/lib", f"$drs_dispatch/{old}.gpg", f"$drs_dispatch/{new}.pgp")
        for old, new in (
            ("keyrings/debian-keyring", "keyrings/debian-keyring"),
            ("keyrings/debian-maintainers", "keyrings/debian-maintainers"),
            ("keyrings/debian-nonupload", "keyrings/debian-nonupload"),
            ("debian-tag2upload", "keyrings/debian-tag2upload"),
        )
    ),
    ("tests/lib", '--noreply="', '--from="'),
    *(
        (name, "t2u-oracle-version 4", "t2u-oracle-version 9")
        for name in ("tests/lib", "tests/tests/tag2upload-oracled")
    ),
    *(
        (name, "echo ayt\n", "echo ayt; read response\n")  # software-versions, before ack
        for name in ("tests/lib", "tests/tests/tag2upload-oracled")
    ),
    ("tests/lib", '"job fake-job ', '"job fake-job not-last-attempt '),
    ("tests/lib", "echo data-end\n", "echo data-end; echo user-email uploader@example.org\n"),
    (
        "tests/lib",
        '    read response\n    case "$response" in\n',
        "    read response\n"
        '    if [ "$response" = commit-to-public-upload ]; then echo go-ahead; read response; fi\n'
        '    case "$response" in\n',
    ),
    (
        "tests/lib",
        '    read response\n    printf "%s\\n" "$response" >t2u-response',
        "    read response; read response\n"  # email, before the outcome
        '    printf "%s\\n" "$response" >t2u-response',
    ),
)

#: Tests of ours, in dgit's manner: a plain upload, and one before which the archive's query fails.
OWN_HEAD = """\
#!/bin/bash
set -e
. tests/lib
t-t2u-settings
t-debpolicy
t-t2u-native-prep
t-t2u-setup-repo
tagname=test-dummy/$v
"""
OWN = {
    "t2u-plain": """\
t-t2u-test
t-t2u-succeeded
t-pushed-good master
t-ok
""",
    "t2u-apifail": """\
t-git-debpush
dep14tagref="refs/tags/$tagname"
mkdir ../t2u
mv $tmp/aq/suites $tmp/aq/suites.away
case "$(type -p dgit-repos-server)" in
/world/deployed/*) ;;
*)      # Without the gate, dgit-repos-server has asked for the commitment by then.
        t-t2u-run-drs "$t2u_fake_salsa_repo" irrecoverable
        t-ok
        exit 0 ;;
esac
t-t2u-run-drs "$t2u_fake_salsa_repo" retriable
mv $tmp/aq/suites.away $tmp/aq/suites
t-t2u-run-drs "$t2u_fake_salsa_repo" uploaded
t-t2u-succeeded
t-ok
""",
}

LOCK = "/world/reboot-lock"  #: oracled wants one
#: What stands first on PATH in a tag2upload test under the gate, as in production.
DEPLOYED = "/world/deployed"
PREPARE = f"""
mkdir home work {DEPLOYED}
ln -s /checkout/bin/dgit-repos-server {DEPLOYED}
touch {LOCK}
tar xf dgit.tar.gz -C work --strip=1
"""
MODES = ("plain", "gated")


@dataclass
class Result:
    """What came of one run."""

    outcome: str  # passes, fails, times out
    seconds: int
    grants: int  # how many signatures the gate let through


def fetch() -> Path:
    """The source of the tests, from the mirror or from an earlier run. Raises ValueError."""
    kept = BUILD / f"dgit_{VERSION}.tar.gz"
    if not kept.exists():
        url = f"{ask('mirror').rstrip('/')}/pool/main/d/dgit/{kept.name}"
        BUILD.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=60) as answer:
            kept.write_bytes(answer.read())
    found = hashlib.sha256(kept.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{kept}: its SHA256 is {found}, and should be {SHA256}; remove the file")
    return kept


def enter(world: Path, limit: float, *words: str, log: Path | None = None) -> int:
    """Run `words` in the root; the exit status. Raises subprocess.TimeoutExpired."""
    with (log or Path("/dev/null")).open("wb") as output:
        return subprocess.run(
            [DEBROOT, "enter", ROOT, world, *words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=limit, check=False,
        ).returncode  # fmt: skip


def unpack(tar: Path, world: Path) -> Path:
    """The patched source in `world`, owned by the user of the root. Raises ValueError."""
    shutil.copy(tar, world / "dgit.tar.gz")
    if enter(world, 60, "sh", "-ec", PREPARE):
        raise ValueError(f"{tar} could not be unpacked in the root {ROOT}")
    for name, old, new in PATCHES:
        path = world / "work" / name
        text = path.read_text()
        if old not in text:
            raise ValueError(f"{name} of dgit {VERSION} does not say {old!r}")
        path.write_text(text.replace(old, new))
    for name, text in OWN.items():
        path = world / "work/tests/tests" / name
        path.write_text(OWN_HEAD + text)
        path.chmod(0o755)
    return world / "work"


def is_tag2upload(script: str) -> bool:
    """Whether this test has tag2upload-oracled run jobs."""
    return "t-t2u-settings" in script


def find_missing(script: str) -> list[str]:
    """The things that this test needs and that the root does not have."""
    words = re.findall(r"^t-restrict (\S+)", script, re.MULTILINE)
    return [MISSING[word] for word in words if word in MISSING]


def command(name: str, script: str, mode: str) -> list[str]:
    """The words that run a test in the root."""
    test = f"tests/tests/{name}"
    env = ["env", "-C", "/world/work", "XDG_STATE_HOME=/world/state"]
    env += [f"DGIT_TEST_REBOOT_LOCK_{number}={LOCK}" for number in (1, 2)]
    if mode == "plain":
        return [*env, test]
    if is_tag2upload(script):
        return [*env, f"PATH={DEPLOYED}:/usr/bin:/bin", test]
    run = ["python3", "-m", "gpgshim", "run", "--job", name, "--commit", "true", "--"]
    return [*env, "PYTHONPATH=/checkout", "PYTHONDONTWRITEBYTECODE=1", *run, test]


def run(name: str, mode: str, limit: float) -> Result | None:
    """Run one test; None if it needs what is not there. The log is kept beside the source."""
    with tempfile.TemporaryDirectory(prefix="dgit-tests.") as made:
        world = Path(made)
        work = unpack(fetch(), world)
        script = (work / "tests/tests" / name).read_text()
        if find_missing(script):
            return None
        log = BUILD / ROOT / f"{name}.{mode}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        try:
            status = enter(world, limit, *command(name, script, mode), log=log)
            outcome = "fails" if status else "passes"
        except subprocess.TimeoutExpired:
            outcome = "times out"
        seconds = round(time.monotonic() - began)
        journals = [path for path in (world / "state").rglob("*") if is_journal(path)]
        grants = sum(count_grants(parse(path.read_bytes())) for path in journals)
        with log.open("ab") as output:
            for path in journals:
                output.write(f"\n--- {path.name}\n".encode() + path.read_bytes())
        return Result(outcome, seconds, grants)


def is_journal(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def compare(name: str, limit: float) -> dict[str, Result]:
    """Run a test plain, and if it passes so, under the gate."""
    results = {}
    for mode in MODES:
        result = run(name, mode, limit)
        if result is None:
            break
        results[mode] = result
        print(f"{name}, {mode}: {result.outcome}, {result.seconds} s", flush=True)
        if result.outcome != "passes":
            break
    return results


def list_tests() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="dgit-tests.") as made:
        return sorted(path.name for path in (unpack(fetch(), Path(made)) / "tests/tests").iterdir())


def describe(results: dict[str, Result] | None) -> str:
    """The cells of one test; None if it was not tried yet."""
    if results is None:
        return "not tried yet | |"
    if not results:
        return "not run | |"
    cells = [f"{each.outcome}, {each.seconds} s" for each in results.values()]
    cells += [""] * (len(MODES) - len(cells))
    grants = str(results["gated"].grants) if "gated" in results else ""
    return f"{' | '.join(cells)} | {grants}"


def write_page(results: dict[str, dict[str, Result]], names: list[str]) -> str:
    """The table of the tests of these names, as Markdown."""
    count = Counter(
        f"{mode} {one.outcome}" for each in results.values() for mode, one in each.items()
    )
    rows = "".join(f"| {name} | {describe(results.get(name))} |\n" for name in names)
    untried = len(set(names) - set(results))
    versions = ", ".join(" ".join(line.split("\t")) for line in ask("versions", ROOT).splitlines())
    return f"""\
# dgit's own tests, plain and under the gate

`make dgit-tests` runs the tests of dgit {VERSION} in a Debian root, and writes this page. The dgit
in the root is newer than its tests, so many fail there without the gate. Only a test that passes
plain is run under the gate. `not run` is a test that needs what the root does not have (a build
tree of dgit, a schroot, a manager). `t2u-plain` and `t2u-apifail` are tests of ours with dgit's
library: in the second the archive's query fails, which is final without the gate, and is tried
again with it.

A tag2upload test has the directory of the stunt `dgit-repos-server` first on PATH, as production
has it; every other test is run by `gpgshim run --commit true`. *Granted* is the number of
signatures that the gate granted. The tests that speak the manager's protocol are patched to speak
version 9 of it, and those of the git server to name its keyrings as dgit does now; both runs are
patched alike.

Root {ROOT}: {versions}.

Plain: {count["plain passes"]} pass, {count["plain fails"]} fail, {count["plain times out"]} time \
out, {sum(not each for each in results.values())} are not run, {untried} were not tried yet.
Under the gate: {count["gated passes"]} of those that pass plain pass, {count["gated fails"]} \
fail, {count["gated times out"]} time out.

| test | plain | gated | granted |
| --- | --- | --- | --- |
{rows}"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.world.dgit_tests")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--limit", type=float, default=600, help="seconds, for each run")
    parser.add_argument("tests", nargs="*")
    given = parser.parse_args()
    kept = BUILD / f"{ROOT}.json"
    results: dict[str, dict[str, Result]] = {}
    if given.tests and kept.exists():
        results = {
            name: {mode: Result(**one) for mode, one in each.items()}
            for name, each in json.loads(kept.read_text()).items()
        }
    every = list_tests()
    names = given.tests or every
    with ThreadPoolExecutor(given.jobs) as pool:
        ran = pool.map(lambda name: compare(name, given.limit), names)
        for name, each in zip(names, ran, strict=True):
            results[name] = each
            kept.write_text(
                json.dumps(
                    {
                        name: {mode: asdict(one) for mode, one in each.items()}
                        for name, each in sorted(results.items())
                    },
                    indent=1,
                )
            )
    PAGE.write_text(write_page(results, every))
    worse = [
        f"{name} {each['gated'].outcome} under the gate, and passes without it"
        for name, each in results.items()
        if "gated" in each and each["gated"].outcome != "passes"
    ]
    sys.exit("\n".join(worse) or 0)


if __name__ == "__main__":
    main()
