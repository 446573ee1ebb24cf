"""How timm, Hugging Face and Apple name MobileViT's weights, and how their arrays become ours.

Each publisher is one table of module names; `weight_map` spells it out for a variant. PyTorch stores convolutions as
[out, in, rows, columns] and dense layers as [out, in].
"""

from __future__ import annotations

import dataclasses

import numpy as np

from mobilevit_tf.families.mobilevit_sizes import SIZES

BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
LAYER_NORM = {"gamma": "weight", "beta": "bias"}
DENSE = {"kernel": "weight", "bias": "bias"}


@dataclasses.dataclass(frozen=True)
class Naming:
    """One publisher's module names. `{layer}` is the paper's layer 1 to 5, `{stage}` the same counted from 0.

    Attributes:
      title: the publisher, as people call it.
      conv, norm: convolution and BatchNorm inside a convolution block.
      stem, head, classifier: modules at the ends.
      early, down: the MV2 blocks of layers 1 and 2 (numbered by `{block}`), and the first block of layers 3 to 5.
      expand, depthwise, project: convolution blocks inside an MV2 block.
      vit: the MobileViT block of layers 3 to 5; what follows is inside it.
      local, output, fusion: its convolution blocks; `projection` is a bare convolution; `norm_last` a LayerNorm.
      transformer: one of its transformer layers, numbered by `{index}` (`{depth}` is their number); the rest inside.
      qkv: one fused module, or the three modules of query, key and value.
    """

    title: str
    conv: str
    norm: str
    stem: str
    early: str
    down: str
    expand: str
    depthwise: str
    project: str
    vit: str
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
    classifier: str

    @property
    def anchor(self) -> str:
        """The first convolution's weight: what tells the publishers apart and shows a prefix."""
        return f"{self.stem}.{self.conv}.weight"


NAMINGS: dict[str, Naming] = {
    "timm": Naming(
        "timm", "conv", "bn", "stem",
        early="stages.{stage}.{block}", down="stages.{stage}.0",
        expand="conv1_1x1", depthwise="conv2_kxk", project="conv3_1x1",
        vit="stages.{stage}.1", local="conv_kxk", projection="conv_1x1", transformer="transformer.{index}",
        norm1="norm1", qkv=("attn.qkv",), attention_output="attn.proj", norm2="norm2", ffn1="mlp.fc1", ffn2="mlp.fc2",
        norm_last="norm", output="conv_proj", fusion="conv_fusion", head="final_conv", classifier="head.fc",
    ),
    "huggingface": Naming(
        "Hugging Face", "convolution", "normalization", "mobilevit.conv_stem",
        early="mobilevit.encoder.layer.{stage}.layer.{block}",
        down="mobilevit.encoder.layer.{stage}.downsampling_layer",
        expand="expand_1x1", depthwise="conv_3x3", project="reduce_1x1",
        vit="mobilevit.encoder.layer.{stage}", local="conv_kxk", projection="conv_1x1.convolution",
        transformer="transformer.layer.{index}", norm1="layernorm_before",
        qkv=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
        attention_output="attention.output.dense", norm2="layernorm_after", ffn1="intermediate.dense",
        ffn2="output.dense", norm_last="layernorm", output="conv_projection", fusion="fusion",
        head="mobilevit.conv_1x1_exp", classifier="classifier",
    ),
    "apple": Naming(
        "Apple ml-cvnets", "block.conv", "block.norm", "conv_1",
        early="layer_{layer}.{block}.block", down="layer_{layer}.0.block",
        expand="exp_1x1", depthwise="conv_3x3", project="red_1x1",
        vit="layer_{layer}.1", local="local_rep.conv_3x3", projection="local_rep.conv_1x1.block.conv",
        transformer="global_rep.{index}", norm1="pre_norm_mha.0", qkv=("pre_norm_mha.1.qkv_proj",),
        attention_output="pre_norm_mha.1.out_proj", norm2="pre_norm_ffn.0", ffn1="pre_norm_ffn.1",
        ffn2="pre_norm_ffn.4", norm_last="global_rep.{depth}", output="conv_proj", fusion="fusion",
        head="conv_1x1_exp", classifier="classifier.fc",
    ),
}  # fmt: skip


