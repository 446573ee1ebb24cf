"""Gates made of plain layers: the hard sigmoid (arXiv 1905.02244, section 5.2) and what is built from it."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers


def hard_sigmoid(x: tf_keras.KerasTensor, name: str, scale: float = 1.0, offset: float = 0.0) -> tf_keras.KerasTensor:
    """scale * relu6(x + 3) / 6 + offset, of any shape."""
    x = keras_layers.ReLU(6.0, name=f"{name}_relu6")(keras_layers.Rescaling(1.0, 3.0, name=f"{name}_shift")(x))
    return keras_layers.Rescaling(scale / 6, offset, name=f"{name}_gate")(x)


def hard_swish(x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
    """x * relu6(x + 3) / 6, of any shape."""
    return keras_layers.Multiply(name=f"{name}_hard_swish")([x, hard_sigmoid(x, name)])


def dynamic_relu(
    x: tf_keras.KerasTensor, gates: tuple[tf_keras.KerasTensor, tf_keras.KerasTensor], name: str
) -> tf_keras.KerasTensor:
    """max(a1 x, a2 x), with slopes that the input chooses (arXiv 2003.10027, section 3).

    Args:
      x: [B, H, W, C].
      gates: two [B, 1, 1, C], any number: hard sigmoids make of them a1 in [0, 2] and a2 in [-1, 1], ReLU at zero.
    """
    slopes = [
        hard_sigmoid(gate, f"{name}_slope{index}", 2.0, offset)
        for index, (gate, offset) in enumerate(zip(gates, (0.0, -1.0), strict=True))
    ]
    lines = [keras_layers.Multiply(name=f"{name}_line{index}")([x, slope]) for index, slope in enumerate(slopes)]
    return keras_layers.Maximum(name=f"{name}_max")(lines)
