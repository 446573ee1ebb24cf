"""Metadata: what this project and other readers find in a file."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from tensorflow.lite.python import schema_py_generated as schema

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import TFLiteModel, read_metadata
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.labels import check_labels
from quantize.checks import runtime
from quantize.steps import metadata

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))
from varied_photos import varied_photos  # noqa: E402

SHIPPED = ROOT / "models" / "flowers_xxs_int8.tflite"
TASK_LIBRARY = """
import ctypes, json, sys
import libusb_package
sys.modules["tensorflow"] = None  # the package would load it, and both cannot live in one process
ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)
from tflite_support.task import core, processor, vision
options = vision.ImageClassifierOptions(core.BaseOptions(file_name=sys.argv[1]), processor.ClassificationOptions())
classifier = vision.ImageClassifier.create_from_options(options)
for path in sys.argv[2:]:
    answer = classifier.classify(vision.TensorImage.create_from_file(path)).classifications[0].categories
    print(json.dumps({c.category_name: c.score for c in answer}))
"""


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a", "b"), "2 labels for 3 classes"),
        (("a", "", "c"), "label 1 is blank"),
        (("a", " ", "c"), "label 1 is blank"),
        (("a", "b", "a"), "'a' occurs twice"),
        (("a", "b\nc", "d"), "line break"),
        (("a", "b\r", "d"), "line break"),
        (("\ufeffa", "b", "c"), "byte order mark"),
        (("a", "b", "\x1b[31mred"), "no text"),
        (("a", "caf\udce9", "c"), "no text"),
        (("a", "b\u2028", "c"), "line break"),
    ],
)
def test_labels_that_readers_trip_over_are_refused(labels, message):
    with pytest.raises(UserError, match=message):
        check_labels(labels, 3)


def test_a_plain_zip_reader_finds_labels_spec_and_info(int8_ptq):
    data = int8_ptq.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["image_spec.json", "labels.txt", "model_info.json"]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("labels.txt") == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"
        info = json.loads(archive.read("model_info.json"))
    assert (info["variant"], info["mode"], info["run_id"]) == ("tiny", "int8_ptq", "tiny_digits")
    assert 0.2 <= info["temperature"] <= 5 and 0 <= info["unsure_below"] <= 1
    labels, spec, _ = read_metadata(data, "file")
    assert labels == tuple("0123456789") and spec.size == (64, 64) and spec.is_plain


def test_input_and_output_have_names_types_and_the_forced_input_scale(int8_ptq):
    interpreter = TFLiteModel(int8_ptq).interpreter
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert (given["name"], made["name"]) == ("image", "probability")
    assert (given["dtype"], made["dtype"]) == (np.uint8, np.float32)
    assert given["quantization"] == (pytest.approx(1 / 255), 0)
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["image"], "outputs": ["probability"]}}


def test_metadata_is_refused_for_a_file_whose_normalisation_no_reader_could_repeat(int8_ptq):
    labels, _, info = read_metadata(int8_ptq.read_bytes(), "file")
    with pytest.raises(ValueError, match="belongs into the graph"):
        metadata.populate(b"", labels, ImageSpec(64, 64, mean=(0.5, 0.5, 0.5)), info)


def task_library(path: Path, photos: list[Image.Image], folder: Path) -> np.ndarray:
    """float32 [n, N]: the Task Library's scores for photos of any size, in the order of the file's labels."""
    names = [folder / f"{index}.png" for index in range(len(photos))]
    for name, photo in zip(names, photos, strict=True):
        photo.save(name)
    child = subprocess.run(
        [sys.executable, "-c", TASK_LIBRARY, str(path), *map(str, names)], capture_output=True, text=True, check=False,
        env=os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},  # its generated code is of protobuf 3
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    return in_order(TFLiteModel(path).labels, [json.loads(line) for line in child.stdout.splitlines()])


def plain_runtime(path: Path, photos: list[Image.Image], folder: Path) -> np.ndarray:
    """The same with nothing but ai_edge_litert, zipfile and Pillow, as a stranger to this project writes it."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    with zipfile.ZipFile(path) as archive:
        labels = archive.read("labels.txt").decode().splitlines()
    answers = []
    for photo in photos:
        pixels = np.asarray(photo.resize((given["shape"][2], given["shape"][1]), Image.Resampling.NEAREST))
        interpreter.set_tensor(given["index"], pixels[np.newaxis])
        interpreter.invoke()
        answers.append(dict(zip(labels, interpreter.get_tensor(made["index"])[0].tolist(), strict=True)))
    return in_order(tuple(labels), answers)


