"""MobileNetV4-Conv-S (arXiv 2404.10518): inverted residuals with an optional depthwise convolution in front, ReLU."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import ends
from mobilevit_tf.layers.convolution import conv_norm, depthwise_norm


@dataclasses.dataclass(frozen=True)
class Block:
    """A universal inverted bottleneck (section 4).

    Attributes:
      start, middle: sides of the depthwise kernels before and after the expansion; 0 for none.
      expand: the expansion's channels over those that come in.
      stride: in the middle depthwise convolution.
    """

    start: int
    middle: int
    expand: int
    stride: int = 1


STEM = 32
FUSED = ((32, 32), (96, 64))  # channels of a 3x3 convolution of stride 2 and of the 1x1 after it
STAGES = (
    (96, (Block(5, 5, 3, 2), *4 * (Block(0, 3, 2),), Block(3, 0, 4))),
    (128, (Block(3, 3, 6, 2), Block(5, 5, 4), Block(0, 5, 4), Block(0, 5, 3), *2 * (Block(0, 3, 4),))),
)
LAST, HEAD = 960, 1280


def _bottleneck(x: tf_keras.KerasTensor, filters: int, block: Block, name: str) -> tf_keras.KerasTensor:
    channels, y = x.shape[-1], x
    if block.start:
        y = depthwise_norm(y, f"{name}_start", kernel=block.start)
    y = conv_norm(y, channels * block.expand, f"{name}_expand", act="relu")
    if block.middle:
        y = depthwise_norm(y, f"{name}_middle", kernel=block.middle, stride=block.stride, act="relu")
    y = conv_norm(y, filters, f"{name}_project")
    return keras_layers.Add(name=f"{name}_add")([x, y]) if block.stride == 1 and channels == filters else y


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: classes, dropout before the classifier.
      height, width: input size in pixels; None builds one graph for any size.
    """
    image = ends.image_input(height, width)
    x = conv_norm(ends.standardize(image), STEM, "stem", kernel=3, stride=2, act="relu")
    for number, (wide, narrow) in enumerate(FUSED, 1):
        x = conv_norm(x, wide, f"layer{number}_conv", kernel=3, stride=2, act="relu")
        x = conv_norm(x, narrow, f"layer{number}_project", act="relu")
    for number, (filters, stage) in enumerate(STAGES, 3):
        for index, block in enumerate(stage):
            x = _bottleneck(x, filters, block, f"layer{number}_block{index}")
    x = conv_norm(x, LAST, "last", act="relu")
    x = keras_layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)  # [B, 1, 1, 960]
    x = keras_layers.Flatten(name="flatten")(conv_norm(x, HEAD, "head", act="relu"))  # [B, 1, 1, 1280] -> [B, 1280]
    logits = ends.classifier(x, config.num_classes, config.rates[1])
    return tf_keras.Model(image, logits, name=config.variant)
