# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do all processes of a job end if the test run that started it is killed?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scratch import CHECKOUT, wait_for

#: A test run: under the guard, an orphan in a session of its own that nothing would end.
RUN = """\
import subprocess, sys
from pathlib import Path
from tests.support.scratch import guarded
root = Path(sys.argv[1])
loop = "trap '' HUP TERM INT; while :; do sleep 0.01; done"
with guarded(root):
    words = ["setsid", "-f", "sh", "-c", f"echo $$; exec 1>&-; {loop}"]
    subprocess.run(words, env={"PATH": sys.argv[2], "HERE": f"{root}/x"})
    input()
"""


def is_alive(pid: int) -> bool:
    try:
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("cut_off", [True, False], ids=["killed", "at its end"])
def test_nothing_outlives_a_test_run(tmp_path: Path, cut_off: bool) -> None:
    words = [sys.executable, "-c", RUN, str(tmp_path), os.defpath]
    with subprocess.Popen(
        words, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        orphan = int(process.stdout.readline())
        assert is_alive(orphan)
        if cut_off:
            process.send_signal(signal.SIGKILL)
        else:
            process.communicate("\n")
    wait_for(lambda: not is_alive(orphan), "the orphan's end")
