"""SIGKILL at random points of a training and of an export: what was written is whole, and the work can go on."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.commands import ROOT, TINY_RUN, environment

from attack.tally import Tally
from mobilevit_tf.errors import UserError
from mobilevit_tf.files import sha256
from mobilevit_tf.models import model_file

KILLS = 20
LIMIT_S = 900
EXPORT = ("--epochs=1", "--calibration_images=64", "--mode=int8_ptq", "--min_agreement=0")


class Commands:
    """`with Commands(folder) as commands`: runs the project's commands without loading TensorFlow for each.

    Attributes:
      said: what the last one printed.
    """

    def __init__(self, folder: Path) -> None:
        self._output, self.said = folder / "output.txt", ""

    def __enter__(self) -> Commands:
        script = ROOT / "tests" / "programs" / "command_server.py"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self._server = subprocess.Popen(
            [sys.executable, script], cwd=ROOT, env=environment(PYTHONPATH=str(ROOT)), **pipes
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stdin.close()
        self._server.wait(LIMIT_S)

    def run(self, *arguments: str, kill_after: float = LIMIT_S) -> int | None:
        """The exit status of `python ARGUMENTS`; None where it was killed after that many seconds."""
        asked = {"arguments": arguments, "output": str(self._output)}
        self._server.stdin.write(json.dumps(asked) + "\n")
        child = int(self._server.stdout.readline())
        if not select.select([self._server.stdout], [], [], kill_after)[0]:
            os.kill(child, signal.SIGKILL)
        status = int(self._server.stdout.readline())
        self.said = self._output.read_text()
        return None if status == -signal.SIGKILL else status

    def require(self, *arguments: str) -> None:
        """Raises AssertionError unless the command ends well."""
        status = self.run(*arguments)
        assert status == 0, f"{status}: {self.said[-400:]}"


def training_kills(tally: Tally, seed: int, kills: int = KILLS) -> None:
    """Trainings that are killed and started again until one ends: its weights are those of one that was left alone."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as root, Commands(Path(root)) as commands:

        def flags(name: str) -> list[str]:
            return ["train_main.py", *TINY_RUN, "--checkpoint_steps=4", f"--model_dir={root}/{name}"]

        begun = time.monotonic()
        with tally.case("undisturbed"):
            commands.require(*flags("whole"))
        if tally.failures:  # nothing to compare with
            return
        seconds, expected = time.monotonic() - begun, _weights(Path(root) / "whole")
        number, killed = 0, 0
        while killed < kills:
            folder = Path(root) / f"run{number}"
            status = commands.run(*flags(folder.name), kill_after=draw.uniform(0.1 * seconds, seconds))
            if status is None:
                killed += 1
                with tally.case(f"kill {killed}"):
                    _whole_or_nothing(folder)
                continue
            number += 1
            with tally.case(f"weights after {killed} kills"):
                assert status == 0 and _weights(folder) == expected, f"{status}: {commands.said[-400:]}"
        with tally.case("the last one goes on to its end"):
            commands.require(*flags(f"run{number}"))
            assert _weights(Path(root) / f"run{number}") == expected


def _weights(folder: Path) -> str:
    return model_file.weights_sha256(model_file.load(folder).weights)


def _whole_or_nothing(folder: Path) -> None:
    """A model file that is there can be read."""
    for path in folder.glob("*.safetensors"):
        try:
            model_file.load(path)
        except UserError as error:
            raise AssertionError(f"{path.name} is half a file") from error


def export_kills(tally: Tally, seed: int, kills: int = KILLS) -> None:
    """Exports that are killed: the file is the old one, the new one, or none; afterwards the same command works."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as root, Commands(Path(root)) as commands:
        made = [sys.executable, str(ROOT / "tests" / "programs" / "small_run.py"), f"{root}/tiny"]
        subprocess.run(made, check=True, capture_output=True, cwd=ROOT)
        output = Path(root) / "model.tflite"
        command = ["quantize/export.py", f"--run={root}/tiny", f"--output={output}", *EXPORT]
        begun = time.monotonic()
        with tally.case("undisturbed"):
            commands.require(*command)
        if tally.failures:  # nothing to compare with
            return
        seconds, expected = time.monotonic() - begun, sha256(output)
        killed = 0
        while killed < kills:
            old = draw.choice([b"", b"the old file"])
            output.unlink(missing_ok=True)
            if old:
                output.write_bytes(old)
            status = commands.run(*command, kill_after=draw.uniform(0, seconds))
            killed += status is None
            with tally.case(f"kill {killed}"):
                now = output.read_bytes() if output.exists() else b""
                assert now == old or sha256(output) == expected, f"{len(now)} bytes that are neither old nor new"
                assert status in (None, 0), f"{status}: {commands.said[-400:]}"
        with tally.case("the same command afterwards"):
            commands.require(*command)
            assert sha256(output) == expected
