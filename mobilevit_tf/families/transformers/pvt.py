"""PVT-Tiny (arXiv 2102.12122, Table 1): a pyramid of four transformer stages.

Section 3.2: each stage embeds patches, normed, and adds positions. Section 3.3: attention takes its keys and values
from a smaller map (spatial reduction). The class token enters in the last stage. Tokens stay a map [B, H, W, C] before.
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import transformer

PATCH_NORM_EPSILON = 1e-5  # of the norms after patch embedding and reduction, as in the authors' code; the others 1e-6


@dataclasses.dataclass(frozen=True)
class Stage:
    """A column of Table 1.

    Attributes:
      patch: side of a patch in the map before, in pixels (P).
      dim: token width (C).
      reduction: of the sides of the map that keys and values come from (R).
      num_heads: attention heads (N).
      expansion: feed-forward width over token width (E).
      depth: transformer layers.
    """

    patch: int
    dim: int
    reduction: int
    num_heads: int
    expansion: int
    depth: int = 2


@dataclasses.dataclass(frozen=True)
class Size:
    """Four stages; greatest drop-path rate; side lengths of the image that the position tables are made for."""

    stages: tuple[Stage, ...] = (
        Stage(4, 64, 8, 1, 8), Stage(2, 128, 4, 2, 8), Stage(2, 320, 2, 5, 4), Stage(2, 512, 1, 8, 4),
    )  # fmt: skip
    drop_path: float = 0.1
    image: tuple[int, int] = (224, 224)


MIN_SIZE = 32  # pixels: one token in the last stage, one key in the others


def _reduced_attention(x: tf_keras.KerasTensor, stage: Stage, name: str) -> tf_keras.KerasTensor:
    """Spatial-reduction attention (section 3.3): [B, H, W, C] -> the same, keys from [B, H / R, W / R, C]."""
    source = x
    if stage.reduction > 1:
        source = keras_layers.Conv2D(
            stage.dim, stage.reduction, stage.reduction, kernel_initializer=blocks.kaiming(), name=f"{name}_reduction"
        )(x)
        source = transformer.layer_norm(source, f"{name}_norm", PATCH_NORM_EPSILON)
    query = transformer.dense(x, stage.dim, f"{name}_query")
    key, value = (transformer.dense(source, stage.dim, f"{name}_{part}") for part in ("key", "value"))
    y = transformer.attend(query, key, value, stage.num_heads, name)
    return transformer.dense(y, stage.dim, f"{name}_output")


def features(image: tf_keras.KerasTensor, size: Size) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    x, stride = image, 1
    rates = iter(transformer.drop_path_rates(size.drop_path, sum(stage.depth for stage in size.stages)))
    for number, stage in enumerate(size.stages, 1):
        stride *= stage.patch
        x = keras_layers.Conv2D(
            stage.dim, stage.patch, stage.patch, kernel_initializer=blocks.kaiming(), name=f"stage{number}_embedding"
        )(x)
        x = transformer.layer_norm(x, f"stage{number}_norm", PATCH_NORM_EPSILON)
        grid = tuple(side // stride for side in size.image)
        x = transformer.PositionEmbedding(grid, name=f"stage{number}_position")(x)
        if number == len(size.stages):
            x = transformer.JoinClassToken(name="join_class")([transformer.ClassToken(name="class_token")(x), x])
        for index in range(stage.depth):
            name, rate = f"stage{number}_transformer{index}", next(rates)
            y = _reduced_attention(transformer.layer_norm(x, f"{name}_norm1"), stage, f"{name}_attention")
            x = transformer.add_branch(x, y, name, 1, rate)
            y = transformer.mlp(transformer.layer_norm(x, f"{name}_norm2"), stage.dim * stage.expansion, name)
            x = transformer.add_branch(x, y, name, 2, rate)
    return transformer.class_features(x)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    size = Size()
    return ends.model(config, height, width, lambda image: features(image, size), least=MIN_SIZE)
