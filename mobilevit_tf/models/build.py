"""Any model of this project from its ModelConfig: MobileViT, or one of the models that the paper compares with."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import keras_applications, mobilevit
from mobilevit_tf.families.mobilevit_sizes import VARIANTS


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The trainable model: float images [B, height, width, 3] -> float32 logits [B, num_classes].

    Args:
      config: which model; a baseline has no patch sizes.
      height, width: input size in pixels; None builds one graph for any size.
    """
    if config.variant in VARIANTS:
        return mobilevit.build(config, height, width)
    return keras_applications.build(config.variant, config.num_classes, height, width, dropout=config.rates[1])
