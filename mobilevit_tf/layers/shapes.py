"""Sizes of feature maps inside layers."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf


def sides(features: tf.Tensor) -> list:
    """[H, W] of [B, H, W, C]: Python ints where they are known, scalars of the graph where they are not."""
    known = features.shape[1:3]
    return list(known) if None not in known else tf.unstack(tf.shape(features)[1:3])
