"""Mobile-Former-26M, -96M and -214M (arXiv 2108.05895): MobileNet and a transformer of a few tokens, side by side.

A two-way bridge of attention joins the feature map and 3 to 6 learned tokens in every block (section 3, Figures 1 and
3). Table 1 specifies the 294M model; the sizes here, their accuracies and their dropout are those of the authors' code
and training commands (github.com/AAboys/MobileFormer).
Tokens are [B, 1, T, C]; their dense layers are 1x1 convolutions. On the map's side of the bridge nothing is projected
(section 3.2): keys, values and queries are the map itself.
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers import convolution as conv
from mobilevit_tf.layers.channels import ChannelShuffle
from mobilevit_tf.layers.gates import dynamic_relu, hard_sigmoid, hard_swish
from mobilevit_tf.layers.transformers.tokens import FirstToken, LearnedTokens

BRIDGE_HEADS, TOKEN_HEADS = 2, 4
FFN_RATIO = 2  # of the tokens (section 3.3)
SLOPE_REDUCTION = 4  # of the layer between the first token and the slopes of the dynamic ReLU
SECOND_EXPANSION = 4  # of the second half of a block with a stride
HEAD_EXPANSION = 6


@dataclasses.dataclass(frozen=True)
class Size:
    """One model.

    Attributes:
      stem: channels of the first convolution.
      first: (expansion, channels, stride) of the block without tokens.
      blocks: (channels, expansion, stride) of the others.
      tokens: their number and width.
      head: width of the layer before the classifier.
      groups: of the 1x1 convolutions, with channel shuffles between them where there is more than one.
    """

    stem: int
    first: tuple[int, int, int]
    blocks: tuple[tuple[int, int, int], ...]
    tokens: tuple[int, int]
    head: int
    groups: int = 1


SIZES = {
    "mobile_former_26m": Size(
        8, (3, 12, 2),
        ((12, 3, 1), (24, 6, 2), (24, 3, 1), (48, 6, 2), (48, 4, 1), (64, 6, 1), (96, 6, 2), (96, 6, 1)),
        (3, 128), 1024, groups=4,
    ),
    "mobile_former_96m": Size(
        12, (2, 12, 1),
        ((16, 6, 2), (32, 6, 2), (32, 3, 1), (64, 6, 2), (64, 4, 1), (88, 6, 1), (128, 6, 2), (128, 6, 1)),
        (4, 128), 1280,
    ),
    "mobile_former_214m": Size(
        12, (2, 12, 1),
        ((20, 6, 2), (20, 3, 1), (40, 6, 2), (40, 4, 1), (80, 6, 2), (80, 4, 1), (112, 6, 1), (112, 6, 1),
         (160, 6, 2), (160, 6, 1), (160, 6, 1)),
        (6, 192), 1600,
    ),
}  # fmt: skip


def _dense(x: tf_keras.KerasTensor, filters: int, name: str) -> tf_keras.KerasTensor:
    return keras_layers.Conv2D(filters, 1, kernel_initializer=blocks.linear(), name=name)(x)


def _attend(
    query: tf_keras.KerasTensor, key: tf_keras.KerasTensor, value: tf_keras.KerasTensor, num_heads: int, name: str
) -> tf_keras.KerasTensor:
    """Every place of `query` attends to the places of `key`: maps of C channels each -> the shape of `query`."""
    query_heads, key_heads = (
        blocks.SplitPatches(1, num_heads, name=f"{name}_{part}_split")(x)  # [B, heads, places, C / heads]
        for part, x in (("query", query), ("key", key))
    )
    value_heads = blocks.SplitPatches(1, num_heads, swapped=True, name=f"{name}_value_split")(value)
    scores = blocks.ProductTransposed(name=f"{name}_scores")([query_heads, key_heads])
    scale = (query.shape[-1] // num_heads) ** -0.5
    weights = blocks.ScaledSoftmax(scale, name=f"{name}_softmax")(scores)  # [B, heads, places, places of the key]
    mixed = blocks.ProductTransposed(name=f"{name}_mix")([weights, value_heads])
    return blocks.MergePatches(1, num_heads, name=f"{name}_merge")([mixed, query])


def _add_norm(tokens: tf_keras.KerasTensor, change: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    total = keras_layers.Add(name=f"{name}_add")([tokens, change])
    return blocks.LayerNormalization(epsilon=blocks.LAYER_NORM_EPSILON, name=f"{name}_norm")(total)


def _local_to_global(x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """Mobile -> Former: tokens [B, 1, T, D] look at the map [B, H, W, C]; a gate of each token scales what they see."""
    channels, dim = x.shape[-1], tokens.shape[-1]
    seen = _attend(_dense(tokens, channels, f"{name}_query"), x, x, BRIDGE_HEADS, name)
    gate = hard_sigmoid(_dense(tokens, channels, f"{name}_alpha"), f"{name}_alpha", 2.0)
    seen = keras_layers.Multiply(name=f"{name}_scale")([seen, gate])
    return _add_norm(tokens, _dense(seen, dim, f"{name}_project"), name)


def _former(tokens: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """Tokens look at each other, then a feed-forward network with GELU; norms behind the additions."""
    dim = tokens.shape[-1]
    seen = _attend(_dense(tokens, dim, f"{name}_query"), tokens, tokens, TOKEN_HEADS, name)
    tokens = _add_norm(tokens, _dense(seen, dim, f"{name}_project"), name)
    y = keras_layers.Activation("gelu", name=f"{name}_gelu")(_dense(tokens, FFN_RATIO * dim, f"{name}_ffn1"))
    return _add_norm(tokens, _dense(y, dim, f"{name}_ffn2"), f"{name}_ffn")


def _global_to_local(x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """Former -> Mobile: every pixel of [B, H, W, C] looks at the tokens."""
    key, value = (_dense(tokens, x.shape[-1], f"{name}_{part}") for part in ("key", "value"))
    return keras_layers.Add(name=f"{name}_add")([x, _attend(x, key, value, BRIDGE_HEADS, name)])


class _Builder:
    """Adds the convolutional half of the blocks; `groups` of the 1x1 convolutions are the size's."""

    def __init__(self, size: Size) -> None:
        self.size, self.groups = size, size.groups

    def pointwise(self, x: tf_keras.KerasTensor, filters: int, name: str) -> tf_keras.KerasTensor:
        return conv.conv_norm(x, filters, name, groups=self.groups)

    def shuffle(self, x: tf_keras.KerasTensor, groups: int, name: str) -> tf_keras.KerasTensor:
        """Without groups in the convolutions there is nothing to mix."""
        return ChannelShuffle(groups, name=f"{name}_shuffle")(x) if self.groups > 1 else x

    def dynamic_relu(self, x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
        """The first token chooses the slopes (section 3.3)."""
        y = _dense(FirstToken(name=f"{name}_token")(tokens), tokens.shape[-1] // SLOPE_REDUCTION, f"{name}_reduce")
        y = conv.activate(y, "relu", name)
        gates = tuple(_dense(y, x.shape[-1], f"{name}_slope{index}") for index in range(2))
        return dynamic_relu(x, gates, name)

    def first(self, x: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
        """Depthwise and 1x1, without tokens."""
        expansion, channels, stride = self.size.first
        y = conv.depthwise_norm(x, "first_depthwise", stride=stride, multiplier=expansion, act="relu6")
        y = self.pointwise(self.shuffle(y, x.shape[-1], "first"), channels, "first_project")
        return keras_layers.Add(name="first_add")([x, y]) if stride == 1 and channels == x.shape[-1] else y

    def mobile(
        self, x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor, channels: int, expansion: int, name: str
    ) -> tf_keras.KerasTensor:
        """1x1, depthwise 3x3, 1x1, as MobileNetV2's, with dynamic ReLU (Figure 3)."""
        y = self.pointwise(x, expansion * x.shape[-1], f"{name}_expand")
        y = self.dynamic_relu(self.shuffle(y, self.groups, f"{name}_expand"), tokens, f"{name}_expand")
        y = self.dynamic_relu(conv.depthwise_norm(y, f"{name}_depthwise"), tokens, f"{name}_depthwise")
        y = self.shuffle(self.pointwise(y, channels, f"{name}_project"), self.groups, f"{name}_project")
        return keras_layers.Add(name=f"{name}_add")([x, y]) if channels == x.shape[-1] else y

    def mobile_down(
        self, x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor, channels: int, expansion: int, name: str
    ) -> tf_keras.KerasTensor:
        """Depthwise with the stride, 1x1, depthwise, 1x1; a residual around the second half."""
        y = conv.depthwise_norm(x, f"{name}_down", stride=2, multiplier=expansion)
        y = self.dynamic_relu(self.shuffle(y, x.shape[-1], f"{name}_down"), tokens, f"{name}_down")
        x = self.pointwise(y, channels, f"{name}_linear")
        y = conv.depthwise_norm(x, f"{name}_depthwise", multiplier=SECOND_EXPANSION)
        y = self.dynamic_relu(self.shuffle(y, channels, f"{name}_depthwise"), tokens, f"{name}_depthwise")
        return keras_layers.Add(name=f"{name}_add")([x, self.pointwise(y, channels, f"{name}_project")])

    def block(
        self, x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor, block: tuple[int, int, int], name: str
    ) -> tf_keras.KerasTensor:
        """Mobile -> Former, Former, Mobile, Former -> Mobile (Figure 3): (map, tokens) -> (map, tokens)."""
        channels, expansion, stride = block
        tokens = _former(_local_to_global(x, tokens, f"{name}_to_global"), f"{name}_former")
        mobile = self.mobile if stride == 1 else self.mobile_down
        x = mobile(x, tokens, channels, expansion, name)
        return _global_to_local(x, tokens, f"{name}_to_local"), tokens

    def head(self, x: tf_keras.KerasTensor, tokens: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
        """Mean of the map and first token, joined -> [B, head]."""
        x = self.pointwise(self.shuffle(x, self.groups, "head"), HEAD_EXPANSION * x.shape[-1], "head_expand")
        x = keras_layers.GlobalAveragePooling2D(keepdims=True, name="pool")(conv.activate(x, "relu6", "head_expand"))
        x = keras_layers.Concatenate(name="head_concat")([hard_swish(x, "pool"), FirstToken(name="head_token")(tokens)])
        x = hard_swish(conv.batch_norm(_dense(x, self.size.head, "head_dense"), "head_dense"), "head_dense")
        return keras_layers.Flatten(name="flatten")(x)  # [B, 1, 1, head] -> [B, head]


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    ends.check_size(config.variant, height, width)
    size = SIZES[config.variant]
    builder, image = _Builder(size), ends.image_input(height, width)
    x = conv.conv_norm(ends.standardize(image), size.stem, "stem", kernel=3, stride=2, act="relu6")
    tokens = LearnedTokens(*size.tokens, name="tokens")(x)
    x = builder.first(x)
    for index, block in enumerate(size.blocks):
        x, tokens = builder.block(x, tokens, block, f"block{index}")
    tokens = _local_to_global(x, tokens, "last_to_global")
    logits = ends.classifier(builder.head(x, tokens), config.num_classes, config.rates[1], blocks.linear())
    return tf_keras.Model(image, logits, name=config.variant)
