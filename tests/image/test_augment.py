"""Training crops: repeatable, in range, true to the algorithm they name, and of every photo that `pixels` decodes."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support.photo_files import encode, photo, pixels_of

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.image import augment, pixels

SEED = tf.constant([5, 7], tf.int64)


def seed_of(number: int) -> tf.Tensor:
    return tf.constant([0, number], tf.int64)


def from_jpeg(data: bytes, size: int, seed: tf.Tensor, config: AugmentConfig) -> np.ndarray:
    return augment.from_jpeg(tf.constant(data), tf.constant(size), seed, config).numpy()


def from_pixels(image: np.ndarray, size: int, seed: tf.Tensor, config: AugmentConfig) -> np.ndarray:
    return augment.from_pixels(tf.constant(image), tf.constant(size), seed, config).numpy()


@pytest.mark.parametrize("mode", ["none", "basic", "advanced"])
def test_the_same_seed_gives_the_same_image(mode):
    data, config = photo(0, 80, 60), AugmentConfig(mode=mode)
    first, again = (from_jpeg(data, 32, SEED, config) for _ in range(2))
    assert first.shape == (32, 32, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    others = [from_jpeg(data, 32, seed_of(seed), config) for seed in range(4)]
    assert any((other != first).any() for other in others) == (mode != "none")


@pytest.mark.parametrize("mode", ["none", "basic", "advanced"])
def test_a_jpeg_gives_what_its_decoded_pixels_give(mode):
    data, config = photo(0, 300, 200, quality=98), AugmentConfig(mode=mode, randaugment_magnitude=3)
    for number in range(4):
        ours = from_jpeg(data, 96, seed_of(number), config).astype(int)
        reference = from_pixels(pixels.decode(data), 96, seed_of(number), config)
        assert np.abs(ours - reference).mean() < 2


@pytest.mark.parametrize("size", [16, 32, 64, 250])
def test_a_photo_decoded_at_a_fraction_of_its_size_is_the_same_photo(size):
    data, config = photo(3, 1200, 900), AugmentConfig(mode="none")
    reference = pixels.decode_image(data).resize((size, size), box=(150, 0, 1050, 900))
    assert np.abs(from_jpeg(data, size, SEED, config).astype(int) - np.asarray(reference)).mean() < 1.5


def test_mode_none_takes_the_largest_centred_square_for_any_seed():
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = pixels_of(32, 32)
    image = from_pixels(wide, 32, SEED, AugmentConfig(mode="none"))
    np.testing.assert_array_equal(image, pixels_of(32, 32))


def test_without_flip_no_seed_mirrors_and_with_flip_half_of_them_do():
    left_to_right = encode(np.repeat(np.arange(64, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2) * 3)

    def mirrored(flip: bool) -> int:
        config = AugmentConfig(flip=flip)
        images = [from_jpeg(left_to_right, 16, seed_of(seed), config) for seed in range(200)]
        return sum(int(image[8, 0, 0]) > int(image[8, -1, 0]) for image in images)

    assert mirrored(flip=False) == 0
    assert 70 < mirrored(flip=True) < 130


def boxes_of(height: int, width: int, scale: tuple[float, float], count: int) -> np.ndarray:
    """int [count, 4]: boxes (top, left, rows, columns) of as many seeds."""
    config = AugmentConfig(scale=scale)

    @tf.function
    def box(seed):
        return augment.crop_box(tf.constant(height), tf.constant(width), augment.draws_of(seed, config), config)

    return np.stack([box(seed_of(number)).numpy() for number in range(count)])


def test_crops_are_inside_and_have_the_drawn_areas_and_ratios():
    top, left, rows, columns = boxes_of(300, 400, (0.08, 1.0), 1000).T
    assert min(top.min(), left.min()) >= 0 and (left + columns).max() <= 400 and (top + rows).max() <= 300
    shares = rows * columns / (400 * 300)
    assert 0.079 < shares.min() < 0.1
    assert shares.max() > 0.9
    ratios = columns / rows
    assert 0.74 < ratios.min() < 0.76
    assert 1.31 < ratios.max() < 1.35
    assert abs(np.log(ratios).mean()) < 0.03  # log-uniform: as often tall as wide
    assert 0.4 < (left / np.maximum(400 - columns, 1)).mean() < 0.6


def test_a_strip_no_crop_fits_into_gives_its_middle():
    assert boxes_of(10, 12000, (0.9, 1.0), 1).tolist() == [[0, 5993, 10, 13]]
    assert boxes_of(12000, 10, (0.9, 1.0), 1).tolist() == [[5993, 0, 13, 10]]
    assert boxes_of(1, 1, (0.08, 1.0), 1).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8, 8), (3000, 5), (2100, 1400)])
def test_photos_of_any_shape_become_the_asked_size(width, height):
    config = AugmentConfig(mode="advanced")
    for number in range(3):
        assert from_jpeg(photo(0, width, height), 24, seed_of(number), config).shape == (24, 24, 3)
        assert from_pixels(pixels_of(width, height), 24, seed_of(number), config).shape == (24, 24, 3)


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "wild"},
        {"scale": (0.0, 1.0)},
        {"scale": (0.5, 0.2)},
        {"ratio": (0.0, 1.0)},
        {"randaugment_ops": -1},
        {"randaugment_magnitude": 31},
        {"cutmix_alpha": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(UserError):
        AugmentConfig(**values)
