"""Files to try runtimes with: models of the catalogue with random weights, exported for 1,000 classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tf_keras

from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import build, weights
from mobilevit_tf.models.model_file import ModelFile
from quantize import exporter
from quantize.settings import CalibrationConfig, FineTuneConfig

DIGITS = tuple("0123456789")  # of the calibration photos
CLASSES = 1000


def random_weights(model: tf_keras.Model) -> dict[str, np.ndarray]:
    """Weights as they are before training, but BatchNorm that is no identity and biases that are not zero."""
    generator, values = np.random.default_rng(0), weights.to_dict(model)
    for name, value in values.items():
        if name.endswith(("gamma", "moving_variance")):
            values[name] = generator.uniform(0.5, 2, value.shape).astype(np.float32)
        elif value.ndim == 1:
            values[name] = (value + generator.normal(0, 0.05, value.shape)).astype(np.float32)
        elif "attention_query" in name or "attention_key" in name:
            values[name] = value * 4  # a softmax that is not flat
        elif name.startswith("classifier/"):
            values[name] = value * 5  # scores that differ
    return values


def export(variant: str, size: int, modes: Sequence[str], folder: Path) -> dict[str, Path]:
    """One file for each mode in a folder, calibrated on eight digits."""
    tf_keras.utils.set_random_seed(0)
    config, spec = ModelConfig(variant, CLASSES), ImageSpec(size, size)
    names = (*DIGITS, *(f"class{index}" for index in range(len(DIGITS), CLASSES)))
    values = random_weights(build.build(config, size, size))
    model = ModelFile(config, spec, names, values, "random")
    source = datasets.open_source(DataConfig("digits"))
    made = exporter.prepare(model, source, CalibrationConfig(images=8), FineTuneConfig())
    calibrated = exporter.calibrate(made, exporter.lower(made))
    paths = {}
    for mode in modes:
        quantised = exporter.quantise(made, calibrated, 0) if mode == "int8_ptq" else None
        paths[mode] = folder / f"{variant}_{size}_{mode}.tflite"
        paths[mode].write_bytes(exporter.to_file(made, calibrated, mode, quantised, "float32"))
    return paths
