"""Swish and LayerNorm with gradients written out: the same values in fewer operations than automatic differentiation.

Only training takes them; what is evaluated and exported holds the plain operations. docs/training_speed.md has what
they save.
"""

from __future__ import annotations

from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf


@tf.custom_gradient
def swish(features: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """features * sigmoid(features), any shape; the gradient is s + y * (1 - s) with s the gate and y the result."""
    gate = tf.sigmoid(features)
    result = features * gate

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return upstream * (gate + result * (1 - gate))

    return result, gradient


def layer_norm(
    features: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float, axes: tuple[int, ...] = (-1,)
) -> tf.Tensor:
    """LayerNorm (arXiv 1607.06450) over the last axis, or over more.

    Args:
      features: [..., C].
      gamma, beta: [C].
      epsilon: added to the variance.
      axes: what mean and variance are taken over; C among them.
    """

    @tf.custom_gradient
    def normalize(features: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        centred = features - tf.reduce_mean(features, axes, keepdims=True)
        inverse = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + epsilon)
        normal = centred * inverse

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            scaled = upstream * gamma
            mean = tf.reduce_mean(scaled, axes, keepdims=True)
            product = tf.reduce_mean(scaled * normal, axes, keepdims=True)
            return inverse * (scaled - mean - normal * product), _column_sums(upstream * normal), _column_sums(upstream)

        return normal * gamma + beta, gradient

    return normalize(features, gamma, beta)


def _column_sums(values: tf.Tensor) -> tf.Tensor:
    """[..., C] -> [C], as a matrix product: a sum over leading axes is several times slower on a CPU."""
    rows = tf.reshape(values, (-1, values.shape[-1]))  # [..., C] -> [T, C]
    ones = tf.ones((1, tf.shape(rows)[0]), rows.dtype)
    return tf.reshape(tf.matmul(ones, rows), (values.shape[-1],))  # [1, C] -> [C]
