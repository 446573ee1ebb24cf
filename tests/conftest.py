"""What several tests share and is slow to make: made once a session, by processes of their own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.preview_server import PreviewServer

ROOT = Path(__file__).resolve().parents[1]
PROJECT_PYTHON = os.environ.get(
    "PROJECT_PYTHON", sys.executable
)  # the browser's tests run in an environment without it


def succeed(*command: str) -> str:
    """What a Python script of the project prints; it must end well."""
    made = subprocess.run([PROJECT_PYTHON, *command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills once for all the processes that pytest-xdist runs the tests in."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder = root / name
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel lets go of it when the file is closed
        if not folder.exists():
            folder.mkdir()
            make(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the .tflite files of `tflite_fixture.py`."""

    def make(folder: Path) -> None:
        succeed(str(ROOT / "tests" / "programs" / "tiny_tflite.py"), str(folder))

    return made_once(tmp_path_factory, "tiny_tflite", make)


@pytest.fixture(scope="session")
def preview(tiny_tflite: Path) -> Iterator[PreviewServer]:
    """The preview as a user starts it, with the float and the int8 model, its network blocked."""
    models = [f"--model={tiny_tflite / name}" for name in ("float.tflite", "int8.tflite")]
    with PreviewServer(PROJECT_PYTHON, *models) as server:
        yield server


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory: a tiny model that knows the digits."""

    def make(folder: Path) -> None:
        succeed(str(ROOT / "tests" / "programs" / "small_run.py"), str(folder / "tiny_digits"))

    return made_once(tmp_path_factory, "run", make) / "tiny_digits"


@pytest.fixture(scope="session")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model_MODE.tflite and its reports in every mode, and stdout.txt, made by the real command."""

    def make(folder: Path) -> None:
        flags = [f"--run={trained_run}", f"--output={folder / 'model.tflite'}", "--epochs=1", "--calibration_images=64"]
        (folder / "stdout.txt").write_text(succeed("quantize/export.py", *flags, "--mode=all"))

    return made_once(tmp_path_factory, "exported", make)


@pytest.fixture(scope="session")
def int8_ptq(exported: Path) -> Path:
    """The tiny model's int8 file without fine-tuning."""
    return exported / "model_int8_ptq.tflite"


@pytest.fixture(scope="session")
def float32(exported: Path) -> Path:
    """The tiny model's float32 file."""
    return exported / "model_float32.tflite"
