"""Tokens as one row of pixels, [B, 1, T, C], so that the layers of feature maps serve them too."""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class LearnedTokens(tf_keras.layers.Layer):
    """Called on any [B, ...]: the same `count` learned vectors for every image, [B, 1, count, channels]."""

    def __init__(self, count: int, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.channels = count, channels

    def build(self, input_shape: Any) -> None:
        normal = tf_keras.initializers.RandomNormal(stddev=1.0)
        self.tokens = self.add_weight("tokens", (1, 1, self.count, self.channels), initializer=normal)
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.tile(tf.cast(self.tokens, inputs.dtype), (tf.shape(inputs)[0], 1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"count": self.count, "channels": self.channels}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class FirstToken(tf_keras.layers.Layer):
    """[B, 1, T, C] -> [B, 1, 1, C]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs[:, :, :1]
