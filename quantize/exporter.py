"""The steps of an export in their order: prepare -> lower -> calibrate -> fit the scores -> quantise -> convert."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tf_keras

import mobilevit_tf
import mobilevit_tf.tf_setup
from mobilevit_tf import catalog
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import scorers, strangers
from mobilevit_tf.evaluation.scorers import Scorer
from mobilevit_tf.evaluation.tflite_model import ModelInfo
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.labels import check_labels
from mobilevit_tf.models import build as models
from mobilevit_tf.models import weights
from mobilevit_tf.models.model_file import ModelFile
from quantize import graph
from quantize.checks.report import LayerError, Saturation
from quantize.checks.scores import Fit
from quantize.graph import Graph, Node
from quantize.recipe import Ranges, Recipe, Rounding, recipe_of
from quantize.settings import TUNING_PHOTOS, CalibrationConfig, FineTuneConfig
from quantize.steps import calibration, convert, finetune, metadata, photos, qat
from quantize.tuning import ranges, reconstruct

NO_FLIP = ("digits",)  # data whose mirror image is something else
_DEPARTURE_PHOTOS = 16
_CLASSIFIER = "classifier"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What is exported, and with which photos.

    Attributes:
      model: the trained model.
      source: its photos.
      recipe: of its family.
      tune: settings of the fine-tuning.
      usable, held_out: indices of its training photos: those for calibration and fine-tuning, and those for neither.
      calibration_images: uint8 [n, height, width, 3].
    """

    model: ModelFile
    source: Source
    recipe: Recipe
    tune: FineTuneConfig
    usable: np.ndarray
    held_out: np.ndarray
    calibration_images: np.ndarray

    @property
    def spec(self) -> ImageSpec:
        """The file's preprocessing: plain pixels, normalisation is in the graph."""
        return self.model.spec.plain()

    @property
    def class_indices(self) -> np.ndarray:
        """int64: the model's class for each class of the source."""
        return np.array([self.model.labels.index(name) for name in self.source.class_names], np.int64)


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """The exact float graph, and the ranges of its values.

    Attributes:
      lowered: of standard operators.
      cheapened: what float and 8-bit files compute; equal.
      ranges: (lowest, highest) output, or of row maxima, by node of `cheapened`.
      float_model: `cheapened` with its weights, for any batch size.
      temperature, unsure_below: of the scores; the temperature is in the classifier's weights already.
      none_of_these: photos of none of the classes fitted `unsure_below`.
    """

    lowered: Graph
    cheapened: Graph
    ranges: Ranges
    float_model: tf_keras.Model
    temperature: float = 1.0
    unsure_below: float = 0.0
    none_of_these: bool = False


def modes(variant: str) -> tuple[str, ...]:
    """The export modes of a model."""
    return recipe_of(variant).modes


def prepare(model: ModelFile, source: Source, calibrate: CalibrationConfig, tune: FineTuneConfig) -> Prepared:
    """Chooses the photos and loads those for calibration.

    Raises:
      UserError: for labels or photos that cannot be used.
    """
    check_labels(model.labels, model.config.num_classes)
    usable, held_out = photos.hold_out(source.size("train"), TUNING_PHOTOS)
    chosen = usable[photos.choose(source.labels("train")[usable], calibrate)]
    images = photos.load(source, "train", chosen, model.spec.plain())
    return Prepared(model, source, recipe_of(model.config.variant), tune, usable, held_out, images)


def lower(prepared: Prepared) -> Graph:
    """The trained model as an exact float graph of standard operators, with its weights."""
    model = prepared.model
    trained = models.build(model.config, *model.spec.size)
    weights.assign(trained, model.weights)  # refuses those of another model
    return prepared.recipe.lower(graph.read(trained, model.weights), model.spec)


def calibrate(prepared: Prepared, lowered: Graph) -> Calibrated:
    """The ranges of the graph's values over the calibration photos, and the graph that suits them."""
    recipe = prepared.recipe
    first = recipe.cheapen(lowered, {})
    outputs, maxima = observed(recipe, first)
    found = ranges.ranges(first, outputs, maxima, prepared.calibration_images, prepared.spec)
    fixed = {node.name: recipe.fixed_range(node) for node in first.nodes.values()}
    found |= {name: limits for name, limits in fixed.items() if limits is not None}
    cheapened = recipe.cheapen(lowered, {name: found[name] for name in maxima})
    return Calibrated(lowered, cheapened, found, graph.build(cheapened))


def observed(recipe: Recipe, cheapened: Graph) -> tuple[list[str], list[str]]:
    """The nodes whose outputs are rounded, and those that feed an exponential."""
    readers = cheapened.readers()
    roundings = {name: recipe.rounding(node, readers[name]) for name, node in cheapened.nodes.items()}
    maxima = [node.inputs[0] for node in cheapened.nodes.values() if node.kind in recipe.reads_row_maxima]
    return [name for name, rounding in roundings.items() if rounding is Rounding.RANGE], maxima


