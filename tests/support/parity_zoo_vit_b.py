"""Parity of models whose tensors are laid out otherwise than the reference's, or whose classifier is their own."""

from __future__ import annotations

from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tf_keras

from mobilevit_tf.layers import ends
from support.parity_zoo_vit_a import VIT_RULES, Rules, assign, reference, reference_input

__all__ = ["VIT_RULES", "State", "error"]
State = dict[str, np.ndarray]


def error(
    stem: str,
    size: str,
    features: Callable,
    rules: Rules,
    *,
    prepare: Callable[[State], State] = lambda state: state,
    classify: Callable = lambda features: ends.classifier(features, 1000, 0.0),
) -> float:
    """Greatest difference of the logits from the reference's, in standard deviations of the reference's.

    Args:
      stem: of the .npz file.
      size: its stored size, such as "224x224".
      features: builds images [B, H, W, 3] -> what `classify` takes, as Keras tensors; nothing is standardised.
      rules: regular expressions and replacements from our weights' names to theirs, applied in order.
      prepare: moves tensors of the reference into the layout or under the name that ours have.
      classify: builds features -> logits [B, 1000].
    """
    state, expected = reference(stem, size, lambda name: 2.0)
    height, width = map(int, size.split("x"))
    image = ends.image_input(height, width)
    model = tf_keras.Model(image, classify(features(image)))
    assign(model, prepare(state), rules)
    return float(np.abs(model(reference_input(height, width)).numpy() - expected).max() / expected.std())
