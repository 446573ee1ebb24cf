"""What a user would pick instead, side by side: `python benchmarks/side_by_side.py`, which `make bench` calls.

Three parts, each a table (--only chooses): training speed (train_speed.py), inference (inference.py, random weights),
and what int8 does to the same trained weights under the usual recipe and under ours (recipe_accuracy.py).
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import recipe_accuracy  # beside this script
import results_file
from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.progress import ProgressBar
from mobilevit_tf.reports import run_facts

ROOT = Path(__file__).resolve().parents[1]
# NumPy's other threads wait by spinning: on a busy machine that is millions of counted instructions.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

flags.DEFINE_list("only", ["training", "inference", "accuracy"], "Parts to run.")
flags.DEFINE_string("run", "runs/flowers_xxs", "Run directory of the MobileViT whose weights the peers take.")
flags.DEFINE_string("mobilenet_run", None, "Run directory of a MobileNetV2 trained on the same photos; unset: no row.")
flags.DEFINE_string("data_dir", None, "Where TFDS data sets are prepared; unset: as in training.")
flags.DEFINE_string("output_dir", None, "Keep the .tflite files here.")
flags.DEFINE_string("output", None, "Results file whose sections to write, such as benchmarks/RESULTS.md.")
flags.DEFINE_string("arm64_counter", None, "Command that prints 'NAME.tflite Minsn/inference NUMBER' for each file "
                    "it is given; unset: no column of ARM64 instructions.")  # fmt: skip
flags.DEFINE_string("peers_python", str(ROOT / ".venvs/bench/bin/python"), "Python of the peers' environment.")

FLAGS = flags.FLAGS


def count_instructions(counter: str | None, files: Iterable[Path]) -> dict[str, int]:
    """Millions of ARM64 instructions an inference by file name, one file at a time; {} without a counter."""
    counts = {}
    environment = {**os.environ, **_ONE_THREAD}
    for path in ProgressBar(list(files) if counter else [], "ARM64 instructions", unit="file"):
        answer = subprocess.run([counter, str(path)], capture_output=True, text=True, check=False, env=environment)
        words = answer.stdout.split()
        if answer.returncode or len(words) != 3 or not words[2].isdecimal():
            raise UserError(f"{counter} {path} printed {answer.stdout.strip()!r}, expected NAME Minsn/inference NUMBER")
        counts[path.name] = int(words[2])
    return counts


def training(_folder: Path) -> str:
    """train_speed.py's table."""
    return "### Training speed\n\n" + _output("train_speed.py", f"--peers_python={FLAGS.peers_python}")


def inference(folder: Path) -> str:
    """inference.py's table; with a counter the ARM64 instructions of its files below it."""
    printed = _output("inference.py", f"--output_dir={folder}", f"--peers_python={FLAGS.peers_python}")
    text = f"### Inference, random weights\n\n```\n{printed}\n```"
    counts = count_instructions(FLAGS.arm64_counter, sorted(folder.glob("*.tflite")))
    rows = [f"| {name.removesuffix('.tflite')} | {count} |" for name, count in counts.items()]
    return "\n".join([text, "", "| file | ARM64 instructions (M) |", "|---|---:|", *rows]) if rows else text


def accuracy(folder: Path) -> str:
    """The table of recipe_accuracy.py."""
    run, mobilenet = Path(FLAGS.run), Path(FLAGS.mobilenet_run) if FLAGS.mobilenet_run else None
    files = recipe_accuracy.make_files(run, mobilenet, FLAGS.data_dir, folder, FLAGS.peers_python)
    rows = recipe_accuracy.measure(files, run, FLAGS.data_dir)
    counts = count_instructions(FLAGS.arm64_counter, [file.path for file in files])
    return (
        "### The same trained weights in int8\n\n"
        f"{recipe_accuracy.table(rows, counts)}\n\n"
        f"{rows[0]['photos']} held-out photos of {run.name}; one thread, the files take turns photo by photo."
    )


PARTS = {"training": training, "inference": inference, "accuracy": accuracy}


def _output(script: str, *arguments: str) -> str:
    """What a benchmark prints; its progress goes to the terminal."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if child.returncode:
        raise UserError(f"benchmarks/{script} failed, see above")
    return child.stdout.strip()


def provenance() -> str:
    """Date, machine, versions, and what was left out."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("tensorflow", "tf-keras", "ai-edge-litert"))
    no_counter = "" if FLAGS.arm64_counter else "; ARM64 instructions not counted (--arm64_counter)"
    return f"{datetime.date.today()}; {run_facts.hardware()}; {versions}{no_counter}"


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    if unknown := [name for name in FLAGS.only if name not in PARTS]:
        raise UserError(f"--only={','.join(unknown)}, expected some of {', '.join(PARTS)}")
    if not Path(FLAGS.peers_python).exists():
        raise UserError(f"there is no {FLAGS.peers_python}: `make bench` makes the peers' environment")
    with tempfile.TemporaryDirectory() as scratch:
        for name in FLAGS.only:
            folder = Path(FLAGS.output_dir or scratch) / name
            folder.mkdir(parents=True, exist_ok=True)
            text = f"{PARTS[name](folder)}\n\n{provenance()}"
            print(f"\n{text}\n", flush=True)
            if FLAGS.output:
                results_file.write_section(FLAGS.output, f"side by side: {name}", text)


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