def held_out_answers(prepared: Prepared, score: Scorer) -> tuple[np.ndarray, np.ndarray]:
    """(scores [n, N], classes [n]): a model's answers for the held-out training photos."""
    y_true = prepared.class_indices[prepared.source.labels("train")[prepared.held_out]]
    if not len(y_true):
        return np.empty((0, len(prepared.model.labels))), y_true
    images = photos.load(prepared.source, "train", prepared.held_out, prepared.spec)
    return scorers.in_batches(score, images), y_true


def stranger_answers(prepared: Prepared, score: Scorer) -> np.ndarray:
    """float32 [m, N]: the float model's scores for those photos of none of the classes that fit the threshold."""
    return strangers.scores_of(score, strangers.halves(prepared.source.strangers)[0], prepared.spec)


def with_fit(calibrated: Calibrated, fit: Fit) -> Calibrated:
    """The logits divided by the fitted temperature: in the classifier's weights."""

    def divided(node: Node) -> Node:
        return node.holding(
            **{key: value.astype(np.float32) / np.float32(fit.temperature) for key, value in node.weights.items()}
        )

    lowered, cheapened = (
        part.with_nodes(divided(part.nodes[_CLASSIFIER])) for part in (calibrated.lowered, calibrated.cheapened)
    )
    low, high = calibrated.ranges[_CLASSIFIER]
    limits = {**calibrated.ranges, _CLASSIFIER: (low / fit.temperature, high / fit.temperature)}
    model, none = graph.build(cheapened), fit.strangers > 0
    return Calibrated(lowered, cheapened, limits, model, fit.temperature, fit.unsure_below, none)


def quantise(prepared: Prepared, calibrated: Calibrated, epochs: int) -> tf_keras.Model:
    """The fake-quantised model for any batch size, its weights rounded layer by layer, fine-tuned for `epochs`."""
    tune = dataclasses.replace(prepared.tune, epochs=epochs)
    quantised = qat.apply(calibrated.cheapened, prepared.recipe, calibrated.ranges, frozen=tune.frozen_ranges)
    reconstruct.reconstruct(
        quantised, calibrated.cheapened, calibrated.float_model, prepared.calibration_images, prepared.spec
    )
    if epochs:
        flip = prepared.source.name not in NO_FLIP
        images = photos.load(prepared.source, "train", prepared.usable[:TUNING_PHOTOS], prepared.spec)
        finetune.finetune(quantised, calibrated.float_model, images, prepared.spec, tune, flip)
    return quantised


def to_file(
    prepared: Prepared, calibrated: Calibrated, mode: str, quantised: tf_keras.Model | None, output_type: str
) -> bytes:
    """The finished file's bytes in one mode, metadata included.

    Args:
      prepared, calibrated: the steps before.
      mode: one of the recipe's.
      quantised: the fake-quantised model of "int8" and "int8_ptq", None in other modes.
      output_type: of the scores of 8-bit files.
    """
    if quantised is not None:
        data = convert.to_int8(quantised, output_type)
    elif mode == "int8_strict":
        images = prepared.spec.normalize(prepared.calibration_images)
        data = convert.to_integer(graph.build(calibrated.lowered), images)
    else:
        data = convert.to_float(calibrated.float_model, mode)
    return metadata.populate(data, prepared.model.labels, prepared.spec, _info(prepared, calibrated, mode))


def _info(prepared: Prepared, calibrated: Calibrated, mode: str) -> ModelInfo:
    model = prepared.model
    name = f"{catalog.find(model.config.variant).title} {prepared.source.name} {mode}"
    return ModelInfo(
        name, model.config.variant, mode, mobilevit_tf.__version__, model.license, model.run_id,
        round(calibrated.temperature, 4), round(calibrated.unsure_below, 4),
        origin=model.origin, none_of_these=calibrated.none_of_these,
    )  # fmt: skip


def departure(
    prepared: Prepared, calibrated: Calibrated, quantised: tf_keras.Model
) -> tuple[list[LayerError], list[Saturation]]:
    """Where the quantised model departs from the float one, and what saturates (`calibration.departure`)."""
    images = prepared.calibration_images[:_DEPARTURE_PHOTOS]
    return calibration.departure(calibrated.float_model, quantised, images, prepared.spec)


def check_mode(variant: str, wanted: str) -> Sequence[str]:
    """The modes to export: the wanted one, or with "all" every one.

    Raises:
      UserError: where the model has no such mode.
    """
    known = modes(variant)
    if wanted != "all" and wanted not in known:
        raise UserError(f"{variant} is not exported as {wanted}: expected one of {', '.join(known)}")
    return known if wanted == "all" else (wanted,)
