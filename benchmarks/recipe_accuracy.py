"""What int8 does to the same trained weights under the usual full-integer recipe in the peers' models, and under ours.

No flags; side_by_side.py calls it. The files answer the run's held-out photos in turns, so one pass gives accuracy,
agreement and latency of all of them in the same minutes.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from mobilevit_tf.data import datasets
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import model_file
from mobilevit_tf.progress import ProgressBar
from mobilevit_tf.train.run_dir import load_data_config
from quantize.checks import runtime

ROOT = Path(__file__).resolve().parents[1]
CALIBRATION_PHOTOS, PROBE_PHOTOS = 200, 32
PEERS = {"hf": "HF transformers", "kecam": "kecam"}
OURS = {
    "float32": "float32",
    "int8": "int8, fine-tuned (the default)",
    "int8_ptq": "int8_ptq",
    "int8_strict": "int8_strict",
    "dynamic": "dynamic",
    "float16": "float16",
}
USUAL = "full int8, the TensorFlow Lite guide's recipe"


@dataclasses.dataclass(frozen=True)
class File:
    """A .tflite in the comparison: whose it is, its recipe, and the float32 file that it is measured against."""

    path: Path
    owner: str
    recipe: str
    float_path: Path


def make_files(run: Path, mobilenet_run: Path | None, data_dir: str | None, folder: Path, python: str) -> list[File]:
    """Exports ours and MobileNetV2's, converts the peers'; prints how far the peers' float logits are from ours."""
    source = _source(run, data_dir)
    files = _export(run, data_dir, folder, "ours", OURS)
    spec = model_file.load(run).spec
    if not spec.is_plain:
        raise UserError(
            f"{run} was trained with a mean, a std or BGR: expected RGB in [0, 1], which the peers take too"
        )
    photos = folder / "photos.npz"
    np.savez(
        photos,
        calibration=spec.normalize(load_photos(source, "train", spec, CALIBRATION_PHOTOS)),
        probe=spec.normalize(load_photos(source, "val", spec, PROBE_PHOTOS)),
    )
    for name, title in PEERS.items():
        difference = _convert_peer(name, run, photos, folder, python)
        print(f"{title} with our weights: largest difference of a logit {difference:.1e}", flush=True)
        paths = [folder / f"{name}_{kind}.tflite" for kind in ("float32", "int8")]
        files += [File(path, title, text, paths[0]) for path, text in zip(paths, ("float32", USUAL), strict=True)]
    if mobilenet_run:
        if dataclasses.replace(load_data_config(mobilenet_run), data_dir=None) != dataclasses.replace(
            load_data_config(run), data_dir=None
        ):
            raise UserError(f"{mobilenet_run} was trained on other photos than {run}: expected the same splits")
        title = model_file.load(mobilenet_run).config.variant
        files += _export(mobilenet_run, data_dir, folder, title, {"float32": "float32", "int8_ptq": "int8_ptq"})
    return files


def _source(run: Path, data_dir: str | None) -> Source:
    config = load_data_config(run)
    return datasets.open_source(dataclasses.replace(config, data_dir=data_dir or config.data_dir))


def _export(run: Path, data_dir: str | None, folder: Path, owner: str, recipes: dict[str, str]) -> list[File]:
    command = [sys.executable, str(ROOT / "quantize" / "export.py"), f"--run={run}", "--mode=all"]
    command += [f"--output={folder / owner}.tflite", *([f"--data_dir={data_dir}"] if data_dir else [])]
    if subprocess.run(command, check=False).returncode:
        raise UserError(f"the export of {run} failed, see above")
    paths = {mode: folder / f"{owner}_{mode}.tflite" for mode in recipes}
    return [File(paths[mode], owner, text, paths["float32"]) for mode, text in recipes.items()]


