"""CaiT-XXS24 (arXiv 2103.17239, Table 3): a deep transformer whose class token comes late.

Section 2: LayerScale multiplies each residual branch by a learned vector that starts near zero. Section 3: 24 layers of
patches alone, then two class-attention layers in which only the class token changes. The models of Table 3 also mix
their heads before and after the softmax (talking heads, arXiv 2003.02436).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import attention, transformer


@dataclasses.dataclass(frozen=True)
class Size:
    """A row of Table 3, and the grid of the positions.

    Attributes:
      dim: token width.
      depth: self-attention layers.
      class_depth: class-attention layers.
      num_heads: attention heads, 48 channels each.
      hidden: feed-forward width.
      drop_path: the same rate in every self-attention layer, none in the class-attention layers.
      layer_scale: start of LayerScale (section 2: 1e-5 at depth 24).
    """

    patch: int = 16
    dim: int = 192
    depth: int = 24
    class_depth: int = 2
    num_heads: int = 4
    hidden: int = 768
    drop_path: float = 0.05
    layer_scale: float = 1e-5
    grid: tuple[int, int] = (14, 14)


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class LayerScale(keras_layers.Layer):
    """Multiplies the channels of [B, H, W, C] by a learned vector that starts at `initial` (section 2)."""

    def __init__(self, initial: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: Any) -> None:
        initializer = tf_keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight("gamma", (input_shape[-1],), initializer=initializer)
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * tf.cast(self.gamma, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"initial": self.initial}


def _talking_heads(x: tf_keras.KerasTensor, num_heads: int, name: str) -> tf_keras.KerasTensor:
    """Self-attention with a dense layer over the heads on both sides of the softmax: [B, H, W, C] -> the same."""
    scale = (x.shape[-1] // num_heads) ** -0.5
    return transformer.self_attention(
        x,
        num_heads,
        name,
        map_scores=attention.MixHeads(scale, name=f"{name}_talk1"),
        map_weights=attention.MixHeads(name=f"{name}_talk2"),
    )


def _class_attention(row: tf_keras.KerasTensor, num_heads: int, name: str) -> tf_keras.KerasTensor:
    """Normed [B, 1, 1 + N, C] -> [B, 1, 1, C]: the class token asks, all answer (section 3)."""
    dim = row.shape[-1]
    query = transformer.dense(transformer.TakeClassToken(name=f"{name}_class")(row), dim, f"{name}_query")
    key, value = (transformer.dense(row, dim, f"{name}_{part}") for part in ("key", "value"))
    return transformer.dense(transformer.attend(query, key, value, num_heads, name), dim, f"{name}_output")


def _residuals(
    x: tf_keras.KerasTensor, attended: tf_keras.KerasTensor, size: Size, drop_path: float, name: str
) -> tf_keras.KerasTensor:
    """x + scaled attention, then + scaled feed-forward."""
    y = LayerScale(size.layer_scale, name=f"{name}_scale1")(attended)
    x = transformer.add_branch(x, y, name, 1, drop_path)
    y = transformer.mlp(transformer.layer_norm(x, f"{name}_norm2"), size.hidden, name)
    return transformer.add_branch(x, LayerScale(size.layer_scale, name=f"{name}_scale2")(y), name, 2, drop_path)


def features(image: tf_keras.KerasTensor, size: Size) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    patches = keras_layers.Conv2D(
        size.dim, size.patch, size.patch, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(image)
    patches = transformer.PositionEmbedding(size.grid, name="position")(patches)
    for index in range(size.depth):
        name = f"transformer{index}"
        y = _talking_heads(transformer.layer_norm(patches, f"{name}_norm1"), size.num_heads, f"{name}_attention")
        patches = _residuals(patches, y, size, size.drop_path, name)
    token = transformer.ClassToken(position=False, name="class_token")(patches)
    for index in range(size.class_depth):
        name = f"class{index}"
        row = transformer.JoinClassToken(name=f"{name}_join")([token, patches])
        y = _class_attention(transformer.layer_norm(row, f"{name}_norm1"), size.num_heads, f"{name}_attention")
        token = _residuals(token, y, size, 0.0, name)
    return transformer.class_features(token)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least one patch of 16; None builds one graph for any size.

    Raises:
      UserError: for an input without a whole patch.
    """
    size = Size()
    return ends.model(config, height, width, lambda image: features(image, size), least=size.patch)
