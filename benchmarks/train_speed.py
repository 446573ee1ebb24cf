"""Training speed of ours against the peers' in one run: `python benchmarks/train_speed.py`.

Prints images/s, the time to the first step and the peak memory of MobileViT-XXS in this project, in
keras_cv_attention_models (kecam) and in Hugging Face transformers (hf), and how fast our input alone delivers. Every
measurement is a process of its own (train_contenders.py), the contenders take turns, and medians are printed.
The peers need an environment of their own: `make bench-train` makes it.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.progress import ProgressBar
from mobilevit_tf.reports import run_facts

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).with_name("train_contenders.py")
OURS, PEERS, PIPELINE = ("ours", "ours_ema"), ("kecam", "hf"), "pipeline"

flags.DEFINE_list("only", [*OURS, *PEERS, PIPELINE], "Contenders to run.")
flags.DEFINE_integer("rounds", 3, "Processes of each contender.")
flags.DEFINE_integer("steps", 30, "Timed steps of each process.")
flags.DEFINE_integer("size", 128, "Side of the input in pixels.")
flags.DEFINE_integer("batch_size", 32, "Images a step.")
flags.DEFINE_integer("cores", 2, "Processor cores that a contender may use.")
flags.DEFINE_string("peers_python", str(ROOT / ".venvs/bench/bin/python"), "Python of the peers' environment.")

FLAGS = flags.FLAGS


def measure(name: str, size: int, batch: int, steps: int, cores: int, peers_python: str) -> dict:
    """One process of one contender; what it prints, as a dictionary."""
    python = peers_python if name in PEERS else sys.executable
    if not Path(python).exists():
        raise UserError(f"there is no {python}: `make bench-train` makes the peers' environment, or pass --only=ours")
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    command = [python, str(SCRIPT), name, *map(str, (size, batch, steps))]
    result = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, allowed)
    )  # fmt: skip
    if result.returncode:
        raise UserError(f"{name} failed: {result.stderr.strip().splitlines()[-1]}")
    return json.loads(result.stdout.splitlines()[-1])


def medians(rows: list[dict]) -> dict:
    """Of every figure, and the range of the speed."""
    speeds = [row["images_per_second"] for row in rows]
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    return middle | {"slowest": min(speeds), "fastest": max(speeds)}


def table(results: dict[str, dict]) -> str:
    """Markdown, one row a contender; speeds as multiples of each peer's, where that peer ran."""
    peers = [peer for peer in PEERS if peer in results]
    lines = [
        "| | images/s (range) | "
        + "".join(f"x {peer} | " for peer in peers)
        + "processor ms/image | first step s | its processor s | peak MB |",
        "|---|---|" + "---|" * (len(peers) + 4),
    ]
    for name, row in results.items():
        speed = row["images_per_second"]
        ratios = "".join(f"{speed / results[peer]['images_per_second']:.2f} | " for peer in peers)
        lines.append(
            f"| {name} | {speed:.1f} ({row['slowest']:.1f} to {row['fastest']:.1f}) | {ratios}"
            f"{row['cpu_ms_per_image']:.1f} | {row['first_step_s']:.1f} | {row['first_step_cpu_s']:.1f} | "
            f"{row['peak_rss_mb']:.0f} |"
        )
    return "\n".join(lines)


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    known = [*OURS, *PEERS, PIPELINE]
    if unknown := set(FLAGS.only) - set(known):
        raise UserError(f"--only={','.join(sorted(unknown))}, expected some of {', '.join(known)}")
    rows: dict[str, list[dict]] = {name: [] for name in known if name in FLAGS.only}
    loads = [os.getloadavg()[0]]
    turns = [name for _ in range(FLAGS.rounds) for name in rows]
    for name in (bar := ProgressBar(turns, unit="process")):
        bar.set_description(name)
        rows[name].append(
            measure(name, FLAGS.size, FLAGS.batch_size, FLAGS.steps, FLAGS.cores, FLAGS.peers_python)
        )  # fmt: skip
        loads.append(os.getloadavg()[0])
    print(table({name: medians(measured) for name, measured in rows.items()}))
    print(
        f"\nMobileViT-XXS, {FLAGS.size} px, batch {FLAGS.batch_size}, {FLAGS.rounds} processes of {FLAGS.steps} steps "
        f"each; {datetime.date.today()}, {run_facts.processor()}, {FLAGS.cores} cores; "
        f"load {min(loads):.1f} to {max(loads):.1f}"
    )


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
