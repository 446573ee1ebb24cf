"""The two ends that every family shares: RGB images in [0, 1] come in, float32 logits go out."""

from __future__ import annotations

from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.layers.dropout import StatelessDropout

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in [0, 1]
TOTAL_STRIDE = 32  # pixels of the image for each of the last feature map, in every convolutional family


def check_size(name: str, height: int | None, width: int | None, least: int = TOTAL_STRIDE) -> None:
    """Refuses an input with a side of fewer than `least` pixels; None is any size.

    Raises:
      UserError: with the model's name and both sizes.
    """
    if min(height or least, width or least) < least:
        raise UserError(f"{name} needs an input of at least {least} x {least} pixels, not {height} x {width}")


def image_input(height: int | None, width: int | None) -> tf_keras.KerasTensor:
    """Float images [B, height, width, 3], RGB in [0, 1]; None for any size."""
    return keras_layers.Input((height, width, 3), name="image")


def standardize(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    """RGB in [0, 1] -> ImageNet's mean 0 and deviation 1 per colour, inside the graph."""
    scale = [1 / std for std in IMAGENET_STD]
    offset = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    return keras_layers.Rescaling(scale, offset, name="standardize")(image)


def to_signed(image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
    """RGB in [0, 1] -> [-1, 1], inside the graph."""
    return keras_layers.Rescaling(2.0, -1.0, name="standardize")(image)


def classifier(
    features: tf_keras.KerasTensor,
    num_classes: int,
    dropout: float,
    initializer: tf_keras.initializers.Initializer | str = "glorot_uniform",
) -> tf_keras.KerasTensor:
    """Features [B, C] -> float32 logits [B, num_classes], by the dense layer "classifier"; dropout is stateless."""
    if dropout:
        features = StatelessDropout(dropout, name="classifier_dropout")(features)
    return keras_layers.Dense(num_classes, kernel_initializer=initializer, dtype="float32", name="classifier")(features)


def model(
    config: ModelConfig,
    height: int | None,
    width: int | None,
    features: Callable[[tf_keras.KerasTensor], tf_keras.KerasTensor],
    *,
    least: int = TOTAL_STRIDE,
    scaled: Callable[[tf_keras.KerasTensor], tf_keras.KerasTensor] = standardize,
    classify: Callable[[tf_keras.KerasTensor, int, float], tf_keras.KerasTensor] = classifier,
) -> tf_keras.Model:
    """A family's model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: name, classes, dropout before the classifier.
      height, width: input size in pixels; None builds one graph for any size.
      features: scaled images [B, H, W, 3] -> [B, C].
      least: fewest pixels per side.
      scaled: `standardize` or `to_signed`.
      classify: features, classes, dropout -> logits.

    Raises:
      UserError: for a smaller input.
    """
    check_size(config.variant, height, width, least)
    image = image_input(height, width)
    logits = classify(features(scaled(image)), config.num_classes, config.rates[1])
    return tf_keras.Model(image, logits, name=config.variant)
