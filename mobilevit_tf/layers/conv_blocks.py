"""Convolution, BatchNorm and activation as named layers, and MobileNetV2's block: what mobile networks are made of."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks

SWISH, RELU = "swish", "relu"


def conv_norm(
    x: tf_keras.KerasTensor, filters: int, name: str, *, kernel: int = 1, stride: int = 1, act: str | None = None
) -> tf_keras.KerasTensor:
    """Convolution without a bias, BatchNorm, activation: [B, H, W, C] -> [B, H / stride, W / stride, filters].

    Args:
      name: of the block; its layers are `{name}_conv`, `{name}_bn` and `{name}_{act}`, with `{name}_pad` at a stride.
      act: SWISH, RELU or None.
    """
    x, padding = _pad(x, name, kernel, stride)
    kind = blocks.PointwiseConv2D if kernel == 1 else keras_layers.Conv2D
    conv = kind(
        filters, kernel, stride, padding, use_bias=False, kernel_initializer=blocks.kaiming(), name=f"{name}_conv"
    )
    return _norm_act(conv(x), name, act)


def depthwise_norm(
    x: tf_keras.KerasTensor, name: str, *, kernel: int = 3, stride: int = 1, act: str | None = None
) -> tf_keras.KerasTensor:
    """Depthwise convolution without a bias, BatchNorm, activation; args and names as `conv_norm`."""
    x, padding = _pad(x, name, kernel, stride)
    conv = keras_layers.DepthwiseConv2D(
        kernel, stride, padding, use_bias=False,
        depthwise_initializer=blocks.kaiming(depthwise=True), name=f"{name}_conv",
    )  # fmt: skip
    return _norm_act(conv(x), name, act)


def inverted_residual(
    x: tf_keras.KerasTensor, filters: int, name: str, *, expand_ratio: int, stride: int = 1, act: str = SWISH
) -> tf_keras.KerasTensor:
    """MobileNetV2's block (arXiv 1801.04381, Table 1): 1x1 expand, 3x3 depthwise, 1x1 project, residual if it fits."""
    channels = x.shape[-1]
    y = conv_norm(x, channels * expand_ratio, f"{name}_expand", act=act)
    y = depthwise_norm(y, f"{name}_depthwise", stride=stride, act=act)
    y = conv_norm(y, filters, f"{name}_project")
    return keras_layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and channels == filters else y


def _pad(x: tf_keras.KerasTensor, name: str, kernel: int, stride: int) -> tuple[tf_keras.KerasTensor, str]:
    """Half a kernel on every side before a stride, as PyTorch has it: TensorFlow's "same" differs there."""
    if stride == 1:
        return x, "same"
    return keras_layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"


def _norm_act(x: tf_keras.KerasTensor, name: str, act: str | None) -> tf_keras.KerasTensor:
    x = keras_layers.BatchNormalization(
        momentum=blocks.BATCH_NORM_MOMENTUM, epsilon=blocks.BATCH_NORM_EPSILON, name=f"{name}_bn"
    )(x)
    if act == SWISH:
        return blocks.Swish(name=f"{name}_swish")(x)
    return keras_layers.ReLU(name=f"{name}_relu")(x) if act == RELU else x
