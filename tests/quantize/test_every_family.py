"""Every family, on a small model of it: all export modes, in how many XNNPACK partitions, and what stays outside."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support.folded_models import random_weights
from support.models.small_families import CLASSES, SIZE, SMALL

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import weights
from mobilevit_tf.models.model_file import ModelFile
from quantize import exporter, graph
from quantize.checks import conversion, runtime
from quantize.settings import MODES, CalibrationConfig, FineTuneConfig
from quantize.steps import finetune

SPEC = ImageSpec(SIZE, SIZE)
LABELS = tuple(str(digit) for digit in range(CLASSES))
QUICK = ("shufflenet_v2",)  # in the ordinary suite
DYNAMIC = {"t2t_vit_7": 4, "espnetv2_100": 2}  # partitions of that mode in LiteRT 2.3


@functools.cache
def _photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)


def _prepared(name: str) -> tuple[exporter.Prepared, graph.Graph, np.ndarray]:
    """(what is exported, its lowered graph, the trained model's logits of `_photos`)."""
    tf_keras.utils.set_random_seed(0)
    model = SMALL[name]()
    values = random_weights(model)
    weights.assign(model, values)
    file = ModelFile(ModelConfig(name, CLASSES), SPEC, LABELS, values, "small")
    prepared = exporter.prepare(file, DigitsSource(0.2), CalibrationConfig(images=8), FineTuneConfig())
    prepared = dataclasses.replace(prepared, usable=prepared.usable[: finetune.BATCH_SIZE])  # one step of fine-tuning
    lowered = prepared.recipe.lower(graph.read(model, values), SPEC)
    return prepared, lowered, model(SPEC.normalize(_photos()), training=False).numpy()


def _cases() -> list:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SMALL]


def test_every_family_of_the_catalogue_is_there():
    families = {catalog.find(variant).module for variant in SMALL}
    assert families == {model.module for model in catalog.MODELS.values()}


@pytest.mark.parametrize("name", _cases())
def test_all_modes_export_and_run_in_as_many_partitions_as_the_table_says(name, tmp_path):
    prepared, lowered, expected = _prepared(name)
    assert prepared.recipe.modes == MODES
    found = graph.build(lowered)(SPEC.normalize(_photos()), training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=3e-5 * expected.std())
    calibrated = exporter.calibrate(prepared, lowered)
    quantised = {
        "int8": exporter.quantise(prepared, calibrated, 1),
        "int8_ptq": exporter.quantise(prepared, calibrated, 0),
    }
    for mode in MODES:
        path = tmp_path / f"{mode}.tflite"
        path.write_bytes(exporter.to_file(prepared, calibrated, mode, quantised.get(mode), "float32"))
        _assert_it_runs(path)
        facts = runtime.operators(path)
        left = {entry.operator for entry in facts["not_delegated"]} - {"QUANTIZE"}  # of the uint8 pixels
        if mode == "int8_strict":  # the converter's own integers: softmax, GELU, norms and products stay outside
            assert "unknown" not in {entry.reason for entry in facts["not_delegated"]}
        elif mode == "dynamic" and left:  # depthwise convolutions with 8-bit weights stay outside
            assert left == {"DEPTHWISE_CONV_2D"}
            assert facts["partitions"] == DYNAMIC.get(name, facts["partitions"]) > 1
        else:
            assert (facts["partitions"], left) == (1, set()), mode
        if mode in quantised:
            images = _photos()[:2]
            gaps = conversion.layer_gaps(quantised[mode], path, images, SPEC.normalize(images))
            assert gaps
            conversion.check_layers(gaps)


def _assert_it_runs(path: Path) -> None:
    model = TFLiteModel(path)
    scores = np.stack([model.scores(image) for image in _photos()[:2]])
    assert scores.shape == (2, CLASSES)
    np.testing.assert_allclose(scores.sum(1), 1, atol=0.05)
