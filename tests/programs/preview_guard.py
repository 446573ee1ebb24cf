"""`python preview_guard.py SCRIPT ...` runs a script with every network but loopback blocked.

When the script ends it prints one line, "GUARD " and JSON: the addresses that were asked for and refused, the modules
of TensorFlow and its kin that were loaded, and the folder of the uploads.
"""

from __future__ import annotations

import atexit
import json
import runpy
import sys
from pathlib import Path

HEAVY = {"tensorflow", "tf_keras", "keras", "torch", "tensorflow_datasets", "tensorflow_model_optimization"}
refused: list[str] = []


def _guard(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"  # a path is a local socket
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if str(host) not in ("127.0.0.1", "localhost", "::1", "None", ""):
        refused.append(str(host))
        raise OSError(f"the network is blocked: {host}")


def _report() -> None:
    setup = sys.modules.get("preview.gradio_setup")
    report = {
        "refused": refused,
        "heavy": sorted(HEAVY & {name.split(".")[0] for name in sys.modules}),
        "uploads": str(setup.UPLOADS) if setup else "",
    }
    print("GUARD " + json.dumps(report), flush=True)


sys.addaudithook(_guard)
atexit.register(_report)
sys.argv = sys.argv[1:]
sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
runpy.run_path(sys.argv[0], run_name="__main__")
