"""Exact rewrites of LayerNorm: its scale, shift and centring go into the convolutions around it.

LayerNorm's gamma and beta are a scale and a shift per channel: both go into the 1x1 convolutions that read it. And it
does not see a constant that is added to all channels of a token: what writes to the residual stream is made to write
tokens of mean zero, after which LayerNorm is `RootMeanSquareNorm`. That saves one pass over the tokens, and a
subtraction whose operands were both rounded to 8 bits.
"""

from __future__ import annotations

import dataclasses
import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.transformers import transformer
from quantize.graph import Graph, Node, takes_size_alone
from quantize.layers.folded import RootMeanSquareNorm

# What makes each token a weighted mean of tokens, or picks some: a constant or a scale per channel passes through.
_RESIZES = (blocks.ResizeToMultiple, blocks.ResizeLike, transformer.TakeClassToken, transformer.TakePatches)
# What passes the residual stream on, and what adds learned vectors to it, whose mean can be taken out.
_PASSED_ON = (keras_layers.Add, blocks.ResizeToMultiple, transformer.JoinClassToken, transformer.TakeClassToken)
_LEARNED = (transformer.PositionEmbedding, transformer.ClassToken)


def fold_layer_norms(graph: Graph) -> Graph:
    """Every LayerNorm whose surroundings allow it becomes a `RootMeanSquareNorm`; the others stay as they are."""
    writers: set[str] = set()
    for name in graph.names_of(keras_layers.LayerNormalization):
        norm = graph.nodes[name]
        readers, stream = _readers(graph, name), _writers(graph, norm.inputs[0])
        if not readers or not stream or not all(_is_convolution(node, (1, 1)) for node in readers):
            continue
        writers |= stream
        for conv in readers:
            graph = graph.with_nodes(with_affine(conv, norm))
        made = norm.made(RootMeanSquareNorm, epsilon=norm.config["epsilon"])
        graph = graph.with_nodes(dataclasses.replace(made, weights={}))
    return graph.with_nodes(*(_centred(graph.nodes[name]) for name in writers))


def with_affine(conv: Node, norm: Node) -> Node:
    """A reader of gamma * n + beta as a reader of n."""
    kernel = conv.weights["kernel"]  # [1, 1, in, out]
    bias = conv.weights.get("bias", 0.0) + norm.weights["beta"] @ kernel[0, 0]
    config = {**conv.config, "use_bias": True}
    return dataclasses.replace(conv, config=config).holding(kernel=kernel * norm.weights["gamma"][:, None], bias=bias)


def _centred(conv: Node) -> Node:
    """What writes to a stream without the mean over its channels."""
    return conv.holding(**{key: value - value.mean(-1, keepdims=True) for key, value in conv.weights.items()})


def _readers(graph: Graph, name: str) -> list[Node]:
    """What reads the values of a node, behind resizes."""
    found = []
    for node in graph.readers()[name]:
        if not takes_size_alone(node, name):
            found += _readers(graph, node.name) if _passes_channels(node) else [node]
    return found


def _passes_channels(node: Node) -> bool:
    """True for what moves whole tokens: resizes, and a reshape of a single token."""
    single = issubclass(node.kind, keras_layers.Reshape) and math.prod(node.shape) == node.shape[-1]
    return single or issubclass(node.kind, _RESIZES)


def _writers(graph: Graph, start: str) -> set[str]:
    """The convolutions that write to the residual stream that `start` is part of; empty where others do, or read it."""
    readers, stream, writers, left = graph.readers(), set(), set(), [start]
    while left:
        name = left.pop()
        if name in stream:
            continue
        stream.add(name)
        node = graph.nodes.get(name)
        if node is None:
            return set()
        if issubclass(node.kind, _LEARNED):
            writers.add(name)
        if issubclass(node.kind, (*_PASSED_ON, transformer.PositionEmbedding)):
            left += node.inputs
        elif _is_convolution(node):
            writers.add(name)
        elif not issubclass(node.kind, _LEARNED):
            return set()
        for reader in readers[name]:
            if issubclass(reader.kind, (*_PASSED_ON, transformer.PositionEmbedding)):
                left.append(reader.name)
            elif not _sees_no_mean(reader, name):
                return set()
    return writers


def _sees_no_mean(reader: Node, name: str) -> bool:
    sees_none = (keras_layers.LayerNormalization, RootMeanSquareNorm, transformer.ClassToken)  # the token reads sizes
    return takes_size_alone(reader, name) or issubclass(reader.kind, sees_none)


def _is_convolution(node: Node, kernel_size: tuple[int, int] | None = None) -> bool:
    return (
        issubclass(node.kind, keras_layers.Conv2D)
        and not issubclass(node.kind, keras_layers.DepthwiseConv2D)
        and node.config["activation"] == "linear"
        and kernel_size in (None, tuple(node.config["kernel_size"]))
    )
