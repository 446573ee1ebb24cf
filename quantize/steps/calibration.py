"""How far a quantised model departs from the float one, layer by layer."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.image.image_spec import ImageSpec
from quantize.checks.report import LayerError, Saturation
from quantize.steps import qat


def departure(
    float_model: tf_keras.Model, quantized: tf_keras.Model, images: np.ndarray, spec: ImageSpec
) -> tuple[list[LayerError], list[Saturation]]:
    """Where the quantised model departs from the float one, and what saturates.

    Args:
      float_model, quantized: the folded model and the one that `qat.apply` made of it, any batch size.
      images: uint8 [n, height, width, 3], a few.
      spec: turns them into the models' input.

    Returns:
      The layers with the largest error first, and the most saturated first.
    """
    limits = qat.output_ranges(quantized)
    names = list(limits)
    wrapped = {layer.layer.name: layer for layer in quantized.layers if hasattr(layer, "layer")}
    before = tf_keras.Model(float_model.input, [float_model.get_layer(name).output for name in names])
    after = tf_keras.Model(quantized.input, [wrapped[name].output for name in names])
    batch = tf.constant(spec.normalize(images))
    errors, saturation = [], []
    for name, exact, rounded in zip(names, before(batch, training=False), after(batch, training=False), strict=True):
        power = float(tf.sqrt(tf.reduce_mean(exact**2)))
        error = float(tf.sqrt(tf.reduce_mean((exact - rounded) ** 2)))
        errors.append(LayerError(name, error / max(power, 1e-12)))
        low, high = limits[name]
        outside = float(tf.reduce_mean(tf.cast((exact < low) | (exact > high), tf.float32)))
        saturation.append(Saturation(name, low, high, outside))
    errors.sort(key=lambda row: -row.relative_error)
    saturation.sort(key=lambda row: -row.saturated)
    return errors, saturation
