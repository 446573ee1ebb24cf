"""Biases of attention that belong to the offset from query to key (arXiv 2103.15358, section 4.1; Swin's form)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import blocks, shapes
from mobilevit_tf.layers.transformers import bicubic


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class TokenBias(blocks.OfScores):
    """Scores [B, heads, 1, 1 + N] of a global token: scale * scores + a bias for itself, and one for all patches."""

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[1], 1, 1)
        self.own = self.add_weight("token_to_token_bias", shape, initializer=blocks.linear())
        self.others = self.add_weight("token_to_patch_bias", shape, initializer=blocks.linear())
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        count = inputs.shape[-1] or tf.shape(inputs)[-1]
        bias = tf.concat([self.own, tf.tile(self.others, (1, 1, count - 1))], axis=-1)  # [heads, 1, 1 + N]
        return tf.cast(self.scale, inputs.dtype) * inputs + tf.cast(bias, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class OffsetBias(blocks.OfScores):
    """Called on (scores [B, heads, T, T], a map [B, H, W, any]): scale * scores + a learned bias, N = H * W.

    Args:
      grid: (h, w) that the table of (2 h - 1) x (2 w - 1) offsets is for; a map of another size takes it bicubically
        resized.
      token: a global token comes before the patches, T = 1 + N, with biases of its own; T = N without.
    """

    def __init__(self, grid: Sequence[int], scale: float, token: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid, self.scale, self.token = tuple(grid), scale, token

    def build(self, input_shape: Any) -> None:
        heads = input_shape[0][1]
        offsets = [2 * side - 1 for side in self.grid]
        self.bias = self.add_weight("offset_bias", (*offsets, heads), initializer=blocks.linear())
        names = ("token_to_token_bias", "token_to_patch_bias", "patch_to_token_bias") if self.token else ()
        self.token_biases = [self.add_weight(name, (heads, 1, 1), initializer=blocks.linear()) for name in names]
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        scores, reference = inputs
        bias = tf.cast(self._patches(*shapes.sides(reference)), scores.dtype)  # [heads, N, N]
        if self.token:
            own, first_row, first_column = self.token_biases
            count = tf.shape(bias)[-1]
            row = tf.concat([own, tf.tile(first_row, (1, 1, count))], axis=-1)  # [heads, 1, 1 + N]
            rest = tf.concat([tf.tile(first_column, (1, count, 1)), bias], axis=-1)  # [heads, N, 1 + N]
            bias = tf.concat([row, rest], axis=1)
        return tf.cast(self.scale, scores.dtype) * scores + bias

    def _patches(self, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
        """[heads, N, N], queries before keys, row by row."""
        table, heads = tf.cast(self.bias, tf.float32), self.bias.shape[-1]
        if tf.is_tensor(height) or (height, width) != self.grid:
            rows, columns = (
                bicubic.constant_matrix(2 * learned - 1, 2 * side - 1, tf.float32)
                for learned, side in zip(self.grid, (height, width), strict=True)
            )
            table = tf.einsum("rch,ri,cj->ijh", table, rows, columns)
        down, right = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")
        down, right = (tf.reshape(places, (-1,)) for places in (down, right))  # [H, W] -> [N]
        down, right = (places[:, tf.newaxis] - places[tf.newaxis] for places in (down, right))  # query - key: [N, N]
        index = (down + height - 1) * (2 * width - 1) + right + width - 1
        flat = tf.reshape(table, ((2 * height - 1) * (2 * width - 1), heads))
        return tf.transpose(tf.gather(flat, index), (2, 0, 1))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"grid": self.grid, "scale": self.scale, "token": self.token}
