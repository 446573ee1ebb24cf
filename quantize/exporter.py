"""One trained run -> the bytes of a .tflite in any export mode."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # isort: skip  before TensorFlow
import numpy as np
import tf_keras

import mobilevit_tf
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import ModelInfo
from mobilevit_tf.families import keras_applications, mobilevit
from mobilevit_tf.families.mobilevit_sizes import BASELINES, get_variant
from mobilevit_tf.models import weights
from mobilevit_tf.models.model_file import ModelFile
from quantize.layers import folded
from quantize.settings import MODES, CalibrationConfig, FineTuneConfig
from quantize.steps import calibration, convert, finetune, metadata, photos, qat
from quantize.steps.fold import fold, fold_normalization

NO_FLIP = ("digits",)  # data whose mirror image is something else
FARTHEST = 60.0  # of a calibrated row maximum from 0; exp leaves float32 at 88, and unseen photos may go farther
_DEPARTURE_PHOTOS = 16


def modes(variant: str) -> tuple[str, ...]:
    """The export modes of a model; those that need this project's own quantisation exist for MobileViT alone."""
    return ("int8_ptq", "float16", "dynamic", "float32") if variant in BASELINES else MODES


def shift(low: float, high: float) -> float | None:
    """What to subtract from the scores of a layer whose row maxima are in [low, high]; None: the row maximum itself."""
    if low >= -FARTHEST and high <= FARTHEST:
        return 0.0
    return (low + high) / 2 if high - low <= 2 * FARTHEST else None


class Exporter:
    """Makes .tflite files of one trained model; calibration and the float graph are shared by all modes.

    Attributes:
      model: the trained model.
      source: its photos.
      usable, held_out: indices of its training photos: those for calibration and fine-tuning, and those for neither.
      float_model: the folded graph with its weights, any batch size.
      quantized_model: the fake-quantised one of the last int8 export, any batch size.
    """

    def __init__(self, model: ModelFile, source: Source, calibrate: CalibrationConfig, tune: FineTuneConfig) -> None:
        metadata.check_labels(model.labels, model.config.num_classes)
        self.model, self.source, self.calibrate = model, source, calibrate
        self.tune = dataclasses.replace(tune, flip=tune.flip and source.name not in NO_FLIP)
        self.temperature, self.unsure_below = 1.0, 0.0
        self.quantized_model: tf_keras.Model | None = None
        self.usable, self.held_out = photos.hold_out(source.size("train"), tune.images)
        chosen = self.usable[photos.choose(source.labels("train")[self.usable], calibrate)]
        self.calibration_images = photos.load(source, "train", chosen, model.spec.plain())
        self.spec, self._ranges = model.spec.plain(), {}
        self.is_baseline = model.config.variant in BASELINES
        if self.is_baseline:
            self._weights, self._fill = dict(model.weights), None
            self.float_model = self._build(None)
            return
        self._weights = fold(model.weights, get_variant(model.config.variant).num_heads)
        self._fill = fold_normalization(self._weights, model.spec)
        self.float_model = self._build(None)
        self._ranges = calibration.ranges(self.float_model, self.calibration_images, self.spec)
        self._set_exponentials(self.float_model)

    def held_out_answers(self) -> tuple[np.ndarray, np.ndarray]:
        """(scores [n, N], classes [n]): the float model's answers for the held-out training photos."""
        index = np.array([self.model.labels.index(name) for name in self.source.class_names])
        y_true = index[self.source.labels("train")[self.held_out]]
        if not len(y_true):
            return np.empty((0, len(self.model.labels))), y_true
        images = photos.load(self.source, "train", self.held_out, self.spec)
        return finetune.scores(self.float_model, images, self.spec), y_true

    def set_temperature(self, temperature: float, unsure_below: float) -> None:
        """Divides the logits by `temperature`, once: in the classifier's weights."""
        for name in ("classifier/kernel", "classifier/bias"):
            self._weights[name] = self._weights[name] / np.float32(temperature)
        if "classifier" in self._ranges:
            low, high = self._ranges["classifier"]
            self._ranges["classifier"] = (low / temperature, high / temperature)
        weights.assign(self.float_model, self._weights)
        self.temperature, self.unsure_below = temperature, unsure_below

    def export(self, mode: str, output_type: str = "float32") -> bytes:
        """The finished file's bytes, metadata included."""
        self.quantized_model = None
        if mode not in modes(self.model.config.variant):
            raise UserError(f"{self.model.config.variant} is not exported as {mode}: expected one of "
                            f"{', '.join(modes(self.model.config.variant))}")  # fmt: skip
        if mode == "int8_strict" or (self.is_baseline and mode == "int8_ptq"):
            kind = "uint8" if mode == "int8_strict" else output_type
            data = convert.to_integer(self._build(1, softmax=True), self.spec.normalize(self.calibration_images), kind)
        elif mode.startswith("int8"):
            data = self._int8(self.tune.epochs if mode == "int8" else 0, output_type)
        else:
            data = convert.to_float(self._build(1), mode)
        return metadata.populate(data, self.model.labels, self.spec, self._info(mode))

    def _int8(self, epochs: int, output_type: str) -> bytes:
        frozen = self.tune.frozen_ranges
        self.quantized_model = qat.apply(self.float_model, self._ranges, frozen=frozen)
        if epochs:
            images = photos.load(self.source, "train", self.usable[: self.tune.images], self.spec)
            tune = dataclasses.replace(self.tune, epochs=epochs)
            finetune.finetune(self.quantized_model, self.float_model, images, self.spec, tune)
        fixed = qat.apply(self._build(1), self._ranges, frozen=frozen)
        fixed.set_weights(self.quantized_model.get_weights())
        return convert.to_int8(fixed, output_type)

    def departure(self) -> dict:
        """{"layers", "saturation"} of the last int8 export (`calibration.departure`)."""
        images = self.calibration_images[:_DEPARTURE_PHOTOS]
        layers, saturation = calibration.departure(self.float_model, self.quantized_model, images, self.spec)
        return {"layers": layers, "saturation": saturation}

    def _build(self, batch_size: int | None, *, softmax: bool = False) -> tf_keras.Model:
        config, size = self.model.config, self.spec.size
        if self.is_baseline:
            model = keras_applications.build(config.variant, config.num_classes, *size, batch_size=batch_size)
        else:
            model = mobilevit.build(config, *size, batch_size=batch_size, folded=True, softmax=softmax)
            model.get_layer("stem_pad").fill = self._fill
            self._set_exponentials(model)
        weights.assign(model, self._weights)
        return model

    def _set_exponentials(self, model: tf_keras.Model) -> None:
        """Where the calibrated row maxima lie close together, a constant replaces them, or nothing near 0."""
        for layer in model.layers:
            if isinstance(layer, folded.Exponential):
                low, high = self._ranges.get(layer.name.replace(qat.EXPONENTIAL, qat.SCORES), (-np.inf, np.inf))
                layer.shift = shift(low, high)

    def _info(self, mode: str) -> ModelInfo:
        variant = self.model.config.variant
        family = variant if self.is_baseline else f"MobileViT-{variant.upper()}"
        name = f"{family} {self.source.name} {mode}"
        return ModelInfo(
            name, variant, mode, mobilevit_tf.__version__, self.model.license, self.model.run_id,
            round(self.temperature, 4), round(self.unsure_below, 4),
        )  # fmt: skip
