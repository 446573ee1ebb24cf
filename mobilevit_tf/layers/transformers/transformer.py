"""Parts of vision transformers (arXiv 2010.11929, section 3.1) that the families share.

Tokens are pixels: a map [B, H, W, C], or one row [B, 1, T, C] where a class token comes first (T = 1 + H * W). So dense
layers are 1x1 convolutions, and attention is MobileViT's with patches of one pixel (layers/blocks.py). Functions add
layers, whose names begin with `name`, to a Functional graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks, shapes
from mobilevit_tf.layers.dropout import StatelessDropPath

LAYER_NORM_EPSILON = 1e-6  # of the reference implementations, T2T-ViT and parts of PVT excepted


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class Gelu(keras_layers.Layer):
    """x * Phi(x) with the exact normal distribution function (erf), any shape (arXiv 1606.08415, section 2)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.gelu(inputs, approximate=False)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PositionEmbedding(keras_layers.Layer):
    """Adds a learned vector to every place of [B, H, W, C]; a map of another size takes it bicubically resized.

    Args:
      grid: (H, W) of the table, that of the published input size.
    """

    def __init__(self, grid: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def build(self, input_shape: Any) -> None:
        shape = (1, *self.grid, input_shape[-1])
        self.embedding = self.add_weight("embedding", shape, initializer=blocks.linear())
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        fits = tuple(inputs.shape[1:3]) == self.grid
        return inputs + tf.cast(self.embedding if fits else self._resized(shapes.sides(inputs)), inputs.dtype)

    def _resized(self, sides: Sequence[int | tf.Tensor]) -> tf.Tensor:
        """The table as [H, W, C]. Interpolation is two matrix products: TFLite has no operator for bicubic resizing."""
        weights = []
        for side, learned in zip(sides, self.grid, strict=True):
            units = tf.eye(learned)[tf.newaxis, :, :, tf.newaxis]  # [1, learned, learned, 1], one column a place
            weights.append(tf.image.resize(units, (side, learned), "bicubic")[0, :, :, 0])  # [side, learned]
        channels = self.embedding.shape[-1]
        flat = tf.reshape(tf.cast(self.embedding, tf.float32), (self.grid[0], -1))  # [1, h, w, C] -> [h, w * C]
        tall = tf.reshape(tf.matmul(weights[0], flat), (sides[0], self.grid[1], channels))  # [H, w * C] -> [H, w, C]
        return tf.matmul(weights[1], tall)  # [W, w] x [H, w, C] -> [H, W, C]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"grid": self.grid}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class ClassToken(keras_layers.Layer):
    """Called on any [B, ..., C]: the learned class token [B, 1, 1, C], one copy per image.

    Args:
      position: adds a learned position of its own.
    """

    def __init__(self, position: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.position = position

    def build(self, input_shape: Any) -> None:
        shape = (1, 1, 1, input_shape[-1])
        names = ("token", "position") if self.position else ("token",)
        self.parts = [self.add_weight(name, shape, initializer=blocks.linear()) for name in names]
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        token = tf.cast(tf.add_n([tf.convert_to_tensor(part) for part in self.parts]), inputs.dtype)
        return tf.tile(token, (tf.shape(inputs)[0], 1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"position": self.position}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class JoinClassToken(keras_layers.Layer):
    """Called on (class token [B, 1, 1, C], patches [B, H, W, C]): one row [B, 1, 1 + H * W, C], the class first."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        token, patches = inputs
        count = math.prod(patches.shape[1:3]) if None not in patches.shape[1:3] else -1
        row = tf.reshape(patches, (tf.shape(patches)[0], 1, count, patches.shape[-1]))  # [B, H, W, C] -> [B, 1, HW, C]
        return tf.concat([token, row], axis=2)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TakeClassToken(keras_layers.Layer):
    """[B, 1, T, C] -> [B, 1, 1, C], the first token."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs[:, :, :1]


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TakePatches(keras_layers.Layer):
    """Called on (row [B, 1, 1 + H * W, C], a map [B, H, W, any]): all but the class token, as [B, H, W, C]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        row, reference = inputs
        shape = (tf.shape(row)[0], *shapes.sides(reference), row.shape[-1])
        return tf.reshape(row[:, :, 1:], shape)  # [B, 1, HW, C] -> [B, H, W, C]


def dense(x: tf_keras.KerasTensor, units: int, name: str, *, use_bias: bool = True) -> tf_keras.KerasTensor:
    """A dense layer over the channels, as a 1x1 convolution: [B, H, W, C] -> [B, H, W, units]."""
    return blocks.PointwiseConv2D(units, 1, use_bias=use_bias, kernel_initializer=blocks.linear(), name=name)(x)


def layer_norm(x: tf_keras.KerasTensor, name: str, epsilon: float = LAYER_NORM_EPSILON) -> tf_keras.KerasTensor:
    """LayerNorm over the channels."""
    return blocks.LayerNormalization(epsilon=epsilon, name=name)(x)


def batch_norm(x: tf_keras.KerasTensor, name: str, axis: int = -1) -> tf_keras.KerasTensor:
    """BatchNorm over the channels, or over another axis."""
    momentum, epsilon = blocks.BATCH_NORM_MOMENTUM, blocks.BATCH_NORM_EPSILON
    return keras_layers.BatchNormalization(axis, momentum, epsilon, name=name)(x)


def attend(
    query: tf_keras.KerasTensor,
    key: tf_keras.KerasTensor,
    value: tf_keras.KerasTensor,
    num_heads: int,
    name: str,
    *,
    scale: float | None = None,
    map_scores: Callable | None = None,
    map_weights: Callable | None = None,
) -> tf_keras.KerasTensor:
    """Multi-head attention of tokens that are projected already; query's shape [B, H, W, C] comes back.

    Args:
      query: T = H * W tokens.
      key, value: S tokens, of any map or row.
      scale: of the scores in the softmax; None takes (C / num_heads) ** -0.5, or 1 with `map_scores`.
      map_scores: called on the scores [B, heads, T, S] as they come (it has to scale them), before the softmax.
      map_weights: called on the softmax's weights [B, heads, T, S].
    """
    query_heads, key_heads, value_heads = (
        blocks.SplitPatches(1, num_heads, swapped=part == "value", name=f"{name}_{part}_split")(tokens)
        for part, tokens in (("query", query), ("key", key), ("value", value))
    )  # [B, heads, T, C / heads], [B, heads, S, C / heads], [B, heads, C / heads, S]
    scores = blocks.ProductTransposed(name=f"{name}_scores")([query_heads, key_heads])  # [B, heads, T, S]
    if scale is None:
        scale = 1.0 if map_scores else (query.shape[-1] // num_heads) ** -0.5
    scores = map_scores(scores) if map_scores else scores
    weights = blocks.ScaledSoftmax(scale, name=f"{name}_softmax")(scores)
    weights = map_weights(weights) if map_weights else weights
    mixed = blocks.ProductTransposed(name=f"{name}_mix")([weights, value_heads])  # [B, heads, T, C / heads]
    return blocks.MergePatches(1, num_heads, name=f"{name}_merge")([mixed, query])  # [B, H, W, C]


def self_attention(
    x: tf_keras.KerasTensor, num_heads: int, name: str, *, qkv_bias: bool = True, **options: Any
) -> tf_keras.KerasTensor:
    """Multi-head self-attention with its projections: [B, H, W, C] -> the same; `options` are those of `attend`."""
    dim = x.shape[-1]
    query, key, value = (dense(x, dim, f"{name}_{part}", use_bias=qkv_bias) for part in ("query", "key", "value"))
    return dense(attend(query, key, value, num_heads, name, **options), dim, f"{name}_output")


def mlp(x: tf_keras.KerasTensor, hidden: int, name: str) -> tf_keras.KerasTensor:
    """Dense, GELU, dense: [B, H, W, C] -> the same."""
    y = Gelu(name=f"{name}_gelu")(dense(x, hidden, f"{name}_ffn1"))
    return dense(y, x.shape[-1], f"{name}_ffn2")


def add_branch(
    x: tf_keras.KerasTensor, branch: tf_keras.KerasTensor, name: str, number: int, drop_path: float
) -> tf_keras.KerasTensor:
    """x + branch, the branch dropped for some images in training; `number` tells a block's branches apart."""
    if drop_path:
        branch = StatelessDropPath(drop_path, name=f"{name}_path{number}")(branch)
    return keras_layers.Add(name=f"{name}_add{number}")([x, branch])


def block(
    x: tf_keras.KerasTensor,
    num_heads: int,
    hidden: int,
    name: str,
    *,
    drop_path: float = 0.0,
    epsilon: float = LAYER_NORM_EPSILON,
    **options: Any,
) -> tf_keras.KerasTensor:
    """Pre-norm transformer layer on [B, H, W, C]; `options` are those of `self_attention`."""
    y = self_attention(layer_norm(x, f"{name}_norm1", epsilon), num_heads, f"{name}_attention", **options)
    x = add_branch(x, y, name, 1, drop_path)
    y = mlp(layer_norm(x, f"{name}_norm2", epsilon), hidden, name)
    return add_branch(x, y, name, 2, drop_path)


def drop_path_rates(greatest: float, depth: int) -> list[float]:
    """One rate per layer, rising linearly from 0 (arXiv 1603.09382, section 3)."""
    return [greatest * index / max(depth - 1, 1) for index in range(depth)]


def class_features(row: tf_keras.KerasTensor, epsilon: float = LAYER_NORM_EPSILON) -> tf_keras.KerasTensor:
    """[B, 1, 1 + N, C] -> [B, C]: the class token, normed by the layer "norm"."""
    token = layer_norm(TakeClassToken(name="take_class")(row), "norm", epsilon)
    return keras_layers.Reshape(row.shape[-1:], name="features")(token)  # [B, 1, 1, C] -> [B, C], of any size too
