"""The layers of the folded graph, for the weights of `quantize.fold`.

Cheaper forms of the trained graph's layers, equal to them, each chosen by counting ARM64 instructions of the exported
file; and what an int8 file takes for two of them so that every runtime gives the same scores (docs/quantisation.md).
"""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import LAYER_NORM_EPSILON


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class RootMeanSquareNorm(tf_keras.layers.Layer):
    """x / sqrt(mean(x^2) + epsilon) over the channels: LayerNorm of tokens whose mean is zero, without gamma, beta."""

    def call(self, inputs):
        square = tf.reduce_mean(inputs * inputs, -1, keepdims=True)
        return inputs * tf.math.rsqrt(square + LAYER_NORM_EPSILON)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ReproducibleNorm(RootMeanSquareNorm):
    """The same in operations that IEEE 754 rounds one way: for a file that gives the same scores in every runtime.

    No mean, of which runtimes make a division or a product; no reciprocal root.
    """

    def call(self, inputs):
        channels = inputs.shape[-1]
        square = tf.reduce_sum(inputs * inputs, -1, keepdims=True) + channels * LAYER_NORM_EPSILON
        # The maximum changes nothing: it keeps the converter from making one RSQRT of root and division.
        root = tf.maximum(tf.sqrt(square), LAYER_NORM_EPSILON)
        return inputs * (2 * math.sqrt(channels) / twice_the_root(square, root))


def twice_the_root(square, root):
    """Heron's step without its halving: one float32 number for roots of `square` that differ in their last bit.

    Checked for all float32 numbers in [1, 4), and so for all exponents; 1.0000001 alone is an exception.
    """
    return root + square / root


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class EdgeZeros(tf_keras.layers.Layer):
    """Zeros around [B, H, W, C] of fixed size for a 3x3 "valid" convolution of stride 2: the padding that it reads.

    As a concatenation, which the runtime copies row by row; its PAD takes ten times as long for three channels.

    Attributes:
      fill: before the stem, the pixel that stands for zero: one value a channel; None for zeros.
    """

    def __init__(self, fill: tuple[float, ...] | None = None, **kwargs):
        super().__init__(**kwargs)
        self.fill = fill

    def get_config(self):
        return super().get_config() | {"fill": self.fill}

    def call(self, inputs):
        for axis in (1, 2):
            batch = inputs.shape[0] if inputs.shape[0] is not None else tf.shape(inputs)[0]
            sides = [1 if other == axis else inputs.shape[other] for other in (1, 2, 3)]
            zeros = tf.zeros([batch, *sides])
            if self.fill is not None:
                zeros += tf.constant(self.fill)
            inputs = tf.concat([zeros, inputs, zeros] if inputs.shape[axis] % 2 else [zeros, inputs], axis)
        return inputs


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class Exponential(tf_keras.layers.Layer):
    """exp(scores - shift): softmax's numerator, whatever the shift.

    Attributes:
      shift: a constant where one keeps every row's largest score well within the +-88 of float32's exponential; None
        subtracts each row's maximum, as softmax does: a pass more, by an operator that older runtimes do slowly.
    """

    def __init__(self, shift: float | None = None, **kwargs):
        super().__init__(**kwargs)
        self.shift = shift

    def call(self, inputs):
        if self.shift is None:
            return tf.exp(inputs - tf.reduce_max(inputs, -1, keepdims=True))
        return tf.exp(inputs - self.shift if self.shift else inputs)

    def get_config(self):
        return super().get_config() | {"shift": self.shift}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TableExponential(tf_keras.layers.Layer):
    """exp(scores - row maximum) - 1/256 in steps of 1/256, from 0 to 255/256: softmax's numerator in 8 bits.

    The file holds it as an 8-bit ELU, exp(x) - 1 for x below 0, which runtimes compute by a table of 256 numbers: the
    same everywhere, where no two of them compute float32's exponential alike. Each weight is 1/256 of the row's largest
    too small, to the nearest 256th, and what lies 255 steps (5.15) below the maximum, or further, counts nothing.
    """

    # Scores are whole multiples of FINEST_SCORE (`quantize.settle` sees to it). An odd number of it as step keeps all
    # of them 1/2646 of a step away from the middle between two: runtimes cannot round them to different sides.
    FINEST_SCORE = 2.0**-16
    STEP = 1323 * FINEST_SCORE
    RISE = (-255 / 256, 0.0)  # of exp(x) - 1: its steps are powers of two, so that sums of weights are exact

    def call(self, inputs):
        below = inputs - tf.reduce_max(inputs, -1, keepdims=True)
        below = tf.quantization.fake_quant_with_min_max_args(below, -255 * self.STEP, 0.0)
        rise = tf.quantization.fake_quant_with_min_max_args(tf.nn.elu(below), *self.RISE)
        return rise - self.RISE[0]


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class WeightedMean(tf_keras.layers.Layer):
    """Called on (weights [.., N, N], values [.., c, N]): the values' mean under each row of weights, [.., N, c].

    Dividing after the product is a division of N * c numbers, where softmax divides N * N.
    """

    def call(self, inputs):
        weights, values = inputs
        return tf.matmul(weights, values, transpose_b=True) / tf.reduce_sum(weights, -1, keepdims=True)
