"""PiT (arXiv 2103.16302): a vision transformer in three stages, each with fewer places and more channels.

Between stages a depthwise convolution with a stride of 2 pools the patches and doubles their channels, and a dense
layer widens the class token (section 3.2, Figure 3).
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import transformer

PATCH, STRIDE = 16, 8  # pixels; the patches overlap (Table 1)


@dataclasses.dataclass(frozen=True)
class PiTSize:
    """Of each stage: token width, transformer layers, heads; the feed-forward networks are 4 times as wide (Table 1).

    The greatest drop-path rate is that of the training recipe, DeiT's (section 4.1). `grid` is that of the learned
    positions: (224 - 16) / 8 + 1 per side; other sizes interpolate.
    """

    dims: tuple[int, ...]
    depths: tuple[int, ...] = (2, 6, 4)
    num_heads: tuple[int, ...] = (2, 4, 8)
    drop_path: float = 0.1
    grid: tuple[int, int] = (27, 27)


SIZES = {"pit_ti": PiTSize((64, 128, 256)), "pit_xs": PiTSize((96, 192, 384))}


def _pool(
    row: tf_keras.KerasTensor, patches: tf_keras.KerasTensor, dim: int, name: str
) -> tuple[tf_keras.KerasTensor, tf_keras.KerasTensor]:
    """Row [B, 1, 1 + H * W, C] and any map [B, H, W, .] -> class token [B, 1, 1, dim], patches [B, H / 2, W / 2, dim].

    H / 2 and W / 2 are rounded up. Two filters per channel: channel c gives 2c and 2c + 1, as groups do in PyTorch.
    """
    token = transformer.TakeClassToken(name=f"{name}_take_class")(row)
    patches = transformer.TakePatches(name=f"{name}_take_patches")([row, patches])
    patches = keras_layers.ZeroPadding2D(1, name=f"{name}_pad")(patches)
    patches = keras_layers.DepthwiseConv2D(
        3, 2, depth_multiplier=dim // patches.shape[-1], depthwise_initializer=blocks.kaiming(depthwise=True),
        name=f"{name}_patches",
    )(patches)  # fmt: skip
    return transformer.dense(token, dim, f"{name}_class"), patches


def features(image: tf_keras.KerasTensor, size: PiTSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dims[-1]]."""
    patches = keras_layers.Conv2D(
        size.dims[0], PATCH, STRIDE, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(image)
    patches = transformer.PositionEmbedding(size.grid, name="position")(patches)
    token = transformer.ClassToken(position=False, name="class_token")(patches)
    row = transformer.JoinClassToken(name="stage0_join_class")([token, patches])
    rates = iter(transformer.drop_path_rates(size.drop_path, sum(size.depths)))
    for stage, (dim, depth, heads) in enumerate(zip(size.dims, size.depths, size.num_heads, strict=True)):
        name = f"stage{stage}"
        if stage:
            token, patches = _pool(row, patches, dim, f"{name}_pool")
            row = transformer.JoinClassToken(name=f"{name}_join_class")([token, patches])
        for index in range(depth):
            row = transformer.block(row, heads, 4 * dim, f"{name}_block{index}", drop_path=next(rates))
    return transformer.class_features(row)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least one patch of 16; None builds one graph for any size. Pixels at the
        right and bottom that fill no stride of 8 are not seen.

    Raises:
      UserError: for an input without a whole patch.
    """
    size = SIZES[config.variant]
    return ends.model(config, height, width, lambda image: features(image, size), least=PATCH)
