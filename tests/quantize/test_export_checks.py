"""What the export refuses to write, and the models and sizes that it exports."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support.folded_models import random_weights, rescaled

from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.evaluation import scorers
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import build
from mobilevit_tf.models.model_file import ModelFile
from quantize import exporter, job
from quantize.checks import conversion
from quantize.checks.scores import Fit
from quantize.exporter import Prepared
from quantize.settings import CalibrationConfig, FineTuneConfig
from quantize.steps import convert, finetune, photos

LABELS = tuple("0123456789")


def prepared(variant: str, spec: ImageSpec, patch_sizes: tuple[int, int, int] = (2, 2, 2)) -> Prepared:
    config = ModelConfig(variant, 10, patch_sizes)
    values = random_weights(build.build(config, *spec.size))
    model = ModelFile(config, spec, LABELS, values, "test")
    source = datasets.open_source(DataConfig("digits"))
    return exporter.prepare(model, source, CalibrationConfig(images=8), FineTuneConfig())


@pytest.mark.parametrize(
    ("height", "width", "patch_sizes"),
    [(56, 56, (2, 2, 2)), (80, 96, (2, 2, 2)), (64, 64, (8, 4, 2)), (64, 64, (4, 4, 4))],
)
def test_sizes_and_patches_that_do_not_divide_are_one_partition_and_answer_as_keras(
    height, width, patch_sizes, tmp_path
):
    tf_keras.utils.set_random_seed(0)  # with patches of 8, 4 and 2 a residual stream 1,000 times larger than a branch
    made = prepared("tiny", ImageSpec(height, width), patch_sizes)
    calibrated = exporter.calibrate(made, exporter.lower(made))
    quantised = exporter.quantise(made, calibrated, epochs=0)
    path = tmp_path / "model.tflite"
    path.write_bytes(exporter.to_file(made, calibrated, "int8_ptq", quantised, "float32"))
    model = TFLiteModel(path)
    assert model.partitions == 1 and model.spec.size == (height, width)
    assert rescaled(path.read_bytes()) == []
    images = photos.load(made.source, "val", range(8), made.spec)
    expected = finetune.scores(quantised, images, made.spec)
    np.testing.assert_allclose([model.scores(image) for image in images], expected, atol=0.02)


@pytest.mark.parametrize("variant", ["mobilenet_v2", "mobilenet_v3"])
def test_a_cnn_is_exported_in_every_mode_in_one_partition_with_equal_answers(variant, tmp_path):
    made = prepared(variant, ImageSpec(64, 64))
    calibrated = exporter.calibrate(made, exporter.lower(made))
    images = photos.load(made.source, "val", range(8), made.spec)
    spread = float(calibrated.float_model(made.spec.normalize(images), training=False).numpy().std())
    calibrated = exporter.with_fit(calibrated, Fit(spread, 0.0, "", 0.0, 0.0))  # random weights give huge logits
    expected = finetune.scores(calibrated.float_model, images, made.spec)
    assert expected.max() < 0.99
    quantised = exporter.quantise(made, calibrated, epochs=0)
    for mode, far in (("int8_ptq", 0.15), ("int8_strict", 0.15), ("float16", 0.01), ("float32", 1e-3)):
        path = tmp_path / f"{mode}.tflite"
        held = quantised if mode == "int8_ptq" else None
        path.write_bytes(exporter.to_file(made, calibrated, mode, held, "float32"))
        model = TFLiteModel(path)
        assert (model.info.mode, model.info.variant) == (mode, variant)
        assert model.partitions == 1 or mode == "int8_strict"
        np.testing.assert_allclose([model.scores(image) for image in images], expected, atol=far)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["efficientnet_b0", "densenet121", "resnet50"])
def test_a_large_cnn_is_one_partition_in_8_bits(variant, tmp_path):
    made = prepared(variant, ImageSpec(64, 64))
    calibrated = exporter.calibrate(made, exporter.lower(made))
    path = tmp_path / "model.tflite"
    quantised = exporter.quantise(made, calibrated, epochs=0)
    path.write_bytes(exporter.to_file(made, calibrated, "int8_ptq", quantised, "float32"))
    assert TFLiteModel(path).partitions == 1


def test_a_plain_vision_transformer_is_one_partition_in_8_bits_and_answers_as_keras(tmp_path):
    made = prepared("vit_ti", ImageSpec(32, 32))
    lowered = exporter.lower(made)
    assert not {node.kind for node in lowered.nodes.values()} & {tf_keras.layers.LayerNormalization}
    calibrated = exporter.calibrate(made, lowered)
    quantised = exporter.quantise(made, calibrated, epochs=0)
    path = tmp_path / "model.tflite"
    path.write_bytes(exporter.to_file(made, calibrated, "int8_ptq", quantised, "float32"))
    assert TFLiteModel(path).partitions == 1
    images = photos.load(made.source, "val", range(2), made.spec)
    conversion.check_layers(conversion.layer_gaps(quantised, path, images, made.spec.normalize(images)))


def test_the_float_model_answers_each_photo_once_and_its_file_is_made_once(trained_run, tmp_path, monkeypatch):
    asked, made = [], []
    keras, to_float = scorers.keras, convert.to_float

    def counting(model, spec):
        score = keras(model, spec)

        def counted(images):
            asked.append(len(images))
            return score(images)

        return counted

    def converted(model, mode):
        made.append(mode)
        return to_float(model, mode)

    monkeypatch.setattr(scorers, "keras", counting)
    monkeypatch.setattr(convert, "to_float", converted)
    output, calibrate = tmp_path / "model.tflite", CalibrationConfig(images=8)
    (report,) = job.run(job.Job(trained_run, output, "float32", "float32", calibrate, FineTuneConfig()))
    assert sum(asked) == 359 + 359 + 359  # validation photos in both protocols, and held-out training photos
    assert made == ["float32"]
    assert report.agreement == report.stretch_agreement == 1 and report.score_distance < 1e-5
    assert set(report.seconds) == {"calibrate", "float answers", "convert", "compare"}
    assert min(report.seconds.values()) > 0
