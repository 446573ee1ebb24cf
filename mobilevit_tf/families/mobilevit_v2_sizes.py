"""The published widths of MobileViTv2 (arXiv 2206.02680, appendix, and Apple's published configuration)."""

from __future__ import annotations

import dataclasses

EXPAND_RATIO = 2  # of the MV2 blocks
FFN_RATIO = 2  # width of the feed-forward layers over that of the tokens
LAYER2_BLOCKS = 2  # MV2 blocks of layer 2, the first of stride 2
WIDTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


@dataclasses.dataclass(frozen=True)
class Stage:
    """One of layers 3 to 5: a stride-2 MV2 block, then a MobileViTv2 block.

    Attributes:
      channels: C, channels in and out of the MobileViTv2 block.
      transformer_dim: d, width of the tokens.
      depth: L, number of transformer layers.
    """

    channels: int
    transformer_dim: int
    depth: int


@dataclasses.dataclass(frozen=True)
class Size:
    """One width.

    Attributes:
      stem: channels of the first 3x3 convolution.
      layer1, layer2: channels of the MV2-only layers.
      stages: layers 3, 4 and 5.
    """

    stem: int
    layer1: int
    layer2: int
    stages: tuple[Stage, Stage, Stage]


def _of_width(width: float) -> Size:
    stem, layer1, layer2, *channels = (round(count * width) for count in (32, 64, 128, 256, 384, 512))
    first, second, third = (Stage(count, count // 2, depth) for count, depth in zip(channels, (2, 4, 3), strict=True))
    return Size(stem, layer1, layer2, (first, second, third))


SIZES: dict[str, Size] = {f"v2_{round(100 * width):03}": _of_width(width) for width in WIDTHS}
