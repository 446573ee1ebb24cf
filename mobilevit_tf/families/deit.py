"""DeiT-Ti (arXiv 2012.12877, Table 1): the plain vision transformer that MobileViT is compared with.

Tokens are kept as one row of pixels, [B, 1, T, C] with T = 1 + patches, so that the layers of MobileViT serve here too:
dense layers are 1x1 convolutions, attention takes patches of one pixel.
"""

from __future__ import annotations

import dataclasses
import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.dropout import StatelessDropPath

LAYER_NORM_EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class ViTSize:
    """Patch side in pixels, token width, transformer layers, heads, feed-forward width, greatest drop-path rate."""

    patch: int = 16
    dim: int = 192
    depth: int = 12
    num_heads: int = 3
    ffn_dim: int = 768
    drop_path: float = 0.1
    grid: int = 14  # positions a side that are learned: 224 / 16; other sizes interpolate


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PositionEmbedding(keras_layers.Layer):
    """Adds a learned vector to every place of [B, H, W, C]; a grid of another size takes it bicubically resized."""

    def __init__(self, grid: int, **kwargs):
        super().__init__(**kwargs)
        self.grid = grid

    def build(self, input_shape):
        shape = (1, self.grid, self.grid, input_shape[-1])
        self.embedding = self.add_weight("embedding", shape, initializer=blocks.linear())

    def call(self, inputs):
        embedding = tf.cast(self.embedding, inputs.dtype)
        if tuple(inputs.shape[1:3]) == (self.grid, self.grid):
            return inputs + embedding
        resized = tf.image.resize(embedding, tf.shape(inputs)[1:3], "bicubic")
        return inputs + tf.cast(resized, inputs.dtype)

    def get_config(self):
        return super().get_config() | {"grid": self.grid}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PrependClassToken(keras_layers.Layer):
    """[B, H, W, C] -> [B, 1, 1 + H * W, C]: the learned class token (with its own position), then the patches."""

    def build(self, input_shape):
        shape = (1, 1, 1, input_shape[-1])
        self.token = self.add_weight("token", shape, initializer=blocks.linear())
        self.position = self.add_weight("position", shape, initializer=blocks.linear())

    def call(self, inputs):
        batch, channels = tf.shape(inputs)[0], inputs.shape[-1]
        patches = math.prod(inputs.shape[1:3]) if None not in inputs.shape[1:3] else -1
        tokens = tf.reshape(inputs, (batch, 1, patches, channels))  # [B, H, W, C] -> [B, 1, H * W, C]
        first = tf.cast(self.token + self.position, inputs.dtype)
        return tf.concat([tf.tile(first, (batch, 1, 1, 1)), tokens], axis=2)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TakeClassToken(keras_layers.Layer):
    """[B, 1, T, C] -> [B, C], the first token."""

    def call(self, inputs):
        return inputs[:, 0, 0]


def _dense(x, filters: int, name: str):
    return keras_layers.Conv2D(filters, 1, kernel_initializer=blocks.linear(), name=name)(x)


def _norm(x, name: str):
    return blocks.LayerNormalization(epsilon=LAYER_NORM_EPSILON, name=name)(x)


def _attention(x, num_heads: int, name: str):
    """Multi-head self-attention over all tokens: [B, 1, T, C] -> the same."""
    dim = x.shape[-1]
    query, key, value = (
        blocks.SplitPatches(1, num_heads, swapped=part == "value", name=f"{name}_{part}_split")(
            _dense(x, dim, f"{name}_{part}")
        )
        for part in ("query", "key", "value")
    )
    scores = blocks.ProductTransposed(name=f"{name}_scores")([query, key])  # [B, heads, T, T]
    weights = blocks.ScaledSoftmax(1 / math.sqrt(dim // num_heads), name=f"{name}_softmax")(scores)
    mixed = blocks.ProductTransposed(name=f"{name}_mix")([weights, value])  # [B, heads, T, C / heads]
    mixed = blocks.MergePatches(1, num_heads, name=f"{name}_merge")([mixed, x])  # [B, 1, T, C]
    return _dense(mixed, dim, f"{name}_output")


def _transformer(x, size: ViTSize, drop_path: float, name: str):
    """Pre-norm transformer layer with GELU on [B, 1, T, C]."""
    y = _attention(_norm(x, f"{name}_norm1"), size.num_heads, f"{name}_attention")
    x = keras_layers.Add(name=f"{name}_add1")([x, StatelessDropPath(drop_path, name=f"{name}_path1")(y)])
    y = keras_layers.Activation("gelu", name=f"{name}_gelu")(
        _dense(_norm(x, f"{name}_norm2"), size.ffn_dim, f"{name}_ffn1")
    )
    y = _dense(y, size.dim, f"{name}_ffn2")
    return keras_layers.Add(name=f"{name}_add2")([x, StatelessDropPath(drop_path, name=f"{name}_path2")(y)])


def features(image: tf_keras.KerasTensor, size: ViTSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    x = keras_layers.Conv2D(
        size.dim, size.patch, size.patch, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(image)
    x = PositionEmbedding(size.grid, name="position")(x)
    x = PrependClassToken(name="class_token")(x)
    for index in range(size.depth):
        x = _transformer(x, size, size.drop_path * index / (size.depth - 1), f"transformer{index}")
    return TakeClassToken(name="take_class")(_norm(x, "norm"))


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least one patch of 16; None builds one graph for any size.

    Raises:
      UserError: for an input without a whole patch.
    """
    size = ViTSize()
    if min(height or size.patch, width or size.patch) < size.patch:
        raise UserError(f"{config.variant} needs an input of at least {size.patch} x {size.patch} pixels, "
                        f"not {height} x {width}")  # fmt: skip
    image = ends.image_input(height, width)
    x = features(ends.standardize(image), size)
    return tf_keras.Model(image, ends.classifier(x, config.num_classes, config.rates[1]), name=config.variant)
