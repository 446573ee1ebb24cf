"""Exact rewrites around the image: its normalisation goes into the first convolution, padding becomes copies."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
from tf_keras import layers as keras_layers

from mobilevit_tf.image.image_spec import ImageSpec
from quantize.graph import INPUT, Graph, Node, Ref
from quantize.layers.folded import EdgeZeros, Sides
from quantize.steps.fold import CONVOLUTIONS, settings_of


def copied_edges(graph: Graph) -> Graph:
    """One pixel of padding before 3x3 convolutions of stride 2 as copies of what they read of it: `EdgeZeros`."""
    readers, changed = graph.readers(), []
    for pad in graph.nodes.values():
        one = issubclass(pad.kind, keras_layers.ZeroPadding2D) and _given_sides(pad) == ((1, 1), (1, 1))
        if one and all(_reads_every_second(node) for node in readers[pad.name]):
            changed.append(pad.made(EdgeZeros))
    return graph.with_nodes(*changed)


def _given_sides(pad: Node) -> Sides:
    (top, bottom), (left, right) = pad.config["padding"]
    return (int(top), int(bottom)), (int(left), int(right))


def _reads_every_second(node: Node) -> bool:
    wanted = {"kernel_size": (3, 3), "strides": (2, 2), "dilation_rate": (1, 1)}
    return (
        issubclass(node.kind, CONVOLUTIONS)
        and node.config["padding"] == "valid"
        and all(tuple(node.config[key]) == value for key, value in wanted.items())
    )


def fold_input(graph: Graph, spec: ImageSpec) -> Graph:
    """The graph for plain pixels, RGB in [0, 1], instead of what `spec.normalize` gives.

    value = pixel * scale + offset per channel, by the spec and then by the graph's own "standardize": the scale and
    the channels' order go into the first convolution's kernel, the offset into its bias. The zeros around the image
    then stand for the pixel whose value is 0.

    Where several layers read the image, or the first is no convolution, a 1x1 convolution of its own does it.
    """
    low, high = spec.range
    scale = (high - low) / np.asarray(spec.std, np.float64)
    offset = (low - np.asarray(spec.mean, np.float64)) / np.asarray(spec.std, np.float64)
    first = _only_reader(graph, INPUT)
    if first is not None and issubclass(first.kind, keras_layers.Rescaling):
        own = np.asarray(first.config["scale"], np.float64)
        after, scale = graph.without(first.name), scale * own
        offset = offset * own + np.asarray(first.config["offset"], np.float64)
        first = _only_reader(after, INPUT)
    else:
        after = graph
    pad = first if first is not None and first.kind in (EdgeZeros, keras_layers.ZeroPadding2D) else None
    conv = _only_reader(after, pad.name) if pad is not None else first
    if conv is None or not issubclass(conv.kind, CONVOLUTIONS) or "kernel" not in conv.weights:
        return _with_own_convolution(after, (scale, offset), -1 if spec.color_order == "BGR" else 1)
    return _with_first(after, pad, conv, (scale, offset), -1 if spec.color_order == "BGR" else 1)


def _with_own_convolution(graph: Graph, scaling: tuple[np.ndarray, np.ndarray], order: int) -> Graph:
    """The graph behind a 1x1 convolution that normalises plain pixels, where they need it."""
    scale, offset = scaling  # [3]
    if order == 1 and np.all(scale == 1) and not np.any(offset):
        return graph
    colours = np.ascontiguousarray(np.diag(np.broadcast_to(scale, (3,)))[::order])  # [3, 3] -> kernel [1, 1, 3, 3]
    weights = {"kernel": colours[np.newaxis, np.newaxis], "bias": np.broadcast_to(offset, (3,)).copy()}
    config = settings_of(keras_layers.Conv2D(3, 1))
    conv = Node("normalise", keras_layers.Conv2D, config, (Ref(INPUT),), weights=weights, shape=(*graph.size, 3))
    return graph.inserted(conv, INPUT)


def _only_reader(graph: Graph, name: str) -> Node | None:
    readers = graph.readers()[name]
    return readers[0] if len(readers) == 1 else None


def _with_first(
    graph: Graph, pad: Node | None, conv: Node, scaling: tuple[np.ndarray, np.ndarray], order: int
) -> Graph:
    """The graph with scale and offset [3] in its first convolution, and the pixel that stands for 0 around it."""
    scale, offset = scaling
    kernel = conv.weights["kernel"]  # [rows, columns, 3, out]
    bias = conv.weights.get("bias", 0.0) + np.einsum("hwio,i->o", kernel, offset)
    kernel = np.ascontiguousarray((kernel * scale[:, np.newaxis])[:, :, ::order])
    sides = _sides_read(conv, pad, graph.size)
    config = {**conv.config, "use_bias": True, "padding": "valid"}
    graph = graph.with_nodes(dataclasses.replace(conv, config=config).holding(kernel=kernel, bias=bias))
    if pad is None and sides == ((0, 0), (0, 0)):
        return graph
    fill = tuple(float(value) + 0.0 for value in (-offset / scale)[::order])  # + 0.0: no negative zero
    edges = Node(pad.name if pad else f"{conv.name}_pad", EdgeZeros, {"fill": fill, "sides": sides}, (Ref(INPUT),))
    if pad is not None:
        return graph.with_nodes(edges)
    return graph.inserted(edges, INPUT, lambda node: node.name == conv.name)


def _sides_read(conv: Node, pad: Node | None, size: tuple[int, int]) -> Sides | None:
    """The rows and columns around the image that the convolution reads; None for `EdgeZeros`' own rule."""
    if pad is not None and pad.kind is EdgeZeros:
        return None
    found = []
    for axis in (0, 1):
        reach = (conv.config["kernel_size"][axis] - 1) * conv.config["dilation_rate"][axis] + 1
        total = (conv.shape[axis] - 1) * conv.config["strides"][axis] + reach - size[axis]
        before = _given_sides(pad)[axis][0] if pad else max(total, 0) // 2
        found.append((before, max(total - before, 0)))
    return found[0], found[1]
