"""The exported graph with fake quantisation: TFMOT's wrappers with this project's own QuantizeConfigs.

Convolutions (dense layers are 1x1 convolutions) get 8-bit weights per channel. Which outputs are rounded to 8 bits,
in what range, and what the 8-bit graph computes in place of a float layer, the recipe says for each node, so that the
converted file is one XNNPACK partition. A concatenation and what feeds it have one range; what norms and attention's
products read has exact steps (`settle`).
"""

from __future__ import annotations

from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize,
    quantize_config,
    quantize_layout_transform,
    quantize_registry,
    quantize_scheme,
    quantizers,
)

from quantize.graph import Graph, build
from quantize.recipe import Ranges, Recipe, Rounding
from quantize.steps import settle
from quantize.steps.fold import CONVOLUTIONS


class ChannelQuantizer(quantizers.LastValueQuantizer):
    """Symmetric 8-bit weights, one range per output channel; `axis` is the kernel's first axis of those.

    A convolution's kernel is [rows, columns, in, out], axis 3; a depthwise one [rows, columns, channels, multiplier],
    axis 2: its outputs are channels * multiplier.
    """

    def __init__(self, axis: int):
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
        self.axis = axis

    def build(self, tensor_shape: tf.TensorShape, name: str, layer: tf_keras.layers.Layer) -> Any:
        outputs = int(np.prod(tensor_shape[self.axis :]))
        return self._add_range_weights(layer, name, True, tf.TensorShape([outputs]))

    def __call__(self, inputs: tf.Tensor, training: bool | None, weights: Any, **kwargs: Any) -> tf.Tensor:
        outputs = int(np.prod(inputs.shape[self.axis :]))
        # [rows, columns, ..] -> [rows, columns, -1, outputs]: the op looks for channels in the last place only
        last = tf.reshape(inputs, (*inputs.shape[:2], -1, outputs)) if self.axis == 2 else inputs
        return tf.reshape(super().__call__(last, training, weights, **kwargs), inputs.shape)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class RangeQuantizer(quantizers.MovingAverageQuantizer):
    """8-bit activations in one range, set by calibration; `frozen` keeps it during fine-tuning."""

    def __init__(self, frozen: bool) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self.frozen = frozen

    def __call__(self, inputs: tf.Tensor, training: bool | None, weights: Any, **kwargs: Any) -> Any:
        return super().__call__(inputs, training and not self.frozen, weights, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"frozen": self.frozen}


class LayerConfig(quantize_config.QuantizeConfig):
    """How one layer is quantised.

    Attributes:
      frozen: fine-tuning does not move the output's range.
      rounded: the output is rounded to 8 bits; otherwise the weights alone are.
    """

    def __init__(self, frozen: bool, rounded: bool = True) -> None:
        self.frozen, self.rounded = frozen, rounded

    def get_weights_and_quantizers(self, layer: Any) -> Any:
        if isinstance(layer, tf_keras.layers.DepthwiseConv2D):
            return [(layer.depthwise_kernel, ChannelQuantizer(2))]
        if isinstance(layer, tf_keras.layers.Conv2D):
            return [(layer.kernel, ChannelQuantizer(3))]
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
        if quantize_weights:
            setattr(layer, "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel", quantize_weights[0])

    def get_activations_and_quantizers(self, layer: Any) -> Any:
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> Any:
        return [RangeQuantizer(self.frozen)] if self.rounded else []

    def get_config(self) -> dict[str, Any]:
        return {"frozen": self.frozen, "rounded": self.rounded}


class _NoRegistry(quantize_registry.QuantizeRegistry):
    """Every layer says by itself how it is quantised."""

    def supports(self, layer: Any) -> Any:
        return False

    def get_quantize_config(self, layer: Any) -> None:
        raise NotImplementedError(layer.name)


class _NoLayout(quantize_layout_transform.QuantizeLayoutTransform):
    def apply(self, model: Any, layer_quantize_map: Any) -> Any:
        return model, layer_quantize_map


class _Scheme(quantize_scheme.QuantizeScheme):
    def get_layout_transformer(self) -> Any:
        return _NoLayout()

    def get_quantize_registry(self) -> Any:
        return _NoRegistry()


_SCOPE = {cls.__name__: cls for cls in (ChannelQuantizer, RangeQuantizer, LayerConfig)}


def apply(
    graph: Graph, recipe: Recipe, ranges: Ranges, *, frozen: bool, batch_size: int | None = None
) -> tf_keras.Model:
    """The fake-quantised model of a cheapened float graph, with its weights.

    Args:
      graph: from the recipe's `cheapen`.
      recipe: says how each node is rounded.
      ranges: (lowest, highest) output by node, from `calibration`; some are widened by `settle`.
      frozen: fine-tuning keeps the ranges instead of following them with a moving average.
      batch_size: of the model's input; None for any.

    Returns:
      A Functional model of the same outputs but for 8-bit rounding, ready to be fine-tuned or converted.
    """
    model, readers = build(graph, batch_size), graph.readers()

    def annotate(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if layer.name not in graph.nodes:  # the input
            return layer
        node = graph.nodes[layer.name]
        made = recipe.replace(node, ranges) or layer
        rounded = recipe.rounding(node, readers[node.name]) is Rounding.RANGE
        if not rounded and not issubclass(node.kind, CONVOLUTIONS):
            return made
        return quantize.quantize_annotate_layer(made, LayerConfig(frozen, rounded))

    with tf_keras.utils.custom_object_scope(_SCOPE):
        annotated = tf_keras.models.clone_model(model, clone_function=annotate)
        annotated.set_weights(model.get_weights())
        quantized = quantize.quantize_apply(annotated, _Scheme())
    for wrapper in settle.rounded(quantized):
        settle.set_range(wrapper, *_range_with_zero(*ranges[wrapper.layer.name]))
    settle.settle(quantized)
    return quantized


def _range_with_zero(low: float, high: float) -> tuple[float, float]:
    """TFLite wants 0 in every range; an output that is always 0 gets a range of some width."""
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high - low > 1e-6 else (-1e-6, 1e-6)


def output_ranges(model: tf_keras.Model) -> dict[str, tuple[float, float]]:
    """(lowest, highest) by layer name, as the quantised model holds them now."""
    return {wrapper.layer.name: settle.get_range(wrapper) for wrapper in settle.rounded(model)}
