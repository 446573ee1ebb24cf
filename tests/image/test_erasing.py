"""Random erasing: repeatable, as often and as large as it says, one rectangle of black."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.errors import UserError
from mobilevit_tf.image import erasing
from mobilevit_tf.train import input_pipeline
from mobilevit_tf.train.multiscale import plan_epoch


def _boxes(height: int, width: int, probability: float, count: int = 1000) -> np.ndarray:
    """[erased images, 4] (top, left, rows, columns) of `count` white images; every black area is one rectangle."""
    white = tf.fill((height, width, 3), tf.constant(255, tf.uint8))
    seeds = tf.stack([erasing.seed_of(1, 2, tf.constant(f"photo {index}")) for index in range(count)])
    erase = tf.function(lambda seed: erasing.erase(white, seed, probability), autograph=False)
    images = np.stack([erase(seed).numpy() for seed in seeds])
    assert images.shape == (count, height, width, 3)
    assert set(np.unique(images)) <= {0, 255}
    found = []
    for black in (images == 0).all(-1):
        rows, columns = np.flatnonzero(black.any(1)), np.flatnonzero(black.any(0))
        if len(rows):
            assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            assert black.sum() == len(rows) * len(columns)
            found.append((rows[0], columns[0], len(rows), len(columns)))
    return np.array(found)


def test_a_quarter_of_the_images_loses_a_rectangle_of_the_drawn_areas_and_ratios():
    assert 75 < len(_boxes(96, 64, 0.25, 400)) < 125
    boxes = _boxes(96, 64, 1.0)
    assert len(boxes) == 1000
    shares = boxes[:, 2] * boxes[:, 3] / (96 * 64)
    assert 0.015 < shares.min() < 0.03
    assert 0.31 < shares.max() < 0.35
    ratios = boxes[:, 2] / boxes[:, 3]
    assert 0.25 < ratios.min() < 0.4
    assert 2.8 < ratios.max() < 3.6
    assert boxes[:, 0].min() == 0 and (boxes[:, 0] + boxes[:, 2]).max() == 96
    assert boxes[:, 1].min() == 0 and (boxes[:, 1] + boxes[:, 3]).max() == 64


def test_without_a_probability_nothing_is_erased_and_an_image_without_room_stays():
    assert len(_boxes(96, 64, 0.0, 50)) == 0
    assert len(_boxes(1, 1, 1.0, 50)) == 0


def test_what_is_kept_is_the_image_and_the_seed_decides():
    image = tf.constant(np.random.default_rng(0).integers(1, 256, (32, 32, 3), np.uint8))
    seeds = [erasing.seed_of(*arguments) for arguments in ((0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"))]
    first, *others = (erasing.erase(image, seed, 1.0).numpy() for seed in seeds)
    np.testing.assert_array_equal(first, erasing.erase(image, seeds[0], 1.0))
    np.testing.assert_array_equal(first[first > 0], image.numpy()[first > 0])
    assert all((other != first).any() for other in others)
    assert all(int(seed[0]) < 0 <= int(seed[1]) for seed in seeds)


@pytest.mark.parametrize("probability", [-0.1, 1.5])
def test_a_probability_outside_0_to_1_is_refused(probability):
    with pytest.raises(UserError, match=r"random_erasing is .*, expected a probability from 0 to 1"):
        AugmentConfig(random_erasing=probability)


def test_an_epoch_erases_the_same_photos_again_and_others_in_the_next():
    source = DigitsSource(0.2)
    steps = plan_epoch(source.size("train"), batch_size=64, replicas=1, base_size=32, sizes=(), seed=0, epoch=0)[:2]

    def images(config: AugmentConfig, epoch: int) -> np.ndarray:
        data = input_pipeline.training_dataset(
            source, input_pipeline.HostPlan(steps, 0, 1), config, seed=3, epoch=epoch, first_step=0
        )
        return np.concatenate([image for image, _ in data.take(2).as_numpy_iterator()])

    config = AugmentConfig("none", random_erasing=1.0)
    plain, erased = images(AugmentConfig("none"), 0), images(config, 0)
    assert plain.shape == (128, 32, 32, 3)
    assert all((one != other).any() for one, other in zip(plain, erased, strict=True) if one.min() > 0)
    assert (plain != erased).any((1, 2, 3)).sum() > 64  # a digit's background is black already
    np.testing.assert_array_equal(erased, images(config, 0))
    assert (erased != images(config, 1)).any()
