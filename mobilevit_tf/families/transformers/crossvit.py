"""CrossViT (arXiv 2103.14899): two vision transformers, on small and on large patches, that exchange class tokens.

Each of three encoders (Figure 2) runs the blocks of both branches, then lets the class token of each look at the
patches of the other (section 3.3, Figure 4). The logits are the mean of two classifiers.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.dropout import StatelessDropout
from mobilevit_tf.layers.transformers import bicubic, transformer

BRANCHES = ("small", "large")
PATCHES = (12, 16)  # pixels per side (Table 1); the large ones are those of the image resized from 240 to 224
SCALE = (14, 15)  # 224 / 240
LEAST = 18  # pixels per side, whose 14 / 15 hold one large patch


@dataclasses.dataclass(frozen=True)
class CrossViTSize:
    """Of the small and the large branch: token width, blocks an encoder, heads; feed-forward expansion (Table 1).

    The greatest drop-path rate is that of the training recipe, DeiT's (section 4.1). `grids` are those of the learned
    positions, of 240 x 240 pixels; other sizes interpolate.
    """

    dims: tuple[int, int]
    depths: tuple[int, int]
    num_heads: tuple[int, int]
    expansion: int
    encoders: int = 3
    drop_path: float = 0.1
    grids: tuple[tuple[int, int], tuple[int, int]] = ((20, 20), (14, 14))


SIZES = {
    "crossvit_ti": CrossViTSize((96, 192), (1, 4), (3, 3), 4),
    "crossvit_9": CrossViTSize((128, 256), (1, 3), (4, 4), 3),
}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class MeanOfClassifiers(keras_layers.Layer):
    """[B, C] -> [B, units]: the mean of two dense layers, each on its part of the features.

    The kernels stand one above the other, [C, units], in the order of the features; the biases are [2, units].
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units), initializer=blocks.linear())
        self.bias = self.add_weight("bias", (len(BRANCHES), self.units), initializer="zeros")
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return (tf.matmul(inputs, self.kernel) + tf.reduce_sum(self.bias, 0)) / len(BRANCHES)

    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return math.prod(self.kernel.shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units}


def _project(token: tf_keras.KerasTensor, dim: int, name: str) -> tf_keras.KerasTensor:
    """LayerNorm, GELU, dense: [B, 1, 1, C] -> [B, 1, 1, dim], to the width of the other branch or back."""
    token = transformer.Gelu(name=f"{name}_gelu")(transformer.layer_norm(token, f"{name}_norm"))
    return transformer.dense(token, dim, name)


def _look(
    token: tf_keras.KerasTensor, patches: tf_keras.KerasTensor, num_heads: int, drop_path: float, name: str
) -> tf_keras.KerasTensor:
    """Cross-attention: token [B, 1, 1, C] takes from itself and patches [B, H, W, C]; it comes back."""
    dim = token.shape[-1]
    row = transformer.JoinClassToken(name=f"{name}_join")([token, patches])
    row = transformer.layer_norm(row, f"{name}_norm")
    query = transformer.dense(transformer.TakeClassToken(name=f"{name}_take")(row), dim, f"{name}_query")
    key, value = (transformer.dense(row, dim, f"{name}_{part}") for part in ("key", "value"))
    y = transformer.dense(transformer.attend(query, key, value, num_heads, name), dim, f"{name}_output")
    return transformer.add_branch(token, y, name, 1, drop_path)


