"""RandAugment in the graph: the paper's operations, and for each what Pillow computes."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from support.photo_files import pixels_of

from mobilevit_tf.image import randaugment

NOISE = np.random.default_rng(0).integers(20, 200, (24, 40, 3)).astype(np.uint8)


def applied(image: np.ndarray, name: str, strength: float) -> np.ndarray:
    return randaugment.apply_operation(tf.constant(image), name, strength).numpy()


def test_randaugment_has_the_papers_fourteen_operations_and_all_but_identity_change_a_photo():
    assert len(randaugment.RANDAUGMENT_OPS) == len(set(randaugment.RANDAUGMENT_OPS)) == 14
    for name in randaugment.RANDAUGMENT_OPS:
        changed = applied(NOISE, name, 0.6)
        assert changed.shape == NOISE.shape
        assert changed.dtype == np.uint8
        assert (changed != NOISE).any() == (name != "identity"), name


def test_operations_do_what_their_names_say():
    def value(name: str, strength: float, level: int = 100) -> int:
        return int(applied(np.full((8, 8, 3), level, np.uint8), name, strength)[4, 4, 0])

    assert value("brightness", 1) == 190
    assert value("brightness", -1) == 10
    assert value("solarize", 1) == 155  # all above 0 inverted
    assert value("solarize", 0, level=255) == 255
    assert value("posterize", 1, level=255) == 0b11110000
    assert value("posterize", 0) == 100
    assert value("rotate", 0.3) == value("shear_x", 0.3) == value("translate_y", 0.1) == 100  # the centre stays


PILLOW = {
    "brightness": lambda image, v: ImageEnhance.Brightness(image).enhance(1 + 0.9 * v),
    "color": lambda image, v: ImageEnhance.Color(image).enhance(1 + 0.9 * v),
    "contrast": lambda image, v: ImageEnhance.Contrast(image).enhance(1 + 0.9 * v),
    "sharpness": lambda image, v: Image.blend(image.filter(ImageFilter.SMOOTH), image, 1 + 0.9 * v),
    "posterize": lambda image, v: ImageOps.posterize(image, 8 - round(4 * abs(v))),
    "solarize": lambda image, v: ImageOps.solarize(image, round(256 * (1 - abs(v)))),
    "autocontrast": lambda image, v: ImageOps.autocontrast(image),
    "equalize": lambda image, v: ImageOps.equalize(image),
    "identity": lambda image, v: image,
}


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("strength", [-0.7, 0.3, 1.0])
def test_levels_are_pillows_within_one(name, strength):
    inner = np.s_[1:-1, 1:-1] if name == "sharpness" else np.s_[:]  # Pillow does not smooth the border
    for image in (NOISE, np.kron(pixels_of(20, 12, 3), np.ones((2, 2, 1), np.uint8))):
        expected = np.asarray(PILLOW[name](Image.fromarray(image), strength)).astype(int)
        assert np.abs(applied(image, name, strength).astype(int) - expected)[inner].max() <= 1


def test_geometry_is_pillows_nearest_pixel():
    height, width = NOISE.shape[:2]
    image, grey = Image.fromarray(NOISE), (128, 128, 128)
    for strength in (-0.5, 0.8):
        for name, matrix in {
            "shear_x": (1, 0.3 * strength, 0, 0, 1, 0),
            "shear_y": (1, 0, 0, 0.3 * strength, 1, 0),
            "translate_x": (1, 0, round(150 / 331 * strength * width), 0, 1, 0),
            "translate_y": (1, 0, 0, 0, 1, round(150 / 331 * strength * height)),
        }.items():
            expected = image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=grey)
            same = (applied(NOISE, name, strength) == np.asarray(expected)).all(-1).mean()
            # Pillow shears about the corner of the first pixel, the graph about its middle
            assert same == 1 if name.startswith("translate") else same > 0.8, (name, strength, same)
        expected = image.rotate(30 * strength, Image.Resampling.NEAREST, fillcolor=grey)
        assert (applied(NOISE, "rotate", strength) == np.asarray(expected)).all(-1).mean() > 0.95


def test_every_operation_at_full_strength_keeps_type_and_shape():
    for name in randaugment.RANDAUGMENT_OPS:
        for image in (pixels_of(17, 17), np.zeros((1, 1, 3), np.uint8), np.full((5, 3, 3), 255, np.uint8)):
            for strength in (-1, 0, 1):
                assert applied(image, name, strength).shape == image.shape


def test_draws_pick_every_operation_and_both_signs():
    image = tf.constant(NOISE)
    ones = [(index + 0.5) / 14 for index in range(14)]
    results = {
        randaugment.randaugment(image, tf.constant([pick, sign]), 1, 15).numpy().tobytes()
        for pick in ones
        for sign in (0.1, 0.9)
    }
    assert len(results) == 9 * 2 + 5
    assert (randaugment.randaugment(image, tf.constant([]), 0, 9).numpy() == NOISE).all()
