"""What the export refuses to write, and the models and sizes that it exports."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support.folded_models import random_weights, rescaled

from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.families import keras_applications, mobilevit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models.model_file import ModelFile
from quantize import job
from quantize.exporter import Exporter
from quantize.settings import CalibrationConfig, FineTuneConfig
from quantize.steps import convert, finetune, photos

LABELS = tuple("0123456789")


def test_a_file_that_answers_unlike_its_keras_model_is_not_written(trained_run, tmp_path, monkeypatch):
    converted = convert.to_int8

    def upside_down(model, output_type):
        kernel = model.get_layer("quant_classifier").trainable_weights[0]
        kernel.assign(-kernel)
        return converted(model, output_type)

    monkeypatch.setattr(convert, "to_int8", upside_down)
    output = tmp_path / "model.tflite"
    output.write_bytes(b"older")
    calibrate = CalibrationConfig(images=32)
    with pytest.raises(UserError, match=r"int8_ptq: the file answers .*: the conversion is wrong: .* was not written"):
        job.run(job.Job(trained_run, output, "int8_ptq", "float32", calibrate, FineTuneConfig()))
    assert output.read_bytes() == b"older" and [path.name for path in tmp_path.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize(("photos", "changed"), [(10, 1), (50, 1), (100, 1), (734, 7), (50_000, 500)])
def test_a_right_conversion_may_change_one_answer_in_a_hundred(photos, changed):
    assert job.may_change(photos) == changed


def exporter(config: ModelConfig, spec: ImageSpec, values: dict[str, np.ndarray]) -> Exporter:
    model = ModelFile(config, spec, LABELS, values, "test")
    return Exporter(model, datasets.open_source(DataConfig("digits")), CalibrationConfig(images=8), FineTuneConfig())


@pytest.mark.parametrize(
    ("height", "width", "patch_sizes"),
    [(56, 56, (2, 2, 2)), (80, 96, (2, 2, 2)), (64, 64, (8, 4, 2)), (64, 64, (4, 4, 4))],
)
def test_sizes_and_patches_that_do_not_divide_are_one_partition_and_answer_as_keras(
    height, width, patch_sizes, tmp_path
):
    tf_keras.utils.set_random_seed(0)  # with patches of 8, 4 and 2 a residual stream 1,000 times larger than a branch
    config = ModelConfig("tiny", 10, patch_sizes)
    made = exporter(config, ImageSpec(height, width), random_weights(mobilevit.build(config, height, width)))
    path = tmp_path / "model.tflite"
    path.write_bytes(made.export("int8_ptq"))
    model = TFLiteModel(path)
    assert model.partitions == 1 and model.spec.size == (height, width)
    assert rescaled(path.read_bytes()) == []
    images = photos.load(made.source, "val", range(8), made.spec)
    expected = finetune.scores(made.quantized_model, images, made.spec)
    np.testing.assert_allclose([model.scores(image) for image in images], expected, atol=0.02)


@pytest.mark.parametrize("variant", ["mobilenet_v2", "mobilenet_v3"])
def test_mobilenets_are_exported_as_int8_ptq_float16_and_float32_with_equal_answers(variant, tmp_path):
    config = ModelConfig(variant, 10)
    made = exporter(config, ImageSpec(64, 64), random_weights(keras_applications.build(variant, 10, 64, 64)))
    images = photos.load(made.source, "val", range(8), made.spec)
    expected = finetune.scores(made.float_model, images, made.spec)
    for mode, limit in (("int8_ptq", 0.1), ("float16", 0.005), ("float32", 1e-5)):
        path = tmp_path / f"{mode}.tflite"
        path.write_bytes(made.export(mode))
        model = TFLiteModel(path)
        assert model.info.mode == mode and model.info.variant == variant
        np.testing.assert_allclose([model.scores(image) for image in images], expected, atol=limit)