def _convert_peer(name: str, run: Path, photos: Path, folder: Path, python: str) -> float:
    command = [python, str(ROOT / "benchmarks" / "peer_weights.py"), name, str(run), str(photos), str(folder)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise UserError(f"{name} failed: {(child.stderr.strip().splitlines() or ['killed'])[-1]}")
    return json.loads(child.stdout.splitlines()[-1])["logits_difference"]


def load_photos(source: Source, split: str, spec: ImageSpec, count: int | None) -> np.ndarray:
    """uint8 [n, H, W, 3]: evaluation pixels of the first `count` photos of a split, all with None."""
    total = min(count or source.size(split), source.size(split))
    examples = ProgressBar(source.examples(split, count), f"photos of {split}", total, unit="photo", delay=2)
    return np.stack([pixels.model_input(example.data, spec) for example in examples])


class Runner:
    """One file on one thread, with the time of every inference."""

    def __init__(self, path: Path):
        self.interpreter = Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input, self.output = self.interpreter.get_input_details()[0], self.interpreter.get_output_details()[0]
        _, *sides = self.input["shape"]
        self.channels_first = sides[0] == 3
        self.size = tuple(int(side) for side in (sides[1:] if self.channels_first else sides[:2]))
        self.times: list[float] = []

    def scores(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3], RGB -> float32 [N], as a user feeds the file: [0, 1], quantised by the input's scale."""
        values = image.astype(np.float32)[np.newaxis] / 255
        if self.channels_first:
            values = values.transpose(0, 3, 1, 2)  # [1, H, W, 3] -> [1, 3, H, W]
        if self.input["dtype"] == np.uint8:
            scale, zero_point = self.input["quantization"]
            values = np.clip(np.rint(values / scale) + zero_point, 0, 255).astype(np.uint8)
        self.interpreter.set_tensor(self.input["index"], values)
        start = time.perf_counter()
        self.interpreter.invoke()
        self.times.append((time.perf_counter() - start) * 1e3)
        return self.interpreter.get_tensor(self.output["index"])[0].astype(np.float32)


def measure(files: list[File], run: Path, data_dir: str | None) -> list[dict]:
    """One row per file, in their order: top-1, agreement with its float32 file, median ms, partitions, KB."""
    source, model = _source(run, data_dir), model_file.load(run)
    y_true = np.array([model.labels.index(source.class_names[label]) for label in source.labels("val")])
    runners = {file.path: Runner(file.path) for file in files}
    images = {
        size: load_photos(source, "val", dataclasses.replace(model.spec, height=size[0], width=size[1]), None)
        for size in {runner.size for runner in runners.values()}
    }
    predicted = {path: np.empty(len(y_true), np.int64) for path in runners}
    for index in ProgressBar(range(len(y_true)), "comparing", unit="photo"):
        for path, runner in runners.items():
            predicted[path][index] = runner.scores(images[runner.size][index]).argmax()
    return [
        {
            "file": file.path.name,
            "owner": file.owner,
            "recipe": file.recipe,
            "photos": len(y_true),
            "top1": float((predicted[file.path] == y_true).mean()),
            "float_top1": float((predicted[file.float_path] == y_true).mean()),
            "agreement": float((predicted[file.path] == predicted[file.float_path]).mean()),
            "median_ms": statistics.median(runners[file.path].times),
            "float_median_ms": statistics.median(runners[file.float_path].times),
            "partitions": runtime.operators(file.path)["partitions"],
            "size_bytes": file.path.stat().st_size,
        }
        for file in files
    ]


def table(rows: list[dict], instructions: dict[str, int]) -> str:
    """Markdown; `instructions` are ARM64 millions by file name, {} leaves the column out."""
    head = [
        "model",
        "recipe",
        "top-1",
        "change",
        "same answer as its float32",
        "ms",
        "x its float32",
        "partitions",
        "KB",
    ]
    lines = []
    for row in rows:
        change = 100 * (row["top1"] - row["float_top1"])
        cells = [row["owner"], row["recipe"], f"{row['top1']:.2%}", f"{change:+.2f}", f"{row['agreement']:.2%}"]
        cells += [f"{row['median_ms']:.2f}", f"{row['median_ms'] / row['float_median_ms']:.2f}"]
        cells += [str(row["partitions"]), f"{row['size_bytes'] / 1024:.0f}"]
        lines.append(cells + ([str(instructions[row["file"]])] if instructions else []))
    head += ["ARM64 instructions (M)"] if instructions else []
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))
