"""Metadata: what this project and other readers find in a file."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mobilevit_tf import datasets, pixels
from mobilevit_tf.config import DataConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.image_spec import ImageSpec
from mobilevit_tf.tflite_model import TFLiteModel, read_metadata
from quantize import metadata

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
    ],
)
def test_labels_that_readers_trip_over_are_refused(labels, message):
    with pytest.raises(UserError, match=message):
        metadata.check_labels(labels, 3)


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


@pytest.mark.parametrize("name", ["int8_ptq", "float32"])
def test_task_library_gives_our_readers_scores_to_1_255(name, request, tmp_path):
    from PIL import Image

    path = request.getfixturevalue(name)
    model = TFLiteModel(path)
    photos = list(datasets.open_source(DataConfig("digits")).examples("val", limit=20))
    images = [pixels.model_input(photo.data, model.spec) for photo in photos]
    for index, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    names = [str(tmp_path / f"{index}.png") for index in range(len(images))]
    child = subprocess.run(
        [sys.executable, "-c", TASK_LIBRARY, str(path), *names], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    for image, line in zip(images, child.stdout.splitlines(), strict=True):
        theirs = json.loads(line)
        np.testing.assert_allclose([theirs[label] for label in model.labels], model.scores(image), atol=1 / 255)
