"""MobileViTv2's attention and norm as the exported file computes them: exact forms, and 8-bit ones that every runtime
computes alike.

Steps of the trained graph (`mobilevit_tf.layers.linear_attention`) and what stands for them here:

    ImageNormalization      ImageNorm, gamma and beta in its readers      8-bit file: ReproducibleImageNorm
    LinearAttentionWeights  ExponentialWeights of a quarter of the query  8-bit file: TableWeights
    ContextMean             WeightedContext, which divides                8-bit file: ReproducibleContext
    ContextProduct          PlaceProduct                                  the same

Runtimes add in orders of their own, so a sum is the same number everywhere only where float32 adds without rounding.
`on_a_grid` makes any sum such a one.
"""

from __future__ import annotations

import math
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers.blocks import LAYER_NORM_EPSILON
from quantize.layers.reproducible import LEVELS, RISE, table_step, twice_the_root

POWER = 4  # weights are the fourth power of a table's entries: 256 steps reach over a span of 20 in the query
MARGIN = 0.1  # how far beyond those of calibration photos other photos' queries may lie, in their span


def on_a_grid(values: tf.Tensor, anchor: tf.Tensor) -> tf.Tensor:
    """Values rounded to multiples of one step so coarse that float32 adds them without rounding, in any order.

    Adding a number and taking it away again rounds to its last bit, the same way everywhere. With the number in
    [2^e, 2^(e + 1)) results are multiples of 2^(e - 24), and no sum of them reaches 2^e. The step is at most
    anchor / 2^23.

    Args:
      values: float32.
      anchor: at least twice the sum of |values|, the same number in every runtime; its shape broadcasts.
    """
    return (values + anchor) - anchor


