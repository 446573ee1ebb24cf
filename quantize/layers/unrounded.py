"""Layers that stay float between 8-bit tensors, since XNNPACK has no 8-bit kernel for them.

The converter makes an 8-bit operator of every float one that reads 8-bit tensors alone. A product with ALMOST_1 between
the two keeps it from that.
"""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import activations, blocks
from mobilevit_tf.layers.transformers import relative
from quantize.layers.folded import ALMOST_1


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PlainScores(blocks.ProductTransposed):
    """q k^T that layers of scores read: 8-bit files compute it by `UnroundedScores`."""


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedScores(PlainScores):
    """Called on (a, b), 8-bit both: a @ b^T in float."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        left, right = inputs
        return super().call([left * ALMOST_1, right])


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ScoreSum(blocks.OfScores):
    """Called on two kinds of scores: their sum, in float."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        left, right = inputs
        return left + right


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedSoftmax(blocks.ScaledSoftmax):
    """softmax(scale * scores) from its parts: the converter rounds what its SOFTMAX makes to steps of 1/256.

    ALMOST_1 keeps it from seeing a softmax in them.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        scores = inputs * self.scale
        raised = tf.exp(scores - tf.reduce_max(scores, -1, keepdims=True))
        return raised / (tf.reduce_sum(raised, -1, keepdims=True) * ALMOST_1)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedHardSwish(activations.HardSwish):
    """Hard swish in float."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call(inputs * ALMOST_1)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedPReLU(tf_keras.layers.PReLU):
    """PReLU in float."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call(inputs * ALMOST_1)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedMaximum(tf_keras.layers.Layer):
    """Called on (a, b): the larger of two numbers, b + relu(a - b) in float.

    Of a MAXIMUM the converter gives all three tensors one range.
    """

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        left, right = inputs
        return right + tf.nn.relu(left * ALMOST_1 - right)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedRelativeScores(relative.RelativeScores):
    """Scores of relative places in float."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call(inputs * ALMOST_1)
