"""Attention in blocks of a feature map: every block of places sees itself, its eight neighbours and one global token.

The sliding chunks of Vision Longformer (arXiv 2103.15358, section 3.2 and appendix). A map is cut into blocks of
`window` x `window` places, padded at the right and bottom where they do not fill it. M is the number of blocks, row by
row; w = window ** 2 places a block, row by row.
"""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks, shapes

UNSEEN = -1e4  # added to the scores of places outside of the map: their weight is exactly 0


def _cut(features: tf.Tensor, window: int, border: int = 0) -> tf.Tensor:
    """[B, H, W, C] -> [B, rows, columns, w * C]: blocks, with `border` more of them, all zeros, on every side."""
    edges = [(border * window, -side % window + border * window) for side in shapes.sides(features)]
    return tf.nn.space_to_depth(tf.pad(features, [(0, 0), *edges, (0, 0)]), window)


def _neighbourhoods(features: tf.Tensor, window: int) -> tf.Tensor:
    """[B, H, W, C] -> [B, M, 9 * w, C]: the places of every block's neighbours and itself, block by block."""
    cut = _cut(features, window, border=1)
    rows, columns = (side - 2 for side in shapes.sides(cut))
    # By threes: XNNPACK has no concatenation of nine tensors.
    around = [
        tf.concat([cut[:, row : row + rows, column : column + columns] for column in range(3)], -1) for row in range(3)
    ]
    # 3 x 3 x [B, rows, columns, w * C] -> [B, rows, columns, 9 * w * C] -> [B, M, 9 * w, C]
    channels = features.shape[-1]
    return tf.reshape(tf.concat(around, -1), (tf.shape(features)[0], rows * columns, 9 * window**2, channels))


