"""Sizes of feature maps inside layers: Python ints where they are known, scalars of the graph where they are not."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf


def sides(features: tf.Tensor) -> list[int | tf.Tensor]:
    """[H, W] of [B, H, W, C]."""
    known = features.shape[1:3]
    return list(known) if None not in known else tf.unstack(tf.shape(features)[1:3])


def batch_of(features: tf.Tensor) -> int | tf.Tensor:
    """B of [B, H, W, C]."""
    return features.shape[0] if features.shape[0] is not None else tf.shape(features)[0]