class _Map(dict):
    """Our weight name -> (their weight name, which third of a fused qkv it is or None)."""

    def __init__(self, naming: Naming):
        super().__init__()
        self.naming = naming

    def module(self, ours: str, theirs: str, parts: dict[str, str], third: int | None = None) -> None:
        for mine, other in parts.items():
            self[f"{ours}/{mine}"] = (f"{theirs}.{other}", third)

    def conv_bn(self, ours: str, theirs: str, kernel: str = "kernel") -> None:
        self.module(f"{ours}_conv", f"{theirs}.{self.naming.conv}", {kernel: "weight"})
        self.module(f"{ours}_bn", f"{theirs}.{self.naming.norm}", BATCH_NORM)

    def inverted_residual(self, ours: str, theirs: str) -> None:
        self.conv_bn(f"{ours}_expand", f"{theirs}.{self.naming.expand}")
        self.conv_bn(f"{ours}_depthwise", f"{theirs}.{self.naming.depthwise}", "depthwise_kernel")
        self.conv_bn(f"{ours}_project", f"{theirs}.{self.naming.project}")

    def transformer(self, ours: str, theirs: str) -> None:
        naming = self.naming
        self.module(f"{ours}_norm1", f"{theirs}.{naming.norm1}", LAYER_NORM)
        for third, part in enumerate(("query", "key", "value")):
            fused = len(naming.qkv) == 1
            source = naming.qkv[0 if fused else third]
            self.module(f"{ours}_attention_{part}", f"{theirs}.{source}", DENSE, third if fused else None)
        self.module(f"{ours}_attention_output", f"{theirs}.{naming.attention_output}", DENSE)
        self.module(f"{ours}_norm2", f"{theirs}.{naming.norm2}", LAYER_NORM)
        self.module(f"{ours}_ffn1", f"{theirs}.{naming.ffn1}", DENSE)
        self.module(f"{ours}_ffn2", f"{theirs}.{naming.ffn2}", DENSE)

    def mobilevit_block(self, ours: str, theirs: str, depth: int) -> None:
        naming = self.naming
        self.conv_bn(f"{ours}_local", f"{theirs}.{naming.local}")
        self.module(f"{ours}_projection_conv", f"{theirs}.{naming.projection}", {"kernel": "weight"})
        for index in range(depth):
            self.transformer(f"{ours}_transformer{index}", f"{theirs}.{naming.transformer.format(index=index)}")
        self.module(f"{ours}_norm", f"{theirs}.{naming.norm_last.format(depth=depth)}", LAYER_NORM)
        self.conv_bn(f"{ours}_output", f"{theirs}.{naming.output}")
        self.conv_bn(f"{ours}_fusion", f"{theirs}.{naming.fusion}")


def weight_map(naming: Naming, variant: str) -> dict[str, tuple[str, int | None]]:
    """Every weight of `mobilevit.build` by name -> (the publisher's name, third of a fused qkv or None)."""
    names = _Map(naming)
    names.conv_bn("stem", naming.stem)
    names.inverted_residual("layer1_mv2", naming.early.format(layer=1, stage=0, block=0))
    for block in range(3):
        names.inverted_residual(f"layer2_mv2{block}", naming.early.format(layer=2, stage=1, block=block))
    for layer, stage in zip((3, 4, 5), SIZES[variant].stages, strict=True):
        place = {"layer": layer, "stage": layer - 1}
        names.inverted_residual(f"layer{layer}_mv2", naming.down.format(**place))
        names.mobilevit_block(f"layer{layer}_vit", naming.vit.format(**place), stage.depth)
    names.conv_bn("head", naming.head)
    names.module("classifier", naming.classifier, DENSE)
    return dict(names)


def their_shape(name: str, shape: tuple[int, ...], third: int | None) -> tuple[int, ...]:
    """The shape that the publisher stores for our weight `name` of `shape`; a fused qkv has three times the rows."""
    fused = 1 if third is None else 3
    if name.endswith("/depthwise_kernel"):
        rows, columns, channels, multiplier = shape
        return channels, multiplier, rows, columns
    if name.endswith("_conv/kernel"):
        rows, columns, inputs, outputs = shape
        return outputs, inputs, rows, columns
    if name.endswith("/kernel"):  # dense
        return fused * shape[-1], shape[-2]
    return (fused * shape[0],)


def to_ours(name: str, value: np.ndarray, third: int | None) -> np.ndarray:
    """The publisher's array -> ours: `name` is our weight's name, `third` which part of a fused qkv it takes."""
    if third is not None:
        value = np.split(value, 3)[third]  # [3 d, ...] -> [d, ...]: query, key, value
    if name.endswith("/depthwise_kernel"):
        return value.transpose(2, 3, 0, 1)  # [channels, 1, rows, columns] -> [rows, columns, channels, 1]
    if name.endswith("_conv/kernel"):
        return value.transpose(2, 3, 1, 0)  # [out, in, rows, columns] -> [rows, columns, in, out]
    if name == "classifier/kernel":
        return value.T  # [out, in] -> [in, out]
    if name.endswith("/kernel"):
        return value.T[np.newaxis, np.newaxis]  # [out, in] -> [1, 1, in, out]: dense layers are 1x1 convolutions
    return value
