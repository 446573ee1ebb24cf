"""Replacements for some folded layers, so that every runtime computes the same scores (docs/quantisation.md).

Between two 8-bit tensors there are only operations whose rounding IEEE 754 defines, sums that float32 holds exactly,
and tables.
"""

from __future__ import annotations

import math
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from quantize.layers import folded

POOLED = 9  # pixels that the runtime's kernel for pools takes in one step
LONG = 200  # shorter rows are transposed whole: a step of a pool costs more than it saves there (ARM64 instructions)
LEVELS = 255  # steps between the ends of an 8-bit range
# Scores are whole multiples of FINEST_SCORE (`quantize.settle` sees to it). An odd number of it as step keeps all of
# them away from the middle between two steps, by 1/32768 of a step at least: runtimes cannot round to other sides.
FINEST_SCORE = 2.0**-16
STEP = 1323 * FINEST_SCORE
SPAN = LEVELS * STEP  # 5.15: a score as far below its row's maximum counts nothing
MARGIN = 3.0  # how far beyond those of calibration photos other photos' row maxima may lie
COARSEST = 0.25  # step of scores; with 0.24 the answers were as near to the float model's as with STEP
GATE_RANGE = (0.0, 255 / 256)  # TFLite's fixed output range of LOGISTIC: scale 1/256, zero point -128
RISE = (-255 / 256, 0.0)  # range of exp(x) - 1: its steps are powers of two, so that sums of weights are exact


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class RoundedSwish(tf_keras.layers.Layer):
    """x * sigmoid(x) whose sigmoid is rounded to TFLite's 8 bits."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * tf.quantization.fake_quant_with_min_max_args(tf.sigmoid(inputs), *GATE_RANGE)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ReproducibleNorm(folded.RootMeanSquareNorm):
    """x / sqrt(mean(x^2) + epsilon) from operations whose rounding IEEE 754 defines.

    It has no mean, which some runtimes divide and others multiply for, and no reciprocal square root.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        channels = inputs.shape[-1]
        square = tf.reduce_sum(inputs * inputs, -1, keepdims=True) + channels * self.epsilon
        # The maximum changes nothing: it keeps the converter from making one RSQRT of root and division.
        root = tf.maximum(tf.sqrt(square), self.epsilon)
        return inputs * (2 * math.sqrt(channels) / twice_the_root(square, root))


def twice_the_root(square: Any, root: Any) -> Any:
    """root + square / root, Heron's step without its halving: roots that differ in the last bit give the same number.

    True for every float32 `square` in [1, 4) except 1.0000001, and therefore for every exponent.
    """
    return root + square / root


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class FloatProduct(folded.AttentionScores):
    """Called on (a, b): a @ b^T. Two signs that cancel keep the converter from making it, its result too, 8-bit."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        left, right = inputs
        return tf.matmul(left * -1.0, right * -1.0, transpose_b=True)


def row_maxima(scores: tf.Tensor) -> tf.Tensor:
    """[B, .., N, M] of fixed size -> [B, .., N, 1], by a pool over the transposed rows.

    A pool has a fast kernel in every runtime; maxima over an axis have none in older ones.
    """
    count, length = scores.shape[-2:]
    groups = math.prod(scores.shape[1:-2])
    columns = tf.reshape(tf.linalg.matrix_transpose(scores), (-1, groups, length, count))
    # [B, groups, M, N] -> [B, groups, 1, N] -> [B, .., N, 1]
    return tf.reshape(tf.nn.max_pool2d(columns, (1, length), 1, "VALID"), (-1, *scores.shape[1:-1], 1))


def below_row_maxima(scores: tf.Tensor) -> tf.Tensor:
    """Scores [B, .., N, M] of fixed size less the largest of their row; long rows as [B, R, pieces, M / pieces].

    A pool over the pieces of a long row leaves M / pieces candidates, and only those are transposed.
    """
    rows, length = math.prod(scores.shape[1:-1]), scores.shape[-1]
    pieces = max(count for count in range(1, POOLED + 1) if length % count == 0) if length >= LONG else 1
    if pieces == 1:
        return scores - row_maxima(scores)
    cut = tf.reshape(scores, (-1, rows, pieces, length // pieces))
    candidates = tf.nn.max_pool2d(cut, (1, pieces), 1, "VALID")
    # [B, R, 1, M / pieces] -> [B, .., N, M / pieces] -> [B, .., N, 1] -> [B, R, 1, 1]
    candidates = tf.reshape(candidates, (-1, *scores.shape[1:-1], length // pieces))
    return cut - tf.reshape(row_maxima(candidates), (-1, rows, 1, 1))


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TableExponential(tf_keras.layers.Layer):
    """Scores -> exp(score - row maximum) - 1 in steps of 1/256, from -255/256 to 0.

    The file holds it as an 8-bit ELU, exp(x) - 1 for x below 0, which runtimes compute by a table of 256 numbers: the
    same everywhere, where no two of them compute float32's exponential alike.

    Attributes:
      limits: (lowest or 0, highest or 0) of the row maxima of calibration photos. Where 254 steps of at most COARSEST
        reach over them and what lies SPAN below, with a MARGIN at both ends, scores are rounded before their maximum
        is taken, in 8 bits: a quarter of the bytes to move. None, or farther apart: the maximum is taken in float, and
        steps are STEP.
    """

    def __init__(self, limits: tuple[float, float] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limits = limits

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = inputs.shape[1:]
        low, high = self.limits or (-math.inf, math.inf)
        low, high = min(low - MARGIN - SPAN, 0.0), max(high + MARGIN, 0.0)
        step = STEP
        if high - low <= (LEVELS - 1) * COARSEST:
            step = table_step((high - low) / (LEVELS - 1))  # one step for the rounding of where 0 lies
            above = math.ceil(high / step)
            inputs = tf.quantization.fake_quant_with_min_max_args(inputs, (above - LEVELS) * step, above * step)
        else:  # changes nothing: the converter would make a product behind which a transpose stands twice
            inputs = tf.maximum(inputs, tf.float32.min)
        below = tf.quantization.fake_quant_with_min_max_args(below_row_maxima(inputs), -LEVELS * step, 0.0)
        rises = tf.quantization.fake_quant_with_min_max_args(tf.nn.elu(below), *RISE)
        return tf.reshape(rises, (-1, *shape))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"limits": self.limits}


def table_step(smallest: float) -> float:
    """The first odd multiple of FINEST_SCORE from `smallest` on that leaves no entry of the table near a middle."""
    multiple = math.ceil(smallest / FINEST_SCORE) | 1
    while _nearest_middle(multiple * FINEST_SCORE) < 1e-3:
        multiple += 2
    return multiple * FINEST_SCORE


def _nearest_middle(step: float) -> float:
    """How near an entry exp(-n step) - 1 comes to the middle between two steps of RISE; below it all is one step."""
    entries = 256 * np.expm1(-np.arange(LEVELS + 1) * step)
    return float(np.abs(entries[entries > RISE[0] * 256 - 0.25] % 1 - 0.5).min())


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TableWeightedMean(folded.WeightedMean):
    """Called on (rises [.., N, N] of `TableExponential`, values [.., c, N]): the mean under weights 255/256 + rise.

    The sum of the values joins the product, not 255/256 each of the N * N rises.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        rises, values = inputs
        total = tf.expand_dims(tf.reduce_sum(values, -1), -2)  # [.., c, N] -> [.., 1, c]
        weighted = tf.matmul(rises, values, transpose_b=True) - RISE[0] * total
        return weighted / (tf.reduce_sum(rises, -1, keepdims=True) - RISE[0] * values.shape[-1])
