"""A Functional model as a list of nodes that passes can rewrite: what each layer is, what it reads, what it holds."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.transformers import transformer
from mobilevit_tf.models import weights

# Called on (x, reference): they take the reference's size alone.
ON_REFERENCE = (blocks.ResizeLike, blocks.MergePatches, transformer.TakePatches)
INPUT = "image"  # what the first nodes read


@dataclasses.dataclass(frozen=True)
class Ref:
    """A tensor: output number `index` of the node `name`."""

    name: str
    index: int = 0


@dataclasses.dataclass(frozen=True)
class Node:
    """One layer, called once.

    Attributes:
      name: of the layer.
      kind, config: what makes the layer: kind.from_config(config | name).
      args, kwargs: of its call; a `Ref` stands for a tensor.
      weights: float64 arrays by their names within the layer, such as "kernel".
      shape: of its output, without the batch.
    """

    name: str
    kind: type[tf_keras.layers.Layer]
    config: Mapping[str, Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    shape: tuple[int, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the nodes that it reads, in the order of its call."""
        found = tf.nest.flatten((self.args, dict(self.kwargs)))
        return tuple(value.name for value in found if isinstance(value, Ref))

    def made(self, kind: type[tf_keras.layers.Layer], **config: Any) -> Node:
        """The node as another layer that reads the same; its weights stay."""
        return dataclasses.replace(self, kind=kind, config=config)

    def holding(self, **arrays: np.ndarray) -> Node:
        """The node with some of its weights exchanged."""
        return dataclasses.replace(self, weights={**self.weights, **arrays})

    def reading(self, names: Mapping[str, str]) -> Node:
        """The node with what it reads exchanged by name."""

        def other(value: Any) -> Any:
            return Ref(names[value.name], 0) if isinstance(value, Ref) and value.name in names else value

        args, kwargs = tf.nest.map_structure(other, (self.args, dict(self.kwargs)))
        return dataclasses.replace(self, args=args, kwargs=kwargs)


@dataclasses.dataclass(frozen=True)
class Graph:
    """Nodes in an order in which each comes after what it reads.

    Attributes:
      name: of the model.
      nodes: by name.
      output: name of the node that gives the logits.
      size: (height, width) of the input in pixels.
    """

    name: str
    nodes: Mapping[str, Node]
    output: str
    size: tuple[int, int]

    def readers(self) -> dict[str, list[Node]]:
        """By name of a node (or INPUT), the nodes that read it."""
        found: dict[str, list[Node]] = collections.defaultdict(list)
        for node in self.nodes.values():
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return found

    def value_readers(self) -> dict[str, list[Node]]:
        """As `readers`, without those that take a node for its size alone."""
        return {
            name: [node for node in readers if not takes_size_alone(node, name)]
            for name, readers in self.readers().items()
        }

    def names_of(self, kind: type) -> list[str]:
        """The names of the nodes of a kind, in their order."""
        return [name for name, node in self.nodes.items() if issubclass(node.kind, kind)]

    def with_nodes(self, *changed: Node) -> Graph:
        """The graph with nodes of the same names exchanged."""
        return dataclasses.replace(self, nodes={**self.nodes, **{node.name: node for node in changed}})

    def without(self, *names: str) -> Graph:
        """The graph without some nodes of one input: what read them reads their input."""
        sources = {name: self.nodes[name].inputs[0] for name in names}
        for name in names:
            while sources[name] in sources:
                sources[name] = sources[sources[name]]
        kept = {name: node.reading(sources) for name, node in self.nodes.items() if name not in sources}
        return dataclasses.replace(self, nodes=kept, output=sources.get(self.output, self.output))

    def renamed(self, names: Mapping[str, str]) -> Graph:
        """The graph with some nodes called otherwise."""
        nodes = [
            dataclasses.replace(node, name=names.get(node.name, node.name)).reading(names)
            for node in self.nodes.values()
        ]
        output = names.get(self.output, self.output)
        return dataclasses.replace(self, nodes={node.name: node for node in nodes}, output=output)

    def inserted(self, new: Node, after: str, readers: Callable[[Node], bool] = lambda node: True) -> Graph:
        """The graph with a node behind another, read in its place by the readers that are chosen."""
        nodes: dict[str, Node] = {new.name: new} if after == INPUT else {}
        for name, node in self.nodes.items():
            nodes[name] = node.reading({after: new.name}) if readers(node) else node
            if name == after:
                nodes[new.name] = new
        output = new.name if self.output == after else self.output
        return dataclasses.replace(self, nodes=nodes, output=output)


def takes_size_alone(reader: Node, name: str) -> bool:
    """True for a layer that is called on (x, reference) with `name` as reference."""
    return issubclass(reader.kind, ON_REFERENCE) and reader.inputs[0] != name


def read(model: tf_keras.Model, values: Mapping[str, np.ndarray]) -> Graph:
    """The graph of a Functional model of fixed size with one input and one output.

    Args:
      model: its layers are left as they are.
      values: float32 arrays by name, as a model file holds them.

    Raises:
      ValueError: for a layer that is called more than once, of which no pass could tell what it reads.
    """
    nodes: dict[str, Node] = {}
    names = {model.input._keras_history.layer.name: INPUT}

    def ref(value: Any) -> Any:
        history = getattr(value, "_keras_history", None)
        if history is None:  # a number
            return value
        return Ref(names.get(history.layer.name, history.layer.name), history.tensor_index)

    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.layer
            if isinstance(layer, tf_keras.layers.InputLayer):
                continue
            if layer.name in nodes:
                raise ValueError(f"{layer.name} is called more than once: give each call a layer of its own")
            args, kwargs = tf.nest.map_structure(ref, (node.call_args, node.call_kwargs))
            kwargs = {key: value for key, value in kwargs.items() if key not in ("training", "mask")}
            held = {weights.name_of(w).removeprefix(f"{layer.name}/"): weights.name_of(w) for w in layer.weights}
            arrays = {key: np.asarray(values[full], np.float64) for key, full in held.items()}
            config = {key: value for key, value in layer.get_config().items() if key != "name"}
            shape = tuple(tf.nest.flatten(node.outputs)[0].shape[1:])
            nodes[layer.name] = Node(layer.name, type(layer), config, tuple(args), kwargs, arrays, shape)
    return Graph(model.name, nodes, model.output._keras_history.layer.name, tuple(model.input_shape[1:3]))


def build(graph: Graph, batch_size: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3] -> logits [B, N]; with its weights, in float32."""
    image = tf_keras.layers.Input((*graph.size, 3), batch_size, name=INPUT)
    outputs: dict[str, Any] = {INPUT: image}

    def tensor(value: Any) -> Any:
        if not isinstance(value, Ref):
            return value
        made = outputs[value.name]
        return made[value.index] if isinstance(made, list | tuple) else made

    layers = {}
    for node in graph.nodes.values():
        layers[node.name] = node.kind.from_config({**node.config, "name": node.name})
        args, kwargs = tf.nest.map_structure(tensor, (node.args, dict(node.kwargs)))
        outputs[node.name] = layers[node.name](*args, **kwargs)
    model = tf_keras.Model(image, outputs[graph.output], name=graph.name)
    values = {
        f"{node.name}/{key}": value.astype(np.float32)
        for node in graph.nodes.values()
        for key, value in node.weights.items()
    }
    weights.assign(model, values)
    return model
