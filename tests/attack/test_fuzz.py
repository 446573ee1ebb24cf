"""Structured random inputs: JSON of every shape, and pickles made of any opcodes, give a value or one sentence."""

import dataclasses
import io
import json
import pickletools
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilevit_tf import strict_json
from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import ModelInfo
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.pretrained import torch_pickle

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
