"""What a stranger's file says of itself is read with care: right or one sentence, and never much memory."""

import io
import json
import zipfile

import pytest
from support.commands import ROOT

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import INFO_FILE, LABELS_FILE, SPEC_FILE, ModelInfo, read_metadata
from mobilevit_tf.image.image_spec import ImageSpec

INFO = json.loads(ModelInfo("Flowers", "xxs", "int8", "0.1", "Apache-2.0", "run").to_json())
SPEC = json.loads(ImageSpec(64, 64).to_json())


def file_with(
    labels: bytes = b"a\nb\n", spec: object = SPEC, info: object = INFO, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    stream = io.BytesIO(b"\x00\x00\x00\x00TFL3 and the graph")
    with zipfile.ZipFile(stream, "a", method) as archive:
        for name, part in ((LABELS_FILE, labels), (SPEC_FILE, spec), (INFO_FILE, info)):
            archive.writestr(name, part if isinstance(part, bytes) else json.dumps(part))
    return stream.getvalue()


def test_labels_spec_and_info_are_read_back():
    assert read_metadata(file_with(), "x.tflite") == (("a", "b"), ImageSpec(64, 64), ModelInfo(**INFO))


@pytest.mark.parametrize("labels", [bytes(50_000_000), b"\xff\xfe"], ids=["bomb", "not_utf8"])
def test_metadata_that_is_not_this_projects_ends_in_one_sentence(labels):
    with pytest.raises(UserError, match=r"^x\.tflite carries no labels and preprocessing of this project: export it"):
        read_metadata(file_with(labels), "x.tflite")


def raw(**changes: str) -> bytes:
    """INFO as JSON text with some values replaced by text that is put in as it is."""
    texts = {key: json.dumps(value) for key, value in INFO.items()} | changes
    return ("{" + ", ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items()) + "}").encode()


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        (b"not json", "model_info.json is damaged"),
        (b'{"a": ' * 100_000, "model_info.json is nested too deeply"),
        ([1, 2], "model_info.json holds a list of 2, expected a JSON object"),
        ({"name": "only"}, "model_info.json: the key 'variant' is missing"),
        ({**INFO, "name": 7}, "model_info.json: name is 7, expected text of at most 1,000 characters"),
        ({**INFO, "name": "\ud800x"}, r"model_info.json: name is '\\ud800x', expected text"),
        ({**INFO, "name": "n" * 3_900_000}, "model_info.json: name is 'nnn.*, expected text of at most 1,000"),
        ({**INFO, "license": None}, "model_info.json: license is None, expected text"),
        ({**INFO, "unsure_below": "0.5"}, "model_info.json: unsure_below is '0.5', expected a finite number"),
        ({**INFO, "unsure_below": 1.5}, "model_info.json: unsure_below is 1.5, expected 0 to 1"),
        ({**INFO, "unsure_below": True}, "model_info.json: unsure_below is True, expected a finite number"),
        (raw(unsure_below="NaN"), "model_info.json is damaged: NaN is no number of JSON"),
        (raw(temperature="1e999"), "model_info.json is damaged: a number is too large"),
        (raw(temperature="1" * 400), "model_info.json: temperature is a whole number of 1326 bits, expected a finite"),
        (raw(temperature="1" * 5_000), "model_info.json is damaged: Exceeds the limit"),
        (raw(temperature="0"), "model_info.json: temperature is 0, expected 1e-06 to 1e"),
        (b'{"name": "a", "name": "b"}', "model_info.json is damaged: a key occurs twice"),
        ({**INFO, "schema_version": "1"}, "model_info.json: schema_version is '1', expected a whole number"),
    ],
)
def test_a_value_that_is_not_what_the_schema_says_is_named(info, sentence):
    with pytest.raises(UserError, match=rf"^x\.tflite: {sentence}") as refusal:
        read_metadata(file_with(info=info), "x.tflite")
    assert len(str(refusal.value)) < 250
    assert str(refusal.value).isascii()


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (b"a\nb\na\n", "label 'a' occurs twice"),
        (b"a\n\nb\n", "label 1 is blank"),
        (b"a\n" + b"b" * 1001, "label 1 is no text of at most 1000 characters"),
    ],
)
def test_labels_that_a_reader_would_mix_up_are_refused(labels, sentence):
    with pytest.raises(UserError, match=rf"^x\.tflite: {sentence}"):
        read_metadata(file_with(labels), "x.tflite")


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({**SPEC, "schema_version": 99}, "schema version is newer"),
        ({**SPEC, "height": 0}, "image spec: height is 0"),
        ({**SPEC, "mean": "abc"}, "mean is 'abc', expected 3 of a finite number"),
        ({**SPEC, "mean": [10**400, 0, 0]}, "mean is a list of 3, expected 3 of a finite number"),
        ({**SPEC, "more": 1}, "unknown key 'more'"),
    ],
)
def test_an_image_spec_that_does_not_hold_ends_in_one_sentence(spec, sentence):
    with pytest.raises(UserError, match=rf"^x\.tflite: image spec: {sentence}"):
        read_metadata(file_with(spec=spec), "x.tflite")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_part_that_unpacks_without_a_bound_is_not_unpacked(method, monkeypatch):
    monkeypatch.setattr(zipfile, "_get_decompressor", lambda _: pytest.fail("was unpacked"))
    with pytest.raises(UserError, match="carries no labels and preprocessing"):
        read_metadata(file_with(method=method), "x.tflite")


def test_newer_metadata_asks_for_an_update():
    with pytest.raises(UserError, match="is newer than this reader: update the project"):
        read_metadata(file_with(info={**INFO, "schema_version": 2}), "x.tflite")


def test_a_field_that_came_later_is_in_the_file_only_where_it_says_something():
    with zipfile.ZipFile(ROOT / "models" / "flowers_xxs_int8.tflite") as archive:
        text = archive.read("model_info.json").decode()
    assert ModelInfo(**json.loads(text)).to_json() + "\n" == text  # exports keep their bytes
    later = ModelInfo(**INFO | {"none_of_these": True, "origin": "timm/x@0"})
    assert json.loads(later.to_json()) == INFO | {"none_of_these": True, "origin": "timm/x@0"}
