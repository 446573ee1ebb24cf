"""One trained run -> the bytes of a .tflite in any export mode."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # isort: skip  before TensorFlow
import numpy as np
import tf_keras

import mobilevit_tf
from mobilevit_tf import mobilevit, weights
from mobilevit_tf.model_file import ModelFile
from mobilevit_tf.source import Source
from mobilevit_tf.tflite_model import ModelInfo
from mobilevit_tf.variants import get_variant
from quantize import calibration, convert, finetune, metadata, photos, qat
from quantize.fold import fold
from quantize.settings import CalibrationConfig, FineTuneConfig

NO_FLIP = ("digits",)  # data whose mirror image is something else


class Exporter:
    """Makes .tflite files of one trained model; calibration and the float graph are shared by all modes.

    Attributes:
      model: the trained model.
      source: its photos; None suffices for float modes.
      float_model: the folded graph with its weights, any batch size.
      quantized_model: the fake-quantised one of the last int8 export, any batch size.
    """

    def __init__(
        self, model: ModelFile, source: Source | None, calibrate: CalibrationConfig, tune: FineTuneConfig
    ) -> None:
        metadata.check_labels(model.labels, model.config.num_classes)
        self.model, self.source, self.calibrate, self.tune = model, source, calibrate, tune
        self.float_model = self._build(None)
        weights.assign(self.float_model, fold(model.weights, get_variant(model.config.variant).num_heads))
        self.quantized_model: tf_keras.Model | None = None
        self._ranges: dict[str, tuple[float, float]] | None = None

    def export(self, mode: str, output_type: str = "float32") -> bytes:
        """The finished file's bytes, metadata included."""
        if mode.startswith("int8"):
            data = self._int8(self.tune.epochs if mode == "int8" else 0, output_type)
        else:
            fixed = self._build(1)
            fixed.set_weights(self.float_model.get_weights())
            data = convert.to_float(fixed, mode)
        return metadata.populate(data, self.model.labels, self.model.spec.plain(), self._info(mode))

    def _int8(self, epochs: int, output_type: str) -> bytes:
        frozen = self.tune.frozen_ranges
        self.quantized_model = qat.apply(self.float_model, self.ranges(), frozen=frozen)
        if epochs:
            count = min(self.tune.images, self.source.size("train"))
            images = photos.load(self.source, "train", np.arange(count), self.model.spec)
            finetune.finetune(self.quantized_model, self.float_model, images, self.model.spec, self.tune)
        fixed = qat.apply(self._build(1), self.ranges(), frozen=frozen)
        fixed.set_weights(self.quantized_model.get_weights())
        return convert.to_int8(fixed, output_type)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Activation ranges by layer, from the calibration photos."""
        if self._ranges is None:
            chosen = photos.choose(self.source.labels("train"), self.calibrate)
            images = photos.load(self.source, "train", chosen, self.model.spec)
            self._ranges = calibration.ranges(self.float_model, images, self.model.spec)
        return self._ranges

    def _build(self, batch_size: int | None) -> tf_keras.Model:
        return mobilevit.build(self.model.config, *self.model.spec.size, batch_size=batch_size, folded=True)

    def _info(self, mode: str) -> ModelInfo:
        variant = self.model.config.variant
        name = f"MobileViT-{variant.upper()} {mode}"
        return ModelInfo(name, variant, mode, mobilevit_tf.__version__, self.model.license, self.model.run_id)


def tune_for(source_name: str, tune: FineTuneConfig) -> FineTuneConfig:
    """The same settings without mirroring where a mirrored photo is another class."""
    return dataclasses.replace(tune, flip=tune.flip and source_name not in NO_FLIP)
