"""A right conversion passes whatever the accuracy; a planted defect fails, and the finished work is kept."""

from __future__ import annotations

import dataclasses
import json

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import flatbuffers
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.evaluate import Evaluation
from mobilevit_tf.models import model_file
from mobilevit_tf.models.model_file import ModelFile
from quantize import exporter, job
from quantize.checks import conversion
from quantize.settings import CalibrationConfig, FineTuneConfig
from quantize.steps import convert, metadata, settle

BUILTIN = schema.BuiltinOperator
CALIBRATE = CalibrationConfig(images=32)


def exported(run: ModelFile):
    """(prepared, its fake-quantised model, the file's bytes)."""
    prepared = exporter.prepare(run, datasets.open_source(DataConfig("digits")), CALIBRATE, FineTuneConfig())
    calibrated = exporter.calibrate(prepared, exporter.lower(prepared))
    quantised = exporter.quantise(prepared, calibrated, epochs=0)
    return prepared, quantised, exporter.to_file(prepared, calibrated, "int8_ptq", quantised, "float32")


@pytest.fixture(scope="module")
def right(trained_run):
    return exported(model_file.load(trained_run))


def gaps(made, data: bytes, path) -> list[conversion.LayerGap]:
    prepared, quantised, _ = made
    path.write_bytes(data)
    images = prepared.calibration_images[:2]
    return conversion.layer_gaps(quantised, path, images, prepared.spec.normalize(images))


def test_every_rounded_layer_of_a_right_file_is_checked_and_within_a_step(right, tmp_path):
    found = gaps(right, right[2], tmp_path / "right.tflite")
    assert {gap.layer for gap in found} == {wrapper.layer.name for wrapper in settle.rounded(right[1])}
    assert max(gap.steps for gap in found) < 1.1
    conversion.check_layers(found)


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_a_right_conversion_of_a_weak_model_passes(trained_run, tmp_path, noise):
    strong = model_file.load(trained_run)
    generator = np.random.default_rng(0)
    values = {
        name: value + np.float32(noise) * value.std() * generator.standard_normal(value.shape).astype(np.float32)
        if name.endswith("kernel") else value
        for name, value in strong.weights.items()
    }  # fmt: skip
    weak = exported(dataclasses.replace(strong, weights=values))
    conversion.check_layers(gaps(weak, weak[2], tmp_path / "weak.tflite"))


def edited(data: bytes, edit) -> bytes:
    """The file with its graph changed; the metadata behind it is left out."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    edit(model, model.subgraphs[0])
    model.metadata = None
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def convolutions(model, graph, size: int):
    """The square convolutions of a kernel size."""
    codes = [code.builtinCode for code in model.operatorCodes]
    return [
        op for op in graph.operators
        if codes[op.opcodeIndex] == BUILTIN.CONV_2D and graph.tensors[op.inputs[1]].shape[1] == size
    ]  # fmt: skip


def wrong_zero_point(model, graph):
    tensor = graph.tensors[convolutions(model, graph, 1)[5].outputs[0]]
    tensor.quantization.zeroPoint = [127]  # nothing above 0 is left


def halved_range(model, graph):
    tensor = graph.tensors[convolutions(model, graph, 3)[1].outputs[0]]
    tensor.quantization.scale = [float(tensor.quantization.scale[0]) / 2]


def swapped_channels(model, graph):
    kernel = graph.tensors[convolutions(model, graph, 1)[-3].inputs[1]]
    values = np.array(model.buffers[kernel.buffer].data, np.uint8).reshape(kernel.shape)  # [out, 1, 1, in]
    values[[0, 1]] = values[[1, 0]]
    model.buffers[kernel.buffer].data = values.ravel()


@pytest.mark.parametrize("defect", [wrong_zero_point, halved_range, swapped_channels])
def test_a_planted_defect_of_one_layer_is_found(right, tmp_path, defect):
    path = tmp_path / "wrong.tflite"
    with pytest.raises(UserError, match=r"layer \S+ of the file departs by .* expected at most 2: the conversion"):
        conversion.check_layers(gaps(right, edited(right[2], defect), path))


def answers(scores: list[list[float]]) -> Evaluation:
    return Evaluation(("a", "b"), np.zeros(len(scores), int), np.float32(scores), tuple(map(str, range(len(scores)))))


def test_an_answer_may_change_only_where_the_two_best_scores_lie_close_together():
    keras = answers([[0.52, 0.48], [0.51, 0.49]] + [[0.9, 0.1]] * 98)
    near = answers([[0.49, 0.51], [0.48, 0.52]] + [[0.9, 0.1]] * 98)
    far = answers([[0.52, 0.48], [0.51, 0.49]] + [[0.4, 0.6]] * 2 + [[0.9, 0.1]] * 96)
    report = conversion.check_scores(REPORT, keras, near)
    assert report.keras_agreement == 0.98
    with pytest.raises(UserError, match=r"answers 2 of 100 photos unlike .* more than 0\.1 apart"):
        conversion.check_scores(REPORT, keras, far)
    with pytest.raises(UserError, match="of the scores move to other classes"):
        conversion.check_scores(REPORT, keras, answers([[0.8, 0.2]] * 100))


@dataclasses.dataclass(frozen=True)
class _Report:
    keras_agreement: float | None = None
    keras_distance: float | None = None


REPORT = _Report()


def run_job(trained_run, output):
    job.run(job.Job(trained_run, output, "int8_ptq", "float32", CALIBRATE, FineTuneConfig()))


def test_a_wrong_file_is_kept_under_another_name_with_its_report_and_an_older_one_stays(
    trained_run, tmp_path, monkeypatch
):
    converted = convert.to_int8

    def upside_down(model, output_type):
        kernel = model.get_layer("quant_classifier").trainable_weights[0]
        kernel.assign(-kernel)
        data = converted(model, output_type)
        kernel.assign(-kernel)
        return data

    monkeypatch.setattr(convert, "to_int8", upside_down)
    output = tmp_path / "model.tflite"
    output.write_bytes(b"older")
    with pytest.raises(UserError, match=r"int8_ptq: layer classifier .*: the conversion is wrong: .* was not written; "
                                        r"what was made is kept as .*model\.refused\.tflite"):  # fmt: skip
        run_job(trained_run, output)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["model.refused.report.html", "model.refused.report.json", "model.refused.tflite", "model.tflite"]
    assert output.read_bytes() == b"older"
    assert json.loads((tmp_path / "model.refused.report.json").read_text())["mode"] == "int8_ptq"


def test_labels_in_another_order_are_found(trained_run, tmp_path, monkeypatch):
    populated = metadata.populate

    def turned(data, labels, spec, info):
        labels = labels[1:] + labels[:1] if info.mode == "int8_ptq" else labels
        return populated(data, labels, spec, info)

    monkeypatch.setattr(metadata, "populate", turned)
    with pytest.raises(UserError, match=r"do not have the same classes.* is kept as .*model\.refused\.tflite"):
        run_job(trained_run, tmp_path / "model.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["model.refused.tflite"]
