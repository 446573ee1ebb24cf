"""The folded graph with fake quantisation: TFMOT's wrappers with this project's own QuantizeConfigs.

What the configs decide, layer by layer, so that the converted file is one XNNPACK partition:
- Convolutions (dense layers are 1x1 convolutions): 8-bit weights a channel, 8-bit outputs.
- Swish: its sigmoid has TFLite's fixed LOGISTIC range, its product a range of its own.
- Attention's products and the norms stay float between 8-bit tensors: XNNPACK has no 8-bit kernels for them that take
  what they read, and its float ones are fast. Between the products stand 8-bit scores and a table of exponentials.
- A concatenation and what feeds it have one range; what norms and attention's products read has exact steps (`settle`).
- Padding, resizes, reshapes and transposes: no range of their own, they carry their input's.
"""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
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

from mobilevit_tf.layers import blocks
from quantize.layers import folded, reproducible
from quantize.steps import settle

GATE_RANGE = (0.0, 255 / 256)  # TFLite's fixed output range of LOGISTIC: scale 1/256, zero point -128
SCORES, EXPONENTIAL = "_attention_scores", "_attention_exponential"
_NO_RANGE_OF_ITS_OWN = (
    tf_keras.layers.InputLayer,
    tf_keras.layers.Flatten,
    blocks.SplitPatches,
    blocks.MergePatches,
    blocks.ResizeToMultiple,
    blocks.ResizeLike,
    folded.EdgeZeros,
    folded.Exponential,
    reproducible.TableExponential,
)
# What the int8 graph computes in place of float layers, so that every runtime finds the same number.
_REPRODUCIBLE = {
    blocks.ProductTransposed: reproducible.NegativeProduct,
    folded.Exponential: reproducible.TableExponential,
    folded.WeightedMean: reproducible.TableWeightedMean,
    folded.RootMeanSquareNorm: reproducible.ReproducibleNorm,
}


class ChannelQuantizer(quantizers.LastValueQuantizer):
    """Symmetric 8-bit weights, one range a channel; `axis` is the channel's axis of the kernel."""

    def __init__(self, axis: int):
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
        self.axis = axis

    def build(self, tensor_shape, name, layer):
        return self._add_range_weights(layer, name, True, tensor_shape[self.axis : self.axis + 1])

    def __call__(self, inputs, training, weights, **kwargs):
        # [h, w, channels, 1] -> [h, w, 1, channels], the only place where the op looks for channels
        last = tf.reshape(inputs, (*inputs.shape[:2], -1, inputs.shape[self.axis])) if self.axis == 2 else inputs
        return tf.reshape(super().__call__(last, training, weights, **kwargs), inputs.shape)

    def get_config(self):
        return {"axis": self.axis}


class RangeQuantizer(quantizers.MovingAverageQuantizer):
    """8-bit activations in one range, set by calibration; `frozen` keeps it during fine-tuning."""

    def __init__(self, frozen: bool):
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self.frozen = frozen

    def __call__(self, inputs, training, weights, **kwargs):
        return super().__call__(inputs, training and not self.frozen, weights, **kwargs)

    def get_config(self):
        return {"frozen": self.frozen}


def _gate(inputs: tf.Tensor) -> tf.Tensor:
    return tf.quantization.fake_quant_with_min_max_args(tf.sigmoid(inputs), *GATE_RANGE)


class LayerConfig(quantize_config.QuantizeConfig):
    """How one layer is quantised.

    Attributes:
      frozen: fine-tuning does not move the output's range.
    """

    def __init__(self, frozen: bool):
        self.frozen = frozen

    def get_weights_and_quantizers(self, layer):
        if isinstance(layer, tf_keras.layers.DepthwiseConv2D):
            return [(layer.depthwise_kernel, ChannelQuantizer(2))]
        if isinstance(layer, tf_keras.layers.Conv2D):
            return [(layer.kernel, ChannelQuantizer(3))]
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        if quantize_weights:
            setattr(layer, "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel", quantize_weights[0])

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        if isinstance(layer, blocks.Swish):
            layer.gate = _gate

    def get_output_quantizers(self, layer):
        return [RangeQuantizer(self.frozen)]

    def get_config(self):
        return {"frozen": self.frozen}


class _NoRegistry(quantize_registry.QuantizeRegistry):
    """Every layer says by itself how it is quantised."""

    def supports(self, layer):
        return False

    def get_quantize_config(self, layer):
        raise NotImplementedError(layer.name)


class _NoLayout(quantize_layout_transform.QuantizeLayoutTransform):
    def apply(self, model, layer_quantize_map):
        return model, layer_quantize_map


class _Scheme(quantize_scheme.QuantizeScheme):
    def get_layout_transformer(self):
        return _NoLayout()

    def get_quantize_registry(self):
        return _NoRegistry()


_SCOPE = {cls.__name__: cls for cls in (ChannelQuantizer, RangeQuantizer, LayerConfig)}


def has_range(layer: tf_keras.layers.Layer) -> bool:
    """True where a layer's output is rounded to 8 bits in a range of its own."""
    return not isinstance(layer, _NO_RANGE_OF_ITS_OWN) and not layer.name.endswith(SCORES)


def apply(model: tf_keras.Model, ranges: dict[str, tuple[float, float]], *, frozen: bool) -> tf_keras.Model:
    """Wraps the layers of a folded float model for fake quantisation.

    Args:
      model: from `mobilevit.build(..., folded=True, softmax=False)`, with its weights; left as it is.
      ranges: (lowest, highest) output by layer name, from `calibration`; some are widened by `settle`.
      frozen: fine-tuning keeps the ranges instead of following them with a moving average.

    Returns:
      A Functional model of the same outputs but for 8-bit rounding, ready to be fine-tuned or converted.
    """

    def annotate(layer):
        made = _reproducible(layer, ranges)
        return quantize.quantize_annotate_layer(made, LayerConfig(frozen)) if has_range(layer) else made

    with tf_keras.utils.custom_object_scope(_SCOPE):
        annotated = tf_keras.models.clone_model(model, clone_function=annotate)
        annotated.set_weights(model.get_weights())
        quantized = quantize.quantize_apply(annotated, _Scheme())
    for wrapper in settle.wrappers(quantized):
        settle.set_range(wrapper, *_range_with_zero(*ranges[wrapper.layer.name]))
    settle.settle(quantized)
    return quantized


def _reproducible(layer: tf_keras.layers.Layer, ranges: dict[str, tuple[float, float]]) -> tf_keras.layers.Layer:
    if isinstance(layer, blocks.ScaledSoftmax):
        raise ValueError(f"{layer.name} is a softmax, which has no 8-bit kernel: build the model with softmax=False")
    made = _REPRODUCIBLE.get(type(layer))
    if made is reproducible.TableExponential:
        return made(ranges.get(layer.name.replace(EXPONENTIAL, SCORES)), name=layer.name)
    return made(name=layer.name) if made else layer


def _range_with_zero(low: float, high: float) -> tuple[float, float]:
    """TFLite wants 0 in every range; an output that is always 0 gets a range of some width."""
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high - low > 1e-6 else (-1e-6, 1e-6)


def output_ranges(model: tf_keras.Model) -> dict[str, tuple[float, float]]:
    """(lowest, highest) by layer name, as the quantised model holds them now."""
    return {wrapper.layer.name: settle.get_range(wrapper) for wrapper in settle.wrappers(model)}
