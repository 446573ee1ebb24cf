"""Structured random inputs: any JSON, pickle, table, labels, ZIP or parts of a model give a value or one sentence."""

import contextlib
import dataclasses
import io
import json
import pickletools
import re
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.photo_files import photo

from mobilevit_tf import strict_json
from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.data.source import natural_key
from mobilevit_tf.data.table import read_table
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import tflite_model
from mobilevit_tf.evaluation.tflite_model import ModelInfo
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.labels import check_labels
from mobilevit_tf.pretrained import torch_pickle
from preview import folders

FUZZ = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["", "xxs"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
INFO = ModelInfo("name", "xxs", "int8", "1", "Apache-2.0", "run")
RIGHT = [INFO, ImageSpec(32, 32), ModelConfig(), DataConfig()]

OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
ARGUMENTS = st.sampled_from(
    [
        b"", b"\0", b"\1", b"\xff\xff\xff\x7f", b"cat\n", b"torch._utils\n_rebuild_tensor_v2\n", b"4\n",
        b"collections\nOrderedDict\n", b"torch\nFloatStorage\n", b"\x05\0\0\0hello",
    ]
)  # fmt: skip
CELLS = st.sampled_from(["a.jpg", "/etc/passwd", "../a.jpg", "a/../../b", "cat", "train", "val", "", " ", "9" * 5_000,
                         "\0", "\x1b[2J", '"', "'", "x" * 200, "\u2028"]) | st.text(max_size=8)  # fmt: skip
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=4).map(",".join), max_size=6).map("\n".join)
CHANGES = st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=4)), max_size=6)
PICKLES = st.lists(st.sampled_from(OPCODES) | ARGUMENTS, max_size=40).map(b"".join)


def one_sentence(error: UserError) -> None:
    assert 10 < len(str(error)) < 700
    assert "\n" not in str(error)


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: type(right).__name__)
@FUZZ
@given(st.data())
def test_any_json_in_the_place_of_any_value_is_taken_or_refused_in_one_sentence(right, data):
    values = json.loads(json.dumps(dataclasses.asdict(right)))
    for key in data.draw(st.lists(st.sampled_from(sorted(values)), max_size=3)):
        values[key] = data.draw(VALUES)
    if data.draw(st.booleans()):
        values |= data.draw(st.dictionaries(st.text(max_size=5), VALUES, max_size=2))
    try:
        built = strict_json.build(type(right), strict_json.parse(json.dumps(values), "file"), "file")
        assert strict_json.build(type(right), json.loads(json.dumps(dataclasses.asdict(built))), "file") == built
    except UserError as error:
        one_sentence(error)


@FUZZ
@given(st.text(max_size=60) | VALUES.map(json.dumps) | st.binary(max_size=60))
def test_any_text_is_json_or_refused_in_one_sentence(text):
    try:
        strict_json.parse(text, "file")
        ImageSpec.from_json(text if isinstance(text, str) else text.decode())
    except UserError as error:
        one_sentence(error)


@FUZZ
@given(PICKLES, st.booleans())
def test_any_pickle_is_read_or_refused_in_one_sentence(opcodes, legacy):
    content = b"\x80\x02" + opcodes + b"."
    if not legacy:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("archive/data.pkl", content)
        content = stream.getvalue()
    try:
        torch_pickle.load(content, "weights.pt")
    except UserError as error:
        one_sentence(error)


@FUZZ
@given(
    st.sampled_from(["file,label", "file;label;split", "label\tfile", "file,label,split,x", ""]), TABLES, st.booleans()
)
def test_any_table_names_files_of_its_own_folder_or_is_refused_in_one_sentence(tmp_path, header, rows, utf8):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "t.csv").write_bytes(f"{header}\n{rows}".encode("utf-8" if utf8 else "utf-16"))
    try:
        layout = read_table(tmp_path / "t.csv")
        for place in layout.places:
            assert (tmp_path / place.path).resolve().is_relative_to(tmp_path), place
        check_labels(layout.class_names)
    except UserError as error:
        assert 10 < len(str(error)) < 1_500  # a label, which has 1,000 characters at most, is repeated whole


@FUZZ
@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_labels_that_are_taken_come_back_from_the_lines_of_a_file(labels):
    try:
        check_labels(labels)
    except UserError as error:
        assert "\n" not in str(error)
        return
    assert ("\n".join(labels) + "\n").encode().decode().splitlines() == labels


@FUZZ
@given(st.from_regex(r"[a-c]?[0-9]{0,6}[a-c]?[0-9]{0,3}", fullmatch=True), st.text("ab019", max_size=8))
def test_names_sort_by_their_numbers(one, other):
    def by_int(text: str) -> tuple:
        parts = re.split(r"([0-9]+)", text)
        return [int(part) if index % 2 else part for index, part in enumerate(parts)], text

    assert (natural_key(one) < natural_key(other)) == (by_int(one) < by_int(other))
    assert natural_key("9" * 5_000) < natural_key("1" + "0" * 5_000)  # past what Python makes a number of


def changed(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """With some bytes of the end, where a ZIP has its list of contents, or of the start overwritten."""
    copy = bytearray(data)
    for place, new in changes:
        start = place if place < 100 else max(0, len(copy) - place // 8)
        copy[start : start + len(new)] = new
    return bytes(copy)


@FUZZ
@given(CHANGES, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_any_zip_gives_photos_or_one_sentence(tmp_path, changes, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("cat/a.png", photo(1, 8, 8, format="PNG"))
        archive.writestr("../b.jpg", b"x" * 100)
    path = tmp_path / "x.zip"
    path.write_bytes(changed(stream.getvalue(), changes))
    try:
        with folders.collect([path]) as entries:
            for entry in entries:
                with contextlib.suppress(UserError):
                    assert len(entry.read()) <= 2**26
    except UserError as error:
        one_sentence(error)


@FUZZ
@given(CHANGES)
def test_any_parts_of_a_model_are_read_or_refused_in_one_sentence(changes):
    parts = {
        tflite_model.LABELS_FILE: "a\nb\n",
        tflite_model.SPEC_FILE: ImageSpec(32, 32).to_json(),
        tflite_model.INFO_FILE: INFO.to_json(),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    try:
        labels, _, _ = tflite_model.read_metadata(changed(stream.getvalue(), changes), "x.tflite")
        check_labels(labels)
    except UserError as error:
        one_sentence(error)
