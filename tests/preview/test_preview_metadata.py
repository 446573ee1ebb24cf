"""What a stranger's file says of itself is read with care: right or one sentence, and never much memory."""

import io
import json
import zipfile

import pytest

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import INFO_FILE, LABELS_FILE, SPEC_FILE, ModelInfo, read_metadata
from mobilevit_tf.image.image_spec import ImageSpec

INFO = json.loads(ModelInfo("Flowers", "xxs", "int8", "0.1", "Apache-2.0", "run").to_json())
SPEC = json.loads(ImageSpec(64, 64).to_json())


def file_with(labels: bytes = b"a\nb\n", spec: object = SPEC, info: object = INFO) -> bytes:
    stream = io.BytesIO(b"\x00\x00\x00\x00TFL3 and the graph")
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, part in ((LABELS_FILE, labels), (SPEC_FILE, spec), (INFO_FILE, info)):
            archive.writestr(name, part if isinstance(part, bytes) else json.dumps(part))
    return stream.getvalue()


def test_labels_spec_and_info_are_read_back():
    assert read_metadata(file_with(), "x.tflite") == (("a", "b"), ImageSpec(64, 64), ModelInfo(**INFO))


@pytest.mark.parametrize(
    "parts",
    [
        {"labels": bytes(50_000_000)},
        {"labels": b"\xff\xfe"},
        {"info": b"not json"},
        {"info": [1, 2]},
        {"info": {"name": "only"}},
        {"info": {**INFO, "name": 7}},
        {"info": {**INFO, "unsure_below": "0.5"}},
        {"info": {**INFO, "schema_version": "1"}},
    ],
    ids=["bomb", "not_utf8", "not_json", "list", "keys_missing", "name_number", "threshold_text", "version_text"],
)
def test_metadata_that_is_not_this_projects_ends_in_one_sentence(parts):
    with pytest.raises(UserError, match=r"^x\.tflite carries no labels and preprocessing of this project: export it"):
        read_metadata(file_with(**parts), "x.tflite")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({**SPEC, "schema_version": 99}, "schema version 99 is newer"),
        ({**SPEC, "height": 0}, "height is 0"),
        ({**SPEC, "mean": "abc"}, "a value of the wrong type"),
        ({**SPEC, "mean": [10**400, 0, 0]}, "a value of the wrong type"),
        ({**SPEC, "more": 1}, "unknown or missing keys: more"),
    ],
)
def test_an_image_spec_that_does_not_hold_ends_in_one_sentence(spec, sentence):
    with pytest.raises(UserError, match=f"^image spec: {sentence}"):
        read_metadata(file_with(spec=spec), "x.tflite")


def test_newer_metadata_asks_for_an_update():
    with pytest.raises(UserError, match="is newer than this reader: update the project"):
        read_metadata(file_with(info={**INFO, "schema_version": 2}), "x.tflite")
