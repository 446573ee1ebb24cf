"""Starts demo_app.py as a process of its own, for the tests; standard library only."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 120.0


def free_port() -> int:
    """A port of this computer that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class PreviewServer:
    """`with PreviewServer(python, "--model=...") as server`: server.url answers; server.report after the end.

    Attributes:
      url: of the page, such as http://127.0.0.1:7860/.
      log: everything that it printed so far.
      report: what `preview_guard.py` saw in the process; filled when it has ended.
    """

    def __init__(self, python: str, *flags: str, script: str = "demo_app.py"):
        self.url, self.log, self.report = "", "", {}
        guard = str(ROOT / "tests" / "programs" / "preview_guard.py")
        self._command = [python, guard, script, f"--port={free_port()}", *flags]

    def __enter__(self) -> PreviewServer:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        until = time.monotonic() + START_LIMIT_S
        while not self.url and time.monotonic() < until:
            line = self.process.stdout.readline()
            self.log += line
            if match := re.match(r"Open (http://\S+) ", line):
                self.url = match[1]
            if not line and self.process.poll() is not None:
                break
        assert self.url, self.log
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        """Keeps on reading: a server whose pipe is full would wait for ever."""
        for line in self.process.stdout:
            self.log += line

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the process as a terminal does and reads the rest of what it printed."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        lines = [line for line in self.log.splitlines() if line.startswith("GUARD ")]
        self.report = json.loads(lines[-1].removeprefix("GUARD ")) if lines else {}

    def memory_mb(self) -> float:
        """Resident memory of the process."""
        return self._status("VmRSS") / 1024

    def peak_memory_mb(self) -> float:
        """The most that it was so far."""
        return self._status("VmHWM") / 1024

    def _status(self, field: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1])