def _largest(map_of_one: tf.Tensor) -> tf.Tensor:
    """[B, H, W, 1] of fixed size -> [B, 1, 1, 1], its maxima, by an operator that all runtimes have a kernel for."""
    return tf.nn.max_pool2d(map_of_one, map_of_one.shape[1:3], 1, "VALID")


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ImageNorm(tf_keras.layers.Layer):
    """(x - mean) / sqrt(variance + epsilon) over all pixels and channels of an image, without gamma and beta."""

    def __init__(self, epsilon: float = LAYER_NORM_EPSILON, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        centred = inputs - tf.reduce_mean(inputs, (1, 2, 3), keepdims=True)
        variance = tf.reduce_mean(centred * centred, (1, 2, 3), keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"epsilon": self.epsilon}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ReproducibleImageNorm(ImageNorm):
    """`ImageNorm` of 8-bit values whose step is a power of two, in operations that IEEE 754 rounds one way.

    A pixel's sum of squares is exact up to 258 channels; the sums of all pixels are made so by `on_a_grid`. The sum of
    the values is exact while |x| is on average less than 2^24 / (H * W * C) steps: always up to 65,793 values.
    n * variance is the sum of squares less n * mean^2.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        pixels, numbers = math.prod(inputs.shape[1:3]), math.prod(inputs.shape[1:])
        total = tf.reduce_sum(tf.reduce_sum(inputs, -1, keepdims=True), (1, 2), keepdims=True)
        squares = tf.reduce_sum(inputs * inputs, -1, keepdims=True)  # [B, H, W, 1]
        squares = tf.reduce_sum(on_a_grid(squares, _largest(squares) * (2 * pixels)), (1, 2), keepdims=True)
        mean = total * (1 / numbers)
        square = tf.maximum(squares - total * mean, 0.0) + numbers * self.epsilon
        # The maximum changes nothing: it keeps the converter from making one RSQRT of root and division.
        root = tf.maximum(tf.sqrt(square), self.epsilon)
        return (inputs - mean) * (2 * math.sqrt(numbers) / twice_the_root(square, root))


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ExponentialWeights(tf_keras.layers.Layer):
    """Quarters of queries, [B, H, W, 1] -> exp(POWER * quarter), the same shape: softmax's numerator.

    exp(x) is sigmoid(x) / sigmoid(-x): runtimes have had fast kernels for a sigmoid for longer than for an exponential.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        root = tf.sigmoid(inputs) / tf.sigmoid(-inputs)
        square = root * root
        return square * square


def reach_of(low: float, high: float) -> tuple[float, float]:
    """(top, step) of the table for quarters of queries that calibration found between `low` and `high`.

    The query's convolution takes off `top`; LEVELS steps below 0 then reach over what was found, and a margin.
    """
    margin = MARGIN * (high - low)
    return high + margin, table_step((high - low + 2 * margin) / LEVELS)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TableWeights(tf_keras.layers.Layer):
    """Quarters of queries less their `top`, [B, H, W, 1] -> exp(POWER * quarter) by a table of 256 numbers.

    The query's convolution writes 8 bits in the table's steps. The file holds the table as an 8-bit ELU, as
    `TableExponential` does; its fourth power spreads the entries over 2^-32 to 1.

    Attributes:
      limits: (lowest or 0, highest or 0) quarter that calibration found, before `top` was taken off.
    """

    def __init__(self, limits: tuple[float, float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limits = limits

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        _, step = reach_of(*self.limits)
        below = tf.quantization.fake_quant_with_min_max_args(inputs, -LEVELS * step, 0.0)
        rise = tf.quantization.fake_quant_with_min_max_args(tf.nn.elu(below), *RISE)
        root = rise + 1.0
        square = root * root
        return square * square

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"limits": self.limits}


class _OfPlaces(tf_keras.layers.Layer):
    """A layer that looks at pixels by their place in a patch; of rank 4 for a batch of one, which the GPU wants."""

    def __init__(self, patch_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def split(self, features: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] -> [B, H / p, p, W / p, p * C], or without B where that is 1."""
        size, (height, width, channels) = self.patch_size, features.shape[1:]
        grid = (height // size, size, width // size, size * channels)
        return tf.reshape(features, grid if features.shape[0] == 1 else (tf.shape(features)[0], *grid))

    def total(self, features: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] -> [B, p, p, C]: the sum of each place."""
        rows, columns = (0, 2) if features.shape[0] == 1 else (1, 3)
        total = tf.reduce_sum(self.split(features), (rows, columns))
        return tf.reshape(total, (-1, self.patch_size, self.patch_size, features.shape[-1]))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"patch_size": self.patch_size}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class WeightedContext(_OfPlaces):
    """Called on (weights [B, H, W, 1], tokens [B, H, W, C]): the weighted mean of each place, [B, p, p, C].

    Dividing after the sum is a division of p * p * C numbers, where softmax divides H * W.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        weights, tokens = inputs
        return self.total(weights * tokens) / self.total(weights)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ReproducibleContext(WeightedContext):
    """`WeightedContext` whose sums are the same number in every runtime (`on_a_grid`).

    Attributes:
      largest: at least |tokens|, also of those that fine-tuning will make.
    """

    def __init__(self, patch_size: int, largest: float, **kwargs: Any) -> None:
        super().__init__(patch_size, **kwargs)
        self.largest = largest

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        weights, tokens = inputs
        coarse = on_a_grid(weights, _largest(weights) * (2 * math.prod(weights.shape[1:3])))
        # From the coarse weights' sum a fine grid: twice it is certainly more than the sum of the weights.
        total = tf.reduce_sum(coarse, (1, 2), keepdims=True)  # [B, 1, 1, 1]
        weighed = on_a_grid(weights * tokens, total * (4 * self.largest))
        return self.total(weighed) / self.total(on_a_grid(weights, total * 4.0))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"largest": self.largest}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PlaceProduct(_OfPlaces):
    """Called on (values [B, H, W, C], context [B, p, p, C]): each pixel times the context of its place."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values, context = inputs
        size, channels = self.patch_size, values.shape[-1]
        places: tuple[int, ...] = (1, size, 1, size * channels)  # beside [H / p, p, W / p, p * C]
        if values.shape[0] != 1:
            places = (-1, *places)
        mixed = self.split(values) * tf.reshape(context, places)
        return tf.reshape(mixed, (-1, *values.shape[1:]))  # -> [B, H, W, C]
