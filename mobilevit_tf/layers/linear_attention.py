"""MobileViTv2's separable self-attention (arXiv 2206.02680, Figure 4c) as one layer a step.

The paper's steps, for the N pixels that have the same place in their patch (P = patch_size ** 2 places):

    weights = softmax over N of the query [N, 1]        LinearAttentionWeights
    context = sum over N of weights * key(tokens)       ContextMean, then the key convolution: see below
    output(relu(value(tokens)) * context)               ContextProduct, between two convolutions

Here the key convolution comes after the sum. A convolution is linear and the weights of a place sum to 1, so
sum(weights * (K tokens + b)) = K sum(weights * tokens) + b: equal, with P products where there were N * P.

Everything stays [B, H, W, C]. A context is [B, p, p, C], p = patch_size: one vector per place.
"""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import gradients, shapes
from mobilevit_tf.layers.blocks import LAYER_NORM_EPSILON


class _OfPatches(tf_keras.layers.Layer):
    """A layer that knows the side of a patch in pixels."""

    def __init__(self, patch_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def split(self, features: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] -> [B, H / p, p, W / p, p * C]: rank 5, what the GPU of a phone takes."""
        size, (height, width) = self.patch_size, shapes.sides(features)
        shape = (shapes.batch_of(features), height // size, size, width // size, size * features.shape[-1])
        return tf.reshape(features, shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"patch_size": self.patch_size}


def _total(grid: tf.Tensor) -> tf.Tensor:
    """[B, H / p, p, W / p, p * C] -> [B, 1, p, 1, p * C]: sums over all patches; two sums need no transpose."""
    return tf.reduce_sum(tf.reduce_sum(grid, 3, keepdims=True), 1, keepdims=True)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class LinearAttentionWeights(_OfPatches):
    """Queries [B, H, W, 1] -> weights [B, H, W, 1]: a softmax over the pixels of the same place in their patch."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        grid = self.split(inputs)  # [B, H / p, p, W / p, p]
        raised = tf.exp(grid - tf.stop_gradient(tf.reduce_max(grid, (1, 3), keepdims=True)))
        weights = raised / _total(raised)
        return tf.reshape(weights, (shapes.batch_of(inputs), *shapes.sides(inputs), 1))  # -> [B, H, W, 1]


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ContextMean(_OfPatches):
    """Called on (weights [B, H, W, 1], tokens [B, H, W, C]): the weighted sum of each place, [B, p, p, C]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        weights, tokens = inputs
        size, total = self.patch_size, _total(self.split(weights * tokens))  # [B, 1, p, 1, p * C]
        return tf.reshape(total, (shapes.batch_of(tokens), size, size, tokens.shape[-1]))  # -> [B, p, p, C]


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ContextProduct(_OfPatches):
    """Called on (values [B, H, W, C], context [B, p, p, C]): each pixel times the context of its place."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        values, context = inputs
        size, channels = self.patch_size, values.shape[-1]
        # [B, p, p, C] -> [B, 1, p, 1, p * C], beside the values' [B, H / p, p, W / p, p * C]
        places = tf.reshape(context, (shapes.batch_of(context), 1, size, 1, size * channels))
        mixed = self.split(values) * places
        return tf.reshape(mixed, (shapes.batch_of(values), *shapes.sides(values), channels))  # -> [B, H, W, C]


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ImageNormalization(tf_keras.layers.Layer):
    """GroupNorm with one group (arXiv 1803.08494): mean and deviation over all pixels and channels of an image.

    gamma * (x - mean) / sqrt(variance + epsilon) + beta, gamma and beta [C]. What MobileViTv2 calls its LayerNorm.
    tf_keras' GroupNormalization takes the group apart with a reshape of its own; training has a cheaper gradient here.
    """

    def __init__(self, epsilon: float = LAYER_NORM_EPSILON, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        channels = (input_shape[-1],)
        self.gamma = self.add_weight("gamma", channels, initializer="ones")
        self.beta = self.add_weight("beta", channels, initializer="zeros")
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        features = tf.cast(inputs, tf.float32)  # a sum over a whole image needs its precision
        gamma, beta = tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32)
        if training:
            normal = gradients.layer_norm(features, gamma, beta, self.epsilon, (1, 2, 3))
        else:
            centred = features - tf.reduce_mean(features, (1, 2, 3), keepdims=True)
            variance = tf.reduce_mean(tf.square(centred), (1, 2, 3), keepdims=True)
            normal = centred * tf.math.rsqrt(variance + self.epsilon) * gamma + beta
        return tf.cast(normal, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"epsilon": self.epsilon}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class EnlargeToPatches(_OfPatches):
    """[B, H, W, C] -> [B, H', W', C], the next multiples of the patch, bilinearly with the corners kept in place.

    align_corners, as MobileViTv2's code has it; MobileViT's `ResizeToMultiple` has not.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        size = [-(-side // self.patch_size) * self.patch_size for side in shapes.sides(inputs)]
        enlarged = tf.compat.v1.image.resize_bilinear(inputs, size, align_corners=True)
        return tf.cast(enlarged, inputs.dtype)
