"""Accuracy of a Keras model or a .tflite on one split of a source, through the one preprocessing contract.

TensorFlow is loaded by `evaluate_keras` alone.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import probe, scorers
from mobilevit_tf.evaluation.photos import Photos
from mobilevit_tf.evaluation.scorers import Scorer
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.progress import ProgressBar

if TYPE_CHECKING:
    import tf_keras

    from mobilevit_tf.data.source import Source

NOT_JUDGED = "could not be judged"  # a class without photos
_SMALLEST_SCORE = 1e-7  # an int8 model gives exact zeros, whose logarithm would be infinite


@dataclasses.dataclass(frozen=True)
class ClassScores:
    """One class: precision, recall and their harmonic mean F1 in [0, 1], support in photos.

    A class without photos cannot be judged: its three scores are None. A precision without answers is 0.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """The answers of a model for n photos.

    Attributes:
      labels: the N class names in the order of the scores.
      y_true: int64 [n], indices into labels.
      scores: float32 [n, N] after softmax.
      ids: names of the photos, unique.
    """

    labels: tuple[str, ...]
    y_true: np.ndarray
    scores: np.ndarray
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids):
            raise UserError("there is no photo to evaluate: choose a split that holds some")
        if self.scores.shape != (len(self.ids), len(self.labels)) or self.y_true.shape != (len(self.ids),):
            raise ValueError(f"scores {self.scores.shape} and labels {self.y_true.shape} do not fit each other")
        if not np.isfinite(self.scores).all():
            raise UserError("the model answers with NaN or infinity: its weights are damaged, take another checkpoint")

    @functools.cached_property
    def y_pred(self) -> np.ndarray:
        """int64 [n]: the class of the highest score, the first of equal ones."""
        return self.scores.argmax(axis=1)

    @property
    def top1(self) -> float:
        """Share of the photos whose highest score is the true class."""
        return self._top(1)

    @property
    def top5(self) -> float:
        """Share of the photos whose true class is among the five highest scores; 1 with up to five classes."""
        return self._top(5)

    def _top(self, count: int) -> float:
        true = self._true_scores[:, np.newaxis]
        earlier = np.arange(len(self.labels)) < self.y_true[:, np.newaxis]  # equal scores rank in the order of argmax
        rank = ((self.scores > true) | ((self.scores == true) & earlier)).sum(axis=1)
        return float((rank < count).mean())

    @property
    def _true_scores(self) -> np.ndarray:
        return self.scores[np.arange(len(self.ids)), self.y_true]

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats, without label smoothing."""
        return float(-np.log(self._true_scores.clip(_SMALLEST_SCORE, 1)).mean(dtype=np.float64))

    @functools.cached_property
    def confusion(self) -> np.ndarray:
        """int64 [N, N]: photos of class i (row) taken for class j (column)."""
        return confusion_matrix(self.y_true, self.y_pred, labels=range(len(self.labels)))

    @functools.cached_property
    def per_class(self) -> tuple[ClassScores, ...]:
        """Scores of each class in the order of `labels`."""
        columns = precision_recall_fscore_support(
            self.y_true, self.y_pred, labels=range(len(self.labels)), zero_division=0.0
        )
        rows = zip(self.labels, *(column.tolist() for column in columns), strict=True)
        return tuple(ClassScores(*row) if row[-1] else ClassScores(row[0], None, None, None, 0) for row in rows)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have photos: each class counts the same, however rare."""
        return float(np.mean([scores.f1 for scores in self.per_class if scores.f1 is not None]))

    def worst_mistakes(self, count: int) -> list[int]:
        """Indices of up to `count` misclassified photos, the surest mistake first."""
        wrong = np.flatnonzero(self.y_pred != self.y_true)
        order = np.argsort(-self.scores[wrong].max(axis=1), kind="stable") if len(wrong) else wrong
        return wrong[order][:count].tolist()

    def to_json(self) -> str:
        """One JSON object: photos, top1, top5, loss, macro_f1, labels, per_class, confusion."""
        values = {key: getattr(self, key) for key in ("top1", "top5", "loss", "macro_f1")}
        per_class = [dataclasses.asdict(scores) for scores in self.per_class]
        values |= {"labels": self.labels, "per_class": per_class, "confusion": self.confusion.tolist()}
        return json.dumps({"photos": len(self.ids)} | values, indent=2)


def evaluate_keras(
    model: tf_keras.Model,
    source: Source,
    split: str,
    spec: ImageSpec,
    protocol: str = "crop",
    batch_size: int = 64,
    labels: Sequence[str] | None = None,
) -> Evaluation:
    """Evaluates a model of float images [B, height, width, 3] -> logits [B, N].

    Args:
      model: its input is as `spec.normalize` gives it.
      source: the photos.
      split: one of the source's splits.
      spec: the model's preprocessing contract.
      protocol: of `pixels.PROTOCOLS`.
      batch_size: images at a time.
      labels: class names in the order of the logits; None takes the source's. Classes are matched by name.

    Raises:
      UserError: for a class that the model does not know, or a photo that cannot be read.
    """
    photos = Photos(source, split, spec, (protocol,))
    return answer(scorers.keras(model, spec), photos, labels or source.class_names, protocol, batch_size)


def evaluate_tflite(path: str | Path, source: Source, split: str, protocol: str = "crop") -> Evaluation:
    """Evaluates an exported file by its own labels and ImageSpec; arguments and errors as `evaluate_keras`.

    The file is tried in a child process first: a damaged one can crash the runtime.
    """
    probe.probe(path)
    model, score = scorers.tflite(path)
    return answer(score, Photos(source, split, model.spec, (protocol,)), model.labels, protocol)


def answer(
    score: Scorer, photos: Photos, labels: Sequence[str], protocol: str = "crop", batch_size: int = 64
) -> Evaluation:
    """The answers for a split that is decoded perhaps already; arguments and errors as `evaluate_keras`."""
    labels, source = tuple(labels), photos.source
    unknown = [name for name in source.class_names if name not in labels]
    if unknown:
        raise UserError(f"the data has a class {unknown[0]!r} that the model does not know: its classes are "
                        f"{', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}")  # fmt: skip
    index = [labels.index(name) for name in source.class_names]
    ids, y_true, scores = [], [], [np.empty((0, len(labels)), np.float32)]
    with ProgressBar(total=len(photos), desc=f"evaluating {photos.split}", unit="photo", delay=2) as bar:
        for batch in photos.batches(protocol, batch_size):
            ids += [photo.id for photo in batch]
            y_true += [index[photo.label] for photo in batch]
            scores.append(score(np.stack([photo.pixels[protocol] for photo in batch])))
            bar.update(len(batch))
    return Evaluation(labels, np.array(y_true, np.int64), np.concatenate(scores), tuple(ids))


def format_table(evaluation: Evaluation) -> str:
    """Accuracy in one line, then one line per class, for the terminal."""
    width = max(len("class"), *(len(label) for label in evaluation.labels))
    lines = [
        f"{len(evaluation.ids):,} photos: top-1 {evaluation.top1:.2%}, top-5 {evaluation.top5:.2%}, "
        f"loss {evaluation.loss:.4f}, macro F1 {evaluation.macro_f1:.4f}",
        f"{'class':{width}}  precision  recall      F1   photos",
    ]
    for row in evaluation.per_class:
        scores = f"{row.precision:9.4f}  {row.recall:6.4f}  {row.f1:6.4f}" if row.support else f"{NOT_JUDGED:>25}"
        lines.append(f"{row.label:{width}}  {scores}  {row.support:7,}")
    return "\n".join(lines)
