"""CeiT-T (arXiv 2103.11816, Table 2): a vision transformer with convolutions in its stem and feed-forward layers.

Section 3.2: tokens are patches of 4 x 4 pixels of a convolution's features (Image-to-Tokens). Section 3.3: the
feed-forward layer sees each token's eight neighbours (LeFF). Section 3.4: the class tokens of all layers attend to each
other at the end (LCA). Constants that the paper leaves open are those of the authors' code.
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import transformer


@dataclasses.dataclass(frozen=True)
class Size:
    """Stem channels, token width, layers, heads, feed-forward width, greatest drop-path rate; grid of the positions."""

    stem: int = 64
    dim: int = 192
    depth: int = 12
    num_heads: int = 3
    hidden: int = 768
    drop_path: float = 0.1
    grid: tuple[int, int] = (14, 14)


STRIDE = 16  # pixels a token: convolution 2, pool 2, patch 4


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class RepeatEdges(keras_layers.Layer):
    """[B, H, W, C] -> [B, H + 2, W + 2, C] by doubling the outermost pixels, which leaves a 3x3 maximum as it is."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        tall = tf.concat([inputs[:, :1], inputs, inputs[:, -1:]], axis=1)
        return tf.concat([tall[:, :, :1], tall, tall[:, :, -1:]], axis=2)


def _image_to_tokens(image: tf_keras.KerasTensor, size: Size) -> tf_keras.KerasTensor:
    """Section 3.2: [B, H, W, 3] -> [B, H / 16, W / 16, dim]."""
    x = keras_layers.ZeroPadding2D(3, name="stem_pad")(image)
    x = keras_layers.Conv2D(
        size.stem, 7, 2, use_bias=False, kernel_initializer=blocks.kaiming(), name="stem_conv"
    )(x)  # fmt: skip
    x = RepeatEdges(name="stem_edges")(transformer.batch_norm(x, "stem_bn"))
    x = keras_layers.MaxPooling2D(3, 2, name="stem_pool")(x)  # [B, H / 4, W / 4, stem]
    return keras_layers.Conv2D(size.dim, 4, 4, kernel_initializer=blocks.linear(), name="patch_embedding")(x)


def _local_feed_forward(
    row: tf_keras.KerasTensor, patches: tf_keras.KerasTensor, hidden: int, name: str
) -> tf_keras.KerasTensor:
    """LeFF (section 3.3) on [B, 1, 1 + H * W, C]; the class token passes unchanged."""
    dim = row.shape[-1]
    y = transformer.TakePatches(name=f"{name}_patches")([row, patches])  # [B, H, W, C]
    y = transformer.batch_norm(transformer.dense(y, hidden, f"{name}_conv1"), f"{name}_bn1")
    y = keras_layers.DepthwiseConv2D(
        3, padding="same", depthwise_initializer=blocks.kaiming(depthwise=True), name=f"{name}_conv2"
    )(transformer.Gelu(name=f"{name}_gelu1")(y))
    y = transformer.Gelu(name=f"{name}_gelu2")(transformer.batch_norm(y, f"{name}_bn2"))
    y = transformer.batch_norm(transformer.dense(y, dim, f"{name}_conv3"), f"{name}_bn3")
    token = transformer.TakeClassToken(name=f"{name}_class")(row)
    return transformer.JoinClassToken(name=f"{name}_join")([token, y])


def _joined(rows: list, name: str) -> tf_keras.KerasTensor:
    """Rows [B, 1, t, C], joined along t; four at a time, since XNNPACK has no concatenation of many tensors."""
    level = 0
    while len(rows) > 1:
        groups = [rows[start : start + 4] for start in range(0, len(rows), 4)]
        rows = [
            keras_layers.Concatenate(axis=2, name=f"{name}{level}_{index}")(group) if len(group) > 1 else group[0]
            for index, group in enumerate(groups)
        ]
        level += 1
    return rows[0]


def _layer_class_attention(tokens: list, size: Size) -> tf_keras.KerasTensor:
    """LCA (section 3.4): the class tokens [B, 1, 1, C] of every layer -> one, [B, C]; the last of them asks."""
    depth = len(tokens)
    x = _joined(tokens, "lca_tokens")  # [B, 1, depth, C]
    x = transformer.PositionEmbedding((1, depth), name="lca_position")(x)
    normed = transformer.layer_norm(x, "lca_norm1")
    last = ((0, 0), (depth - 1, 0))
    query = keras_layers.Cropping2D(last, name="lca_last_normed")(normed)  # [B, 1, 1, C]
    x = keras_layers.Cropping2D(last, name="lca_last")(x)
    query, key, value = (
        transformer.dense(source, size.dim, f"lca_attention_{part}")
        for part, source in (("query", query), ("key", normed), ("value", normed))
    )
    y = transformer.attend(query, key, value, size.num_heads, "lca_attention")
    x = transformer.add_branch(x, transformer.dense(y, size.dim, "lca_attention_output"), "lca", 1, 0.0)
    y = transformer.mlp(transformer.layer_norm(x, "lca_norm2"), size.hidden, "lca")
    return transformer.class_features(transformer.add_branch(x, y, "lca", 2, 0.0))


def features(image: tf_keras.KerasTensor, size: Size) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    patches = transformer.PositionEmbedding(size.grid, name="position")(_image_to_tokens(image, size))
    x = transformer.JoinClassToken(name="join_class")([transformer.ClassToken(name="class_token")(patches), patches])
    tokens = []
    for index, rate in enumerate(transformer.drop_path_rates(size.drop_path, size.depth)):
        name = f"transformer{index}"
        y = transformer.layer_norm(x, f"{name}_norm1")
        y = transformer.self_attention(y, size.num_heads, f"{name}_attention")
        x = transformer.add_branch(x, y, name, 1, rate)
        y = transformer.layer_norm(x, f"{name}_norm2")
        # The last layer's patches are never read: its convolutions are dead weight, kept as published.
        x = transformer.add_branch(x, _local_feed_forward(y, patches, size.hidden, f"{name}_leff"), name, 2, rate)
        tokens.append(transformer.TakeClassToken(name=f"{name}_class")(x))
    return _layer_class_attention(tokens, size)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least 16; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    size = Size()
    return ends.model(config, height, width, lambda image: features(image, size), least=STRIDE)
