"""The paper's claims at small scale: `python benchmarks/claims.py --data_dir=DIR_WITH_PREPARED_TFDS`.

Every row of a table is a run of train_main.py a seed, in OUTPUT_DIR/RUN_seedN, with configs/claims_flowers.flags and
the flags of claims_table.RUNS. A stopped command goes on where it was, a finished run is not run again. Arguments
after `--` go to every run: `python benchmarks/claims.py --only=size -- --data=PHOTOS --input_size=192`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import results_file  # beside this script
from absl import app, flags
from claims_table import EXPERIMENTS, RUNS, provenance, section

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.models import model_file
from mobilevit_tf.progress import ProgressBar

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "configs" / "claims_flowers.flags"

WITH_TABLE = ["augmentation", "multiscale", "size", "recipe"]

flags.DEFINE_list("only", WITH_TABLE, f"Experiments: {', '.join(EXPERIMENTS)}.")
flags.DEFINE_list("seeds", ["0"], "Each run is trained once for each.")
flags.DEFINE_integer("epochs", None, "Of every run; unset: as the recipe says.")
flags.DEFINE_string("data_dir", None, "Where TFDS data sets are prepared.")
flags.DEFINE_string("output_dir", "runs/claims", "Where the run directories are.")
flags.DEFINE_string("output", None, "Results file whose sections to write, such as benchmarks/RESULTS.md.")

FLAGS = flags.FLAGS


def train(name: str, seed: int, directory: Path, extra: Sequence[str]) -> None:
    """One run of train_main.py; a finished one is left as it is, after its settings were compared."""
    command = [sys.executable, str(ROOT / "train_main.py"), f"--flagfile={RECIPE}", *RUNS[name], f"--seed={seed}"]
    if subprocess.run([*command, f"--model_dir={directory}", *extra], check=False).returncode:
        raise UserError(f"{directory} did not finish, see above: the same command goes on where it stopped")


def result(directory: Path) -> dict:
    """What a finished run's metrics.json holds, and "parameters": those that are trained."""
    metrics = json.loads((directory / "metrics.json").read_text())
    weights = model_file.load(directory).weights
    return metrics | {"parameters": sum(value.size for name, value in weights.items() if "/moving_" not in name)}


def _seeds() -> list[int]:
    try:
        return [int(seed) for seed in FLAGS.seeds]
    except ValueError as error:
        raise UserError(f"--seeds={','.join(FLAGS.seeds)}: expected whole numbers separated by commas") from error


def _train_all(names: Sequence[str], extra: Sequence[str]) -> dict[str, list[dict]]:
    """Every run with every seed; what `result` gives for each."""
    results: dict[str, list[dict]] = {name: [] for name in names}
    for name, seed in (bar := ProgressBar([(name, seed) for seed in _seeds() for name in names], unit="run")):
        bar.set_description(f"{name} seed {seed}")
        directory = Path(FLAGS.output_dir) / f"{name}_seed{seed}"
        train(name, seed, directory, extra)
        results[name].append(result(directory))
    return results


def _main(argv: list[str]) -> None:
    if unknown := [name for name in FLAGS.only if name not in EXPERIMENTS]:
        raise UserError(f"--only={','.join(unknown)}, expected some of {', '.join(EXPERIMENTS)}")
    epochs = [f"--epochs={FLAGS.epochs}"] if FLAGS.epochs else []
    data_dir = [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
    names = dict.fromkeys(name for key in FLAGS.only for name in EXPERIMENTS[key].runs)  # each once, in order
    results = _train_all(tuple(names), [*data_dir, *epochs, *argv[1:]])
    rest = ["--data_dir=DIR_WITH_PREPARED_TFDS", *epochs, *(["--", *argv[1:]] if argv[1:] else [])]
    for key in FLAGS.only:
        experiment, seeds = EXPERIMENTS[key], ",".join(FLAGS.seeds)
        command = " ".join(["python benchmarks/claims.py", f"--only={key}", f"--seeds={seeds}", *rest])
        rows = [row for name in experiment.runs for row in results[name]]
        text = f"{section(experiment, results)}\n\n{provenance(rows, command)}"
        print(f"\n{text}")
        if FLAGS.output:
            results_file.write_section(FLAGS.output, f"claims: {key}", text)


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
