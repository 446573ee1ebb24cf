"""Building blocks of MobileViT (arXiv 2110.02178) as Functional tf_keras pieces.

Everything stays [B, H, W, C]: B batch, H and W rows and columns of the feature map, C channels. LayerNorm, the
projections and the feed-forward network act on one token at a time, so only attention has to see patches: one
transpose groups the tokens by their place inside a patch and splits the heads. That equals the paper's
unfold -> transformer -> fold (`unfold` and `fold` below, tests/test_layers.py), with two transposes less a layer.
Every dense layer is a 1x1 convolution, which gives it per-channel int8 weights in TFLite.
"""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import gradients, shapes

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
LAYER_NORM_EPSILON = 1e-5


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class Swish(tf_keras.layers.Layer):
    """x * sigmoid(x), with a cheaper gradient in training."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return gradients.swish(inputs) if training else inputs * tf.sigmoid(inputs)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class LayerNormalization(tf_keras.layers.LayerNormalization):
    """tf_keras' layer over the channels, with a cheaper gradient in training."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or inputs.dtype != tf.float32:  # tf_keras raises the precision of the others itself
            return super().call(inputs)
        return gradients.layer_norm(inputs, self.gamma, self.beta, self.epsilon)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PointwiseConv2D(tf_keras.layers.Conv2D):
    """A 1x1 convolution computed as a matrix product, which has a much cheaper gradient on a CPU."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        batch, (height, width), channels = shapes.batch_of(inputs), shapes.sides(inputs), inputs.shape[-1]
        tokens = tf.reshape(inputs, (-1, channels))  # [B, H, W, C] -> [B * H * W, C]
        product = tf.matmul(tokens, tf.reshape(kernel, (channels, self.filters)))
        return tf.reshape(product, (batch, height, width, self.filters))


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ResizeToMultiple(tf_keras.layers.Layer):
    """Bilinear resize of [B, H, W, C] up to the next multiple of `multiple`, as the paper's code does."""

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.image.resize(inputs, [-(-side // self.multiple) * self.multiple for side in shapes.sides(inputs)])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"multiple": self.multiple}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ResizeLike(tf_keras.layers.Layer):
    """Called on (x, reference): bilinear resize of x to the reference's height and width."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        features, reference = inputs
        return tf.image.resize(features, shapes.sides(reference))


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class SplitPatches(tf_keras.layers.Layer):
    """[B, H, W, C] -> [B, P * heads, N, C / heads], or its last two axes swapped.

    P = patch_size ** 2 pixels per patch, N = H * W / P patches. The same transpose does the paper's unfold and the
    split into heads: attention then runs over the N pixels that have the same place in their patch.
    """

    def __init__(self, patch_size: int, num_heads: int, swapped: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size, self.num_heads, self.swapped = patch_size, num_heads, swapped

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        batch, (height, width), size = shapes.batch_of(inputs), shapes.sides(inputs), self.patch_size
        rows, columns, channels = height // size, width // size, inputs.shape[-1] // self.num_heads
        # [B, H, W, C] -> [B, rows, p, columns, p, heads, c]
        grid = tf.reshape(inputs, (batch, rows, size, columns, size, self.num_heads, channels))
        groups = size * size * self.num_heads
        if self.swapped:  # -> [B, p, p, heads, c, rows, columns] -> [B, P * heads, c, N]
            grid = tf.transpose(grid, (0, 2, 4, 5, 6, 1, 3))
            return tf.reshape(grid, (batch, groups, channels, rows * columns))
        # -> [B, p, p, heads, rows, columns, c] -> [B, P * heads, N, c]
        grid = tf.transpose(grid, (0, 2, 4, 5, 1, 3, 6))
        return tf.reshape(grid, (batch, groups, rows * columns, channels))

    def get_config(self) -> dict[str, Any]:
        own = {"patch_size": self.patch_size, "num_heads": self.num_heads, "swapped": self.swapped}
        return super().get_config() | own


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class MergePatches(tf_keras.layers.Layer):
    """Called on (x, reference): the inverse of `SplitPatches`, back to the reference's [B, H, W, C]."""

    def __init__(self, patch_size: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size, self.num_heads = patch_size, num_heads

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        groups, reference = inputs
        batch, (height, width), size = shapes.batch_of(reference), shapes.sides(reference), self.patch_size
        rows, columns, channels = height // size, width // size, groups.shape[-1]
        # [B, P * heads, N, c] -> [B, p, p, heads, rows, columns, c] -> [B, rows, p, columns, p, heads, c]
        grid = tf.reshape(groups, (batch, size, size, self.num_heads, rows, columns, channels))
        grid = tf.transpose(grid, (0, 4, 1, 5, 2, 3, 6))
        return tf.reshape(grid, (batch, height, width, self.num_heads * channels))  # -> [B, H, W, C]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"patch_size": self.patch_size, "num_heads": self.num_heads}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ProductTransposed(tf_keras.layers.Layer):
    """Called on (a, b): a @ b^T over the last two axes, the form that the phone's int8 kernel takes."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        left, right = inputs
        return tf.matmul(left, right, transpose_b=True)


class OfScores(tf_keras.layers.Layer):
    """A layer on attention's scores or weights, [B, heads, T, S]: 8-bit files compute it in float."""


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ScaledSoftmax(OfScores):
    """softmax(scale * scores) over the last axis."""

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(inputs * tf.cast(self.scale, inputs.dtype))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale}


def unfold(features: tf.Tensor, patch_size: int) -> tf.Tensor:
    """The paper's unfolding (section 3.1): [B, H, W, C] -> [B, P, N, C].

    Args:
      features: H and W divisible by patch_size.
      patch_size: h = w of a patch; P = h * w pixels per patch, row by row; N = H * W / P patches, row by row.
    """
    batch, height, width, channels = features.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{height} x {width} does not divide into patches of {patch_size}: resize the features first")
    rows, columns = height // patch_size, width // patch_size
    # [B, H, W, C] -> [B, rows, p, columns, p, C] -> [B, p, p, rows, columns, C] -> [B, P, N, C]
    grid = tf.reshape(features, (batch, rows, patch_size, columns, patch_size, channels))
    grid = tf.transpose(grid, (0, 2, 4, 1, 3, 5))
    return tf.reshape(grid, (batch, patch_size**2, rows * columns, channels))


def fold(patches: tf.Tensor, patch_size: int, height: int, width: int) -> tf.Tensor:
    """The exact inverse of `unfold`: [B, P, N, C] -> [B, height, width, C]."""
    batch, _, _, channels = patches.shape
    rows, columns = height // patch_size, width // patch_size
    # [B, P, N, C] -> [B, p, p, rows, columns, C] -> [B, rows, p, columns, p, C] -> [B, H, W, C]
    grid = tf.reshape(patches, (batch, patch_size, patch_size, rows, columns, channels))
    grid = tf.transpose(grid, (0, 3, 1, 4, 2, 5))
    return tf.reshape(grid, (batch, height, width, channels))


def kaiming(depthwise: bool = False) -> tf_keras.initializers.Initializer:
    """Kaiming normal over the fan out, as Apple initialises convolutions.

    A depthwise kernel is (k, k, C, 1) here and (C, 1, k, k) in PyTorch: its fan out is TensorFlow's fan in.
    """
    return tf_keras.initializers.VarianceScaling(2.0, "fan_in" if depthwise else "fan_out", "untruncated_normal")


def linear() -> tf_keras.initializers.Initializer:
    """Truncated normal of deviation 0.02, as Apple initialises dense layers."""
    return tf_keras.initializers.TruncatedNormal(stddev=0.02)
