"""ESPNetv2 at s = 1.0 and 1.5 (arXiv 1811.11431, Table 2): pyramids of dilated depthwise convolutions, summed in turn.

Sections and figures below are of that paper. Two kinds of weights that the authors' files hold are not here, since no
output depends on them: PReLU slopes behind the strided EESP units, and the image branch of level 5.
"""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers import convolution as conv

BRANCHES = 4  # parallel branches, and groups of the 1x1 convolutions (K and g of section 3.2)
CHANNELS = {"espnetv2_100": (32, 64, 128, 256, 512), "espnetv2_150": (32, 96, 192, 384, 768)}  # levels 1 to 5
HEAD = 1024  # channels before the mean
REPEATS = (0, 3, 7, 3)  # EESP units after the down-sampler of levels 2 to 5 (Table 2)
# Dilations of the branches, smallest first, where the receptive field may have 9 to 13, 7 or 5 pixels per side.
WIDE, MIDDLE, NARROW = (1, 2, 3, 4), (1, 1, 2, 3), (1, 1, 1, 2)
DOWN_DILATIONS = (WIDE, WIDE, WIDE, MIDDLE)  # of the down-samplers of levels 2 to 5
UNIT_DILATIONS = ((), WIDE, MIDDLE, NARROW)  # of the units that follow


def _eesp(
    x: tf_keras.KerasTensor, channels: int, dilations: tuple[int, ...], stride: int, name: str
) -> tf_keras.KerasTensor:
    """EESP without its last activation (section 3.2, Figure 1 c).

    [B, H, W, C] -> [B, H / stride, W / stride, channels]. Reduce with a grouped 1x1, split into dilated
    depthwise convolutions, sum each with the one before (hierarchical feature fusion), concatenate, merge with a
    grouped 1x1.
    """
    reduced = conv.conv_norm(x, channels // BRANCHES, f"{name}_reduce", groups=BRANCHES, act="prelu")
    fused: list[tf_keras.KerasTensor] = []
    for branch, dilation in enumerate(dilations):
        y = _dilated(reduced, dilation, stride, f"{name}_branch{branch}")
        fused.append(keras_layers.Add(name=f"{name}_fuse{branch}")([y, fused[-1]]) if fused else y)
    y = keras_layers.Concatenate(name=f"{name}_concat")(fused)
    y = conv.activate(conv.batch_norm(y, f"{name}_concat"), "prelu", f"{name}_concat")
    return conv.conv_norm(y, channels, f"{name}_merge", groups=BRANCHES)


def _dilated(x: tf_keras.KerasTensor, dilation: int, stride: int, name: str) -> tf_keras.KerasTensor:
    start = blocks.kaiming(depthwise=True)
    if stride > 1:
        return conv.StridedDilatedDepthwise(
            3, stride, dilation, use_bias=False, depthwise_initializer=start, name=f"{name}_conv"
        )(x)
    return keras_layers.DepthwiseConv2D(
        3, padding="same", dilation_rate=dilation, use_bias=False, depthwise_initializer=start, name=f"{name}_conv"
    )(x)


def _mean(x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """Mean of 3 x 3 pixels with a stride of 2; the zeros at the edge count."""
    return keras_layers.AveragePooling2D(3, 2, name=name)(conv.pad(x, 3, name))


def _down(
    x: tf_keras.KerasTensor, image: tf_keras.KerasTensor, channels: int, dilations: tuple[int, ...], name: str
) -> tf_keras.KerasTensor:
    """Strided EESP (section 3.2, Figure 2): mean and EESP side by side, plus the image where there is one.

    [B, H, W, C] -> [B, H / 2, W / 2, channels]; `image` is [B, H / 2, W / 2, 3] or None.
    """
    joined = [_mean(x, f"{name}_mean"), _eesp(x, channels - x.shape[-1], dilations, 2, f"{name}_eesp")]
    y = keras_layers.Concatenate(name=f"{name}_concat")(joined)
    if image is not None:
        seen = conv.conv_norm(image, 3, f"{name}_image_first", kernel=3, act="prelu")
        y = keras_layers.Add(name=f"{name}_add")([y, conv.conv_norm(seen, channels, f"{name}_image_last")])
    return conv.activate(y, "prelu", name)


def _unit(x: tf_keras.KerasTensor, dilations: tuple[int, ...], name: str) -> tf_keras.KerasTensor:
    """[B, H, W, C] -> the same: EESP, its input added, PReLU."""
    y = keras_layers.Add(name=f"{name}_add")([_eesp(x, x.shape[-1], dilations, 1, name), x])
    return conv.activate(y, "prelu", name)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    ends.check_size(config.variant, height, width)
    channels = CHANNELS[config.variant]
    image = ends.image_input(height, width)
    seen = ends.standardize(image)
    x = conv.conv_norm(seen, channels[0], "level1", kernel=3, stride=2, act="prelu")
    seen = _mean(seen, "level1_image_mean")
    for index, level in enumerate(range(2, 6)):
        seen = _mean(seen, f"level{level}_image_mean") if level < 5 else None
        x = _down(x, seen, channels[level - 1], DOWN_DILATIONS[index], f"level{level}_down")
        for unit in range(REPEATS[index]):
            x = _unit(x, UNIT_DILATIONS[index], f"level{level}_unit{unit}")
    x = conv.depthwise_norm(x, "head_depthwise", act="prelu")
    x = conv.conv_norm(x, HEAD, "head", groups=BRANCHES, act="prelu")
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    logits = ends.classifier(x, config.num_classes, config.rates[1], blocks.linear())
    return tf_keras.Model(image, logits, name=config.variant)
