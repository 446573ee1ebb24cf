"""SIGKILL at random points of a training and of an export: what was written is whole, and the work can go on."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.commands import ROOT, TINY_RUN, start

from attack.tally import Tally
from mobilevit_tf.errors import UserError
from mobilevit_tf.files import sha256
from mobilevit_tf.models import model_file

KILLS = 20
LIMIT_S = 900


def _ended(process: subprocess.Popen, seconds: float) -> int | None:
    """Waits that long, then kills; the exit status where it ended by itself, else None."""
    try:
        process.communicate(timeout=seconds)
        return process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None


def _weights(folder: Path) -> str:
    return model_file.weights_sha256(model_file.load(folder).weights)


def _train(folder: Path) -> subprocess.Popen:
    return start("train_main.py", *TINY_RUN, "--checkpoint_steps=1", f"--model_dir={folder}")


def training_kills(tally: Tally, seed: int) -> None:
    """Trainings that are killed and started again until one ends: its weights are those of one that was left alone."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        begun = time.monotonic()
        with tally.case("undisturbed"):
            assert _ended(_train(Path(root) / "whole"), LIMIT_S) == 0
        if tally.failures:  # nothing to compare with
            return
        seconds, expected = time.monotonic() - begun, _weights(Path(root) / "whole")
        number, kills = 0, 0
        while kills < KILLS:
            folder = Path(root) / f"run{number}"
            status = _ended(_train(folder), draw.uniform(0.2 * seconds, 1.05 * seconds))
            if status is None:
                kills += 1
                with tally.case(f"kill {kills}"):
                    _whole_or_nothing(folder)
                continue
            number += 1
            with tally.case(f"weights after {kills} kills"):
                assert status == 0 and _weights(folder) == expected
        with tally.case("the last one goes on to its end"):
            assert _ended(_train(Path(root) / f"run{number}"), LIMIT_S) == 0
            assert _weights(Path(root) / f"run{number}") == expected


def _whole_or_nothing(folder: Path) -> None:
    """A model file that is there can be read."""
    for path in folder.glob("*.safetensors"):
        try:
            model_file.load(path)
        except UserError as error:
            raise AssertionError(f"{path.name} is half a file") from error


def export_kills(tally: Tally, seed: int) -> None:
    """Exports that are killed: the file is the old one, the new one, or none; afterwards the same command works."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        run = Path(root) / "tiny"
        made = [sys.executable, str(ROOT / "tests" / "programs" / "small_run.py"), str(run)]
        subprocess.run(made, check=True, capture_output=True, cwd=ROOT)
        output = Path(root) / "model.tflite"

        def export() -> subprocess.Popen:
            flags = ("--epochs=1", "--calibration_images=64", "--mode=int8_ptq", "--min_agreement=0")
            return start("quantize/export.py", f"--run={run}", f"--output={output}", *flags)

        begun = time.monotonic()
        with tally.case("undisturbed"):
            assert _ended(export(), LIMIT_S) == 0
        if tally.failures:  # nothing to compare with
            return
        seconds, expected = time.monotonic() - begun, sha256(output)
        kills = 0
        while kills < KILLS:
            old = draw.choice([b"", b"the old file"])
            output.unlink(missing_ok=True)
            if old:
                output.write_bytes(old)
            status = _ended(export(), draw.uniform(0.1 * seconds, 1.0 * seconds))
            kills += status is None
            with tally.case(f"kill {kills}"):
                now = output.read_bytes() if output.exists() else b""
                assert now == old or sha256(output) == expected, f"{len(now)} bytes that are neither old nor new"
                assert status in (None, 0)
        with tally.case("the same command afterwards"):
            assert _ended(export(), LIMIT_S) == 0 and sha256(output) == expected