def in_order(labels: tuple[str, ...], answers: list[dict[str, float]]) -> np.ndarray:
    return np.array([[answer[label] for label in labels] for answer in answers], np.float32)


def test_50_photos_of_the_inputs_size_get_our_readers_scores_from_the_runtime_alone(tmp_path):
    model = TFLiteModel(SHIPPED)
    photos = varied_photos(50, model.spec.size)
    ours = np.array([model.scores(np.asarray(photo)) for photo in photos])
    assert len(set(ours.argmax(1).tolist())) >= 3
    np.testing.assert_array_equal(plain_runtime(SHIPPED, photos, tmp_path), ours)


def test_50_photos_of_the_inputs_size_get_our_readers_scores_from_the_task_library(tmp_path):
    """Its runtime is older and leaves other operators to other kernels; the last bits of the softmax may differ."""
    model = TFLiteModel(SHIPPED)
    photos = varied_photos(50, model.spec.size)
    ours = np.array([model.scores(np.asarray(photo)) for photo in photos])
    difference = np.abs(task_library(SHIPPED, photos, tmp_path) - ours).max(1)
    print(f"{(difference <= 1 / 255).sum()} of 50 within 1/255, largest difference {difference.max():.4f}")
    assert difference.max() <= 1e-6


def test_the_report_beside_the_shipped_file_is_that_files_own():
    report = json.loads(SHIPPED.with_suffix(".report.json").read_text())
    assert (report["file"], report["size_bytes"]) == (SHIPPED.name, SHIPPED.stat().st_size)
    assert report["operators"] == runtime.operators(SHIPPED)["operators"]


@pytest.mark.parametrize("reader", [task_library, plain_runtime])
def test_of_50_photos_of_other_shapes_at_least_45_get_the_answer_of_our_stretched_ones(reader, tmp_path):
    """Their resize is not antialiased, ours is."""
    model = TFLiteModel(SHIPPED)
    photos = varied_photos(50, seed=1)
    ours = np.array([model.scores(pixels.resize(photo, model.spec, "stretch")) for photo in photos])
    same = (reader(SHIPPED, photos, tmp_path).argmax(1) == ours.argmax(1)).sum()
    print(f"{reader.__name__}: {same} of 50")
    assert same >= 45


def test_50_photos_get_a_float_files_scores_to_1_255_from_the_task_library(float32, tmp_path):
    model = TFLiteModel(float32)
    photos = varied_photos(50, model.spec.size)
    ours = np.array([model.scores(np.asarray(photo)) for photo in photos])
    np.testing.assert_allclose(task_library(float32, photos, tmp_path), ours, atol=1 / 255)


def test_the_description_names_the_model_of_the_catalogue(int8_ptq):
    data = int8_ptq.read_bytes()
    labels, spec, info = read_metadata(data, "file")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        bare = data[: min(entry.header_offset for entry in archive.infolist())]
    flat = schema.ModelT.InitFromPackedBuf(bare, 0)
    flat.metadata = None
    builder = flatbuffers.Builder(len(bare))
    builder.Finish(flat.Pack(builder), b"TFL3")
    other = metadata.populate(bytes(builder.Output()), labels, spec, dataclasses.replace(info, variant="mobilenet_v2"))
    assert b"into 10 classes with MobileNetV2 (int8_ptq)" in other
    assert b"into 10 classes with MobileViT-TINY (int8_ptq)" in data
