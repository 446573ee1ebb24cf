"""What a stranger's photos come to: `python benchmarks/wild.py --data=PHOTOS,OTHER,tf_flowers:train[:80%]:train[80%:]`.

Each data set is trained short and exported with the real commands, in OUTPUT_DIR/NAME_seedN; a failure is a row, and
the next one goes on. A finished run is not trained again. Arguments after `--` go to every run of train_main.py.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import results_file  # beside this script
from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli
from quantize.settings import MODES

ROOT = Path(__file__).resolve().parents[1]
HEAD = "| data | seed | classes | photos | float % | file % | agreement % | distance | partitions | minutes | outcome |"
RULE = f"|---|{'---:|' * 9}---|"

FLAGS = flags.FLAGS


@dataclasses.dataclass(frozen=True)
class Row:
    """One data set with one seed.

    Attributes:
      name, seed: which.
      metrics: metrics.json of the training; None where it failed.
      report: the export's report; None where it failed before there was one.
      minutes: (training, export), wall clock.
      outcome: "a file", or the command's last words.
    """

    name: str
    seed: str
    metrics: dict | None
    report: dict | None
    minutes: tuple[float, float]
    outcome: str


def run_one(data: str, seed: str, folder: Path, extra: Sequence[str]) -> Row:
    """Trains and exports one data set."""
    place, *splits = [data] if Path(data).exists() else data.split(":")
    if len(splits) not in (0, 2):
        raise UserError(f"--data={data}: neither a file or folder, nor NAME, nor NAME:TRAIN:VAL")
    name = Path(place).stem
    run, file = folder / f"{name}_seed{seed}", folder / f"{name}_seed{seed}_{FLAGS.mode}.tflite"
    split_flags = [f"--{key}={value}" for key, value in zip(("train_split", "val_split"), splits, strict=False)]
    places = [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
    size = [f"--input_size={FLAGS.input_size}", f"--epochs={FLAGS.epochs}", f"--validate_every={FLAGS.epochs}"]
    train = ["train_main.py", f"--data={place}", *split_flags, *places, *size, f"--seed={seed}", f"--model_dir={run}"]
    words = _failure([*train, *extra])
    if words:
        return Row(name, seed, None, None, (0.0, 0.0), f"training: {words}")
    metrics = json.loads((run / "metrics.json").read_text())
    started = time.perf_counter()
    words = _failure(["quantize/export.py", f"--run={run}", f"--mode={FLAGS.mode}", f"--output={file}", *places])
    minutes = metrics["train_seconds"] / 60, (time.perf_counter() - started) / 60
    reports = [file.with_suffix(".refused.report.json" if words else ".report.json")]
    report = next((json.loads(path.read_text()) for path in reports if path.exists()), None)
    return Row(name, seed, metrics, report, minutes, f"export: {words}" if words else "a file")


def _failure(command: Sequence[str]) -> str | None:
    """Runs a command of the project; None where it ends well, else the last line that it wrote."""
    print(f"$ python {' '.join(command)}", flush=True)
    child = subprocess.run([sys.executable, str(ROOT / command[0]), *command[1:]], stderr=subprocess.PIPE, text=True,
                           errors="replace", check=False)  # fmt: skip
    if not child.returncode:
        return None
    return (child.stderr.strip().splitlines() or [f"ended with status {child.returncode}"])[-1]


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line each, and the means over those that ended in a file."""
    made = [row.report for row in rows if row.report and row.outcome == "a file"]
    text = "\n".join([HEAD, RULE, *map(_line, rows)])
    if not made:
        return text
    drop = statistics.fmean(report["float_top1"] - report["tflite_top1"] for report in made)
    agreement = statistics.fmean(report["agreement"] for report in made)
    distance = statistics.fmean(report["score_distance"] for report in made)
    return (f"{text}\n\n{len(made)} of {len(rows)} ended in a file. Mean: {100 * drop:+.2f} points below float, "
            f"agreement {agreement:.2%}, distance {distance:.4f}.")  # fmt: skip


def _line(row: Row) -> str:
    metrics, report = row.metrics or {}, row.report or {}
    photos = metrics["train_images"] + metrics["val_images"] if metrics else "-"
    shares = [f"{100 * report[key]:.2f}" if report else "-" for key in ("float_top1", "tflite_top1", "agreement")]
    distance = f"{report['score_distance']:.4f}" if report else "-"
    cells = [row.name, row.seed, len(metrics["classes"]) if metrics else "-", photos, *shares, distance,
             report.get("partitions", "-"), f"{row.minutes[0]:.1f} + {row.minutes[1]:.1f}", row.outcome]  # fmt: skip
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def _define_flags() -> None:
    """Of the command alone: whoever imports the tables keeps its own flags."""
    flags.DEFINE_list(
        "data", None, "Folders or tables of photos, or TFDS data sets; NAME:TRAIN:VAL names a set's splits."
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS data sets are prepared.")
    flags.DEFINE_list("seeds", ["0"], "Each data set is trained once for each.")
    flags.DEFINE_integer("epochs", 10, "Of every run.")
    flags.DEFINE_integer("input_size", 128, "Side of the square input in pixels.")
    flags.DEFINE_enum("mode", "int8", MODES, "Of the export.")
    flags.DEFINE_string("output_dir", "runs/wild", "Where the run directories and files are.")
    flags.DEFINE_string("output", None, "Results file whose section to write, such as benchmarks/RESULTS.md.")


def _main(argv: list[str]) -> None:
    if not FLAGS.data:
        raise UserError("--data is missing: expected folders, tables or TFDS data sets separated by commas")
    folder, rows = Path(FLAGS.output_dir), []
    folder.mkdir(parents=True, exist_ok=True)
    for seed in FLAGS.seeds:
        for data in FLAGS.data:
            rows.append(run_one(data, seed, folder, argv[1:]))
            print(f"{HEAD}\n{_line(rows[-1])}", flush=True)
    text = table(rows)
    print(f"\n{text}")
    if FLAGS.output:
        results_file.write_section(FLAGS.output, f"wild: {FLAGS.mode}", text)


if __name__ == "__main__":
    _define_flags()
    run_cli(lambda: app.run(_main))
