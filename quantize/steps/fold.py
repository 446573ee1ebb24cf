"""Exact rewrites of a trained graph: what the exported graph need not compute at run time.

Each takes a `Graph` and returns one that gives the same logits. They look for layers by type and by what reads what,
so that they hold for every family.
"""

from __future__ import annotations

import dataclasses
import functools

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.dropout import StatelessDropout
from quantize.graph import Graph, Node, Ref

CONVOLUTIONS = (keras_layers.Conv2D, keras_layers.DepthwiseConv2D)  # PointwiseConv2D is a Conv2D


def drop_dropout(graph: Graph) -> Graph:
    """Without the layers that do nothing at inference."""
    return graph.without(*(node.name for node in graph.nodes.values() if issubclass(node.kind, StatelessDropout)))


def fold_batch_norms(graph: Graph) -> Graph:
    """BatchNorm is a scale and a shift per channel: both go into the convolution before it, where there is one."""
    for name in graph.names_of(keras_layers.BatchNormalization):
        norm = graph.nodes[name]
        conv = graph.nodes.get(norm.inputs[0])
        if conv is None or not _can_take_scale(conv) or len(graph.readers()[conv.name]) > 1:
            continue
        scale, shift = _scale_and_shift(norm)
        bias = conv.weights["bias"] * scale + shift if conv.config["use_bias"] else shift
        if issubclass(conv.kind, keras_layers.DepthwiseConv2D):
            # [rows, columns, channels, multiplier], one scale for each of the channels * multiplier outputs
            kernel = conv.weights["depthwise_kernel"]
            arrays = {"depthwise_kernel": kernel * scale.reshape(kernel.shape[2:])}
        else:
            arrays = {"kernel": conv.weights["kernel"] * scale}  # [rows, columns, in, out]
        config = {**conv.config, "use_bias": True}
        graph = graph.with_nodes(dataclasses.replace(conv, config=config).holding(**arrays, bias=bias))
        graph = graph.without(norm.name)
    return graph


def _can_take_scale(node: Node) -> bool:
    return issubclass(node.kind, CONVOLUTIONS) and node.config["activation"] == "linear"


def _scale_and_shift(norm: Node) -> tuple[np.ndarray, np.ndarray]:
    """y = scale * x + shift of a BatchNorm at inference."""
    scale = norm.weights.get("gamma", 1.0) / np.sqrt(norm.weights["moving_variance"] + norm.config["epsilon"])
    return scale, norm.weights.get("beta", 0.0) - norm.weights["moving_mean"] * scale


def batch_norms_as_convolutions(graph: Graph) -> Graph:
    """A BatchNorm that no convolution could take is a depthwise 1x1 convolution of its own."""
    changed = []
    for norm in graph.nodes.values():
        if issubclass(norm.kind, keras_layers.BatchNormalization) and len(norm.shape) == 3:
            scale, shift = _scale_and_shift(norm)
            made = norm.made(keras_layers.DepthwiseConv2D, kernel_size=1, use_bias=True)
            kernel = np.reshape(scale, (1, 1, -1, 1))  # [C] -> [1, 1, C, 1]
            changed.append(dataclasses.replace(made, weights={"depthwise_kernel": kernel, "bias": shift}))
    return graph.with_nodes(*changed)


def average_pools_as_convolutions(graph: Graph) -> Graph:
    """An average over a window is a depthwise convolution of equal weights: XNNPACK has no 8-bit average pooling."""
    changed = []
    for name in graph.names_of(keras_layers.AveragePooling2D):
        pool = graph.nodes[name]
        size, strides = tuple(pool.config["pool_size"]), tuple(pool.config["strides"])
        if pool.config["padding"] != "valid":  # with "same" the divisor changes at the edges
            continue
        made = pool.made(keras_layers.DepthwiseConv2D, kernel_size=size, strides=strides, use_bias=False)
        kernel = np.full((*size, pool.shape[-1], 1), 1 / np.prod(size))
        changed.append(dataclasses.replace(made, weights={"depthwise_kernel": kernel}))
    return graph.with_nodes(*changed)


def _is_named(name: str, node: Node) -> bool:
    return node.name == name


def plain_convolutions(graph: Graph) -> Graph:
    """Matrix products over the channels, which train faster, as the 1x1 convolutions that they are."""
    pointwise = [node for node in graph.nodes.values() if issubclass(node.kind, blocks.PointwiseConv2D)]
    return graph.with_nodes(*(node.made(keras_layers.Conv2D, **node.config) for node in pointwise))


def dense_as_convolutions(graph: Graph) -> Graph:
    """Dense layers on [B, C] as 1x1 convolutions on [B, 1, 1, C], which have one 8-bit range per channel."""
    for name in graph.names_of(keras_layers.Dense):
        dense = graph.nodes[name]
        source = graph.nodes.get(dense.inputs[0])
        if len(dense.shape) != 1 or source is None or len(source.shape) != 1:
            continue
        kept = {key: dense.config[key] for key in ("use_bias", "activation", "dtype")}
        conv = dense.made(keras_layers.Conv2D, filters=dense.config["units"], kernel_size=(1, 1), **kept)
        conv = conv.holding(kernel=dense.weights["kernel"][np.newaxis, np.newaxis])  # [in, out] -> [1, 1, in, out]
        pooled = issubclass(source.kind, keras_layers.GlobalAveragePooling2D) and len(graph.readers()[source.name]) == 1
        if pooled:
            graph = graph.with_nodes(dataclasses.replace(source, config={**source.config, "keepdims": True}))
        else:
            pixel = Node(f"{dense.name}_pixel", keras_layers.Reshape, {"target_shape": (1, 1, *source.shape)},
                         (Ref(source.name),), shape=(1, 1, *source.shape))  # fmt: skip
            graph = graph.inserted(pixel, source.name, functools.partial(_is_named, name))
            conv = conv.reading({source.name: pixel.name})
        flat = "logits" if graph.output == dense.name else f"{dense.name}_flat"
        graph = graph.with_nodes(dataclasses.replace(conv, shape=(1, 1, *dense.shape)))
        flatten = Node(flat, keras_layers.Flatten, {}, (Ref(dense.name),), shape=dense.shape)
        graph = graph.inserted(flatten, dense.name)  # [B, 1, 1, N] -> [B, N]
    return graph
