"""The progress bar: drawn on a terminal, one plain line every so often in a log."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

WORK = """
import time
from mobilevit_tf import progress
progress.LINE_SECONDS = 0.4
with progress.ProgressBar(total=20, desc="work", unit="photo") as bar:
    for index in range(20):
        time.sleep(0.05)
        bar.update()
        if index % 5 == 4:
            bar.write(f"epoch {index // 5}")
"""


def in_a_terminal(code: str) -> str:
    """What a Python script writes to a terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen([sys.executable, "-c", code], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL):
        os.close(theirs)
        written = b""
        while True:
            try:
                written += os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
    os.close(ours)
    return written.decode()


def test_a_log_gets_a_line_every_so_often_and_no_carriage_return():
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True)
    assert "\r" not in done.stderr + done.stdout
    lines = done.stderr.splitlines()
    assert 2 <= len(lines) <= 4  # a second of work, a line each 0.4 s, and the last
    assert all(line.startswith("work: ") for line in lines)
    assert lines[-1].startswith("work: 100%, 20 of 20, ")
    assert done.stdout.splitlines() == ["epoch 0", "epoch 1", "epoch 2", "epoch 3"]


def test_short_work_says_nothing_in_a_log():
    code = WORK.replace("0.4", "60.0")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_terminal_gets_a_bar_that_is_drawn_over_itself():
    written = in_a_terminal(WORK)
    assert written.count("\rwork: ") > 5 and "epoch 3" in written


IMPORT = re.compile(r"^\s*(from|import) tqdm", re.MULTILINE)


def test_every_bar_of_the_project_is_this_one():
    root = Path(__file__).resolve().parents[2]
    folders = ("mobilevit_tf", "quantize", "benchmarks", "preview")
    users = [
        path for folder in folders for path in (root / folder).rglob("*.py") if IMPORT.search(path.read_text("utf-8"))
    ]
    assert [path.name for path in users] == ["progress.py"]
