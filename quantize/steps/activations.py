"""Exact rewrites of activations: each a layer of its own, of a kind that the 8-bit graph knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.transformers import transformer
from quantize.graph import Graph, Node, Ref

_KINDS: dict[str, type] = {"swish": blocks.Swish, "silu": blocks.Swish, "gelu": transformer.Gelu}  # tf_keras' is exact
_CLIPS = ("relu", "relu6")


def layers_of_their_own(graph: Graph) -> Graph:
    """An activation inside a convolution or dense layer becomes the layer behind it; swish and GELU are ours."""
    for name in list(graph.nodes):
        node = graph.nodes[name]
        inside = node.config.get("activation", "linear")
        if issubclass(node.kind, keras_layers.Activation):
            if inside in _KINDS:
                graph = graph.with_nodes(node.made(_KINDS[inside]))
            elif inside == "linear":
                graph = graph.without(node.name)
        elif inside != "linear" and isinstance(inside, str):
            plain = dataclasses.replace(node, config={**node.config, "activation": "linear"})
            kind, config = _activation(inside)
            behind = Node(f"{node.name}_{inside}", kind, config, (Ref(node.name),), shape=node.shape)
            graph = graph.with_nodes(plain).inserted(behind, node.name)
    return graph


def _activation(name: str) -> tuple[type, Mapping[str, Any]]:
    return (_KINDS[name], {}) if name in _KINDS else (keras_layers.Activation, {"activation": name})


def constant_arithmetic(graph: Graph) -> Graph:
    """x + c and x * c, which Keras keeps as operators with arguments, become `Rescaling` layers."""
    changed: list[Node] = []
    names: dict[str, str] = {}
    for node in graph.nodes.values():
        operator = node.config.get("function", "")
        values = [value for value in (*node.args, *node.kwargs.values()) if isinstance(value, int | float)]
        if operator not in ("__operators__.add", "math.add", "math.multiply", "__operators__.mul") or len(values) != 1:
            continue
        adds = operator.endswith("add")
        config = {"scale": 1.0, "offset": values[0]} if adds else {"scale": values[0], "offset": 0.0}
        changed.append(
            dataclasses.replace(
                node, kind=keras_layers.Rescaling, config=config, args=(Ref(node.inputs[0]),), kwargs={}
            )
        )
        names[node.name] = f"arithmetic{len(names)}"  # Keras' own number depends on what was built before
    return graph.with_nodes(*changed).renamed(names)


def is_clip(node: Node) -> bool:
    """True for ReLU and ReLU6, which the converter makes part of the operator before them."""
    if issubclass(node.kind, keras_layers.ReLU):
        limits = (node.config["negative_slope"], node.config["threshold"], node.config["max_value"])
        return limits in ((0, 0, None), (0, 0, 6))
    return issubclass(node.kind, keras_layers.Activation) and node.config["activation"] in _CLIPS


def is_sigmoid(node: Node) -> bool:
    """True for a sigmoid, whose 8-bit output has a range that the runtime prescribes."""
    return issubclass(node.kind, keras_layers.Activation) and node.config["activation"] == "sigmoid"
