"""What it takes to repeat a result: the exact command, versions, git commit, hardware. Loads no TensorFlow."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import mobilevit_tf

_PACKAGES = ("tensorflow", "tf-keras", "numpy", "pillow", "scikit-learn")


def collect() -> dict[str, object]:
    """All of the facts below by name, ready for JSON."""
    return {
        "command": shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),  # no path of this machine
        "git_commit": git_commit(),
        "versions": versions(),
        "hardware": hardware(),
        "finished": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str]:
    """Version by name of this project, Python, the system and the libraries that decide the numbers."""
    own = {"mobilevit-tf": mobilevit_tf.__version__, "python": platform.python_version(), "system": platform.platform()}
    return own | {package: metadata.version(package) for package in _PACKAGES}


def git_commit() -> str:
    """Hash of the checked-out commit, with "-dirty" where tracked files differ from it; "none" outside a checkout."""
    root = Path(mobilevit_tf.__file__).parent.parent
    if not (root / ".git").exists():
        return "none"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "none"


def hardware() -> str:
    """Processor, cores that this process may use, memory, and the GPUs where TensorFlow is loaded."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [processor(), f"{cores} cores", f"{memory:.0f} GiB memory", *_gpus()]
    return ", ".join(parts)


def processor() -> str:
    """The processor's name, where the system tells; otherwise its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _gpus() -> list[str]:
    if "tensorflow" not in sys.modules:
        return []
    config = sys.modules["tensorflow"].config
    devices = config.list_physical_devices("GPU")
    return [config.experimental.get_device_details(device).get("device_name", "GPU") for device in devices]
