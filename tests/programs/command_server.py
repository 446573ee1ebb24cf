"""`python tests/programs/command_server.py`: runs the project's commands, each in a child that is forked off.

What `python train_main.py ...` does in a fresh process, without the seconds that TensorFlow takes to load. Reads one
JSON line a command, {"arguments": [script, flag, ...], "output": file}; answers with the child's process id, and
where it has ended with its exit status, or minus the signal that ended it.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback

import mobilevit_tf.train.session  # noqa: F401  loads TensorFlow, and starts nothing of it
import quantize.job  # noqa: F401


def _run_child(arguments: list[str], output: str) -> None:
    stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), stream, stream)):
        os.dup2(descriptor, number)
    status = 2
    try:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # must not go on in the server's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run_child(**json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
