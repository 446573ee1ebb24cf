"""Any model of the catalogue from its ModelConfig."""

from __future__ import annotations

import importlib

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The trainable model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: which model, with its classes and rates.
      height, width: input size in pixels; None builds one graph for any size.

    Raises:
      UserError: for a size that the architecture does not take.
    """
    family = importlib.import_module(f"mobilevit_tf.families.{catalog.find(config.variant).module}")
    return family.build(config, height, width)
