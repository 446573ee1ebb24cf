"""The range of each 8-bit output, chosen by what it does to the logits.

A narrow range has fine steps and cuts off extreme values; which of the two costs more depends on what the network makes
of them. Both are followed to the logits by their gradient, along a random direction for each photo: the mean square of
that is, to first order, the error of the logits (Hutchinson's estimate).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from scipy.special import expit

from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import blocks
from mobilevit_tf.progress import ProgressBar
from quantize.graph import Graph, build
from quantize.recipe import Range

# Candidates for the ends of a range, as shares of the extremes of calibration photos.
SHARES = np.linspace(0.3, 1, 29)
FOLLOWED = 64  # photos or a few more, evenly chosen, whose gradients are taken
_LEVELS = 255
_NARROWEST = 1e-6


@dataclasses.dataclass
class _Costs:
    """What a range costs, photo by photo.

    Attributes:
      rounding: float64 [photos], sum of squares of the gradient: times step^2 / 12 the square of what rounding moves.
      cut: float64 [photos, 2, candidates], what cutting off at a candidate for the low or the high end moves.
    """

    rounding: list[float] = dataclasses.field(default_factory=list)
    cut: list[np.ndarray] = dataclasses.field(default_factory=list)


def ranges(
    graph: Graph, outputs: Sequence[str], maxima: Sequence[str], images: np.ndarray, spec: ImageSpec,
    batch_size: int = 8,
) -> dict[str, Range]:  # fmt: skip
    """(low, high) of the output of layers, and (lowest or 0, highest or 0) of the row maxima of others.

    Args:
      graph: the exported float graph.
      outputs: names of the layers whose outputs are wanted.
      maxima: names of the layers whose maxima over the last axis are wanted.
      images: uint8 [n, height, width, 3].
      spec: turns them into the model's input.
      batch_size: images at a time.
    """
    model = build(graph)
    names = [*outputs, *(name for name in maxima if name not in outputs)]
    found = _extremes(model, names, maxima, list(_batches(images, spec, batch_size)))
    followed = images[:: max(1, len(images) // FOLLOWED)]
    limits = {name: found[name] for name in outputs if name not in maxima}
    costs = _costs(graph, model, limits, list(_batches(followed, spec, batch_size)))
    noise = sum(np.array(costs[name].rounding) * _variance(*found[name]) for name in costs)
    return found | {name: _cheapest(costs[name], *found[name], noise) for name in costs}


def _batches(images: np.ndarray, spec: ImageSpec, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), size):
        yield spec.normalize(images[start : start + size])


def _extremes(
    model: tf_keras.Model, names: Sequence[str], maxima: Sequence[str], batches: Sequence[np.ndarray]
) -> dict[str, Range]:
    """(lowest or 0, highest or 0) output by name, or of row maxima."""
    probe = tf_keras.Model(model.input, [model.get_layer(name).output for name in names])

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input.shape[1:]), tf.float32)])
    def extremes(batch: Any) -> Any:
        values = probe(batch, training=False)
        lows = [tf.reduce_max(x, -1) if name in maxima else x for name, x in zip(names, values, strict=True)]
        return tf.stack([tf.reduce_min(x) for x in lows]), tf.stack([tf.reduce_max(x) for x in values])

    low, high = np.zeros(len(names)), np.zeros(len(names))
    for batch in ProgressBar(batches, desc="calibration", unit="batch"):
        batch_low, batch_high = extremes(batch)
        low, high = np.minimum(low, batch_low.numpy()), np.maximum(high, batch_high.numpy())
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}


def _identity(x: np.ndarray) -> np.ndarray:
    return x


def _swish(x: np.ndarray) -> np.ndarray:
    return x * expit(x)


def _costs(
    graph: Graph, model: tf_keras.Model, limits: dict[str, Range], batches: Sequence[np.ndarray]
) -> dict[str, _Costs]:
    """What rounding and cutting off cost, by node."""
    costs = {name: _Costs() for name in limits}
    swishes = {node.inputs[0]: node.name for node in graph.nodes.values() if node.kind is blocks.Swish}
    readers = graph.readers()
    # far below 0 swish makes all values alike: what it alone reads is judged behind it
    behind = {name: swishes[name] for name in limits if [node.name for node in readers[name]] == [swishes.get(name)]}
    for values, gradients in _gradients(model, list(limits), batches):
        for name, (low, high) in limits.items():
            curve, last = (_swish, behind[name]) if name in behind else (_identity, name)
            x, y, slope = (part.reshape(len(part), -1) for part in (values[name], values[last], gradients[last]))
            costs[name].rounding += [float(np.square(one, dtype=np.float64).sum()) for one in gradients[name]]
            costs[name].cut += list(np.stack([_cut(x, y, slope, end, curve) for end in (low, high)], 1))
    return costs


def _cut(x: np.ndarray, y: np.ndarray, slope: np.ndarray, end: float, curve: Callable) -> np.ndarray:
    """float64 [photos, candidates]: how far the logits move when values beyond SHARES * end are cut off.

    Args:
      x, y, slope: [photos, elements]; y = curve(x), and its gradient.
    """
    if abs(end) < _NARROWEST:
        return np.zeros((len(x), len(SHARES)))
    photo, place = np.nonzero(x / end > SHARES[0])
    far = x[photo, place] / end
    bucket = np.minimum((far - SHARES[0]) / (SHARES[1] - SHARES[0]), len(SHARES) - 1).astype(np.int64)
    index, slope = photo * len(SHARES) + bucket, slope[photo, place].astype(np.float64)
    sums = [np.bincount(index, weights, len(x) * len(SHARES)) for weights in (slope, slope * y[photo, place])]
    # [photos, candidates], of the values beyond each candidate
    total, weighted = (found.reshape(len(x), -1)[:, ::-1].cumsum(1)[:, ::-1] for found in sums)
    return curve(SHARES * end) * total - weighted


def _gradients(
    model: tf_keras.Model, names: Sequence[str], batches: Sequence[np.ndarray]
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """By batch, the outputs of layers and the gradient of the logits along a random direction, by name."""
    probe = tf_keras.Model(model.input, [*(model.get_layer(name).output for name in names), model.output])
    classes = model.output.shape[-1]
    for number, batch in enumerate(ProgressBar(batches, desc="ranges", unit="batch")):
        # one half of the classes against the other: what all logits share, softmax does not see
        halves = np.tile(np.sign(np.arange(classes) - (classes - 1) / 2), (len(batch), 1)).astype(np.float32)
        direction = np.random.default_rng((0, number)).permuted(halves, axis=1)
        with tf.GradientTape() as tape:
            pixels = tf.constant(batch)
            tape.watch(pixels)
            *values, logits = probe(pixels, training=False)
            moved = tf.reduce_sum(logits * direction)
        found = tape.gradient(moved, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        yield _by_name(names, values), _by_name(names, found)


def _by_name(names: Sequence[str], tensors: Sequence[Any]) -> dict[str, np.ndarray]:
    return dict(zip(names, map(np.asarray, tensors), strict=True))


def _variance(low: np.ndarray | float, high: np.ndarray | float) -> Any:
    """Of what rounding to 8 bits in a range does to a value."""
    return np.square((high - low) / _LEVELS) / 12


def _cheapest(costs: _Costs, low: float, high: float, noise: np.ndarray) -> Range:
    """The candidates for both ends that move the logits least: the mean over photos of the root of the squares.

    Not the mean of the squares: one photo whose answer is lost anyway must not cost all others their fine steps.

    Args:
      noise: float64 [photos], the squares of what rounding all layers moves.
    """
    cut = np.stack(costs.cut)  # [photos, 2, candidates]
    own = np.array(costs.rounding)[:, None] * _variance((SHARES * low)[:, None], SHARES * high).ravel()
    moved = (cut[:, 0, :, None] + cut[:, 1, None, :]).reshape(len(cut), -1)  # [photos, candidates^2]
    total = np.sqrt(noise[:, None] + np.square(moved) + own).mean(0)
    best = total.size - 1 - total[::-1].argmin()  # of equal ones the widest
    i, j = np.unravel_index(best, (len(SHARES), len(SHARES)))
    return float(SHARES[i] * low), float(SHARES[j] * high)
