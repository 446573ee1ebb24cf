"""Channels taken apart and mixed, for families whose units work on a part of them."""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TakeChannels(tf_keras.layers.Layer):
    """[B, H, W, C] -> [B, H, W, stop - start]: the channels from `start` up to `stop`."""

    def __init__(self, start: int, stop: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start, self.stop = start, stop

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs[..., self.start : self.stop]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"start": self.start, "stop": self.stop}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ChannelShuffle(tf_keras.layers.Layer):
    """Channel g * (C / groups) + i goes to place i * groups + g (ShuffleNet, arXiv 1707.01083, section 3.1)."""

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape, channels = tf.shape(inputs), inputs.shape[-1]
        batch, height, width = (known or shape[axis] for axis, known in enumerate(inputs.shape[:3]))
        # [B, H, W, C] -> [B, H, W, groups, C / groups] -> [B, H, W, C / groups, groups] -> [B, H, W, C]
        apart = tf.reshape(inputs, (batch, height, width, self.groups, channels // self.groups))
        return tf.reshape(tf.transpose(apart, (0, 1, 2, 4, 3)), (batch, height, width, channels))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"groups": self.groups}
