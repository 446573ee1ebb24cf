"""Patches and heads of attention in operators of rank 4: more is slow on phones, and no GPU delegate takes it."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import blocks


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class SplitByDepth(blocks.SplitPatches):
    """`SplitPatches` of a map of fixed size: the pixels of a patch become channels first."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        size, (height, width, channels) = self.patch_size, inputs.shape[1:]
        # [B, H, W, C] -> [B, H / p, W / p, p * p * C]
        grid = tf.nn.space_to_depth(inputs, size) if size > 1 else inputs
        groups = size * size * self.num_heads
        # -> [B, N, P * heads, C / heads]
        grid = tf.reshape(grid, (-1, height * width // size**2, groups, channels // self.num_heads))
        return tf.transpose(grid, (0, 2, 3, 1) if self.swapped else (0, 2, 1, 3))


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class MergeByDepth(blocks.MergePatches):
    """`MergePatches` for a reference of fixed size: the inverse of `SplitByDepth`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        groups, reference = inputs
        size, (height, width) = self.patch_size, reference.shape[1:3]
        grid = tf.transpose(groups, (0, 2, 1, 3))  # [B, P * heads, N, c] -> [B, N, P * heads, c]
        # -> [B, H / p, W / p, p * p * C]
        grid = tf.reshape(grid, (-1, height // size, width // size, grid.shape[2] * grid.shape[3]))
        return tf.nn.depth_to_space(grid, size) if size > 1 else grid  # -> [B, H, W, C]
