"""A .tflite of unknown origin runs here first: in a child process with bounded memory and time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.evaluation.tflite_model import TFLiteModel

MEMORY_BYTES = 2**30  # beside what the runtime itself takes: a MobileViT-S at 320 pixels needs a tenth of it
SECONDS = 60.0
MAX_STDERR_BYTES = 2**16  # of its end


def probe(path: str | Path, timeout_s: float = SECONDS) -> None:
    """Loads and runs a file once in a child process, where a crash, a loop or a flood of memory hurts nobody.

    Raises:
      UserError: with the child's sentence, or saying that the file crashed the runtime.
    """
    command = [sys.executable, "-m", "mobilevit_tf.evaluation.probe", str(path)]
    with tempfile.TemporaryFile() as stderr:
        # The child ends when its stdin does: a pipe that this process holds, until it ends itself in whatever way
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr) as child:
            try:
                child.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                child.kill()
                late = f"{path} did not answer within {timeout_s:.0f} s: it is damaged, export it again"
                raise UserError(late) from error
        stderr.seek(max(0, stderr.seek(0, os.SEEK_END) - MAX_STDERR_BYTES))
        said = stderr.read().decode(errors="replace")
    if child.returncode == 0:
        return
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    raise UserError(lines[-1].removeprefix("error: ") if lines else f"{path} crashes the runtime: it is damaged")


def limit(memory_bytes: int = MEMORY_BYTES, seconds: float = SECONDS) -> None:
    """Bounds what this process may take from here on: address space beyond today's, and seconds of computing."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not Linux: the time alone is bounded
        return
    most = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def check(path: str) -> None:
    """Loads the file and runs it on a black picture and on noise. Raises UserError."""
    try:
        model = TFLiteModel(path)
        shape = (*model.spec.size, 3)
        black, noise = np.zeros(shape, np.uint8), np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        for image in (black, noise):
            scores = model.scores(image)
            if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1.001):
                raise UserError(f"{path} gives numbers that are no scores: it is damaged, export it again")
    except MemoryError as error:
        raise UserError(f"{path} asks for more than {MEMORY_BYTES // 2**20:,} MB of memory: it is damaged") from error
    except UserError:
        raise
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path} does not run: it is damaged, export it again") from error


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing is ever written there
    os._exit(1)


def _main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit()
    check(sys.argv[1])


if __name__ == "__main__":
    run_cli(_main)
