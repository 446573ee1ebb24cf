"""Mixup and CutMix in the graph: labels that say what is in the picture."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.image import mixing


def mixed_by(function, images: np.ndarray, labels: np.ndarray, seed: int, setting) -> tuple[np.ndarray, np.ndarray]:
    """`setting`: alpha, or the config of `mix_batch`."""
    arguments = (tf.constant(images), tf.constant(labels), tf.constant([3, seed], tf.int64), setting)
    return tuple(value.numpy() for value in function(*arguments))


def batch(size: int = 6, side: int = 16, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Images of one level each, and one-hot labels."""
    images = np.repeat(np.arange(size, dtype=np.uint8) * 40, side * side * 3).reshape(size, side, side, 3)
    return images, np.eye(classes, dtype=np.float32)[np.arange(size) % classes]


@pytest.mark.parametrize("mix", [mixing.mixup, mixing.cutmix])
def test_mixed_labels_sum_to_one_and_repeat_with_the_seed(mix):
    images, labels = batch()
    before = images.copy()
    for seed in range(30):
        mixed, soft = mixed_by(mix, images, labels, seed, 1.0)
        assert mixed.shape == images.shape
        assert mixed.dtype == np.uint8
        assert soft.shape == labels.shape
        assert soft.dtype == np.float32
        np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
        again, soft_again = mixed_by(mix, images, labels, seed, 1.0)
        np.testing.assert_array_equal(mixed, again)
        np.testing.assert_array_equal(soft, soft_again)
    np.testing.assert_array_equal(images, before)


def test_mixup_weighs_pixels_and_labels_alike():
    images = np.stack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    for seed in range(20):
        mixed, soft = mixed_by(mixing.mixup, images, np.eye(2, dtype=np.float32), seed, 1.0)
        np.testing.assert_allclose(mixed[:, 0, 0, 0] / 255, soft[:, 1], atol=0.5 / 255 + 1e-6)


def test_cutmix_labels_are_the_share_of_the_pixels():
    images = np.stack([np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)])
    shares = []
    for seed in range(40):
        mixed, soft = mixed_by(mixing.cutmix, images, np.eye(2, dtype=np.float32), seed, 1.0)
        assert set(np.unique(mixed)) <= {0, 255}
        np.testing.assert_allclose((mixed == 255).mean(axis=(1, 2, 3)), soft[:, 1], atol=1e-6)
        shares.append(soft[0, 1])
    assert min(shares) < 0.1
    assert max(shares) > 0.4


def test_mix_batch_uses_both_or_the_one_that_is_on_or_none():
    images, labels = batch(side=32)

    def kinds(config: AugmentConfig) -> set[str]:
        found = set()
        for seed in range(30):
            mixed, soft = mixed_by(mixing.mix_batch, images, labels, seed, config)
            if (mixed == images).all() and (soft == labels).all():
                continue  # every image met itself, or a share of nothing
            found.add("cutmix" if set(np.unique(mixed)) <= set(np.unique(images)) else "mixup")
        return found

    assert kinds(AugmentConfig(mode="advanced")) == {"mixup", "cutmix"}
    assert kinds(AugmentConfig(mode="advanced", mixup_alpha=0.0)) == {"cutmix"}
    assert kinds(AugmentConfig(mode="advanced", cutmix_alpha=0.0, mixup_alpha=1.0)) == {"mixup"}
    assert kinds(AugmentConfig(mode="basic")) == set()
    assert not AugmentConfig(mode="advanced", mixup_alpha=0.0, cutmix_alpha=0.0).mixes


def test_the_share_is_drawn_from_its_beta_distribution():
    images, labels = np.stack([np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)]), np.eye(2, dtype="f4")
    shares = [mixed_by(mixing.mixup, images, labels, seed, 0.2)[1].max() for seed in range(200)]
    assert np.mean(np.array(shares) > 0.9) > 0.55  # Beta(0.2, 0.2) lies at the ends, and a photo may meet itself
