"""How timm, Hugging Face and Apple name MobileViT's weights (arXiv 2110.02178), and how they evaluate them."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.families.mobilevit_sizes import SIZES
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.pretrained import layouts
from mobilevit_tf.pretrained.layouts import DENSE, Rows, Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Naming(layouts.Naming):
    """One publisher's module names; what follows is inside the MobileViT block but for `head`.

    Attributes:
      local, output, fusion: its convolution blocks; `projection` is a bare convolution; `norm_last` a LayerNorm.
      transformer: one of its transformer layers, numbered by `{index}` (`{depth}` is their number); the rest inside.
      qkv: one fused module, or the three modules of query, key and value.
      head: the convolution block before the classifier.
    """

    local: str
    projection: str
    transformer: str
    norm1: str
    qkv: tuple[str, ...]
    attention_output: str
    norm2: str
    ffn1: str
    ffn2: str
    norm_last: str
    output: str
    fusion: str
    head: str


NAMINGS: dict[str, Naming] = {
    "timm": Naming(
        title="timm", mark=".attn.qkv.", conv="conv", norm="bn", stem="stem", classifier="head.fc",
        early="stages.{stage}.{block}", down="stages.{stage}.0",
        expand="conv1_1x1", depthwise="conv2_kxk", project="conv3_1x1",
        vit="stages.{stage}.1", local="conv_kxk", projection="conv_1x1", transformer="transformer.{index}",
        norm1="norm1", qkv=("attn.qkv",), attention_output="attn.proj", norm2="norm2", ffn1="mlp.fc1", ffn2="mlp.fc2",
        norm_last="norm", output="conv_proj", fusion="conv_fusion", head="final_conv",
    ),
    "huggingface": Naming(
        title="Hugging Face", mark="mobilevit.", conv="convolution", norm="normalization", stem="mobilevit.conv_stem",
        classifier="classifier", early="mobilevit.encoder.layer.{stage}.layer.{block}",
        down="mobilevit.encoder.layer.{stage}.downsampling_layer",
        expand="expand_1x1", depthwise="conv_3x3", project="reduce_1x1",
        vit="mobilevit.encoder.layer.{stage}", local="conv_kxk", projection="conv_1x1.convolution",
        transformer="transformer.layer.{index}", norm1="layernorm_before",
        qkv=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        attention_output="attention.output.dense", norm2="layernorm_after", ffn1="intermediate.dense",
        ffn2="output.dense", norm_last="layernorm", output="conv_projection", fusion="fusion",
        head="mobilevit.conv_1x1_exp",
    ),
    "apple": Naming(
        title="Apple ml-cvnets", mark=".pre_norm_mha.", conv="block.conv", norm="block.norm", stem="conv_1",
        classifier="classifier.fc", early="layer_{layer}.{block}.block", down="layer_{layer}.0.block",
        expand="exp_1x1", depthwise="conv_3x3", project="red_1x1",
        vit="layer_{layer}.1", local="local_rep.conv_3x3", projection="local_rep.conv_1x1.block.conv",
        transformer="global_rep.{index}", norm1="pre_norm_mha.0", qkv=("pre_norm_mha.1.qkv_proj",),
        attention_output="pre_norm_mha.1.out_proj", norm2="pre_norm_ffn.0", ffn1="pre_norm_ffn.1",
        ffn2="pre_norm_ffn.4", norm_last="global_rep.{depth}", output="conv_proj", fusion="fusion",
        head="conv_1x1_exp",
    ),
}  # fmt: skip


class _Map(layouts.NameMap):
    naming: Naming

    def transformer(self, ours: str, theirs: str, dim: int) -> None:
        naming = self.naming
        self.affine(f"{ours}_norm1", f"{theirs}.{naming.norm1}")
        for third, part in enumerate(("query", "key", "value")):
            fused = len(naming.qkv) == 1
            rows = Rows(third * dim, (third + 1) * dim, 3 * dim) if fused else None
            self._dense(f"{ours}_attention_{part}", f"{theirs}.{naming.qkv[0 if fused else third]}", rows)
        self._dense(f"{ours}_attention_output", f"{theirs}.{naming.attention_output}")
        self.affine(f"{ours}_norm2", f"{theirs}.{naming.norm2}")
        self._dense(f"{ours}_ffn1", f"{theirs}.{naming.ffn1}")
        self._dense(f"{ours}_ffn2", f"{theirs}.{naming.ffn2}")

    def _dense(self, ours: str, theirs: str, rows: Rows | None = None) -> None:
        self.convolution(ours, theirs, kind=DENSE, bias=True, rows=rows)

    def mobilevit_block(self, ours: str, theirs: str, depth: int, dim: int) -> None:
        naming = self.naming
        self.conv_bn(f"{ours}_local", f"{theirs}.{naming.local}")
        self.convolution(f"{ours}_projection_conv", f"{theirs}.{naming.projection}")
        for index in range(depth):
            self.transformer(f"{ours}_transformer{index}", f"{theirs}.{naming.transformer.format(index=index)}", dim)
        self.affine(f"{ours}_norm", f"{theirs}.{naming.norm_last.format(depth=depth)}")
        self.conv_bn(f"{ours}_output", f"{theirs}.{naming.output}")
        self.conv_bn(f"{ours}_fusion", f"{theirs}.{naming.fusion}")


def weight_map(naming: Naming, variant: str) -> dict[str, Source]:
    """Every weight of `mobilevit.build` by name -> where the publisher keeps it."""
    names = _Map(naming)
    names.ends(layer2_blocks=3)
    for layer, stage in zip((3, 4, 5), SIZES[variant].stages, strict=True):
        place = {"layer": layer, "stage": layer - 1}
        names.inverted_residual(f"layer{layer}_mv2", naming.down.format(**place))
        names.mobilevit_block(f"layer{layer}_vit", naming.vit.format(**place), stage.depth, stage.transformer_dim)
    names.conv_bn("head", naming.head)
    return dict(names)


# Pixels in [0, 1]. Apple's first release was trained on BGR, and Hugging Face kept its weights as they are
# (do_flip_channel_order, shortest edge 288, bilinear). timm's conversion takes RGB: its RGB pipeline reproduces Apple's
# accuracy (docs/pretrained.md has the numbers).
_SPECS = {
    "timm": {256: ImageSpec(256, 256, "bicubic", 0.9, "RGB")},
    "huggingface": {256: ImageSpec(256, 256, "bilinear", 256 / 288, "BGR")},
    "apple": {256: ImageSpec(256, 256, "bilinear", 256 / 288, "BGR")},
}

FAMILY = layouts.Family(
    "MobileViT", "mobilevit", NAMINGS, _SPECS, weight_map,
    telltale=lambda naming: f"{naming.head}.{naming.conv}.weight", telltale_title="last convolution",
    variants={size.head: name for name, size in SIZES.items()},
)  # fmt: skip
