"""Exact rewrites of MobileViTv2's transformer: norm without scale and shift, softmax with its division at the end."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import linear_attention as trained
from quantize.graph import Graph, Node
from quantize.layers import linear_attention as exported
from quantize.recipe import Ranges
from quantize.steps.fold import CONVOLUTIONS
from quantize.steps.norms import with_affine


def fold_image_norms(graph: Graph) -> Graph:
    """Every ImageNormalization that 1x1 convolutions read becomes an `ImageNorm`; gamma and beta go into them.

    A `ContextMean` between the two changes nothing: its weights sum to 1, so it keeps a scale and a shift per channel.
    """
    for norm in [node for node in graph.nodes.values() if issubclass(node.kind, trained.ImageNormalization)]:
        readers = _readers_behind_means(graph, norm.name)
        if not readers or not all(_is_dense(node) for node in readers):
            continue
        made = dataclasses.replace(norm.made(exported.ImageNorm, epsilon=norm.config["epsilon"]), weights={})
        graph = graph.with_nodes(made, *(with_affine(conv, norm) for conv in readers))
    return graph


def _readers_behind_means(graph: Graph, name: str) -> list[Node]:
    found = []
    for node in graph.readers()[name]:
        is_mean = issubclass(node.kind, trained.ContextMean)
        found += _readers_behind_means(graph, node.name) if is_mean else [node]
    return found


def _is_dense(node: Node) -> bool:
    return issubclass(node.kind, keras_layers.Conv2D) and tuple(node.config["kernel_size"]) == (1, 1)


def divide_after_sum(graph: Graph) -> Graph:
    """Softmax and weighted sum as exponentials and a weighted mean; the query's convolution makes a quarter of it."""
    changed = []
    for weights in [node for node in graph.nodes.values() if node.kind is trained.LinearAttentionWeights]:
        query, readers = graph.nodes[weights.inputs[0]], graph.readers()
        means = readers[weights.name]
        plain = issubclass(query.kind, CONVOLUTIONS) and len(readers[query.name]) == 1
        if not plain or not all(node.kind is trained.ContextMean for node in means):
            continue
        quarter = {key: value / exported.POWER for key, value in query.weights.items()}
        changed += [query.holding(**quarter), weights.made(exported.ExponentialWeights)]
        changed += [node.made(exported.WeightedContext, **node.config) for node in means]
    products = [node for node in graph.nodes.values() if node.kind is trained.ContextProduct]
    changed += [node.made(exported.PlaceProduct, **node.config) for node in products]
    return graph.with_nodes(*changed)


def with_tops(graph: Graph, quarters: Ranges) -> Graph:
    """The graph whose exponentials read quarters less the top of their table, which softmax does not see.

    Args:
      graph: of `divide_after_sum`.
      quarters: (lowest or 0, highest or 0) of the quarters of queries, by the node that makes them; others stay.
    """
    changed = []
    for node in graph.nodes.values():
        if node.kind is exported.ExponentialWeights and node.inputs[0] in quarters:
            query = graph.nodes[node.inputs[0]]
            top, _ = exported.reach_of(*quarters[query.name])
            changed.append(query.holding(bias=query.weights["bias"] - top))
    return graph.with_nodes(*changed)
