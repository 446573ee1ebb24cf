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
