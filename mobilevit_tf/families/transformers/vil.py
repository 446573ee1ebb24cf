"""Multi-scale Vision Longformer (arXiv 2103.15358): four stages, attention of the first two in blocks.

Every stage embeds patches of the one before and adds a new global token, which is dropped at its end (section 3.1). The
first two attend in blocks (section 3.2, layers/transformers/windows.py), the others over everything, as the authors'
published configuration has it. RPB: biases by offset take the place of learned positions (section 4.1).
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import offset_bias, transformer, windows


@dataclasses.dataclass(frozen=True)
class Stage:
    """n, p, h and d of Table 1: blocks, patch side, heads, token width.

    In blocks of `window` a side; 0 attends over everything, with offsets learned for `grid` places.
    """

    depth: int
    patch: int
    num_heads: int
    dim: int
    window: int = 0
    grid: tuple[int, int] = (0, 0)
    token: bool = True


@dataclasses.dataclass(frozen=True)
class ViLSize:
    """The stages, and the greatest drop-path rate of the authors' recipe."""

    stages: tuple[Stage, ...]
    drop_path: float = 0.1

    @property
    def least(self) -> int:
        """Pixels a side of one place of the last stage."""
        pixels = 1
        for stage in self.stages:
            pixels *= stage.patch
        return pixels


SIZES = {
    "vil_tiny_rpb": ViLSize(
        (
            Stage(1, 4, 1, 48, window=7),
            Stage(1, 2, 3, 96, window=7),
            Stage(9, 2, 3, 192, grid=(14, 14)),
            Stage(1, 2, 6, 384, grid=(7, 7), token=False),
        )
    )
}


def _block_attention(
    row: tf_keras.KerasTensor, patches: tf_keras.KerasTensor, stage: Stage, name: str
) -> tf_keras.KerasTensor:
    """Row [B, 1, 1 + H * W, C] and any map [B, H, W, .] -> the row's shape; the token sees all."""
    heads, scale = stage.num_heads, (stage.dim // stage.num_heads) ** -0.5
    parts = {part: transformer.dense(row, stage.dim, f"{name}_{part}") for part in ("query", "key", "value")}
    tokens = {part: transformer.TakeClassToken(name=f"{name}_{part}_token")(x) for part, x in parts.items()}
    maps = {part: transformer.TakePatches(name=f"{name}_{part}_map")([x, patches]) for part, x in parts.items()}
    token = transformer.attend(
        tokens["query"], parts["key"], parts["value"], heads, f"{name}_token",
        map_scores=offset_bias.TokenBias(scale, name=f"{name}_token_bias"),
    )  # fmt: skip
    query = windows.SplitBlocks(stage.window, heads, name=f"{name}_blocks")(maps["query"])
    key, value = (
        windows.SplitNeighbourhoods(stage.window, heads, part == "value", name=f"{name}_{part}_blocks")(
            [tokens[part], maps[part]]
        )
        for part in ("key", "value")
    )
    scores = blocks.ProductTransposed(name=f"{name}_scores")([query, key])  # [B, M, heads, w, 1 + 9 * w]
    scores = windows.BlockBias(stage.window, scale, name=f"{name}_bias")([scores, patches])
    weights = blocks.ScaledSoftmax(1.0, name=f"{name}_softmax")(scores)
    mixed = blocks.ProductTransposed(name=f"{name}_mix")([weights, value])  # [B, M, heads, w, C / heads]
    mixed = windows.MergeBlocks(stage.window, name=f"{name}_merge")([mixed, patches])
    mixed = transformer.JoinClassToken(name=f"{name}_join")([token, mixed])
    return transformer.dense(mixed, stage.dim, f"{name}_output")


def _attention(x: tf_keras.KerasTensor, patches: tf_keras.KerasTensor, stage: Stage, name: str) -> tf_keras.KerasTensor:
    """Tokens of any shape and any map [B, H, W, .] -> the tokens' shape."""
    if stage.window:
        return _block_attention(x, patches, stage, name)
    scale = (stage.dim // stage.num_heads) ** -0.5
    bias = offset_bias.OffsetBias(stage.grid, scale, stage.token, name=f"{name}_bias")
    return transformer.self_attention(x, stage.num_heads, name, map_scores=lambda scores: bias([scores, patches]))


def _stage(patches: tf_keras.KerasTensor, stage: Stage, rates: list[float], name: str) -> tf_keras.KerasTensor:
    """A map [B, H, W, C] -> [B, H / patch, W / patch, dim]."""
    patches = keras_layers.Conv2D(
        stage.dim, stage.patch, stage.patch, kernel_initializer=blocks.linear(), name=f"{name}_patch_embedding"
    )(patches)
    x = patches = transformer.layer_norm(patches, f"{name}_patch_norm")
    if stage.token:
        token = transformer.ClassToken(position=False, name=f"{name}_global_token")(patches)
        x = transformer.JoinClassToken(name=f"{name}_join_token")([token, patches])
    for index, rate in enumerate(rates):
        block = f"{name}_block{index}"
        y = _attention(transformer.layer_norm(x, f"{block}_norm1"), patches, stage, f"{block}_attention")
        x = transformer.add_branch(x, y, block, 1, rate)
        y = transformer.mlp(transformer.layer_norm(x, f"{block}_norm2"), 4 * stage.dim, block)
        x = transformer.add_branch(x, y, block, 2, rate)
    return transformer.TakePatches(name=f"{name}_take_patches")([x, patches]) if stage.token else x


def features(image: tf_keras.KerasTensor, size: ViLSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim of the last stage], the mean of its normed patches."""
    x = image
    rates = transformer.drop_path_rates(size.drop_path, sum(stage.depth for stage in size.stages))
    for index, stage in enumerate(size.stages):
        x = _stage(x, stage, rates[: stage.depth], f"stage{index}")
        rates = rates[stage.depth :]
    return keras_layers.GlobalAveragePooling2D(name="features")(transformer.layer_norm(x, "norm"))


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size. What does not fill a patch
        at the right and bottom is not seen.

    Raises:
      UserError: for an input without a place for the last stage.
    """
    size = SIZES[config.variant]
    return ends.model(config, height, width, lambda image: features(image, size), least=size.least)
