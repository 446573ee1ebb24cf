"""What families of convolutions share: convolution, BatchNorm and activation as named layers, padded as PyTorch pads.

PyTorch pads k // 2 pixels on every side, also before a stride, where TensorFlow's "same" pads more at the right and
bottom. At stride 1 the two agree for an odd kernel.
"""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks

PRELU_SLOPE = 0.25  # of negative values before training (arXiv 1502.01852)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class StridedDilatedDepthwise(keras_layers.DepthwiseConv2D):
    """A depthwise convolution with a stride and a dilation at once, padded as PyTorch pads it.

    No kernel of TensorFlow takes both. The equal kernel of side dilation * (k - 1) + 1 with zeros in the gaps does.

    Args:
      kernel_size: k, odd.
      strides: of the output.
      rate: the dilation.
    """

    def __init__(self, kernel_size: int, strides: int, rate: int, **kwargs: Any) -> None:
        super().__init__(kernel_size, strides, **kwargs)
        self.rate = rate

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        side, padding = self.kernel_size[0], self.rate * (self.kernel_size[0] // 2)
        kernel = tf.cast(self.depthwise_kernel, inputs.dtype)  # [k, k, C, 1]
        channels, gap = kernel.shape[2], self.rate - 1
        # [k, k, C, 1] -> [k, 1, k, 1, C, 1] -> zeros behind every row and column -> [k * rate, k * rate, C, 1]. Joined
        # with constants, since a converter computes no constant that is much larger than what it is made from.
        spread = tf.reshape(kernel, (side, 1, side, 1, channels, 1))
        spread = tf.concat([spread, _zeros((side, gap, side, 1, channels, 1), kernel.dtype)], 1)
        spread = tf.concat([spread, _zeros((side, self.rate, side, gap, channels, 1), kernel.dtype)], 3)
        spread = tf.reshape(spread, (side * self.rate, side * self.rate, channels, 1))
        wide = self.rate * (side - 1) + 1
        edges = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        stride = self.strides[0]
        return tf.nn.depthwise_conv2d(tf.pad(inputs, edges), spread[:wide, :wide], (1, stride, stride, 1), "VALID")

    def compute_output_shape(self, input_shape: tf.TensorShape) -> tuple[int | None, ...]:
        sides = [side and -(-side // self.strides[0]) for side in input_shape[1:3]]
        return (input_shape[0], *sides, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {key: config[key] for key in ("name", "trainable", "dtype", "depthwise_initializer", "use_bias")} | {
            "kernel_size": self.kernel_size[0], "strides": self.strides[0], "rate": self.rate}  # fmt: skip


def _zeros(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    return tf.constant(np.zeros(shape), dtype)


def pad(x: tf_keras.KerasTensor, kernel: int, name: str) -> tf_keras.KerasTensor:
    """k // 2 rows and columns of zeros on every side."""
    return keras_layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)


def batch_norm(x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """BatchNorm over the channels, with PyTorch's constants."""
    return keras_layers.BatchNormalization(
        momentum=blocks.BATCH_NORM_MOMENTUM, epsilon=blocks.BATCH_NORM_EPSILON, name=f"{name}_bn"
    )(x)


def activate(x: tf_keras.KerasTensor, kind: str, name: str) -> tf_keras.KerasTensor:
    """`kind`: "relu", "relu6", "swish", "prelu" (one slope per channel), or "" for none."""
    if kind == "swish":
        return blocks.Swish(name=f"{name}_swish")(x)
    if kind == "prelu":
        slopes = tf_keras.initializers.Constant(PRELU_SLOPE)
        return keras_layers.PReLU(slopes, shared_axes=(1, 2), name=f"{name}_prelu")(x)
    if kind:
        return keras_layers.ReLU({"relu": None, "relu6": 6.0}[kind], name=f"{name}_{kind}")(x)
    return x


def conv_norm(
    x: tf_keras.KerasTensor,
    filters: int,
    name: str,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    act: str = "",
) -> tf_keras.KerasTensor:
    """Convolution [B, H, W, C] -> [B, H / stride, W / stride, filters] without bias, BatchNorm, activation.

    Args:
      name: of the block; its layers are `{name}_conv`, `{name}_bn` and `{name}_{act}`, with `{name}_pad` at a stride.
      kernel, stride, groups: of the convolution; `kernel` is odd.
      act: of `activate`.
    """
    padding = "same"
    if stride > 1 and kernel > 1:
        x, padding = pad(x, kernel, name), "valid"
    kind = blocks.PointwiseConv2D if kernel == stride == groups == 1 else keras_layers.Conv2D
    x = kind(
        filters, kernel, stride, padding, groups=groups, use_bias=False, kernel_initializer=blocks.kaiming(),
        name=f"{name}_conv",
    )(x)  # fmt: skip
    return activate(batch_norm(x, name), act, name)


def depthwise_norm(
    x: tf_keras.KerasTensor, name: str, *, kernel: int = 3, stride: int = 1, multiplier: int = 1, act: str = ""
) -> tf_keras.KerasTensor:
    """Depthwise convolution without bias, `multiplier` filters per channel, BatchNorm, activation; as `conv_norm`."""
    padding = "same"
    if stride > 1:
        x, padding = pad(x, kernel, name), "valid"
    x = keras_layers.DepthwiseConv2D(
        kernel, stride, padding, multiplier, use_bias=False, depthwise_initializer=blocks.kaiming(depthwise=True),
        name=f"{name}_conv",
    )(x)  # fmt: skip
    return activate(batch_norm(x, name), act, name)


def inverted_residual(
    x: tf_keras.KerasTensor, filters: int, name: str, *, expand_ratio: int, stride: int = 1, act: str = "swish"
) -> tf_keras.KerasTensor:
    """MobileNetV2's block (arXiv 1801.04381, Table 1): 1x1 expand, 3x3 depthwise, 1x1 project, residual if it fits."""
    channels = x.shape[-1]
    y = conv_norm(x, channels * expand_ratio, f"{name}_expand", act=act)
    y = depthwise_norm(y, f"{name}_depthwise", stride=stride, act=act)
    y = conv_norm(y, filters, f"{name}_project")
    return keras_layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and channels == filters else y
