"""Attention scores of the relative place of query and key, from learned vectors."""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import blocks


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class RelativeScores(blocks.OfScores):
    """q . (r_height + r_width) of two tables (arXiv 2101.11605, section 3; arXiv 1904.09925, section 3.1).

    Queries [B, H, W, heads * c] -> scores [B, heads, H * W, H * W] of query and key. Row d + H - 1 of `rows`
    [2 H - 1, c] belongs to a key d rows below the query; `columns` [2 W - 1, c] likewise.
    """

    def __init__(self, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape: Any) -> None:
        height, width, channels = input_shape[1:]
        head = channels // self.num_heads
        self.map = (height, width, channels)  # the size is of the graph: what training passes in may not state it
        self.rows = self.add_weight("rows", (2 * height - 1, head), initializer=blocks.linear())
        self.columns = self.add_weight("columns", (2 * width - 1, head), initializer=blocks.linear())
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = self.map
        # [B, H, W, C] -> [B, H, W, heads, c]
        queries = tf.reshape(inputs, (-1, height, width, self.num_heads, channels // self.num_heads))
        by_row = _scores(tf.transpose(queries, (1, 0, 3, 2, 4)), self.rows)  # [H, B * heads, W, H of the key]
        by_column = _scores(tf.transpose(queries, (2, 0, 3, 1, 4)), self.columns)  # [W, B * heads, H, W of the key]
        by_row, by_column = tf.transpose(by_row, (1, 0, 2, 3)), tf.transpose(by_column, (1, 2, 0, 3))
        # [B * heads, H * W, H, 1] + [B * heads, H * W, 1, W] -> [B * heads, H * W, H, W] -> [B, heads, H * W, H * W]
        places = height * width
        total = tf.reshape(by_row, (-1, places, height, 1)) + tf.reshape(by_column, (-1, places, 1, width))
        return tf.reshape(total, (-1, self.num_heads, places, places))

    def macs(self) -> int:
        """Multiply-accumulates of one image: every element with each row and column."""
        height, width, channels = self.map
        return height * width * channels * (height + width)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_heads": self.num_heads}


def _scores(queries: tf.Tensor, table: tf.Variable) -> tf.Tensor:
    """Queries [n, B, heads, L, c] by their place on an axis of n, table [2 n - 1, c] -> [n, B * heads, L, n]."""
    side, _, _, length, channels = queries.shape
    table = tf.cast(table, queries.dtype)
    # From a query at place i the keys at 0 .. n - 1 are -i .. n - 1 - i away: [n of the query, n of the key, c]
    vectors = tf.stack([table[side - 1 - place : 2 * side - 1 - place] for place in range(side)])
    # [n, B, heads, L, c] -> [n, B * heads * L, c]: one product for each place of the query
    products = tf.matmul(tf.reshape(queries, (side, -1, channels)), vectors, transpose_b=True)
    return tf.reshape(products, (side, -1, length, side))
