"""Mixup and CutMix of a batch inside the TensorFlow graph: pure functions of the batch and of a seed."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig

_SHARE, _OTHER, _PLACE, _KIND = range(4)  # independent draws of one seed


def _part(seed: tf.Tensor, draw: int) -> tf.Tensor:
    """A seed of its own for one of the draws."""
    return tf.random.experimental.stateless_fold_in(seed, tf.constant(draw, tf.int64), alg="philox")


def _beta(seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """float32 scalar of Beta(alpha, alpha): X / (X + Y) of two Gamma(alpha) variables."""
    pair = tf.random.stateless_gamma([2], _part(seed, _SHARE), alpha, dtype=tf.float64)
    total = tf.reduce_sum(pair)
    return tf.cast(tf.where(total > 0, pair[0] / total, 0.5), tf.float32)  # a tiny alpha may give two zeros


def _others(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """int32 [count]: a permutation."""
    draws = tf.random.stateless_uniform([count], _part(seed, _OTHER), alg="philox")
    return tf.argsort(draws, stable=True)


def mixup(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixup (arXiv 1710.09412): every image blended with another of the batch, one share per batch.

    The share is Beta(alpha, alpha) in steps of 1/256, so that pixels and labels carry exactly the same one.

    Args:
      images: uint8 [B, H, W, 3].
      labels: float32 [B, N], rows that sum to 1.
      seed: int64 [2].
      alpha: above 0.

    Returns:
      The same shapes and types.
    """
    steps = tf.round(256 * _beta(seed, alpha))
    other, share = _others(tf.shape(images)[0], seed), tf.cast(steps, tf.uint16)
    wide = tf.cast(images, tf.uint16)
    mixed = wide * share + tf.gather(wide, other) * (256 - share)  # at most 255 * 256, and 128 more: fits 16 bits
    weight = steps / 256
    mixed = tf.cast(tf.bitwise.right_shift(mixed + 128, tf.constant(8, tf.uint16)), tf.uint8)
    return mixed, weight * labels + (1 - weight) * tf.gather(labels, other)


def cutmix(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """CutMix (arXiv 1905.04899): one box of every image taken from another of the batch; labels by the box's area.

    Args and returns as `mixup`.
    """
    shape = tf.shape(images)
    sides = tf.cast(shape[1:3], tf.float32)  # height, width
    half = tf.sqrt(1 - _beta(seed, alpha)) / 2
    middle = tf.floor(tf.random.stateless_uniform([2], _part(seed, _PLACE), alg="philox") * sides)
    low = tf.round(tf.clip_by_value(middle - half * sides, 0, sides))
    high = tf.round(tf.clip_by_value(middle + half * sides, 0, sides))
    inside = [
        (tf.range(side, dtype=tf.float32) >= low[axis]) & (tf.range(side, dtype=tf.float32) < high[axis])
        for axis, side in enumerate([sides[0], sides[1]])
    ]
    box = tf.cast(inside[0][:, None] & tf.repeat(inside[1], 3)[None], tf.uint8) * 255  # [H, W * 3]: 255 in the box
    other = _others(shape[0], seed)
    flat = tf.reshape(images, [shape[0], shape[1], shape[2] * 3])  # [B, H, W, 3] -> [B, H, W * 3]
    kept = tf.bitwise.bitwise_and(flat, tf.bitwise.invert(box))
    mixed = tf.bitwise.bitwise_or(kept, tf.bitwise.bitwise_and(tf.gather(flat, other), box))
    weight = 1 - tf.reduce_prod(high - low) / tf.reduce_prod(sides)
    return tf.reshape(mixed, shape), weight * labels + (1 - weight) * tf.gather(labels, other)


def mix_batch(
    images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, config: AugmentConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mixup or CutMix, each for half of the batches, or the one whose alpha is not 0; args and returns as `mixup`."""
    if not config.mixes:
        return images, labels
    if not config.cutmix_alpha:
        return mixup(images, labels, seed, config.mixup_alpha)
    if not config.mixup_alpha:
        return cutmix(images, labels, seed, config.cutmix_alpha)
    return tf.cond(
        tf.random.stateless_uniform([], _part(seed, _KIND), alg="philox") < 0.5,
        lambda: mixup(images, labels, seed, config.mixup_alpha),
        lambda: cutmix(images, labels, seed, config.cutmix_alpha),
    )
