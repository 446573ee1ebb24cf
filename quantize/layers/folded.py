"""The layers of the folded graph: cheaper forms of the trained graph's, equal for the weights of `quantize.steps`.

Each was chosen by counting ARM64 instructions of the exported file (docs/quantisation_notebook.md).
"""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.blocks import LAYER_NORM_EPSILON
from mobilevit_tf.layers.transformers import transformer

ALMOST_1 = 1.0000001  # keeps what reads a quantiser's output in float
Sides = tuple[tuple[int, int], tuple[int, int]]  # rows or columns before and after, for height and width


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class RootMeanSquareNorm(tf_keras.layers.Layer):
    """x / sqrt(mean(x^2) + epsilon) over the channels: LayerNorm of tokens whose mean is zero, without gamma, beta."""

    def __init__(self, epsilon: float = LAYER_NORM_EPSILON, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"epsilon": self.epsilon}

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        square = tf.reduce_mean(inputs * inputs, -1, keepdims=True)
        return inputs * tf.math.rsqrt(square + self.epsilon)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class EdgeZeros(tf_keras.layers.Layer):
    """Zeros around [B, H, W, C] of fixed size for a "valid" convolution: the padding that it reads.

    As a concatenation, which the runtime copies row by row; its PAD takes ten times as long for three channels.

    Attributes:
      fill: before the first convolution, the pixel that stands for zero: one value per channel; None for zeros.
      sides: rows and columns ((top, bottom), (left, right)); None for what a 3x3 convolution of stride 2 reads of one
        pixel on every side.
    """

    def __init__(self, fill: tuple[float, ...] | None = None, sides: Sides | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fill, self.sides = fill, sides

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"fill": self.fill, "sides": self.sides}

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        for axis in (1, 2):
            before, after = self.sides[axis - 1] if self.sides else (1, inputs.shape[axis] % 2)
            parts = [self._zeros(inputs, axis, before), inputs, self._zeros(inputs, axis, after)]
            inputs = tf.concat([part for part in parts if part is not None], axis)
        return inputs

    def _zeros(self, inputs: tf.Tensor, axis: int, count: int) -> Any:
        if not count:
            return None
        batch = inputs.shape[0] if inputs.shape[0] is not None else tf.shape(inputs)[0]
        sides = [count if other == axis else inputs.shape[other] for other in (1, 2, 3)]
        zeros = tf.zeros([batch, *sides])
        return zeros if self.fill is None else zeros + tf.constant(self.fill)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class AttentionScores(blocks.ProductTransposed):
    """q k^T, read by `Exponential` alone: a layer of its own, since 8-bit files compute it otherwise."""


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class Exponential(tf_keras.layers.Layer):
    """exp(scores - shift): softmax's numerator, whatever the shift.

    Attributes:
      shift: a constant where one keeps every row's largest score well within the +-88 of float32's exponential; None
        subtracts each row's maximum, as softmax does: a pass more, by an operator that older runtimes do slowly.
    """

    def __init__(self, shift: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift = shift

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if self.shift is None:
            return tf.exp(inputs - tf.reduce_max(inputs, -1, keepdims=True))
        return tf.exp(inputs - self.shift if self.shift else inputs)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"shift": self.shift}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class WeightedMean(tf_keras.layers.Layer):
    """Called on (weights [.., N, N], values [.., c, N]): the values' mean under each row of weights, [.., N, c].

    Dividing after the product is a division of N * c numbers, where softmax divides N * N.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        weights, values = inputs
        return tf.matmul(weights, values, transpose_b=True) / tf.reduce_sum(weights, -1, keepdims=True)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedGelu(transformer.Gelu):
    """GELU in float between 8-bit tensors: the product keeps the converter from an operator without a fast kernel."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call(inputs * ALMOST_1)
