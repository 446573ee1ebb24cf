"""Random erasing (arXiv 1708.04896): a rectangle of a training image becomes black. A pure function of a seed."""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

SCALE, RATIO = (0.02, 0.33), (0.3, 3.3)  # share of the area, and height over width, as torchvision has them
_TRIES = 10


def seed_of(seed: int, epoch: int, identity: tf.Tensor) -> tf.Tensor:
    """int64 [2]: the seed of one photo's draws, different for different arguments.

    Args:
      seed, epoch: below 2**31.
      identity: string scalar, the photo's id.
    """
    place = -1 - (seed << 31 | epoch)  # negative, as no other seed of the input is
    return tf.stack([tf.constant(place, tf.int64), tf.strings.to_hash_bucket_fast(identity, 2**63 - 1)])


def erase(image: tf.Tensor, seed: tf.Tensor, probability: float) -> tf.Tensor:
    """Blackens a random rectangle with that probability.

    Ten tries of an area drawn from SCALE and a ratio drawn log-uniformly from RATIO; the first rectangle that is lower
    and narrower than the image is taken, none if none is.

    Args:
      image: uint8 [H, W, 3].
      seed: int64 [2], of `seed_of`.
      probability: in [0, 1].

    Returns:
      uint8 [H, W, 3].
    """
    draws = tf.random.stateless_uniform([3 + 2 * _TRIES], seed, alg="philox")
    sides = tf.cast(tf.shape(image)[:2], tf.float32)  # [H, W]
    areas = sides[0] * sides[1] * (SCALE[0] + (SCALE[1] - SCALE[0]) * draws[3 : 3 + _TRIES])
    low, high = map(math.log, RATIO)
    ratios = tf.exp(low + (high - low) * draws[3 + _TRIES :])
    boxes = tf.round(tf.sqrt(tf.stack([areas * ratios, areas / ratios], 1)))  # [tries, 2]: rows, columns
    fits = tf.reduce_all(boxes < sides, 1)
    box = boxes[tf.argmax(fits)]  # the first that fits
    erased = (draws[0] < probability) & tf.reduce_any(fits)
    start = tf.floor(draws[1:3] * (sides - box + 1))
    rows, columns = (tf.range(sides[axis]) for axis in (0, 1))
    inside_rows = (rows >= start[0]) & (rows < start[0] + box[0])
    inside_columns = (columns >= start[1]) & (columns < start[1] + box[1])
    black = inside_rows[:, tf.newaxis] & inside_columns & erased  # [H, W]
    return tf.where(black[:, :, tf.newaxis], tf.zeros_like(image), image)
