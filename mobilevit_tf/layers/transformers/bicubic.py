"""Bicubic resizing of images inside a graph, with the kernel of PyTorch."""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import shapes

SHARPNESS = -0.75  # "a" of Keys' kernel in PyTorch and OpenCV; TensorFlow has -0.5


def _kernel(distance: tf.Tensor) -> tf.Tensor:
    """Keys' cubic kernel (IEEE Transactions on Acoustics, Speech, and Signal Processing 29 (6), 1981, equation 4)."""
    x, a = tf.abs(distance), SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return tf.where(x <= 1, near, far)


def resize_matrix(source: int | tf.Tensor, target: int | tf.Tensor) -> tf.Tensor:
    """float32 [source, target]: `pixels @ matrix` resizes rows of `source` pixels to `target` pixels.

    Four pixels make one; pixel centres are at halves, and beyond an edge its last pixel repeats. Nothing is smoothed
    first, so that it is meant for sizes that differ little.
    """
    scale = tf.cast(source, tf.float32) / tf.cast(target, tf.float32)
    place = scale * (tf.cast(tf.range(target), tf.float32) + 0.5) - 0.5
    first = tf.floor(place)
    matrix = tf.zeros((source, target))
    for tap in (-1, 0, 1, 2):
        pixel = tf.clip_by_value(tf.cast(first, tf.int32) + tap, 0, source - 1)
        matrix += _kernel(place - first - tap) * tf.one_hot(pixel, source, axis=0)
    return matrix


def constant_matrix(source: int | tf.Tensor, target: int | tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """`resize_matrix`, as a constant of the graph where both sizes are known."""
    if tf.is_tensor(source) or tf.is_tensor(target):
        return tf.cast(resize_matrix(source, target), dtype)
    with tf.init_scope():
        matrix = resize_matrix(source, target).numpy()
    return tf.constant(matrix, dtype)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ResizeBicubic(keras_layers.Layer):
    """Resizes [B, H, W, C] to (H * numerator // denominator, W * numerator // denominator), as two matrix products."""

    def __init__(self, numerator: int, denominator: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numerator, self.denominator = numerator, denominator

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        to_rows, to_columns = (
            constant_matrix(side, side * self.numerator // self.denominator, inputs.dtype)
            for side in shapes.sides(inputs)
        )
        # [B, H, W, C] -> [B, W, C, H] -> [B, W, C, H'] -> [B, H', C, W] -> [B, H', C, W'] -> [B, H', W', C]
        rows = tf.tensordot(tf.transpose(inputs, (0, 2, 3, 1)), to_rows, 1)
        columns = tf.tensordot(tf.transpose(rows, (0, 3, 2, 1)), to_columns, 1)
        return tf.transpose(columns, (0, 1, 3, 2))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"numerator": self.numerator, "denominator": self.denominator}
