"""What a fake-quantised model holds, as its file will hold it: shared ranges, exact steps, weight ranges, biases.

Runtimes and the Keras model then compute with the same numbers, and differ in fewer roundings (docs/quantisation.md,
Readers).
"""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras import quantize_wrapper

from mobilevit_tf.layers.transformers import transformer
from quantize.graph import ON_REFERENCE
from quantize.layers import folded, linear_attention
from quantize.layers.reproducible import FINEST_SCORE, LEVELS
from quantize.steps.convert import INPUT_RANGE

Range = tuple[float, float]
LARGEST_RATIO = 512  # of a sum's step to that of an operand
LARGEST_RESCALING = 64  # of a row's step to that of a class token or its patches
_EXACT = (
    folded.RootMeanSquareNorm, linear_attention.ImageNorm, folded.AttentionScores, folded.WeightedMean,
)  # fmt: skip


def settle(model: tf_keras.Model) -> None:
    """In place, after calibration and after fine-tuning; a second time it changes nothing.

    What feeds a concatenation is read by no sum, norm or product of attention, so no step undoes an earlier one.
    """
    share_ranges(model)
    set_exact_steps(model)
    widen_joined(model)
    widen_operands(model)
    set_weight_ranges(model)
    round_biases(model)
    round_fill(model)


def share_ranges(model: tf_keras.Model) -> None:
    """Gives the layers that feed a concatenation its range; a row with a class token, what it alone reads.

    With ranges of their own the converter rescales 8-bit values before the concatenation, and runtimes do not agree
    on how that is rounded: one file would give several answers.
    """
    sources = _sources(model)
    for wrapper in reversed(rounded(model)):  # the last first: what feeds it may be a concatenation itself
        if isinstance(wrapper.layer, tf_keras.layers.Concatenate):
            for source in sources[wrapper.name]:
                set_range(source, *get_range(wrapper))
        elif isinstance(wrapper.layer, transformer.JoinClassToken):
            for source in sources[wrapper.name]:
                if source is not None and _value_readers(model, source.name) == [wrapper.name]:
                    set_range(source, *get_range(wrapper))


def _value_readers(model: tf_keras.Model, name: str) -> list[str]:
    """The layers that read a layer's values, not its size alone."""
    found = []
    for reader, parents in _parents(model).items():
        layer = model.get_layer(reader)
        kind = getattr(layer, "layer", layer)
        size_alone = isinstance(kind, transformer.ClassToken) or (isinstance(kind, ON_REFERENCE) and parents[0] != name)
        if name in parents and not size_alone:
            found.append(reader)
    return found


def set_exact_steps(model: tf_keras.Model) -> None:
    """Makes a power of two of the 8-bit step of what norms, and attention's two products, read.

    Squares and products of such values are whole numbers times a power of two. Up to 2^24, which 258 squares of 255
    stay below, float32 adds them without rounding, so every runtime finds the same sum in whatever order it adds: for
    258 channels or tokens at most, with patches of 2 x 2 pixels an input of 256 x 256.
    """
    sources = _sources(model)
    for layer in model.layers:
        # Scores have no range of their own, and so no wrapper.
        if isinstance(getattr(layer, "layer", layer), _EXACT):
            for source in sources[layer.name]:
                set_range(source, *exact_steps(*get_range(source)))
        if isinstance(layer, folded.AttentionScores):
            query, key = sources[layer.name]
            (low, high), (lowest, highest) = get_range(query), get_range(key)
            score_step = (high - low) / LEVELS * (highest - lowest) / LEVELS
            factor = max(1.0, FINEST_SCORE / score_step)
            set_range(query, low * factor, high * factor)


def exact_steps(low: float, high: float) -> Range:
    """The narrowest range of at least that width whose step is a power of two and that has 0 on a step."""
    step = 2.0 ** math.ceil(math.log2((high - low) / LEVELS))
    below = min(max(round(-low / step), 0), LEVELS)
    return -below * step, (LEVELS - below) * step


def widen_operands(model: tf_keras.Model) -> None:
    """Keeps the 8-bit step of a sum's operand at 1/512 of the sum's step or more, by powers of two.

    XNNPACK takes no sum with an operand of less than 1/1024. All 255 steps of one below 1/512 are half a step of the
    sum; where a norm reads it too, that norm loses as much, which takes a branch 500 times larger than its stream.
    """
    sources, owners = _sources(model), rounded(model)
    readers = {parent: layer for layer, parents in _parents(model).items() for parent in parents}
    for layer in reversed(model.layers):  # the last sum first: an operand that is widened may be a sum itself
        if not isinstance(getattr(layer, "layer", layer), tf_keras.layers.Add):
            continue
        # A sum whose activation the converter fuses has the activation's range.
        low, high = get_range(layer if layer in owners else model.get_layer(readers[layer.name]))
        for source in sources[layer.name]:
            lowest, highest = get_range(source)
            factor = 2.0 ** max(0, math.ceil(math.log2((high - low) / (highest - lowest) / LARGEST_RATIO)))
            set_range(source, lowest * factor, highest * factor)


