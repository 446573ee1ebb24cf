"""Exact rewrites of attention: softmax(scale * q k^T) v, its scale in the queries, its division after the product."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.transformers.attention import MixHeads
from quantize.graph import Graph, Node
from quantize.layers.folded import AttentionScores, Exponential, WeightedMean
from quantize.layers.patches import MergeByDepth, SplitByDepth
from quantize.layers.unrounded import PlainScores, ScoreSum
from quantize.steps.fold import CONVOLUTIONS, axis_of, scale_and_shift


def fold_scales(graph: Graph) -> Graph:
    """Softmax's factor 1 / sqrt(d / heads) is a scale of the queries, where a convolution makes them."""
    for name in graph.names_of(blocks.ScaledSoftmax):
        softmax = graph.nodes[name]
        query = _maker_of_queries(graph, softmax)
        if query is None:
            continue
        divisor = 1 / softmax.config["scale"]
        graph = graph.with_nodes(
            query.holding(**{key: value / divisor for key, value in query.weights.items()}),
            softmax.made(blocks.ScaledSoftmax, scale=1.0),
        )
    return graph


def _maker_of_queries(graph: Graph, softmax: Node) -> Node | None:
    """The convolution whose output is split into queries and read by nothing else."""
    node, readers = graph.nodes[softmax.inputs[0]], graph.value_readers()
    for kind in (blocks.ProductTransposed, blocks.SplitPatches):
        if not issubclass(node.kind, kind) or len(readers[node.name]) > 1:
            return None
        node = graph.nodes[node.inputs[0]]
    return node if issubclass(node.kind, CONVOLUTIONS) and len(readers[node.name]) == 1 else None


def fold_into_heads(graph: Graph) -> Graph:
    """BatchNorm over the heads, and a factor, behind a dense layer over the heads go into its weights."""
    for name in graph.names_of(MixHeads):
        while (after := _only_reader(graph, name)) is not None:
            if issubclass(after.kind, keras_layers.BatchNormalization) and axis_of(after) == 1:
                scale, shift = scale_and_shift(after)  # [heads]
            elif issubclass(after.kind, keras_layers.Rescaling) and np.ndim(after.config["scale"]) == 0:
                scale, shift = np.asarray(after.config["scale"]), np.asarray(after.config["offset"])
            else:
                break
            mix = graph.nodes[name]  # kernel [heads in, heads out], bias [heads out, 1]
            bias = mix.weights["bias"] * scale.reshape(-1, 1) + shift.reshape(-1, 1)
            graph = graph.with_nodes(mix.holding(kernel=mix.weights["kernel"] * scale, bias=bias)).without(after.name)
    return graph


def _only_reader(graph: Graph, name: str) -> Node | None:
    readers = graph.readers()[name]
    return readers[0] if len(readers) == 1 else None


def mark_scores(graph: Graph) -> Graph:
    """Sums and products that layers of scores read become such layers: 8-bit files leave them unrounded."""
    for kind, marked in ((keras_layers.Add, ScoreSum), (blocks.ProductTransposed, PlainScores)):
        readers = graph.readers()
        found = [node for node in graph.nodes.values() if node.kind is kind and readers[node.name]]
        chosen = [node for node in found if all(issubclass(one.kind, blocks.OfScores) for one in readers[node.name])]
        graph = graph.with_nodes(*(node.made(marked) for node in chosen))
    return graph


def low_rank(graph: Graph) -> Graph:
    """Patches and heads split and merged by operators of rank 4, where the layers themselves go through rank 7."""
    splits = [graph.nodes[name] for name in graph.names_of(blocks.SplitPatches)]
    merges = [graph.nodes[name] for name in graph.names_of(blocks.MergePatches)]
    return graph.with_nodes(
        *(node.made(SplitByDepth, **node.config) for node in splits),
        *(node.made(MergeByDepth, **node.config) for node in merges),
    )


def divide_after_product(graph: Graph) -> Graph:
    """Softmax times values as exponentials times values, divided by the exponentials' sum: fewer divisions.

    A division of N * c numbers per head, where softmax divides N * N.
    """
    names: dict[str, str] = {}
    changed = []
    for name in graph.names_of(blocks.ScaledSoftmax):
        softmax, readers = graph.nodes[name], graph.readers()
        scores = graph.nodes[softmax.inputs[0]]
        alone = scores.kind is blocks.ProductTransposed and len(readers[scores.name]) == 1
        mixes = len(readers[name]) == 1 and readers[name][0].kind is blocks.ProductTransposed
        if alone and mixes and softmax.config["scale"] == 1.0:
            names[name] = name.removesuffix("softmax") + "exponential"
            changed += [scores.made(AttentionScores), softmax.made(Exponential), readers[name][0].made(WeightedMean)]
    return graph.with_nodes(*changed).renamed(names)


def with_shifts(graph: Graph, row_maxima: Mapping[str, tuple[float, float]]) -> Graph:
    """The graph whose exponentials subtract a constant where calibration says that one will do.

    Args:
      graph: with `Exponential` nodes.
      row_maxima: (lowest or 0, highest or 0) of the row maxima of the scores, by the name of the scores' node.
    """
    changed = []
    for node in graph.nodes.values():
        if node.kind is Exponential and node.inputs[0] in row_maxima:
            shift = constant_shift(*row_maxima[node.inputs[0]])
            changed.append(dataclasses.replace(node, config={"shift": shift}))
    return graph.with_nodes(*changed)


FARTHEST = 60.0  # of a calibrated row maximum from 0; exp leaves float32 at 88, and unseen photos may go farther


def constant_shift(low: float, high: float) -> float | None:
    """What to subtract from scores whose row maxima are in [low, high]; None: the row maximum itself."""
    if low >= -FARTHEST and high <= FARTHEST:
        return 0.0
    return (low + high) / 2 if high - low <= 2 * FARTHEST else None
