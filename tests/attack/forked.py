"""Runs one case in a process of its own with bounded memory and time, and says how it ended."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from mobilevit_tf.errors import UserError

_PATIENCE = 10
SENTENCE = 400  # characters: one sentence, not a dump of what came


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
      kind: "result", "refused" (a UserError), "traceback", "late" or "signal N".
      text: the sentence or the traceback.
      seconds, megabytes: what it took; memory beside what the process held at first.
    """

    kind: str
    text: str
    seconds: float
    megabytes: float

    def require_safe(self) -> None:
        """Raises AssertionError unless it gave a result or one sentence."""
        assert self.kind in ("result", "refused"), f"{self.kind}: {self.text[-1000:]}"
        if self.kind == "refused":
            assert 10 < len(self.text) < SENTENCE and "\n" not in self.text, f"no sentence: {self.text[:500]!r}"


def run(case: Callable[[], object], seconds: int = 10, megabytes: int = 1024) -> Outcome:
    """Runs `case` in a forked child. No TensorFlow may be loaded in this process: its threads do not survive a fork."""
    reader, writer = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_child(case, writer, seconds, megabytes)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    kind, _, rest = said.partition("\n")
    used, _, text = rest.partition("\n")
    if status in (-signal.SIGALRM, -signal.SIGPROF):
        kind, text = "late", f"not done after {seconds} s of computing or {_PATIENCE} times as long"
    elif status < 0 or not kind:
        kind, text = f"signal {-status}", text
    return Outcome(kind, text, time.monotonic() - start, float(used or 0))


def _run_child(case: Callable[[], object], writer: int, seconds: int, megabytes: int) -> None:
    kind, text, before = "traceback", "", _peak_mb()
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of computing: other processes do not count
        signal.alarm(_PATIENCE * seconds)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        text, kind = repr(case())[:200], "result"
    except UserError as error:
        kind, text = "refused", str(error)
    except BaseException:  # nothing may go on in the parent's code
        text = traceback.format_exc()
    finally:
        message = f"{kind}\n{_peak_mb() - before:.1f}\n{text}".encode(errors="backslashreplace")
        os.write(writer, message[:60_000])
        os._exit(0)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
