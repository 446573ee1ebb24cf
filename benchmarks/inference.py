"""Latency of our files against the peers' in one run: `python benchmarks/inference.py`; `--only=ours` leaves them out.

One thread, batch 1, 256 x 256, random weights (the time does not depend on them). Every number is the median of five
rounds in which the files take turns. The peers are converted in an environment of their own, that of `make bench`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags
from ai_edge_litert.interpreter import Interpreter

from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.files import write_json
from mobilevit_tf.progress import ProgressBar

ROOT = Path(__file__).resolve().parents[1]

flags.DEFINE_enum("only", None, ["ours"], "Leave the peers out: they need packages of their own.")
flags.DEFINE_string("peers_python", str(ROOT / ".venvs/bench/bin/python"), "Python of the peers' environment.")
flags.DEFINE_string("output_dir", None, "Keep the files and results.json here.")
flags.DEFINE_list("variants", ["xxs", "xs", "s"], "Our variants.")
flags.DEFINE_integer("input_size", 256, "Side of the input in pixels.")
FLAGS = flags.FLAGS

ROUNDS, REPEATS = 5, 20
OUR_MODES = {"float32": "float32", "int8": "int8_ptq", "int8_strict": "int8_strict"}
REFERENCES = ("hf_xxs_int8", "ours_xxs_float32", "mobilenetv2_int8")


def make_ours(folder: Path, variant: str, size: int) -> dict[str, Path]:
    """float32, int8 and int8_strict of one variant with random weights and 1,000 classes."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
    from mobilevit_tf.config import DataConfig, ModelConfig
    from mobilevit_tf.data import datasets
    from mobilevit_tf.families import mobilevit
    from mobilevit_tf.image.image_spec import ImageSpec
    from mobilevit_tf.models import weights
    from mobilevit_tf.models.model_file import ModelFile
    from quantize import exporter
    from quantize.settings import CalibrationConfig, FineTuneConfig
    from quantize.steps import photos

    config, spec = ModelConfig(variant, 1000, dropout=0.0, classifier_dropout=0.0), ImageSpec(size, size)
    labels = tuple(f"class {index}" for index in range(1000))
    source = datasets.open_source(DataConfig("digits"))
    network = mobilevit.build(config, size, size)
    fill_batch_norm(network, spec.normalize(photos.load(source, "train", range(8), spec)))
    model = ModelFile(config, spec, labels, weights.to_dict(network), "benchmark")
    prepared = exporter.prepare(model, source, CalibrationConfig("random", 4), FineTuneConfig(epochs=0))
    calibrated = exporter.calibrate(prepared, exporter.lower(prepared))
    made = {}
    for name, mode in OUR_MODES.items():
        quantised = exporter.quantise(prepared, calibrated, 0) if mode in ("int8", "int8_ptq") else None
        made[f"ours_{variant}_{name}"] = folder / f"ours_{variant}_{name}.tflite"
        made[f"ours_{variant}_{name}"].write_bytes(exporter.to_file(prepared, calibrated, mode, quantised, "float32"))
    return made


def fill_batch_norm(model, images: np.ndarray) -> None:
    """Gives BatchNorm the statistics of images: as initialised, activations shrink to nothing from layer to layer."""
    for layer in model.layers:
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.0
    model(images, training=True)


def make_peers(folder: Path, size: int, python: str) -> dict[str, Path]:
    """The files of peers.py by name."""
    command = [python, str(Path(__file__).with_name("peers.py")), str(folder), str(size)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise UserError(f"the peers' files were not made: {(child.stderr.strip().splitlines() or ['killed'])[-1]}")
    paths = [folder / name for name in json.loads(child.stdout.splitlines()[-1])]
    return {path.stem: path for path in paths}


def measure(files: dict[str, Path]) -> dict[str, dict]:
    """{name: {"median_ms", "partitions", "size_bytes"}}, timed in turns on one thread."""
    interpreters = {}
    for name, path in files.items():
        interpreter = interpreters[name] = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        given = interpreter.get_input_details()[0]
        values = np.random.default_rng(0).random(given["shape"]) * (1 if given["dtype"] == np.float32 else 255)
        interpreter.set_tensor(given["index"], values.astype(given["dtype"]))
        interpreter.invoke()
    medians: dict[str, list[float]] = {name: [] for name in files}
    for _ in ProgressBar(range(ROUNDS), desc="timing", unit="round"):
        for name, interpreter in interpreters.items():
            medians[name].append(_median_ms(interpreter))
    return {
        name: {
            "median_ms": statistics.median(medians[name]),
            "partitions": sum(node["op_name"] == "DELEGATE" for node in interpreters[name]._get_ops_details()),
            "size_bytes": path.stat().st_size,
        }
        for name, path in files.items()
    }


def _median_ms(interpreter: Interpreter) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        interpreter.invoke()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def print_table(results: dict[str, dict]) -> None:
    """One line per file, with its time over that of each reference that was measured."""
    references = [name for name in REFERENCES if name in results]
    print(f"{'file':26} {'ms':>8} {'parts':>6} {'KB':>8}" + "".join(f"  / {name:16}" for name in references))
    for name, row in results.items():
        ratios = "".join(f"  {row['median_ms'] / results[other]['median_ms']:17.2f}x" for other in references)
        print(f"{name:26} {row['median_ms']:8.2f} {row['partitions']:6} {row['size_bytes'] / 1024:8.0f}{ratios}")


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    with_peers = FLAGS.only != "ours"
    if with_peers and not Path(FLAGS.peers_python).exists():
        raise UserError(f"there is no {FLAGS.peers_python}: `make bench` makes the peers' environment, "
                        "or pass --only=ours")  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(FLAGS.output_dir or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Path] = {}
        steps = [*FLAGS.variants, *(["peers"] if with_peers else [])]
        for name in (bar := ProgressBar(steps, unit="model")):
            bar.set_description(f"making {name}")
            made = make_peers(folder, FLAGS.input_size, FLAGS.peers_python) if name == "peers" else None
            files |= made or make_ours(folder, name, FLAGS.input_size)
        results = measure(files)
        print_table(results)
        if FLAGS.output_dir:
            write_json(folder / "results.json", results)


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
