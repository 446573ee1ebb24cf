"""ConViT (arXiv 2103.10697): DeiT whose first ten layers start out as convolutions and may learn not to be.

Their attention is gated (section 3, equations 6 to 8): each head mixes attention by content with attention by position,
by a share that it learns. At the start every head looks at one neighbour. The class token joins after these layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends, shapes
from mobilevit_tf.layers.transformers import transformer


@dataclasses.dataclass(frozen=True)
class ConViTSize:
    """Token width (Table 1); the rest is the same for every size.

    Patch side in pixels, layers, those of them that are gated, heads, greatest drop-path rate (DeiT's recipe, section
    3). `grid` is that of the learned positions: 224 / 16 per side; other sizes interpolate.
    """

    dim: int
    patch: int = 16
    depth: int = 12
    gated: int = 10
    num_heads: int = 4
    drop_path: float = 0.1
    grid: tuple[int, int] = (14, 14)


SIZES = {"convit_ti": ConViTSize(192), "convit_ti_plus": ConViTSize(256)}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PointwiseIdentity(tf_keras.initializers.Initializer):
    """The kernel [1, 1, C, C] of a 1x1 convolution that changes nothing."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **kwargs: Any) -> tf.Tensor:
        return tf.reshape(tf.eye(shape[-1], dtype=dtype or tf.float32), shape)  # [C, C] -> [1, 1, C, C]

    def get_config(self) -> dict[str, Any]:
        return {}


def neighbours(num_heads: int) -> np.ndarray:
    """float32 [3, heads], the positional kernel with which each head looks at one neighbour (section 3, equation 4).

    -(d - e)^2 of an offset d and a head's own neighbour e is, but for a constant, 2 e d - d^2: the kernel is
    (2 e_x, 2 e_y, -1). The neighbours stand in a square around the query, as many a side as heads allow; heads beyond
    it look around evenly.
    """
    side = int(num_heads**0.5)
    kernel = np.zeros((3, num_heads), np.float32)
    centre = side // 2 if side % 2 else (side - 1) / 2
    for head in range(side * side):
        column, row = divmod(head, side)
        kernel[:, head] = 2 * (column - centre), 2 * (row - centre), -1
    return kernel


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class PositionGate(blocks.OfScores):
    """Called on (attention weights [B, heads, N, N], a map [B, H, W, any]): mixes in attention by position, N = H * W.

    Attention by position is the softmax, over the keys, of a dense layer on the offset (dx, dy, dx^2 + dy^2) from query
    to key in patches, one output a head. Its share is sigmoid(gate). Both kinds of rows sum to 1, and so do mixed rows:
    the division by their sum that ends the paper's equation changes nothing.
    """

    def build(self, input_shape: Any) -> None:
        heads = input_shape[0][1]
        start = tf_keras.initializers.Constant(neighbours(heads))
        self.kernel = self.add_weight("kernel", (3, heads), initializer=start)
        self.bias = self.add_weight("bias", (heads,), initializer="zeros")
        self.gate = self.add_weight("gate", (heads, 1, 1), initializer="ones")
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        content, reference = inputs
        position = tf.cast(self._attention(*shapes.sides(reference)), content.dtype)
        share = tf.cast(tf.sigmoid(self.gate), content.dtype)
        return (1 - share) * content + share * position

    def _attention(self, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
        """[heads, N, N], tokens row by row."""
        rows, columns = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")
        rows, columns = (tf.cast(tf.reshape(places, (-1,)), tf.float32) for places in (rows, columns))  # [H, W] -> [N]
        down, right = (places[tf.newaxis] - places[:, tf.newaxis] for places in (rows, columns))  # [queries, keys]
        offsets = tf.stack([right, down, tf.square(right) + tf.square(down)], axis=-1)  # [N, N, 3]
        kernel, bias = (tf.cast(weight, tf.float32) for weight in (self.kernel, self.bias))
        scores = tf.tensordot(offsets, kernel, 1) + bias  # [N, N, heads]
        return tf.nn.softmax(tf.transpose(scores, (2, 0, 1)))


def _gated_attention(x: tf_keras.KerasTensor, num_heads: int, name: str) -> tf_keras.KerasTensor:
    """[B, H, W, C] -> the same."""
    dim = x.shape[-1]
    query, key = (transformer.dense(x, dim, f"{name}_{part}", use_bias=False) for part in ("query", "key"))
    value = blocks.PointwiseConv2D(
        dim, 1, use_bias=False, kernel_initializer=PointwiseIdentity(), name=f"{name}_value"
    )(x)

    def gate(weights: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
        return PositionGate(name=f"{name}_gate")([weights, x])

    mixed = transformer.attend(query, key, value, num_heads, name, map_weights=gate)
    return transformer.dense(mixed, dim, f"{name}_output")


def _gated_block(x: tf_keras.KerasTensor, size: ConViTSize, drop_path: float, name: str) -> tf_keras.KerasTensor:
    """Pre-norm transformer layer with gated attention on [B, H, W, C]."""
    y = _gated_attention(transformer.layer_norm(x, f"{name}_norm1"), size.num_heads, f"{name}_attention")
    x = transformer.add_branch(x, y, name, 1, drop_path)
    y = transformer.mlp(transformer.layer_norm(x, f"{name}_norm2"), 4 * size.dim, name)
    return transformer.add_branch(x, y, name, 2, drop_path)


def features(image: tf_keras.KerasTensor, size: ConViTSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    x = keras_layers.Conv2D(
        size.dim, size.patch, size.patch, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(image)
    x = transformer.PositionEmbedding(size.grid, name="position")(x)
    rates = transformer.drop_path_rates(size.drop_path, size.depth)
    for index in range(size.gated):
        x = _gated_block(x, size, rates[index], f"transformer{index}")
    token = transformer.ClassToken(position=False, name="class_token")(x)
    x = transformer.JoinClassToken(name="join_class")([token, x])
    for index in range(size.gated, size.depth):
        name = f"transformer{index}"
        x = transformer.block(x, size.num_heads, 4 * size.dim, name, drop_path=rates[index], qkv_bias=False)
    return transformer.class_features(x)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least one patch of 16; None builds one graph for any size.

    Raises:
      UserError: for an input without a whole patch.
    """
    size = SIZES[config.variant]
    return ends.model(config, height, width, lambda image: features(image, size), least=size.patch)
