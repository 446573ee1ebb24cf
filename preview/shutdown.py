"""The end of the process: at once and without leftovers, whatever its threads are doing."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

STARTED = threading.Event()  # work that is queued looks here, and goes no further
_TRIES = 20  # threads may still write while their folder is removed


def remove(folder: Path) -> None:
    """Removes a folder that other threads may be writing to."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.02)


def on_signals() -> None:
    """SIGTERM and Ctrl-C end the process with status 0: what `atexit` holds is run, threads are not waited for."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(_number: int, _frame: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # a second one changes nothing
        signal.signal(number, signal.SIG_IGN)
    STARTED.set()
    try:
        atexit._run_exitfuncs()  # Python itself would first wait for the photos that wait in thread pools
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # the terminal may be gone
                stream.flush()
    finally:
        os._exit(0)
