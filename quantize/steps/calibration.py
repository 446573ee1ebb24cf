"""Activation ranges of the folded float model over calibration photos, and how far a quantised model departs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.progress import ProgressBar
from quantize.checks.report import LayerError, Saturation
from quantize.recipe import Range
from quantize.steps import qat

# Of a layer's values; docs/quantisation_notebook.md has the extremes, 0.99999, 0.999 and least square error beside it.
KEPT = 0.9999
_BINS, _NARROWEST = 4096, 1e-6


def ranges(
    model: tf_keras.Model, outputs: Sequence[str], maxima: Sequence[str], images: np.ndarray, spec: ImageSpec,
    batch_size: int = 8,
) -> dict[str, Range]:  # fmt: skip
    """(low, high) of the output of layers, and (lowest or 0, highest) of the row maxima of others.

    A layer's range leaves out the most extreme values, 0.005 % on each side: they cost every other value accuracy.

    Args:
      model: the exported float graph for any batch size.
      outputs: names of the layers whose outputs are wanted.
      maxima: names of the layers whose maxima over the last axis are wanted.
      images: uint8 [n, height, width, 3].
      spec: turns them into the model's input.
      batch_size: images at a time.
    """
    wanted = {*outputs, *maxima}
    names = [layer.name for layer in model.layers if layer.name in wanted]
    probe = tf_keras.Model(model.input, [model.get_layer(name).output for name in names])
    signature = tf.TensorSpec((None, *spec.size, 3), tf.float32)

    @tf.function(input_signature=[signature])
    def extremes(batch: Any) -> Any:
        values = probe(batch, training=False)
        lows = [tf.reduce_max(x, -1) if name in maxima else x for name, x in zip(names, values, strict=True)]
        return tf.stack([tf.reduce_min(x) for x in lows]), tf.stack([tf.reduce_max(x) for x in values])

    @tf.function(input_signature=[signature, tf.TensorSpec((len(names), 2), tf.float32)])
    def histograms(batch: Any, limits: Any) -> Any:
        values = probe(batch, training=False)
        return tf.stack([tf.histogram_fixed_width(x, limits[i], _BINS) for i, x in enumerate(values)])

    batches = [spec.normalize(images[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    low, high, counts = _counted(batches, len(names), extremes, histograms)
    found = {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
    return {
        name: limits if name in maxima else within(counts[i], *limits) for i, (name, limits) in enumerate(found.items())
    }


def _counted(
    batches: Sequence[np.ndarray], layers: int, extremes: Callable[..., Any], histograms: Callable[..., Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(lowest [layers], highest [layers], histogram between them [layers, bins]) over all batches."""
    low, high = np.zeros(layers), np.zeros(layers)
    with ProgressBar(total=2 * len(batches), desc="calibration", unit="batch") as bar:
        for batch in batches:
            batch_low, batch_high = extremes(batch)
            low, high = np.minimum(low, batch_low.numpy()), np.maximum(high, batch_high.numpy())
            bar.update()
        limits = tf.constant(np.stack([low, np.maximum(high, low + _NARROWEST)], 1), tf.float32)
        counts = np.zeros((layers, _BINS), np.int64)
        for batch in batches:
            counts += histograms(batch, limits).numpy()
            bar.update()
    return low, high, counts


def within(counts: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The part of [low, high] that holds KEPT of the values, the rest left out evenly on both sides.

    Args:
      counts: how many values fell into each of equal bins from low to high.
      low, high: the extremes.
    """
    edges = np.linspace(low, high, len(counts) + 1)
    below = np.cumsum(counts) / counts.sum()
    tail = (1 - KEPT) / 2
    return float(edges[np.searchsorted(below, tail)]), float(edges[np.searchsorted(below, 1 - tail) + 1])


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
