"""Activation ranges of the folded float model over calibration photos, and how far a quantised model departs."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tqdm import tqdm

from mobilevit_tf.image_spec import ImageSpec
from quantize import qat

Ranges = dict[str, tuple[float, float]]


def ranges(model: tf_keras.Model, images: np.ndarray, spec: ImageSpec, batch_size: int = 8) -> Ranges:
    """(lowest, highest) output of every quantised layer, and of attention's scores.

    Args:
      model: folded float model for any batch size.
      images: uint8 [n, height, width, 3].
      spec: turns them into the model's input.
    """
    names = [layer.name for layer in model.layers if qat.has_range(layer) or layer.name.endswith(qat.SCORES)]
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


def departure(
    float_model: tf_keras.Model, quantized: tf_keras.Model, images: np.ndarray, spec: ImageSpec
) -> tuple[list[dict], list[dict]]:
    """Where the quantised model departs from the float one, and what saturates.

    Args:
      float_model, quantized: the folded model and the one that `qat.apply` made of it, any batch size.
      images: uint8 [n, height, width, 3], a few.
      spec: turns them into the models' input.

    Returns:
      ([{"layer", "relative_error"}], largest error first: root mean square of the difference over that of the float
      output; [{"layer", "low", "high", "saturated"}], most saturated first: share of float outputs outside the range).
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
        errors.append({"layer": name, "relative_error": error / max(power, 1e-12)})
        low, high = limits[name]
        outside = float(tf.reduce_mean(tf.cast((exact < low) | (exact > high), tf.float32)))
        saturation.append({"layer": name, "low": low, "high": high, "saturated": outside})
    errors.sort(key=lambda row: -row["relative_error"])
    saturation.sort(key=lambda row: -row["saturated"])
    return errors, saturation