def _copies(token: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """[B, 1, 1, C] -> [B, count, 1, C]: where the count is known by concatenations, since XNNPACK has no TILE."""
    if tf.is_tensor(count):
        return tf.tile(token, (1, count, 1, 1))
    copies, doubled = None, token  # 1, 2, 4, ... copies
    for bit in reversed(f"{count:b}"):
        if bit == "1":
            copies = doubled if copies is None else tf.concat([copies, doubled], 1)
        doubled = tf.concat([doubled, doubled], 1)
    return copies


class _Windowed(keras_layers.Layer):
    """A layer with a window side; `heads` share the channels."""

    def __init__(self, window: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"window": self.window}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class SplitBlocks(_Windowed):
    """[B, H, W, C] -> [B, M, heads, w, C / heads]: the queries of every block."""

    def __init__(self, window: int, num_heads: int, **kwargs: Any) -> None:
        super().__init__(window, **kwargs)
        self.num_heads = num_heads

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        cut = _cut(inputs, self.window)
        rows, columns = shapes.sides(cut)
        channels = inputs.shape[-1] // self.num_heads
        # [B, rows, columns, w * C] -> [B, M, w, heads, c] -> [B, M, heads, w, c]
        split = (tf.shape(inputs)[0], rows * columns, self.window**2, self.num_heads, channels)
        return tf.transpose(tf.reshape(cut, split), (0, 1, 3, 2, 4))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_heads": self.num_heads}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class SplitNeighbourhoods(_Windowed):
    """Called on (token [B, 1, 1, C], map [B, H, W, C]): [B, M, heads, 1 + 9 * w, C / heads], or its last axes swapped.

    The keys or values of every block: the global token, then its neighbourhood.
    """

    def __init__(self, window: int, num_heads: int, swapped: bool = False, **kwargs: Any) -> None:
        super().__init__(window, **kwargs)
        self.num_heads, self.swapped = num_heads, swapped

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        token, features = inputs
        around = _neighbourhoods(features, self.window)
        batch, count, channels = tf.shape(around)[0], tf.shape(around)[1], features.shape[-1] // self.num_heads
        count = count if around.shape[1] is None else around.shape[1]
        seen = tf.concat([_copies(token, count), around], axis=2)  # [B, M, 1 + 9 * w, C]
        # [B, M, S, C] -> [B, M, S, heads, c] -> [B, M, heads, S, c], or [B, M, heads, c, S] swapped
        seen = tf.reshape(seen, (batch, count, 1 + 9 * self.window**2, self.num_heads, channels))
        return tf.transpose(seen, (0, 1, 3, 4, 2) if self.swapped else (0, 1, 3, 2, 4))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_heads": self.num_heads, "swapped": self.swapped}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class MergeBlocks(_Windowed):
    """Called on (x, a map [B, H, W, any]): the inverse of `SplitBlocks`, back to [B, H, W, C]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        mixed, reference = inputs
        height, width = shapes.sides(reference)
        rows, columns = (-(-side // self.window) for side in (height, width))
        channels = mixed.shape[2] * mixed.shape[4]
        # [B, M, heads, w, c] -> [B, M, w, heads, c] -> [B, rows, columns, w * C] -> [B, H, W, C]
        cut = tf.transpose(mixed, (0, 1, 3, 2, 4))
        cut = tf.reshape(cut, (tf.shape(mixed)[0], rows, columns, self.window**2 * channels))
        return tf.nn.depth_to_space(cut, self.window)[:, :height, :width]


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class BlockBias(_Windowed, blocks.OfScores):
    """Called on (scores [B, M, heads, w, 1 + 9 * w], a map [B, H, W, any]): scale * scores + a learned bias.

    The bias belongs to the offset from query to key, up to 2 * window - 1 in each direction, or to the global token.
    Places outside of the map get no weight.
    """

    def __init__(self, window: int, scale: float, **kwargs: Any) -> None:
        super().__init__(window, **kwargs)
        self.scale = scale

    def build(self, input_shape: Any) -> None:
        heads, offsets = input_shape[0][2], 4 * self.window - 1
        self.bias = self.add_weight("offset_bias", (offsets, offsets, heads), initializer=blocks.linear())
        self.token_bias = self.add_weight("patch_to_token_bias", (heads, 1, 1), initializer=blocks.linear())
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        scores, reference = inputs
        bias = tf.cast(self._biases(), scores.dtype) + tf.cast(self._unseen(*shapes.sides(reference)), scores.dtype)
        return tf.cast(self.scale, scores.dtype) * scores + bias

    def _biases(self) -> tf.Tensor:
        """[1, 1, heads, w, 1 + 9 * w]."""
        places, offsets = np.arange(self.window), 4 * self.window - 1
        # Along one axis keys lie -window to 2 * window - 1 places from the block's beginning, [3 blocks, window].
        keys = np.arange(-1, 2)[:, np.newaxis] * self.window + places
        apart = places[:, np.newaxis, np.newaxis] - keys + 2 * self.window - 1  # [queries, 3, window], from 0
        down, right = apart[:, None, :, None, :, None], apart[None, :, None, :, None, :]
        # [queries, queries, 3, 3, window, window] -> [w, 9 * w]
        index = (down * offsets + right).reshape(self.window**2, 9 * self.window**2)
        heads = self.bias.shape[-1]
        table = tf.reshape(self.bias, (offsets**2, heads))
        local = tf.transpose(tf.gather(table, index), (2, 0, 1))  # [w, 9 * w, heads] -> [heads, w, 9 * w]
        token = tf.tile(self.token_bias, (1, self.window**2, 1))
        return tf.concat([token, local], axis=-1)[tf.newaxis, tf.newaxis]

    def _unseen(self, height: int | tf.Tensor, width: int | tf.Tensor) -> tf.Tensor:
        """[1, M, 1, 1, 1 + 9 * w]: 0 for the token and for places of the map, UNSEEN for others."""
        inside = _neighbourhoods(tf.ones((1, height, width, 1)), self.window)  # [1, M, 9 * w, 1]
        mask = tf.pad((1 - inside[..., 0]) * UNSEEN, ((0, 0), (0, 0), (1, 0)))
        return mask[:, :, tf.newaxis, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale}