def _exchange(
    rows: list[tf_keras.KerasTensor], maps: list[tf_keras.KerasTensor], size: CrossViTSize, drop_path: float, name: str
) -> list[tf_keras.KerasTensor]:
    """The rows [B, 1, 1 + H * W, C] of both branches, each class token renewed by the other's patches."""
    tokens, patches, renewed = [], [], []
    for branch, row, reference in zip(BRANCHES, rows, maps, strict=True):
        tokens.append(transformer.TakeClassToken(name=f"{name}_{branch}_take_class")(row))
        patches.append(transformer.TakePatches(name=f"{name}_{branch}_take_patches")([row, reference]))
    for index, branch in enumerate(BRANCHES):
        other = 1 - index
        token = _project(tokens[index], size.dims[other], f"{name}_{branch}_project")
        token = _look(token, patches[other], size.num_heads[other], drop_path, f"{name}_{branch}_cross")
        token = _project(token, size.dims[index], f"{name}_{branch}_revert")
        renewed.append(transformer.JoinClassToken(name=f"{name}_{branch}_join_class")([token, patches[index]]))
    return renewed


def _embed(
    image: tf_keras.KerasTensor, size: CrossViTSize
) -> tuple[list[tf_keras.KerasTensor], list[tf_keras.KerasTensor]]:
    """Image [B, H, W, 3] -> of both branches the rows [B, 1, 1 + h * w, C], and the patches [B, h, w, C]."""
    images = (image, bicubic.ResizeBicubic(*SCALE, name="resize")(image))
    rows, maps = [], []
    for pixels, branch, dim, patch, grid in zip(images, BRANCHES, size.dims, PATCHES, size.grids, strict=True):
        patches = keras_layers.Conv2D(
            dim, patch, patch, kernel_initializer=blocks.linear(), name=f"{branch}_patch_embedding"
        )(pixels)
        patches = transformer.PositionEmbedding(grid, name=f"{branch}_position")(patches)
        token = transformer.ClassToken(name=f"{branch}_class_token")(patches)
        rows.append(transformer.JoinClassToken(name=f"{branch}_join_class")([token, patches]))
        maps.append(patches)
    return rows, maps


def _encode(
    rows: list[tf_keras.KerasTensor],
    maps: list[tf_keras.KerasTensor],
    size: CrossViTSize,
    rates: list[float],
    name: str,
) -> list[tf_keras.KerasTensor]:
    """One encoder on the rows [B, 1, 1 + H * W, C] of both branches: their blocks, then the exchange."""
    encoded = []
    for row, branch, dim, depth, heads in zip(rows, BRANCHES, size.dims, size.depths, size.num_heads, strict=True):
        for index in range(depth):
            block = f"{name}_{branch}_block{index}"
            row = transformer.block(row, heads, size.expansion * dim, block, drop_path=rates[index])
        encoded.append(row)
    return _exchange(encoded, maps, size, rates[-1], name)


def features(image: tf_keras.KerasTensor, size: CrossViTSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, sum(dims)], the class token of the small branch first."""
    rows, maps = _embed(image, size)
    depth = max(size.depths)
    rates = transformer.drop_path_rates(size.drop_path, size.encoders * depth)
    for encoder in range(size.encoders):
        rows = _encode(rows, maps, size, rates[encoder * depth : (encoder + 1) * depth], f"encoder{encoder}")
    tokens = []
    for row, branch, dim in zip(rows, BRANCHES, size.dims, strict=True):
        token = transformer.layer_norm(transformer.TakeClassToken(name=f"{branch}_take_class")(row), f"{branch}_norm")
        tokens.append(keras_layers.Reshape((dim,), name=f"{branch}_features")(token))  # [B, 1, 1, dim] -> [B, dim]
    return keras_layers.Concatenate(name="features")(tokens)


def classifier(features: tf_keras.KerasTensor, num_classes: int, dropout: float) -> tf_keras.KerasTensor:
    """Features [B, C] of both branches -> float32 logits [B, num_classes], by the layer "classifier"."""
    if dropout:
        features = StatelessDropout(dropout, name="classifier_dropout")(features)
    return MeanOfClassifiers(num_classes, dtype="float32", name="classifier")(features)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 18; None builds one graph for any size.

    Raises:
      UserError: for an input without a whole patch of both branches.
    """
    size = SIZES[config.variant]
    return ends.model(config, height, width, lambda image: features(image, size), least=LEAST, classify=classifier)
