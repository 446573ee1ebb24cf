"""How timm, Hugging Face and Apple name MobileViTv2's weights (arXiv 2206.02680), and how they evaluate them."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.families.mobilevit_v2_sizes import LAYER2_BLOCKS, SIZES
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.pretrained import layouts
from mobilevit_tf.pretrained.layouts import DEPTHWISE, Rows, Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Naming(layouts.Naming):
    """One publisher's module names; what follows is inside the MobileViTv2 block.

    Attributes:
      local, output: its convolution blocks; `projection` is a bare convolution; `norm_last` a norm.
      transformer: one of its transformer layers, numbered by `{index}` (`{depth}` is their number); the rest inside.
      qkv: the fused convolution of query (1 channel), key and value (d channels each).
    """

    local: str
    projection: str
    transformer: str
    norm1: str
    qkv: str
    attention_output: str
    norm2: str
    ffn1: str
    ffn2: str
    norm_last: str
    output: str


NAMINGS: dict[str, Naming] = {
    "timm": Naming(
        title="timm", mark=".attn.qkv_proj.", conv="conv", norm="bn", stem="stem", classifier="head.fc",
        early="stages.{stage}.{block}", down="stages.{stage}.0",
        expand="conv1_1x1", depthwise="conv2_kxk", project="conv3_1x1",
        vit="stages.{stage}.1", local="conv_kxk", projection="conv_1x1", transformer="transformer.{index}",
        norm1="norm1", qkv="attn.qkv_proj", attention_output="attn.out_proj", norm2="norm2", ffn1="mlp.fc1",
        ffn2="mlp.fc2", norm_last="norm", output="conv_proj",
    ),
    "huggingface": Naming(
        title="Hugging Face", mark="mobilevitv2.", conv="convolution", norm="normalization",
        stem="mobilevitv2.conv_stem", classifier="classifier",
        early="mobilevitv2.encoder.layer.{stage}.layer.{block}",
        down="mobilevitv2.encoder.layer.{stage}.downsampling_layer",
        expand="expand_1x1", depthwise="conv_3x3", project="reduce_1x1",
        vit="mobilevitv2.encoder.layer.{stage}", local="conv_kxk", projection="conv_1x1.convolution",
        transformer="transformer.layer.{index}", norm1="layernorm_before", qkv="attention.qkv_proj.convolution",
        attention_output="attention.out_proj.convolution", norm2="layernorm_after", ffn1="ffn.conv1.convolution",
        ffn2="ffn.conv2.convolution", norm_last="layernorm", output="conv_projection",
    ),
    "apple": Naming(
        title="Apple ml-cvnets", mark=".pre_norm_attn.", conv="block.conv", norm="block.norm", stem="conv_1",
        classifier="classifier.1", early="layer_{layer}.{block}.block", down="layer_{layer}.0.block",
        expand="exp_1x1", depthwise="conv_3x3", project="red_1x1",
        vit="layer_{layer}.1", local="local_rep.0", projection="local_rep.1.block.conv",
        transformer="global_rep.{index}", norm1="pre_norm_attn.0", qkv="pre_norm_attn.1.qkv_proj.block.conv",
        attention_output="pre_norm_attn.1.out_proj.block.conv", norm2="pre_norm_ffn.0",
        ffn1="pre_norm_ffn.1.block.conv", ffn2="pre_norm_ffn.3.block.conv", norm_last="global_rep.{depth}",
        output="conv_proj",
    ),
}  # fmt: skip


class _Map(layouts.NameMap):
    naming: Naming

    def transformer(self, ours: str, theirs: str, dim: int) -> None:
        naming, total = self.naming, 1 + 2 * dim
        parts = {"query": Rows(0, 1, total), "key": Rows(1, 1 + dim, total), "value": Rows(1 + dim, total, total)}
        self.affine(f"{ours}_norm1", f"{theirs}.{naming.norm1}")
        for part, rows in parts.items():
            self.convolution(f"{ours}_attention_{part}", f"{theirs}.{naming.qkv}", bias=True, rows=rows)
        self.convolution(f"{ours}_attention_output", f"{theirs}.{naming.attention_output}", bias=True)
        self.affine(f"{ours}_norm2", f"{theirs}.{naming.norm2}")
        self.convolution(f"{ours}_ffn1", f"{theirs}.{naming.ffn1}", bias=True)
        self.convolution(f"{ours}_ffn2", f"{theirs}.{naming.ffn2}", bias=True)

    def block(self, ours: str, theirs: str, depth: int, dim: int) -> None:
        naming = self.naming
        self.conv_bn(f"{ours}_local", f"{theirs}.{naming.local}", DEPTHWISE)
        self.convolution(f"{ours}_projection_conv", f"{theirs}.{naming.projection}")
        for index in range(depth):
            self.transformer(f"{ours}_transformer{index}", f"{theirs}.{naming.transformer.format(index=index)}", dim)
        self.affine(f"{ours}_norm", f"{theirs}.{naming.norm_last.format(depth=depth)}")
        self.conv_bn(f"{ours}_output", f"{theirs}.{naming.output}")


def weight_map(naming: Naming, variant: str) -> dict[str, Source]:
    """Every weight of `mobilevit_v2.build` by name -> where the publisher keeps it."""
    names = _Map(naming)
    names.ends(LAYER2_BLOCKS)
    for layer, stage in zip((3, 4, 5), SIZES[variant].stages, strict=True):
        place = {"layer": layer, "stage": layer - 1}
        names.inverted_residual(f"layer{layer}_mv2", naming.down.format(**place))
        names.block(f"layer{layer}_vit", naming.vit.format(**place), stage.depth, stage.transformer_dim)
    return dict(names)


# RGB in [0, 1], for all three: Apple read its photos with Pillow from the second release on. Hugging Face's processor
# flips the channels of these weights too, as it must for the first family's; docs/pretrained.md says why not here.
_SPECS = {
    "timm": {256: ImageSpec(256, 256, "bicubic", 0.888), 384: ImageSpec(384, 384, "bicubic", 1.0)},
    "huggingface": {256: ImageSpec(256, 256, "bilinear", 256 / 288), 384: ImageSpec(384, 384, "bilinear", 384 / 416)},
    "apple": {256: ImageSpec(256, 256, "bicubic", 256 / 288), 384: ImageSpec(384, 384, "bicubic", 1.0)},
}

FAMILY = layouts.Family(
    "MobileViTv2", "mobilevit_v2", NAMINGS, _SPECS, weight_map,
    telltale=lambda naming: naming.anchor, telltale_title="first convolution",
    variants={size.stem: name for name, size in SIZES.items()},
)  # fmt: skip
