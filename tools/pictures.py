# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures in doc/: of real jobs, of a real terminal's bytes, in a real browser.

Rule 1: nothing is drawn by hand. The jobs are those of the demo, and some with other outcomes.
Rule 2: of this machine a picture shows only the name of a directory that is removed afterwards.
"""

from __future__ import annotations

import base64
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from html import escape

from tests.support.browser import CHROMIUM, Browser, open_browser
from tests.support.scratch import CHECKOUT
from tools import demo
from tools.world.gated import find_gpgshim, open_manager, run_attempt
from tools.world.upload import SOURCE, World, open_world

DIRECTORY = CHECKOUT / "doc"
COLUMNS = 112  # of the terminal
SHADES = 48  # of a picture

#: Select Graphic Rendition, as terminal.CODES has it -> a style.
STYLES = {
    "32": "color:#116611",
    "33": "color:#8a5a00",
    "1;31": "color:#b00000;font-weight:bold",
    "1": "font-weight:bold",
    "2": "color:#666",
}

TERMINAL = """\
<!DOCTYPE html><meta charset="utf-8">
<style>body { margin: 0; background: #fff } pre { display: inline-block; margin: 0; padding: 14px;
 font: 13px/1.3 "DejaVu Sans Mono", monospace; color: #111; border: 1px solid #888 }</style>
<pre>"""

#: Job -> (options of `gpgshim run`, the job): each ends as a job may.
JOBS = {
    "tests-fail": (("--commit", "true"), "exit 1"),
    "refused": (("--commit", "false"), "gpg -b file"),
    "dput-fails": (("--commit", "true"), "gpg -b file && exit 2"),
    "no-answer": (("--deadline", "0.5", "--commit", "sleep 60"), "gpg -b file"),
}


def run(world: World, *words: str) -> None:
    """`gpgshim run words…` in the world, to its end."""
    subprocess.run([*find_gpgshim(), "run", *words], env=world.env, cwd=world.root, check=False)


def on_a_terminal(world: World, *words: str) -> str:
    """What `gpgshim words…` writes to a terminal."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 50, COLUMNS, 0, 0))
    env = {**world.env, "TERM": "xterm"}
    env.pop("COLUMNS", None)
    with subprocess.Popen([*find_gpgshim(), *words], env=env, stdout=its, stdin=its) as process:
        os.close(its)
        said = b""
        try:
            while more := os.read(ours, 1 << 16):
                said += more
        except OSError:
            pass  # EIO: the other end is closed
        os.close(ours)
    assert process.returncode == 0
    return said.decode("ascii").replace("\r\n", "\n")


def as_page(prompt: str, said: str) -> str:
    """A terminal's bytes as a page."""
    text = f"$ {escape(prompt)}\n{escape(said)}"
    for code, style in STYLES.items():
        text = text.replace(f"\033[{code}m", f'<span style="{style}">')
    text = text.replace("\033[0m", "</span>")
    assert "\033" not in text, "a control sequence that this does not know"
    return TERMINAL + text + "</pre>"


def take(browser: Browser, name: str, selector: str, until: str = "") -> None:
    """Write doc/NAME.png: from the top of `selector` to the end of `until`, by default the same."""
    box = browser.tell(
        f"(() => {{ const a = document.querySelector({selector!r}).getBoundingClientRect(),"
        f" b = document.querySelector({until or selector!r}).getBoundingClientRect();"
        " return [a.left, a.top, a.width, b.bottom - a.top] })()"
    )
    margin = 0 if selector == "pre" else 8
    x, y, width, height = box
    clip = {
        "x": max(0, x - margin),
        "y": max(0, y - margin),
        "width": width + 2 * margin,
        "height": height + 2 * margin,
        "scale": 1,
    }
    shot = browser.do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    data = base64.b64decode(shot["data"])
    words = ["pngquant", "--strip", f"{SHADES}", "-"]  # a page has few colours
    data = subprocess.run(words, input=data, stdout=subprocess.PIPE, check=True).stdout
    (DIRECTORY / f"{name}.png").write_bytes(data)
    print(f"doc/{name}.png: {len(data) / 1000:.0f} kB, {width:.0f} by {height:.0f}")


def make_jobs(world: World) -> subprocess.Popen[bytes]:
    """Jobs that have ended in each way, and one that is under way."""
    (world.root / "file").write_text("what is signed\n")
    for name, (options, command) in JOBS.items():
        run(world, "--job", name, *options, "--", "sh", "-c", command)
    words = [
        "run",
        "--job",
        "killed",
        "--commit",
        "true",
        "--",
        "sh",
        "-c",
        "gpg -b file; sleep 99",
    ]
    killed = subprocess.Popen([*find_gpgshim(), *words], env=world.env, cwd=world.root)
    journal = world.state / "gpgshim/killed.1"
    while not journal.exists() or "= go" not in journal.read_text():
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    with open_manager(world) as manager:
        run_attempt(world, manager, 1)
        run_attempt(world, manager, 2)
    words = ["run", "--job", "asking", "--commit", "sleep 60", "--", "sh", "-c", "gpg -b file"]
    asking = subprocess.Popen([*find_gpgshim(), *words], env=world.env, cwd=world.root)
    journal = world.state / "gpgshim/asking.1"
    while not journal.exists() or "> commit" not in journal.read_text():
        time.sleep(0.05)
    return asking


def main() -> int:
    if CHROMIUM is None or shutil.which("pngquant") is None:
        print("pictures: needs chromium and pngquant", file=sys.stderr)
        return 69
    DIRECTORY.mkdir(exist_ok=True)
    with open_world(demo.LATE) as world, open_browser(CHROMIUM) as browser:
        asking = make_jobs(world)
        file = world.root / "picture.html"
        for name, words in (("status", ["status"]), ("show", ["show", SOURCE])):
            said = on_a_terminal(world, *words)
            file.write_text(as_page(f"gpgshim {' '.join(words)}", said))
            browser.open(file, 1400, 800)
            take(browser, name, "pre")
        words = [*find_gpgshim(), "show", SOURCE, "--html", str(file)]
        subprocess.run(words, env=world.env, check=True)
        browser.open(file, 940, 800)
        take(browser, "page", "h1", "figure")
        browser.open(file, 375, 800, 1.5)
        take(browser, "page-telephone", "figure")
        asking.send_signal(signal.SIGTERM)
        asking.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
