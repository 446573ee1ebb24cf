"""What several tests share and is slow to make: made once a session, by processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from preview_server import PreviewServer

ROOT = Path(__file__).resolve().parents[1]
PROJECT_PYTHON = os.environ.get(
    "PROJECT_PYTHON", sys.executable
)  # the browser's tests run in an environment without it


@pytest.fixture(scope="session")
def tiny_tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the .tflite files of `tflite_fixture.py`."""
    folder = tmp_path_factory.mktemp("tiny_tflite")
    command = [PROJECT_PYTHON, str(ROOT / "tests" / "tflite_fixture.py"), str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def preview(tiny_tflite: Path) -> Iterator[PreviewServer]:
    """The preview as a user starts it, with the float and the int8 model, its network blocked."""
    models = [f"--model={tiny_tflite / name}" for name in ("float.tflite", "int8.tflite")]
    with PreviewServer(PROJECT_PYTHON, *models) as server:
        yield server


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory: a tiny model that knows the digits."""
    folder = tmp_path_factory.mktemp("run") / "tiny_digits"
    command = [PROJECT_PYTHON, str(ROOT / "tests" / "quantize_fixture.py"), str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model_MODE.tflite and its reports in every mode, and stdout.txt, made by the real command."""
    folder = tmp_path_factory.mktemp("exported")
    command = [PROJECT_PYTHON, "quantize/export.py", f"--run={trained_run}", f"--output={folder / 'model.tflite'}"]
    command += ["--mode=all", "--epochs=1", "--calibration_images=64"]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert made.returncode == 0, made.stderr
    (folder / "stdout.txt").write_text(made.stdout)
    return folder


@pytest.fixture(scope="session")
def int8_ptq(exported: Path) -> Path:
    """The tiny model's int8 file without fine-tuning."""
    return exported / "model_int8_ptq.tflite"


@pytest.fixture(scope="session")
def float32(exported: Path) -> Path:
    """The tiny model's float32 file."""
    return exported / "model_float32.tflite"
