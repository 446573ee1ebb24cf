"""Exact rewrites of a trained graph: what the exported graph need not compute at run time.

Each takes a `Graph` and returns one that gives the same logits. They look for layers by type and by what reads what,
so that they hold for every family.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.convolution import StridedDilatedDepthwise
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
        scale, shift = scale_and_shift(norm)
        bias = conv.weights["bias"] * scale + shift if conv.config["use_bias"] else shift
        config = {**conv.config, "use_bias": True}
        graph = graph.with_nodes(dataclasses.replace(_scaled(conv, scale), config=config).holding(bias=bias))
        graph = graph.without(norm.name)
    return graph


def _scaled(conv: Node, scale: np.ndarray) -> Node:
    """A convolution whose outputs are multiplied by `scale` [outputs] but for its bias."""
    if issubclass(conv.kind, keras_layers.DepthwiseConv2D):
        # [rows, columns, channels, multiplier], one scale for each of the channels * multiplier outputs
        kernel = conv.weights["depthwise_kernel"]
        return conv.holding(depthwise_kernel=kernel * scale.reshape(kernel.shape[2:]))
    return conv.holding(kernel=conv.weights["kernel"] * scale)  # [rows, columns, in, out]


def fold_factors(graph: Graph) -> Graph:
    """A factor behind a convolution goes into its weights, one in front of LayerNorms into their epsilon."""
    for name in graph.names_of(keras_layers.Rescaling):
        node, readers = graph.nodes[name], graph.readers()
        source, factor = graph.nodes.get(node.inputs[0]), np.asarray(node.config["scale"], np.float64)
        if np.any(node.config["offset"]):
            continue
        if source is not None and _can_take_scale(source) and len(readers[source.name]) == 1:
            conv = _scaled(source, np.broadcast_to(factor, source.shape[-1:]))
            bias = {"bias": conv.weights["bias"] * factor} if conv.config["use_bias"] else {}
            graph = graph.with_nodes(conv.holding(**bias)).without(name)
        elif factor.ndim == 0 and factor > 0 and readers[name] and all(map(_is_layer_norm, readers[name])):
            # (s x - s m) / sqrt(s^2 v + epsilon) = (x - m) / sqrt(v + epsilon / s^2)
            epsilons = [one.config["epsilon"] / float(factor) ** 2 for one in readers[name]]
            norms = [
                dataclasses.replace(one, config={**one.config, "epsilon": epsilon})
                for one, epsilon in zip(readers[name], epsilons, strict=True)
            ]
            graph = graph.with_nodes(*norms).without(name)
    return graph


def _is_layer_norm(node: Node) -> bool:
    return issubclass(node.kind, keras_layers.LayerNormalization)


def _can_take_scale(node: Node) -> bool:
    return issubclass(node.kind, CONVOLUTIONS) and node.config["activation"] == "linear"


def scale_and_shift(norm: Node) -> tuple[np.ndarray, np.ndarray]:
    """y = scale * x + shift of a BatchNorm at inference."""
    scale = norm.weights.get("gamma", 1.0) / np.sqrt(norm.weights["moving_variance"] + norm.config["epsilon"])
    return scale, norm.weights.get("beta", 0.0) - norm.weights["moving_mean"] * scale


def axis_of(norm: Node) -> int:
    """The axis of a BatchNorm's scales, counted with the batch."""
    axis = norm.config["axis"]
    first = axis if isinstance(axis, int) else axis[0]
    return first % (len(norm.shape) + 1)


def strided_dilations_as_convolutions(graph: Graph) -> Graph:
    """A depthwise convolution with a stride and a dilation as the equal one with zeros in its kernel's gaps."""
    for name in graph.names_of(StridedDilatedDepthwise):
        node = graph.nodes[name]
        side, rate, source = node.config["kernel_size"], node.config["rate"], node.inputs[0]
        kernel = node.weights["depthwise_kernel"]  # [k, k, C, 1] -> [rate * (k - 1) + 1, the same, C, 1]
        spread = np.zeros((rate * (side - 1) + 1,) * 2 + kernel.shape[2:])
        spread[::rate, ::rate] = kernel
        plain = keras_layers.DepthwiseConv2D(len(spread), node.config["strides"], use_bias=node.config["use_bias"])
        made = node.made(keras_layers.DepthwiseConv2D, **settings_of(plain))
        pad = padding(f"{name}_pad", source, rate * (side // 2))
        graph = graph.with_nodes(made.holding(depthwise_kernel=spread))
        graph = graph.inserted(pad, source, named(name))
    return graph


def settings_of(layer: keras_layers.Layer) -> dict[str, Any]:
    """A layer's config without its name."""
    return {key: value for key, value in layer.get_config().items() if key != "name"}


def padding(name: str, source: str, edge: int) -> Node:
    """A node of zeros on every side of what `source` makes."""
    return Node(name, keras_layers.ZeroPadding2D, settings_of(keras_layers.ZeroPadding2D(edge)), (Ref(source),))


def batch_norms_as_convolutions(graph: Graph) -> Graph:
    """A BatchNorm that no convolution could take is a depthwise 1x1 convolution of its own."""
    changed = []
    for norm in graph.nodes.values():
        if issubclass(norm.kind, keras_layers.BatchNormalization) and axis_of(norm) == len(norm.shape) == 3:
            scale, shift = scale_and_shift(norm)
            made = norm.made(keras_layers.DepthwiseConv2D, **settings_of(keras_layers.DepthwiseConv2D(1)))
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
        plain = settings_of(keras_layers.DepthwiseConv2D(size, strides, use_bias=False))
        made = pool.made(keras_layers.DepthwiseConv2D, **plain)
        kernel = np.full((*size, pool.shape[-1], 1), 1 / np.prod(size))
        changed.append(dataclasses.replace(made, weights={"depthwise_kernel": kernel}))
    return graph.with_nodes(*changed)


def named(name: str) -> Callable[[Node], bool]:
    """True for the node of that name."""
    return lambda node: node.name == name


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
            graph = graph.inserted(pixel, source.name, named(name))
            conv = conv.reading({source.name: pixel.name})
        flat = "logits" if graph.output == dense.name else f"{dense.name}_flat"
        graph = graph.with_nodes(dataclasses.replace(conv, shape=(1, 1, *dense.shape)))
        flatten = Node(flat, keras_layers.Flatten, {}, (Ref(dense.name),), shape=dense.shape)
        graph = graph.inserted(flatten, dense.name)  # [B, 1, 1, N] -> [B, N]
    return graph
