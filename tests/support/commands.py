"""The project's commands as real subprocesses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The smallest whole training run: 1,438 digits, some thousand weights, two epochs of twelve steps.
TINY_RUN = (
    "--data=digits", "--variant=tiny", "--input_size=32", "--batch_size=128", "--epochs=2", "--noflip",
    "--learning_rate=1e-2", "--ema_decay=0.9",
)  # fmt: skip

# Settings for training on a handful of photos.
SMALL = ("--variant=tiny", "--input_size=32", "--batch_size=8", "--noflip", "--learning_rate=1e-2")


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without a terminal's settings, with `extra`."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **extra}


def start(*arguments: str, cwd: Path = ROOT, **extra: str) -> subprocess.Popen:
    """Starts `python ARGUMENTS`; its output is one stream."""
    command = [sys.executable, *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=cwd, env=environment(**extra), text=True, **streams)


def run(*arguments: str, cwd: Path = ROOT, **extra: str) -> subprocess.CompletedProcess:
    """Runs `python ARGUMENTS` to its end."""
    process = start(*arguments, cwd=cwd, **extra)
    output, _ = process.communicate(timeout=900)
    return subprocess.CompletedProcess(arguments, process.returncode, output)


def train(*flags: str, **extra: str) -> subprocess.CompletedProcess:
    """`python train_main.py` with TINY_RUN; later flags win."""
    return run("train_main.py", *TINY_RUN, *flags, **extra)
