"""ImageSpec: what it refuses, its boxes, and its way through JSON."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from mobilevit_tf.errors import UserError
from mobilevit_tf.image.image_spec import SCHEMA_VERSION, ImageSpec

IMAGENET = ImageSpec(
    224, 192, "bicubic", 0.875, "BGR", (0.0, 1.0), mean=(0.406, 0.456, 0.485), std=(0.225, 0.224, 0.229)
)


def test_json_round_trip_keeps_every_attribute():
    assert ImageSpec.from_json(IMAGENET.to_json()) == IMAGENET
    assert ImageSpec.from_json(ImageSpec().to_json()) == ImageSpec()


def test_json_has_every_attribute_by_name_and_todays_schema_version():
    values = json.loads(ImageSpec().to_json())
    assert set(values) == {field.name for field in dataclasses.fields(ImageSpec)}
    assert values["schema_version"] == SCHEMA_VERSION == 1


def test_a_newer_schema_is_refused_even_where_its_keys_are_unknown():
    values = {"schema_version": 2, "something_new": True}
    with pytest.raises(UserError, match="schema version is newer than this reader's 1: update the reader"):
        ImageSpec.from_json(json.dumps(values))


@pytest.mark.parametrize("text", ["", "not json", "[]", "null", '"text"'])
def test_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(UserError, match="image spec"):
        ImageSpec.from_json(text)


@pytest.mark.parametrize(("key", "change"), [("width", "drop"), ("heigth", "add")])
def test_a_missing_or_misspelt_key_is_named(key, change):
    values = json.loads(ImageSpec().to_json())
    values = {**values, key: 1} if change == "add" else {name: values[name] for name in values if name != key}
    with pytest.raises(UserError, match=rf"unknown key '{key}'|missing keys: {key}"):
        ImageSpec.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("height", 0),
        ("width", 4097),
        ("height", 32.0),
        ("height", True),
        ("height", "32"),
        ("resize", "nearest"),
        ("crop_fraction", 0.0),
        ("crop_fraction", 1.5),
        ("crop_fraction", "all"),
        ("crop_fraction", float("nan")),
        ("color_order", "GRB"),
        ("range", (1.0, 0.0)),
        ("range", (0.0, float("nan"))),
        ("range", (0.0,)),
        ("mean", (0.0, 0.0)),
        ("mean", (0.0, 0.0, float("inf"))),
        ("std", (1.0, 1.0, 0.0)),
        ("std", (1.0, 1.0, float("nan"))),
        ("schema_version", 0),
        ("schema_version", 2),
        ("schema_version", "1"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(key, value):
    with pytest.raises(UserError, match="image spec"):
        ImageSpec(**{key: value})
    text = json.dumps({**json.loads(ImageSpec().to_json()), key: value})
    with pytest.raises(UserError, match="image spec"):
        ImageSpec.from_json(text)


@pytest.mark.parametrize(
    ("spec", "height", "width", "box"),
    [
        (ImageSpec(256, 256, crop_fraction=1.0), 300, 400, (50, 0, 350, 300)),
        (ImageSpec(256, 256, crop_fraction=1.0), 400, 300, (0, 50, 300, 350)),
        (ImageSpec(256, 256), 288, 288, (16, 16, 272, 272)),  # Apple's 256 out of 288
        (ImageSpec(256, 256), 480, 640, (106, 26, 533, 453)),
        (ImageSpec(256, 256, crop_fraction=0.5), 5, 5, (1, 1, 4, 4)),  # 2.5 rounds half up to 3
        (ImageSpec(256, 256, crop_fraction=0.875), 1, 1, (0, 0, 1, 1)),
        (ImageSpec(256, 256, crop_fraction=0.01), 10, 12000, (5999, 4, 6000, 5)),
        (ImageSpec(128, 256, crop_fraction=1.0), 100, 100, (0, 25, 100, 75)),
        (ImageSpec(256, 128, crop_fraction=1.0), 101, 100, (24, 0, 75, 101)),
        (ImageSpec(64, 64), 8, 8, (0, 0, 7, 7)),
    ],
)
def test_crop_box_is_the_centred_box_of_the_inputs_shape(spec, height, width, box):
    assert spec.crop_box(height, width) == box


def test_crop_box_stays_inside_and_is_never_empty():
    rng = np.random.default_rng(0)
    for _ in range(500):
        height, width, rows, columns = (int(value) for value in rng.integers(1, 300, 4))
        spec = ImageSpec(rows, columns, crop_fraction=float(rng.uniform(0.01, 1)))
        left, top, right, bottom = spec.crop_box(height, width)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_normalize_maps_pixels_to_range_then_mean_and_std():
    black_and_white = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    plain = ImageSpec().normalize(black_and_white)
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain, [[0, 0, 0], [1, 1, 1]])
    signed = ImageSpec(range=(-1.0, 1.0)).normalize(black_and_white)
    np.testing.assert_allclose(signed, [[-1, -1, -1], [1, 1, 1]], atol=1e-6)
    expected = [[-0.406 / 0.225, -0.456 / 0.224, -0.485 / 0.229], [0.594 / 0.225, 0.544 / 0.224, 0.515 / 0.229]]
    np.testing.assert_allclose(IMAGENET.normalize(black_and_white), expected, rtol=1e-6)


def test_only_rgb_in_0_to_1_is_plain():
    assert ImageSpec().is_plain
    assert ImageSpec(64, 96, "bicubic", 0.5).is_plain
    assert not IMAGENET.is_plain
    assert not ImageSpec(color_order="BGR").is_plain
    assert not ImageSpec(range=(-1.0, 1.0)).is_plain
    assert IMAGENET.plain() == ImageSpec(224, 192, "bicubic", 0.875)
