"""How large a model is: the numbers that the catalogue states."""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks


def count_parameters(model: tf_keras.Model) -> int:
    """The numbers that training moves."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def count_macs(model: tf_keras.Model) -> int:
    """Multiply-accumulates of one image in convolutions, dense layers and attention products (fixed input size)."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras_layers.DepthwiseConv2D):
            total += math.prod(layer.output_shape[1:]) * math.prod(layer.kernel_size)
        elif isinstance(layer, keras_layers.Conv2D):
            total += math.prod(layer.output_shape[1:]) * math.prod(layer.kernel.shape[:3])
        elif isinstance(layer, keras_layers.Dense):
            total += math.prod(layer.kernel.shape)
        elif isinstance(layer, blocks.ProductTransposed):
            total += math.prod(layer.output_shape[1:]) * layer.input_shape[0][-1]
        elif hasattr(layer, "macs"):  # a layer of products of its own
            total += layer.macs()
    return total
