"""The published MobileViT sizes (arXiv 2110.02178, Table 4, and Apple's published configuration)."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Stage:
    """One of layers 3 to 5: a stride-2 MV2 block, then a MobileViT block.

    Attributes:
      channels: C, channels in and out of the MobileViT block.
      transformer_dim: d, width of the tokens.
      ffn_dim: width of the transformer's feed-forward layer.
      depth: L, number of transformer layers.
    """

    channels: int
    transformer_dim: int
    ffn_dim: int
    depth: int


@dataclasses.dataclass(frozen=True)
class Size:
    """A column of the paper's Table 4.

    Attributes:
      expand_ratio: expansion of the MV2 blocks.
      stem: channels of the first 3x3 convolution.
      layer1, layer2: channels of the MV2-only layers (1 block; 3 blocks, the first of stride 2).
      stages: layers 3, 4 and 5.
      head: channels of the last 1x1 convolution.
      num_heads: attention heads.
    """

    expand_ratio: int
    stem: int
    layer1: int
    layer2: int
    stages: tuple[Stage, Stage, Stage]
    head: int
    num_heads: int = 4


SIZES: dict[str, Size] = {
    "xxs": Size(
        2, 16, 16, 24, (Stage(48, 64, 128, 2), Stage(64, 80, 160, 4), Stage(80, 96, 192, 3)), 320),
    "xs": Size(
        4, 16, 32, 48, (Stage(64, 96, 192, 2), Stage(80, 120, 240, 4), Stage(96, 144, 288, 3)), 384),
    "s": Size(
        4, 16, 32, 64, (Stage(96, 144, 288, 2), Stage(128, 192, 384, 4), Stage(160, 240, 480, 3)), 640),
    "tiny": Size(2, 4, 4, 8, (Stage(8, 8, 16, 1), Stage(8, 8, 16, 1), Stage(8, 8, 16, 1)), 16, num_heads=2),
}  # fmt: skip
