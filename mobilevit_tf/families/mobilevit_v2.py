"""MobileViTv2 (arXiv 2206.02680): MobileViT with separable self-attention, whose cost is linear in the pixels.

Widths of the appendix: every number of channels times the width multiplier. A block has no skip and no
fusion: depthwise 3x3, 1x1, transformer layers, norm, 1x1. The class head is a mean and a dense layer.
"""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families.mobilevit_v2_sizes import EXPAND_RATIO, FFN_RATIO, LAYER2_BLOCKS, SIZES, Stage
from mobilevit_tf.layers import blocks, convolution, ends, linear_attention
from mobilevit_tf.layers.dropout import StatelessDropout


def _dropout(x: tf_keras.KerasTensor, rate: float, name: str) -> tf_keras.KerasTensor:
    return StatelessDropout(rate, name=name)(x) if rate else x


def _dense(x: tf_keras.KerasTensor, filters: int, name: str, fan_out: int | None = None) -> tf_keras.KerasTensor:
    """A dense layer over the channels, as a 1x1 convolution; initialised as one of `fan_out` channels.

    Apple's code has one convolution of 1 + 2 d channels for query, key and value: Kaiming's fan out is that of all.
    """
    deviation = math.sqrt(2 / (fan_out or filters))
    start = tf_keras.initializers.RandomNormal(stddev=deviation)
    return blocks.PointwiseConv2D(filters, 1, kernel_initializer=start, name=name)(x)


def _attention(x: tf_keras.KerasTensor, patch_size: int, dropout: float, name: str) -> tf_keras.KerasTensor:
    """Separable self-attention (Figure 4c): [B, H, W, d] -> the same; `linear_attention` has the steps."""
    dim = x.shape[-1]
    fused = 1 + 2 * dim
    query = _dense(x, 1, f"{name}_query", fused)  # [B, H, W, 1]
    weights = linear_attention.LinearAttentionWeights(patch_size, name=f"{name}_weights")(query)
    weights = _dropout(weights, dropout, f"{name}_dropout")
    context = linear_attention.ContextMean(patch_size, name=f"{name}_mean")([weights, x])  # [B, p, p, d]
    context = _dense(context, dim, f"{name}_key", fused)
    value = keras_layers.ReLU(name=f"{name}_relu")(_dense(x, dim, f"{name}_value", fused))
    mixed = linear_attention.ContextProduct(patch_size, name=f"{name}_mix")([value, context])
    return _dense(mixed, dim, f"{name}_output")


def _transformer(x: tf_keras.KerasTensor, patch_size: int, dropout: float, name: str) -> tf_keras.KerasTensor:
    """Pre-norm transformer layer on [B, H, W, d]."""
    dim = x.shape[-1]
    y = linear_attention.ImageNormalization(name=f"{name}_norm1")(x)
    y = _dropout(_attention(y, patch_size, dropout, f"{name}_attention"), dropout, f"{name}_dropout1")
    x = keras_layers.Add(name=f"{name}_add1")([x, y])
    y = linear_attention.ImageNormalization(name=f"{name}_norm2")(x)
    y = blocks.Swish(name=f"{name}_swish")(_dense(y, FFN_RATIO * dim, f"{name}_ffn1"))
    y = _dense(_dropout(y, dropout, f"{name}_dropout2"), dim, f"{name}_ffn2")
    return keras_layers.Add(name=f"{name}_add2")([x, _dropout(y, dropout, f"{name}_dropout3")])


def _block(x: tf_keras.KerasTensor, stage: Stage, patch_size: int, dropout: float, name: str) -> tf_keras.KerasTensor:
    """The MobileViTv2 block: an odd map is enlarged to whole patches and stays so."""
    if None in x.shape[1:3] or x.shape[1] % patch_size or x.shape[2] % patch_size:
        x = linear_attention.EnlargeToPatches(patch_size, name=f"{name}_enlarge")(x)
    x = convolution.depthwise_norm(x, f"{name}_local", act="swish")
    x = blocks.PointwiseConv2D(
        stage.transformer_dim, 1, use_bias=False, kernel_initializer=blocks.kaiming(), name=f"{name}_projection_conv"
    )(x)
    for index in range(stage.depth):
        x = _transformer(x, patch_size, dropout, f"{name}_transformer{index}")
    x = linear_attention.ImageNormalization(name=f"{name}_norm")(x)
    return convolution.conv_norm(x, stage.channels, f"{name}_output")


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, patches, dropout.
      height, width: input size in pixels; None builds one graph for any size.
    """
    size, (dropout, classifier_dropout) = SIZES[config.variant], config.rates
    image = ends.image_input(height, width)
    x = convolution.conv_norm(image, size.stem, "stem", kernel=3, stride=2, act="swish")
    x = convolution.inverted_residual(x, size.layer1, "layer1_mv2", expand_ratio=EXPAND_RATIO)
    for index in range(LAYER2_BLOCKS):
        stride = 2 if index == 0 else 1
        x = convolution.inverted_residual(
            x, size.layer2, f"layer2_mv2{index}", expand_ratio=EXPAND_RATIO, stride=stride
        )
    for number, stage, patch_size in zip((3, 4, 5), size.stages, config.patch_sizes, strict=True):
        x = convolution.inverted_residual(x, stage.channels, f"layer{number}_mv2", expand_ratio=EXPAND_RATIO, stride=2)
        x = _block(x, stage, patch_size, dropout, f"layer{number}_vit")
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    logits = ends.classifier(x, config.num_classes, classifier_dropout, blocks.linear())
    return tf_keras.Model(image, logits, name=config.variant)
