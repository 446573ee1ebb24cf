"""Activations that are piecewise linear or quadratic (arXiv 1905.02244, section 5.2), as layers of their own."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class HardSigmoid(keras_layers.Layer):
    """relu6(x + 3) / 6, any shape."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu6(inputs + 3) * (1 / 6)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class HardSwish(keras_layers.Layer):
    """x * relu6(x + 3) / 6, any shape, in the order of operations that the converter makes one HARD_SWISH of."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * tf.nn.relu6(inputs + 3) * (1 / 6)
