"""How fast training's input is: `make bench-input`, or `python benchmarks/input/input_speed.py`.

Prints photos/s and processor ms per photo for small and ImageNet-sized photos and both augmentations, on one core and
on more, for this project (ours), for Pillow in Python threads (pillow), for plain tf.data as the Keras guide writes it
(keras_guide) and for timm's loader (timm, in an environment of its own). Contenders take turns, each in a process of
its own, medians are printed. Then what eight GPUs would need, computed from these figures.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import made_photos  # beside this script
from absl import app, flags

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.progress import ProgressBar
from mobilevit_tf.reports import run_facts

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("contenders.py")
CONTENDERS = ("ours", "pillow", "keras_guide", "timm")
BATCH = 32
GPUS, GPU_PHOTOS, MACHINE_CORES = 8, 1250, 32  # the paper's eight GPUs at some ten thousand photos/s in all

flags.DEFINE_list("only", list(CONTENDERS), "Contenders to run.")
flags.DEFINE_list("kinds", list(made_photos.KINDS), "small (340 x 256, 128 px crops), imagenet (500 x 375, 256 px).")
flags.DEFINE_list("modes", ["basic", "advanced"], "Augmentations.")
flags.DEFINE_list("cores", ["1", "2"], "Numbers of processor cores that a contender may use.")
flags.DEFINE_integer("rounds", 3, "Processes of each contender and setting.")
flags.DEFINE_integer("photos", 2000, "Made photos of each kind; a process reads all of them once.")
flags.DEFINE_string("timm_python", str(ROOT / ".venvs/bench-input/bin/python"), "Python of timm's environment.")

FLAGS = flags.FLAGS
_CROP = {"small": 128, "imagenet": 256}


def measure(name: str, folder: Path, mode: str, size: int, cores: int) -> dict[str, float]:
    """One process of one contender on so many cores."""
    python = FLAGS.timm_python if name == "timm" else sys.executable
    if not Path(python).exists():
        raise UserError(
            f"there is no {python}: `make bench-input` makes timm's environment, or pass --only=ours,pillow"
        )
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    if len(allowed) < cores:
        raise UserError(f"--cores={cores}: this process may use {len(allowed)}")
    command = [python, str(SCRIPT), name, str(folder), mode, *map(str, (size, BATCH))]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=lambda: os.sched_setaffinity(0, allowed)
    )
    if result.returncode:
        raise UserError(f"{name} failed: {result.stderr.strip().splitlines()[-1]}")
    return json.loads(result.stdout.splitlines()[-1])


def table(rows: dict[tuple, list[dict[str, float]]]) -> str:
    """Markdown: one row for each kind, mode, number of cores and contender."""
    lines = [
        "| photos | augmentation | cores | | photos/s (range) | x pillow | processor ms | x pillow |",
        "|---" * 8 + "|",
    ]
    for (kind, mode, cores, name), measured in rows.items():
        speeds = [row["photos_per_second"] for row in measured]
        speed, cost = statistics.median(speeds), statistics.median(row["cpu_ms"] for row in measured)
        base = rows.get((kind, mode, cores, "pillow"), [])
        ratios = ["", ""]
        if base:
            ratios[0] = f"{speed / statistics.median(row['photos_per_second'] for row in base):.2f}"
            ratios[1] = f"{cost / statistics.median(row['cpu_ms'] for row in base):.2f}"
        lines.append(
            f"| {kind} | {mode} | {cores} | {name} | {speed:.0f} ({min(speeds):.0f} to {max(speeds):.0f}) "
            f"| {ratios[0]} | {cost:.2f} | {ratios[1]} |"
        )
    return "\n".join(lines)


def on_paper(rows: dict[tuple, list[dict[str, float]]]) -> str:
    """What the figures mean for a machine of MACHINE_CORES cores and GPUS GPUs; no such machine was measured."""
    lines = []
    for (kind, mode, cores, name), measured in rows.items():
        if name != "ours" or kind != "imagenet" or cores != max(key[2] for key in rows):
            continue
        cost = statistics.median(row["cpu_ms"] for row in measured)
        needed = GPUS * GPU_PHOTOS
        lines.append(
            f"On paper, {mode}: {needed} photos/s for {GPUS} GPUs are {needed * cost / 1000:.0f} cores of decoding; "
            f"{MACHINE_CORES} cores give at most {1000 * MACHINE_CORES / cost:.0f} photos/s."
        )
    return "\n".join(lines)


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    for flag, known in {"only": CONTENDERS, "kinds": made_photos.KINDS, "modes": ("basic", "advanced")}.items():
        if unknown := set(FLAGS[flag].value) - set(known):
            raise UserError(f"--{flag}={','.join(sorted(unknown))}, expected some of {', '.join(known)}")
    settings = list(itertools.product(FLAGS.kinds, FLAGS.modes, map(int, FLAGS.cores), FLAGS.only))
    rows: dict[tuple, list[dict[str, float]]] = {setting: [] for setting in settings}
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        for kind in FLAGS.kinds:
            size = made_photos.make(Path(folder) / kind, kind, FLAGS.photos)
            print(f"{kind}: {FLAGS.photos} photos of {size / 1000:.0f} KB on average", flush=True)
        for kind, mode, cores, name in ProgressBar(settings * FLAGS.rounds, unit="process"):
            made = measure(name, Path(folder) / kind, mode, _CROP[kind], cores)
            rows[kind, mode, cores, name].append(made)
            loads.append(os.getloadavg()[0])
    print(table(rows))
    print(on_paper(rows))
    print(
        f"\n{FLAGS.rounds} processes of {FLAGS.photos} photos each, batches of {BATCH}; {datetime.date.today()}, "
        f"{run_facts.processor()}; load {min(loads):.1f} to {max(loads):.1f}"
    )


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
