"""`python tests/programs/probe_server.py`: probes the files named on stdin, each in a child that is forked off.

What `probe.probe` runs in a fresh process a file, in a process that starts in milliseconds. Answers with one
JSON line per file: {"status": exit status, or minus the signal that ended the child, "stderr"}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback

from mobilevit_tf.errors import run_cli
from mobilevit_tf.evaluation import probe


def answer(path: str) -> dict:
    with tempfile.TemporaryFile() as stderr:
        child = os.fork()
        if child == 0:
            _run_child(path, stderr.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        stderr.seek(0)
        return {"status": status, "stderr": stderr.read().decode(errors="replace")}


def _run_child(path: str, stderr: int) -> None:
    os.dup2(stderr, 2)
    probe.limit()
    signal.alarm(int(probe.SECONDS))
    try:
        run_cli(lambda: probe.check(path))
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr, flush=True)
        os._exit(1 if error.code else 0)
    except BaseException:  # must not go on in the server's loop
        traceback.print_exc()
        os._exit(2)


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(line.rstrip("\n"))), flush=True)


if __name__ == "__main__":
    main()
