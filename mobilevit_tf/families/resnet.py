"""SE-ResNet-50 and -101: ResNet (arXiv 1512.03385, Table 1) whose blocks weigh their channels (arXiv 1709.01507).

Squeeze and excitation as in section 3 and Figure 3 there, reduction 16 (section 6.1); accuracy from its Table 2. The
stride is in the 3x3 convolution, as in the published PyTorch weights; the original has it in the first 1x1.
"""

from __future__ import annotations

from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.convolution import activate, conv_norm, pad

EXPANSION = 4  # channels of a block over the width of its middle
WIDTHS = (64, 128, 256, 512)  # of the middles in conv2_x to conv5_x (arXiv 1512.03385, Table 1)
DEPTHS = {"seresnet50": (3, 4, 6, 3), "seresnet101": (3, 4, 23, 3)}  # blocks in conv2_x to conv5_x, ibid.
SE_REDUCTION = 16


def stem(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, H / 4, W / 4, 64]."""
    x = conv_norm(image, WIDTHS[0], "stem", kernel=7, stride=2, act="relu")
    return keras_layers.MaxPooling2D(3, 2, name="stem_max")(pad(x, 3, "stem_max"))  # zeros never win: x >= 0


def squeeze_excite(x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """x times a gate in (0, 1) for each channel, seen from its mean over the map: [B, H, W, C] -> the same."""
    channels = x.shape[-1]
    y = keras_layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)  # [B, 1, 1, C]
    y = keras_layers.Conv2D(channels // SE_REDUCTION, 1, kernel_initializer=blocks.kaiming(), name=f"{name}_reduce")(y)
    y = keras_layers.Conv2D(channels, 1, kernel_initializer=blocks.kaiming(), name=f"{name}_expand")(
        activate(y, "relu", name)
    )
    return keras_layers.Multiply(name=f"{name}_scale")([x, keras_layers.Activation("sigmoid", name=f"{name}_gate")(y)])


def bottleneck(
    x: tf_keras.KerasTensor,
    width: int,
    stride: int,
    name: str,
    *,
    middle: Callable | None = None,
    last: Callable | None = None,
) -> tf_keras.KerasTensor:
    """[B, H, W, C] -> [B, H / stride, W / stride, 4 * width] (arXiv 1512.03385, Figure 5, right).

    Args:
      middle: of (x, name), in place of the 3x3 convolution with its stride, norm and activation.
      last: of (x, name), what the branch goes through before it is added.
    """
    y = conv_norm(x, width, f"{name}_first", act="relu")
    y = middle(y, name) if middle else conv_norm(y, width, f"{name}_middle", kernel=3, stride=stride, act="relu")
    y = conv_norm(y, EXPANSION * width, f"{name}_last")
    y = last(y, name) if last else y
    if stride > 1 or x.shape[-1] != EXPANSION * width:
        x = conv_norm(x, EXPANSION * width, f"{name}_shortcut", stride=stride)
    return activate(keras_layers.Add(name=f"{name}_add")([x, y]), "relu", name)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 32; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    ends.check_size(config.variant, height, width)
    image = ends.image_input(height, width)
    x = stem(ends.standardize(image))
    for stage, (middle, depth) in enumerate(zip(WIDTHS, DEPTHS[config.variant], strict=True), 1):
        for block in range(depth):
            stride = 2 if stage > 1 and block == 0 else 1
            x = bottleneck(x, middle, stride, f"layer{stage}_{block}", last=_excited)
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    logits = ends.classifier(x, config.num_classes, config.rates[1], blocks.linear())
    return tf_keras.Model(image, logits, name=config.variant)


def _excited(x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    return squeeze_excite(x, f"{name}_se")
