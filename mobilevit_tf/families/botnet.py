"""BoT50 (BoTNet, arXiv 2101.11605, Table 1): ResNet-50 whose last three 3x3 convolutions are self-attention.

Attention has 4 heads and learned vectors of the relative row and column of query and key (section 3, Figure 4). The
tables hold one vector for each offset that the map has, so a model belongs to one input size.
"""

from __future__ import annotations

import functools

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import resnet
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.convolution import activate, batch_norm
from mobilevit_tf.layers.transformers.relative import RelativeScores

DEPTHS = (3, 4, 6, 3)  # blocks in c2 to c5 (Table 1)
NUM_HEADS = 4  # section 3; 128 channels a head in c5
ATTENTION_STRIDE = 16  # the first block of c5 attends before its stride


def _attention(x: tf_keras.KerasTensor, name: str, *, stride: int) -> tf_keras.KerasTensor:
    """All-to-all attention (Figure 4), then the mean of 2 x 2 pixels for a stride, BatchNorm, ReLU.

    [B, H, W, C] -> [B, H / stride, W / stride, C]; weights are softmax((q k^T + q r^T) / sqrt(C / heads)).
    """
    dim = x.shape[-1]
    maps = {
        part: keras_layers.Conv2D(dim, 1, use_bias=False, kernel_initializer=blocks.linear(), name=f"{name}_{part}")(x)
        for part in ("query", "key", "value")
    }
    query, key, value = (
        blocks.SplitPatches(1, NUM_HEADS, swapped=part == "value", name=f"{name}_{part}_split")(y)
        for part, y in maps.items()
    )  # [B, heads, N, c], N = H * W; the value swapped
    content = blocks.ProductTransposed(name=f"{name}_content")([query, key])  # [B, heads, N, N]
    position = RelativeScores(NUM_HEADS, name=f"{name}_position")(maps["query"])
    scores = keras_layers.Add(name=f"{name}_scores")([content, position])
    weights = blocks.ScaledSoftmax((dim // NUM_HEADS) ** -0.5, name=f"{name}_softmax")(scores)
    mixed = blocks.ProductTransposed(name=f"{name}_mix")([weights, value])  # [B, heads, N, c]
    x = blocks.MergePatches(1, NUM_HEADS, name=f"{name}_merge")([mixed, x])  # [B, H, W, C]
    if stride > 1:
        x = keras_layers.AveragePooling2D(stride, name=f"{name}_mean")(x)
    return activate(batch_norm(x, f"{name}_attention"), "relu", f"{name}_attention")


def _check_size(name: str, height: int | None, width: int | None) -> None:
    if height is None or width is None:
        raise UserError(f"{name} learns its positions for one input size: train it without --multiscale")
    ends.check_size(name, height, width)
    rows, columns = (-(-side // ATTENTION_STRIDE) for side in (height, width))
    if rows % 2 or columns % 2:
        raise UserError(f"{name} halves a map of {rows} x {columns} pixels for {height} x {width}, which must be even: "
                        "take sides that divide by 32")  # fmt: skip


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least 32, the map at stride 16 even; the weights fit this size alone.

    Raises:
      UserError: for another size or none.
    """
    _check_size(config.variant, height, width)
    image = ends.image_input(height, width)
    x = resnet.stem(ends.standardize(image))
    for stage, (middle, depth) in enumerate(zip(resnet.WIDTHS, DEPTHS, strict=True), 1):
        for block in range(depth):
            stride = 2 if stage > 1 and block == 0 else 1
            attention = functools.partial(_attention, stride=stride) if stage == len(DEPTHS) else None
            x = resnet.bottleneck(x, middle, stride, f"layer{stage}_{block}", middle=attention)
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    logits = ends.classifier(x, config.num_classes, config.rates[1], blocks.linear())
    return tf_keras.Model(image, logits, name=config.variant)