def widen_joined(model: tf_keras.Model) -> None:
    """Keeps the 8-bit step of a class token and its patches at 1/64 of their row's or more, by powers of two.

    XNNPACK rescales by 1/256 to 128. In the row they have its steps anyway.
    """
    sources = _sources(model)
    for wrapper in reversed(rounded(model)):
        if isinstance(wrapper.layer, transformer.JoinClassToken):
            low, high = get_range(wrapper)
            for source in sources[wrapper.name]:
                lowest, highest = get_range(source)
                ratio = (high - low) / (highest - lowest) / LARGEST_RESCALING
                factor = 2.0 ** max(0, math.ceil(math.log2(ratio)))
                set_range(source, lowest * factor, highest * factor)


def set_weight_ranges(model: tf_keras.Model) -> None:
    """Fits the ranges of the weights to the weights, as a training step does."""
    for wrapper in wrapped(model):
        for weight, quantizer, variables in wrapper._weight_vars:
            values = weight.numpy().reshape(-1, int(np.prod(weight.shape[quantizer.axis :])))  # [.., outputs]
            high = np.maximum(np.abs(values).max(0), 1e-8)
            variables["min_var"].assign(-high)
            variables["max_var"].assign(high)


def round_biases(model: tf_keras.Model) -> None:
    """Rounds each bias to the file's grid, input step times weight step, as the converter will."""
    sources = _sources(model)
    for wrapper in wrapped(model):
        if not wrapper._weight_vars or not wrapper.layer.use_bias:
            continue
        ((_, _, variables),) = wrapper._weight_vars
        (source,) = sources[wrapper.name]
        low, high = INPUT_RANGE if source is None else get_range(source)
        step = np.float32(high - low) / np.float32(LEVELS) * variables["max_var"].numpy().astype(np.float64) / 127
        wrapper.layer.bias.assign(np.round(wrapper.layer.bias.numpy() / step) * step)


def round_fill(model: tf_keras.Model) -> None:
    """Rounds what pads the pixels to a pixel's steps, as the converter will."""
    for layer in model.layers:
        if isinstance(layer, folded.EdgeZeros) and layer.fill is not None:
            layer.fill = tuple(round(value * LEVELS) / LEVELS for value in layer.fill)


def wrapped(model: tf_keras.Model) -> list[quantize_wrapper.QuantizeWrapperV2]:
    """The layers whose weights or output are rounded to 8 bits."""
    return [layer for layer in model.layers if isinstance(layer, quantize_wrapper.QuantizeWrapperV2)]


def rounded(model: tf_keras.Model) -> list[quantize_wrapper.QuantizeWrapperV2]:
    """The layers whose output is rounded to 8 bits."""
    return [wrapper for wrapper in wrapped(model) if wrapper._output_quantizers]


def get_range(wrapper: quantize_wrapper.QuantizeWrapperV2) -> Range:
    """(lowest, highest) output."""
    low, high = (float(wrapper._output_quantizer_vars[key]) for key in ("min_var", "max_var"))
    return low, high


def set_range(wrapper: quantize_wrapper.QuantizeWrapperV2, low: float, high: float) -> None:
    """Sets the (lowest, highest) output."""
    wrapper._output_quantizer_vars["min_var"].assign(low)
    wrapper._output_quantizer_vars["max_var"].assign(high)


def _parents(model: tf_keras.Model) -> dict[str, list[str]]:
    """By layer name, the names of the layers that it reads."""
    # TFMOT shares layers without a range with its intermediate models, and they have those models' nodes too.
    return {
        node.layer.name: [parent.layer.name for parent in node.parent_nodes]
        for nodes in model._nodes_by_depth.values()
        for node in nodes
    }


def _sources(model: tf_keras.Model) -> dict[str, list[quantize_wrapper.QuantizeWrapperV2 | None]]:
    """By layer name, for each input the wrapper that rounds it, behind layers that carry a range; None: the pixels."""
    parents = _parents(model)

    def rounder(name: str) -> quantize_wrapper.QuantizeWrapperV2 | None:
        while not isinstance(found := model.get_layer(name), quantize_wrapper.QuantizeWrapperV2):
            if isinstance(found, tf_keras.layers.InputLayer):
                return None
            name = parents[name][0]
        return found

    return {name: [rounder(parent) for parent in inputs] for name, inputs in parents.items()}


def sources_of(
    model: tf_keras.Model, wrapper: quantize_wrapper.QuantizeWrapperV2
) -> list[quantize_wrapper.QuantizeWrapperV2 | None]:
    """The wrappers whose rounded outputs a wrapper's output is computed from; None: the pixels."""
    parents, rounders = _parents(model), {layer.name: layer for layer in rounded(model)}
    found: dict[str, quantize_wrapper.QuantizeWrapperV2 | None] = {}
    left = list(parents[wrapper.name])
    while left:
        name = left.pop(0)
        if name in rounders:
            found[name] = rounders[name]
        elif isinstance(model.get_layer(name), tf_keras.layers.InputLayer):
            found[name] = None
        else:
            left += parents[name]
    return list(found.values())
