"""The published MobileViT sizes (arXiv 2110.02178, Table 4, and Apple's published configuration)."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.errors import UserError


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
class Variant:
    """A column of the paper's Table 4.

    Attributes:
      expand_ratio: expansion of the MV2 blocks.
      stem: channels of the first 3x3 convolution.
      layer1, layer2: channels of the MV2-only layers (1 block; 3 blocks, the first of stride 2).
      stages: layers 3, 4 and 5.
      head: channels of the last 1x1 convolution.
      num_heads: attention heads.
      dropout: dropout in the transformer, as published.
      classifier_dropout: dropout before the classifier.
      top1: published ImageNet-1k top-1 accuracy at 256 x 256, in percent; None where nothing is published.
    """

    expand_ratio: int
    stem: int
    layer1: int
    layer2: int
    stages: tuple[Stage, Stage, Stage]
    head: int
    num_heads: int = 4
    dropout: float = 0.1
    classifier_dropout: float = 0.1
    top1: float | None = None


VARIANTS: dict[str, Variant] = {
    "xxs": Variant(
        2, 16, 16, 24, (Stage(48, 64, 128, 2), Stage(64, 80, 160, 4), Stage(80, 96, 192, 3)), 320,
        dropout=0.05, top1=69.0,
    ),
    "xs": Variant(
        4, 16, 32, 48, (Stage(64, 96, 192, 2), Stage(80, 120, 240, 4), Stage(96, 144, 288, 3)), 384, top1=74.8
    ),
    "s": Variant(
        4, 16, 32, 64, (Stage(96, 144, 288, 2), Stage(128, 192, 384, 4), Stage(160, 240, 480, 3)), 640, top1=78.4
    ),
    # Same blocks, a few thousand parameters: whole commands run in seconds on it.
    "tiny": Variant(2, 4, 4, 8, (Stage(8, 8, 16, 1), Stage(8, 8, 16, 1), Stage(8, 8, 16, 1)), 16, num_heads=2),
}  # fmt: skip


# The models that the paper compares with (`baselines`), and their published dropout before the classifier.
BASELINES: dict[str, float] = {
    "mobilenet_v1": 0.001,
    "mobilenet_v2": 0.0,
    "mobilenet_v2_060": 0.0,
    "mobilenet_v3": 0.2,
    "resnet50": 0.0,
    "densenet121": 0.0,
    "efficientnet_b0": 0.2,
    "vit_ti": 0.0,
}


def get_variant(name: str) -> Variant:
    """The MobileViT of that name; any other name raises UserError with the known ones."""
    if name not in VARIANTS:
        raise UserError(f"variant {name!r} is not known, expected one of {', '.join(VARIANTS)}")
    return VARIANTS[name]


def published_dropout(name: str) -> tuple[float, float]:
    """(in the transformers, before the classifier) of a variant or baseline.

    Raises:
      UserError: for an unknown name, with the known ones.
    """
    if name in VARIANTS:
        return VARIANTS[name].dropout, VARIANTS[name].classifier_dropout
    if name in BASELINES:
        return 0.0, BASELINES[name]
    raise UserError(f"variant {name!r} is not known, expected one of {', '.join([*VARIANTS, *BASELINES])}")
