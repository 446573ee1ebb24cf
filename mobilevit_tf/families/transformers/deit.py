"""DeiT-Ti (arXiv 2012.12877, Table 1): the plain vision transformer that MobileViT is compared with."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import transformer


@dataclasses.dataclass(frozen=True)
class ViTSize:
    """Patch side in pixels, token width, transformer layers, heads, feed-forward width, greatest drop-path rate.

    The heads and widths are Table 1's, the drop-path rate Table 9's. `grid` is that of the learned positions: 224 / 16
    a side; other sizes interpolate.
    """

    patch: int = 16
    dim: int = 192
    depth: int = 12
    num_heads: int = 3
    ffn_dim: int = 768
    drop_path: float = 0.1
    grid: tuple[int, int] = (14, 14)


def features(image: tf_keras.KerasTensor, size: ViTSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    x = keras_layers.Conv2D(
        size.dim, size.patch, size.patch, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(image)
    x = transformer.PositionEmbedding(size.grid, name="position")(x)
    x = transformer.JoinClassToken(name="join_class")([transformer.ClassToken(name="class_token")(x), x])
    for index, rate in enumerate(transformer.drop_path_rates(size.drop_path, size.depth)):
        x = transformer.block(x, size.num_heads, size.ffn_dim, f"transformer{index}", drop_path=rate)
    return transformer.class_features(x)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least one patch of 16; None builds one graph for any size.

    Raises:
      UserError: for an input without a whole patch.
    """
    size = ViTSize()
    return ends.model(config, height, width, lambda image: features(image, size), least=size.patch)
