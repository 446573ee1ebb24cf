"""Activation ranges of the folded float model over calibration photos."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tqdm import tqdm

from mobilevit_tf.image_spec import ImageSpec
from quantize import qat


def ranges(
    model: tf_keras.Model, images: np.ndarray, spec: ImageSpec, batch_size: int = 8
) -> dict[str, tuple[float, float]]:
    """(lowest, highest) output of every quantised layer.

    Args:
      model: folded float model for any batch size.
      images: uint8 [n, height, width, 3].
      spec: turns them into the model's input.
    """
    names = qat.quantized_layers(model)
    probe = tf_keras.Model(model.input, [model.get_layer(name).output for name in names])

    @tf.function(input_signature=[tf.TensorSpec((None, *spec.size, 3), tf.float32)])
    def extremes(batch):
        outputs = probe(batch, training=False)
        return tf.stack([tf.reduce_min(x) for x in outputs]), tf.stack([tf.reduce_max(x) for x in outputs])

    low, high = np.zeros(len(names)), np.zeros(len(names))
    for start in tqdm(range(0, len(images), batch_size), desc="calibration", unit="batch"):
        batch_low, batch_high = extremes(spec.normalize(images[start : start + batch_size]))
        low, high = np.minimum(low, batch_low.numpy()), np.maximum(high, batch_high.numpy())
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
