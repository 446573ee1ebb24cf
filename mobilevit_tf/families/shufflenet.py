"""ShuffleNetV2 1.0x (arXiv 1807.11164, Table 5): half of the channels pass a unit as they are, then a shuffle."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.channels import ChannelShuffle, TakeChannels
from mobilevit_tf.layers.convolution import conv_norm, depthwise_norm, pad

STEM, HEAD = 24, 1024  # Table 5, column 1x
STAGES = ((116, 4), (232, 8), (464, 4))  # (channels, units) of stages 2, 3 and 4


def _branch(x: tf_keras.KerasTensor, channels: int, stride: int, name: str) -> tf_keras.KerasTensor:
    """1x1, depthwise 3x3 without activation, 1x1 (Figure 3 c and d, right branch)."""
    x = conv_norm(x, channels, f"{name}_expand", act="relu")
    x = depthwise_norm(x, f"{name}_depthwise", stride=stride)
    return conv_norm(x, channels, f"{name}_project", act="relu")


def _unit(x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """Figure 3 c: [B, H, W, C] -> the same; the first half of the channels stays as it is."""
    half = x.shape[-1] // 2
    kept = TakeChannels(0, half, name=f"{name}_kept")(x)
    y = _branch(TakeChannels(half, 2 * half, name=f"{name}_taken")(x), half, 1, name)
    return ChannelShuffle(2, name=f"{name}_shuffle")(keras_layers.Concatenate(name=f"{name}_concat")([kept, y]))


def _unit_down(x: tf_keras.KerasTensor, channels: int, name: str) -> tf_keras.KerasTensor:
    """Figure 3 d: [B, H, W, C] -> [B, H / 2, W / 2, channels]; both branches see all channels."""
    left = depthwise_norm(x, f"{name}_left_depthwise", stride=2)
    left = conv_norm(left, channels // 2, f"{name}_left_project", act="relu")
    joined = keras_layers.Concatenate(name=f"{name}_concat")([left, _branch(x, channels // 2, 2, name)])
    return ChannelShuffle(2, name=f"{name}_shuffle")(joined)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    ends.check_size(config.variant, height, width)
    image = ends.image_input(height, width)
    x = conv_norm(ends.standardize(image), STEM, "stem", kernel=3, stride=2, act="relu")
    x = keras_layers.MaxPooling2D(3, 2, name="stem_max")(pad(x, 3, "stem_max"))  # zeros never win: x >= 0
    for stage, (channels, units) in enumerate(STAGES, 2):
        x = _unit_down(x, channels, f"stage{stage}_unit0")
        for unit in range(1, units):
            x = _unit(x, f"stage{stage}_unit{unit}")
    x = conv_norm(x, HEAD, "head", act="relu")
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    logits = ends.classifier(x, config.num_classes, config.rates[1], blocks.linear())
    return tf_keras.Model(image, logits, name=config.variant)
