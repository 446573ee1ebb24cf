"""Numbers about two models' answers for the same photos, and the fit of a temperature. NumPy and SciPy only."""

from __future__ import annotations

import dataclasses
from typing import TypedDict

import numpy as np
from scipy.optimize import minimize_scalar

from mobilevit_tf.evaluation.confidence import calibration_error, fit_none, fit_unsure
from mobilevit_tf.evaluation.evaluate import Evaluation
from quantize.checks.report import Change, ClassRecall

_SMALLEST = 1e-7
FEWEST = 20  # training photos to fit a temperature on
BY_HEART = 0.05  # top-1 on training photos above that on validation photos (docs/quantisation.md)


@dataclasses.dataclass(frozen=True)
class Fit:
    """A temperature, the score below which an answer is "unsure", and how they came about.

    Attributes:
      temperature, unsure_below: what was fitted.
      photos: on what, such as "734 of train".
      error_before, error_after: calibration error of other photos without and with the temperature.
      measured: those other photos among the validation photos.
      strangers: photos of none of the classes that fitted `unsure_below`, which then means "none of these"; 0 for none.
    """

    temperature: float
    unsure_below: float
    photos: str
    error_before: float
    error_after: float
    measured: slice = dataclasses.field(default_factory=lambda: slice(None))
    strangers: int = 0


def agreement(a: Evaluation, b: Evaluation) -> float:
    """Share of the photos with the same top-1 class."""
    return float((a.y_pred == b.y_pred).mean())


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference of two arrays of scores [n, N]."""
    return float(np.abs(a.astype(np.float64) - b).mean())


def with_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """The scores that logits divided by `temperature` give."""
    logits = np.log(np.maximum(scores.astype(np.float64), _SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def tempered(answers: Evaluation, temperature: float) -> Evaluation:
    """The answers of the same model once its logits are divided by `temperature`."""
    return dataclasses.replace(answers, scores=with_temperature(answers.scores, temperature).astype(np.float32))


def fit_temperature(scores: np.ndarray, y_true: np.ndarray) -> float:
    """The temperature of least cross entropy, in [0.2, 5].

    The true class counts (n + 1) / (n + 2), as in Platt's scaling: n photos that are all answered rightly do not prove
    that the model is never wrong.
    """
    count, classes = scores.shape
    target = np.full(scores.shape, 1 / (count + 2) / (classes - 1))
    target[np.arange(count), y_true] = (count + 1) / (count + 2)

    def loss(log_temperature: float) -> float:
        fitted = with_temperature(scores, float(np.exp(log_temperature)))
        return float(-(target * np.log(np.maximum(fitted, _SMALLEST))).sum(1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.2), np.log(5)), method="bounded").x))


def fit(
    train: np.ndarray,
    train_true: np.ndarray,
    val: np.ndarray,
    val_true: np.ndarray,
    strangers: np.ndarray | None = None,
) -> Fit | None:
    """Fits on held-out training photos and measures on validation photos.

    A model that knows its training photos by heart is surer of them than it should be of others. Where its accuracy
    shows that, every second validation photo is fitted on instead, and the other ones are measured.

    Args:
      train, val: scores [n, N] for training and validation photos.
      train_true, val_true: their classes [n].
      strangers: scores [m, N] for photos of none of the classes; None, or no photo, for "unsure" as the threshold.

    Returns:
      None where there are too few photos.
    """
    given, given_true, split, rest = train, train_true, "train", slice(None)
    by_heart = len(train) < FEWEST or _accuracy(train, train_true) > _accuracy(val, val_true) + BY_HEART
    if by_heart:
        split, rest = "val", slice(1, None, 2)
        given, given_true = val[::2], val_true[::2]
    if len(val[rest]) < 2:
        return None
    temperature = fit_temperature(given, given_true)
    fitted, count = with_temperature(given, temperature), 0 if strangers is None else len(strangers)
    if strangers is not None and count:
        unsure_below = fit_none(fitted, with_temperature(strangers, temperature))
    else:
        unsure_below = fit_unsure(fitted, given_true)
    before = calibration_error(val[rest], val_true[rest])
    after = calibration_error(with_temperature(val[rest], temperature), val_true[rest])
    return Fit(temperature, unsure_below, f"{len(given)} of {split}", before, after, rest, count)


def _accuracy(scores: np.ndarray, y_true: np.ndarray) -> float:
    return float((scores.argmax(1) == y_true).mean())


class Changes(TypedDict):
    """Recall by class, and the photos whose answer changed, the largest change of score first."""

    classes: list[ClassRecall]
    changed: list[Change]


def changes(baseline: Evaluation, candidate: Evaluation) -> Changes:
    """What another file changes for the same photos."""
    labels = candidate.labels
    before, after = ({row.label: row.recall for row in e.per_class} for e in (baseline, candidate))
    moved = np.flatnonzero(baseline.y_pred != candidate.y_pred)
    moved = moved[np.argsort(-np.abs(baseline.scores - candidate.scores).max(1)[moved], kind="stable")]
    return {
        "classes": [ClassRecall(label, before[label], after[label]) for label in labels],
        "changed": [
            Change(
                candidate.ids[i],
                labels[candidate.y_true[i]],
                labels[baseline.y_pred[i]],
                labels[candidate.y_pred[i]],
                round(float(baseline.scores[i].max()), 4),
                round(float(candidate.scores[i].max()), 4),
            )
            for i in moved
        ],
    }
