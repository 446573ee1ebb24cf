"""Attention whose heads see each other: what CaiT and DeepViT put around the softmax of `transformer.attend`."""

from __future__ import annotations

import math
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import blocks


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class MixHeads(blocks.OfScores):
    """A dense layer over the heads of attention's scores or weights: [B, heads, T, S] -> the same shape.

    Talking heads (arXiv 2003.02436), re-attention (arXiv 2103.11886). The kernel is [heads in, heads out].

    Args:
      scale: multiplies what comes in.
    """

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, input_shape: Any) -> None:
        heads = input_shape[1]
        self.kernel = self.add_weight("kernel", (heads, heads), initializer="glorot_uniform")
        self.bias = self.add_weight("bias", (heads, 1), initializer="zeros")
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(inputs)
        pairs = math.prod(inputs.shape[2:]) if None not in inputs.shape[2:] else shape[2] * shape[3]
        flat = tf.reshape(inputs, (shape[0], inputs.shape[1], pairs))  # [B, heads, T, S] -> [B, heads, T * S]
        kernel, bias = tf.cast(self.kernel * self.scale, inputs.dtype), tf.cast(self.bias, inputs.dtype)
        mixed = tf.matmul(kernel, flat, transpose_a=True) + bias
        return tf.reshape(mixed, (shape[0], *inputs.shape[1:]) if None not in inputs.shape[1:] else shape)

    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return self.input_shape[1] * math.prod(self.input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale}
