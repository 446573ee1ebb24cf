"""Whether a training run's memory grows: `python benchmarks/input/memory.py`.

Trains a tiny model on the embedded digits with the real command, and prints the resident memory of its process every
200 steps, found by its checkpoints.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli

ROOT = Path(__file__).resolve().parents[2]
flags.DEFINE_integer("steps", 2000, "Steps to train.")
flags.DEFINE_integer("every", 200, "Steps between two looks.")
flags.DEFINE_string("augment", "advanced", "Augmentation of the run.")
FLAGS = flags.FLAGS
_STEPS_AN_EPOCH = 45  # 1,438 digits in batches of 32


def _resident_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "train_main.py"), "--data=digits", "--variant=tiny", "--input_size=32"]
        command += [f"--augment={FLAGS.augment}", "--noflip", "--multiscale=24,32", f"--model_dir={folder}"]
        command += [f"--epochs={-(-FLAGS.steps // _STEPS_AN_EPOCH)}", f"--checkpoint_steps={FLAGS.every}"]
        command += ["--keep_checkpoints=1000", "--validate_every=1000"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            print("| step | resident MB |\n|---|---|")
            for step in range(FLAGS.every, FLAGS.steps + 1, FLAGS.every):
                while not (Path(folder) / "checkpoints" / f"step-{step:08d}.safetensors").exists():
                    if process.poll() is not None:
                        raise UserError(f"the run ended before step {step}: {process.stderr.read()[-300:]}")
                    time.sleep(0.1)
                print(f"| {step} | {_resident_mb(process.pid):.0f} |", flush=True)
            process.kill()


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
