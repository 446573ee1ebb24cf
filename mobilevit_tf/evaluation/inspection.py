"""Looking without training: what is in the data, and how accurate a finished model is on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets, similar
from mobilevit_tf.data.scan_text import format_report, twins_text
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import evaluate
from mobilevit_tf.files import write_atomic
from mobilevit_tf.models import model_file


def dry_run(config: DataConfig, strict: bool) -> None:
    """Prints classes, counts per split and, for a folder or table, every file that is left out or looks wrong.

    Raises:
      UserError: where training on this data would be refused.
    """
    if datasets.is_folder(config) or datasets.is_table(config):
        datasets.check(config)
        report = datasets.scan(config)
        print(format_report(report))
        report.require_usable(strict)
        return
    source = datasets.open_source(config, strict=strict)
    for split in source.splits:
        counts = np.bincount(source.labels(split), minlength=len(source.class_names))
        classes = ", ".join(f"{name} {count}" for name, count in zip(source.class_names, counts, strict=True))
        print(f"{split}: {source.size(split)} photos ({classes})")
    if source.twins is None:
        print("\n".join(twins_text(similar.twins_of(source))))


def evaluate_only(path: Path, config: DataConfig, split: str) -> None:
    """Prints the accuracy of a run directory, a model file or a .tflite and leaves it as JSON beside the weights."""
    if not path.exists():
        raise UserError(f"there is no {path}: expected a run directory or a .tflite")
    source = datasets.open_source(config)
    source.require_split(split)
    target = path / f"evaluation_{split}.json" if path.is_dir() else path.with_suffix(f".{split}.json")
    is_tflite = path.suffix == ".tflite"
    result = evaluate.evaluate_tflite(path, source, split) if is_tflite else _evaluate_run(path, source, split)
    print(evaluate.format_table(result))
    write_atomic(target, (result.to_json() + "\n").encode())
    print(f"written to {target}")


def _evaluate_run(path: Path, source: Source, split: str) -> evaluate.Evaluation:
    from mobilevit_tf.models import build, weights  # loads TensorFlow

    file = model_file.load(path)
    model = build.build(file.config, *file.spec.size)
    weights.assign(model, file.weights)
    return evaluate.evaluate_keras(model, source, split, file.spec, labels=file.labels)
