# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job under Debian's own tag2upload-oracled.service, with `systemd --user`, as we are deployed.

`python -m tools.world.deployed [SCENARIO MODE]`, as root: plays it in the root that
GPGSHIM_ROOT names, says what was seen, and fails where it is not what TAG2UPLOAD.md says of it. By
default the archive fails once, and then with the lock of gpg-agent gpg is called by its path.

1. systemd, the unit, and how our directory comes to be first on its PATH are the real ones. The
   unit's file is not touched, and has no drop-in; or oracled would call itself `testing`.
2. Everything that the unit names exists: its hosts, its directories under /srv, podman and su. They
   are stand-ins, after our directory on PATH. systemd's journal is a socket that is read into
   oracle.log.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tools.world import tag2upload as t2u
from tools.world.root import Report, enter
from tools.world.scenarios import AT_AGENT, SCENARIOS, check_promises, matches, summarise

UNIT = "tag2upload-oracled.service"
SRV = Path("/srv")
RUNTIME = Path(f"/run/user/{os.getuid()}")
JOURNAL = Path("/run/systemd/journal/stdout")
#: Mode -> that of a run without systemd, with the same settings of gpgshim.
MODES = {"deployed": "gated", f"deployed-{AT_AGENT}": AT_AGENT}
PLAYS = (("archive-503-02", "deployed"), ("round-the-gate", f"deployed-{AT_AGENT}"))
PATIENCE = 60.0  #: seconds, until systemd is there
PACE = 60.0  #: seconds; nothing here has a limit that is near


def start_oracle(first_on_path: list[Path]) -> subprocess.Popen[bytes]:
    """Start systemd, which starts the unit. The unit's output goes to WORLD/oracle.log."""
    make_srv()
    write_doubles()
    threading.Thread(target=keep_journal, args=(listen(JOURNAL),), daemon=True).start()
    config = t2u.ORACLE / ".config/environment.d"
    config.mkdir(parents=True)
    path = os.pathsep.join([*map(str, first_on_path), str(t2u.BIN), "/usr/bin", "/bin"])
    (config / "50-gpgshim.conf").write_text(f"PATH={path}\n")
    lock = t2u.WORLD / "reboot-lock"
    (config / "60-world.conf").write_text(
        f"DGIT_DRS_ANY_URL=1\nDGIT_DRS_SENDMAIL={t2u.BIN}/sendmail\n"
        f"DGIT_TEST_REBOOT_LOCK_1={lock}\nDGIT_TEST_REBOOT_LOCK_2={lock}\n"
    )
    # Not earlier: gpg looks for an agent there for any HOME, but each home must have its own.
    RUNTIME.mkdir(0o700)
    environ = t2u.make_environment(t2u.ORACLE) | {
        "PATH": "/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(RUNTIME),
        # oracled looks whether it is set; systemctl speaks to systemd's own socket.
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
    }
    with (t2u.WORLD / "systemd.log").open("wb") as log:
        systemd = subprocess.Popen(
            ["/usr/lib/systemd/systemd", "--user", "--log-target=console"],
            env=environ, cwd=t2u.ORACLE, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while systemctl(environ, "is-system-running").strip() != "running":
        if time.monotonic() > end:
            raise RuntimeError((t2u.WORLD / "systemd.log").read_text())
        time.sleep(0.1)
    systemctl(environ, "start", UNIT)
    (t2u.WORLD / "unit").write_text(
        systemctl(environ, "show", UNIT, "--property=FragmentPath,DropInPaths,ActiveState")
        + systemctl(environ, "show-environment")
    )
    return systemd


def systemctl(environ: dict[str, str], *words: str) -> str:
    words = ("systemctl", "--user", *words)
    return subprocess.run(words, env=environ, capture_output=True, text=True, check=False).stdout


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def keep_journal(listener: socket.socket) -> None:
    """Serve journald's stream socket: the output of a unit goes to WORLD/oracle.log."""

    def keep(stream: socket.socket) -> None:
        while data := stream.recv(65536):
            log.write(data)

    with (t2u.WORLD / "oracle.log").open("ab", buffering=0) as log:
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=keep, args=(stream,), daemon=True).start()


def make_srv() -> None:
    """Make what the unit's ExecStart names."""
    oracle, keyrings = SRV / "oracle.tag2upload.debian.org", SRV / "keyring.debian.org/keyrings"
    (oracle / "data").mkdir(parents=True)
    (oracle / "data/dm.txt").touch()
    (oracle / "distro=debian").symlink_to(t2u.ORACLE / "distro=debian")
    (SRV / "builder.tag2upload.debian.org/tmp").mkdir(parents=True)
    (SRV / "manager.tag2upload.debian.org").mkdir()
    (SRV / "manager.tag2upload.debian.org/run").symlink_to(t2u.WORLD)
    keyrings.mkdir(parents=True)
    (keyrings / "debian-keyring.pgp").symlink_to(t2u.ORACLE / "keyrings/debian-keyring.pgp")
    for name in ("debian-maintainers.pgp", "debian-nonupload.pgp"):  # in which the uploader is not
        t2u.export_key(t2u.ORACLE, keyrings / name)


def write_doubles() -> None:
    """The builder's podman is its null server here, and its `su` stays who it is."""
    t2u.write_script(t2u.BIN / "autopkgtest-virt-podman", "#!/bin/sh\nexec autopkgtest-virt-null\n")
    # su - builder -- -ec 'exec "$@";x' -- COMMAND
    t2u.write_script(t2u.BIN / "su", '#!/bin/sh\nshift 3\nexec sh "$@"\n')


def play(name: str, mode: str, world: Path) -> Report:
    """Play a scenario so; the report. Raises RuntimeError."""
    done = subprocess.run(
        enter(world, "tools.world.play", name, mode, str(PACE), verb="boot"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} could not be played, {mode}:\n{done.stderr}")
    report: Report = json.loads((world / "report.json").read_text())
    return report | {"unit": (world / "unit").read_text().splitlines()}


def find_faults(report: Report) -> list[str]:
    """What is otherwise than it should be, a clause each."""
    want, got = SCENARIOS[report["scenario"]].want(report["mode"]), summarise(report)
    faults = check_promises(report)
    if want is None or not matches(want, got):
        faults.append(f"what came of it is {got}")
    fidelity = [line for line in report["transcript"] if " > worker-id " in line]
    if not fidelity or not all(line.endswith(" production") for line in fidelity):
        faults.append(f"oracled says of itself: {fidelity}")
    for wanted in (
        f"FragmentPath=/usr/lib/systemd/user/{UNIT}",
        "DropInPaths=",
        "ActiveState=active",
    ):
        if wanted not in report["unit"]:
            faults.append(f"systemctl does not say {wanted}")
    return faults


def main() -> None:
    faults = []
    for name, mode in [tuple(sys.argv[1:])] if sys.argv[1:] else PLAYS:
        with tempfile.TemporaryDirectory(prefix="deployed.") as world:
            report = play(name, mode, Path(world))
        print(f"{name}, {mode}: {SCENARIOS[name].story}\n")
        print("\n".join(line for line in report["unit"] if shlex.split(line)))
        print("\n".join(["", *report["transcript"], ""]))
        print(f"{report['signed']} signatures; {len(report['remain'])} processes remained\n")
        faults += [f"{name}, {mode}: {fault}" for fault in find_faults(report)]
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
