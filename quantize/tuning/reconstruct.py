"""The weights of a fake-quantised model, layer by layer, chosen for what they put out instead of for themselves.

Each convolution gets the inputs that the 8-bit layers before it give, and is to put out what the float model's does.
That is linear least squares. The 8-bit numbers are then found one input at a time: what rounding one weight costs, the
weights not yet rounded make up for (GPTQ, Frantar et al. 2022, algorithm 1). The bias takes what is left of the mean.
"""

from __future__ import annotations

import functools
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.progress import ProgressBar
from quantize.graph import INPUT, Graph, Node, Ref
from quantize.steps import settle
from quantize.steps.fold import CONVOLUTIONS

_BATCH = 16
_LARGEST, _FEWEST = 2**24, 32  # numbers of one layer's output in memory, over all photos; photos all the same
_PLACES, _NUMBERS = 20_000, 2**25  # of a layer's output that are looked at; of inputs that they read together
_DAMPING = 0.01  # of the mean power of the inputs
_MOST = 127  # the largest 8-bit weight


def reconstruct(
    model: tf_keras.Model, graph: Graph, float_model: tf_keras.Model, images: np.ndarray, spec: ImageSpec
) -> None:
    """Chooses 8-bit weights and biases for every convolution, in place and in the graph's order; ends settled.

    Args:
      model: from `qat.apply`, any batch size.
      graph, float_model: the float graph that it was made of, and the model of that.
      images: uint8 [n, height, width, 3]; as many are used as fit into memory.
      spec: turns them into the models' input.
    """
    largest = max(int(np.prod(node.shape)) for node in graph.nodes.values())
    pixels = spec.normalize(images[: max(_FEWEST, _LARGEST // largest)])
    exact, rounded = {INPUT: pixels}, {INPUT: pixels}
    wrappers = {wrapper.layer.name: wrapper for wrapper in settle.wrapped(model)}
    last = {name: node.name for node in graph.nodes.values() for name in node.inputs}
    for node in ProgressBar(graph.nodes.values(), desc="rounding weights", unit="layer"):
        exact[node.name] = _output(float_model.get_layer(node.name), node, exact)
        layer = wrappers.get(node.name) or model.get_layer(node.name)
        if issubclass(node.kind, CONVOLUTIONS) and node.config["use_bias"]:
            _round_layer(layer, rounded[node.inputs[0]], exact[node.name])
        rounded[node.name] = _output(layer, node, rounded)
        for name in {name for name in node.inputs if last[name] == node.name} - {INPUT}:
            del exact[name], rounded[name]
    settle.settle(model)


def _output(layer: tf_keras.layers.Layer, node: Node, values: dict[str, Any]) -> Any:
    """What a layer puts out for all photos, from what the layers before it did."""

    def part(value: Any, photos: slice) -> Any:
        if not isinstance(value, Ref):
            return value
        held = values[value.name]
        return (held[value.index] if isinstance(held, list) else held)[photos]

    outputs = []
    for start in range(0, len(values[INPUT]), _BATCH):
        given = functools.partial(part, photos=slice(start, start + _BATCH))
        args, kwargs = tf.nest.map_structure(given, (node.args, dict(node.kwargs)))
        made = layer(*args, **kwargs, training=False) if layer._expects_training_arg else layer(*args, **kwargs)
        outputs.append(tf.nest.map_structure(np.asarray, made))
    if isinstance(outputs[0], list | tuple):
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
    return np.concatenate(outputs)


def _round_layer(wrapper: tf_keras.layers.Layer, given: np.ndarray, wanted: np.ndarray) -> None:
    """New 8-bit weights and bias for one convolution that reads `given` and is to put out `wanted`."""
    layer, outputs = wrapper.layer, int(wanted.shape[-1])
    blocks = int(given.shape[-1]) if isinstance(layer, keras_layers.DepthwiseConv2D) else layer.groups
    ((kernel, _, variables),) = wrapper._weight_vars
    places = min(_PLACES, _NUMBERS // int(np.prod(kernel.shape[:3])))
    stride = -(-wanted.size // outputs // places)
    x, y = _patches(layer, given, blocks, stride), _places(wanted, blocks, stride)
    # [rows, columns, in, outputs], or depthwise [rows, columns, B, O] -> [K, B, O] -> [B, K, O]
    weights = kernel.numpy().astype(np.float64).reshape(-1, blocks, outputs // blocks).transpose(1, 0, 2)
    chosen, bias = rounded_weights(x, y, weights)
    back = chosen.transpose(1, 0, 2)  # [K, B, O]
    kernel.assign(back.reshape(kernel.shape))
    layer.bias.assign(bias.reshape(-1))
    high = np.maximum(np.abs(back).reshape(back.shape[0], -1).max(0), 1e-8)
    variables["min_var"].assign(-high)
    variables["max_var"].assign(high)


def _places(values: np.ndarray, blocks: int, stride: int) -> np.ndarray:
    """[n, h, w, B * C] -> [B, M, C]: every so many places."""
    return values.reshape(-1, blocks, values.shape[-1] // blocks)[::stride].transpose(1, 0, 2)


def _patches(layer: tf_keras.layers.Layer, given: np.ndarray, blocks: int, stride: int) -> np.ndarray:
    """float32 [B, M, K]: what a convolution reads for every so many places, in the order of its kernel."""
    parts, seen = [], 0
    for start in range(0, len(given), _BATCH):
        found = tf.image.extract_patches(
            given[start : start + _BATCH], [1, *layer.kernel_size, 1], [1, *layer.strides, 1],
            [1, *layer.dilation_rate, 1], layer.padding.upper(),
        ).numpy().reshape(-1, np.prod(layer.kernel_size) * given.shape[-1])  # fmt: skip
        parts.append(found[-seen % stride :: stride])
        seen += len(found)
    # [M, taps * channels] -> [M, taps, B, channels / B] -> [B, M, K]
    split = np.concatenate(parts).reshape(-1, np.prod(layer.kernel_size), blocks, given.shape[-1] // blocks)
    return split.transpose(2, 0, 1, 3).reshape(blocks, split.shape[0], -1)


def rounded_weights(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights on an 8-bit grid, and biases, with which x @ weights + bias is near y.

    Args:
      x: float [B, M, K], inputs of B separate layers.
      y: float [B, M, O], what they are to put out.
      weights: float64 [B, K, O], those of the float layers.

    Returns:
      ([B, K, O], [B, O]). Each output's largest weight is 127 steps of its grid, or the output's weights are all 0.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    x_mean, y_mean = x.mean(1, keepdims=True), y.mean(1, keepdims=True)
    x, y = x - x_mean, y - y_mean
    count, inputs = x.shape[1:]
    gram = x.transpose(0, 2, 1) @ x  # [B, K, K]
    power = np.maximum(np.einsum("bkk->b", gram) / inputs, 1e-12)
    gram = gram + (power * (_DAMPING + inputs / count))[:, None, None] * np.eye(inputs)
    weights = weights + np.linalg.solve(gram, x.transpose(0, 2, 1) @ (y - x @ weights))
    chosen = _one_by_one(np.linalg.inv(gram), weights)
    return chosen, (y_mean - x_mean @ chosen)[:, 0]


def _one_by_one(inverse: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weights [B, K, O] rounded one by one, each error passed on by the inverse [B, K, K] of the inputs' gram."""
    upper = np.linalg.cholesky(inverse).transpose(0, 2, 1)  # upper^T upper = inverse
    largest = np.abs(weights).argmax(1)[:, None]  # [B, 1, O]
    top = np.take_along_axis(weights, largest, 1)[:, 0]  # [B, O]
    step = np.maximum(np.abs(top), 1e-12) / _MOST
    left, chosen = weights.copy(), np.empty_like(weights)
    for k in range(weights.shape[1]):
        steps = np.clip(np.round(left[:, k] / step), -_MOST, _MOST)
        steps = np.where(largest[:, 0] == k, np.sign(top) * _MOST, steps)  # it sets the step
        chosen[:, k] = steps * step
        error = (left[:, k] - chosen[:, k]) / upper[:, k, k, None]
        left[:, k + 1 :] -= upper[:, k, k + 1 :, None] * error[:, None]
    return chosen
