"""What the models say: of one photo, of one photo by several models. Plain data, no page."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence

import numpy as np

from mobilevit_tf.evaluation import occlusion
from preview.open_models import OpenModel


@dataclasses.dataclass(frozen=True)
class Answer:
    """A model's answer for one photo.

    Attributes:
      model: title and key of the model.
      labels, scores: every class with its score in [0, 1], best first; ties keep the file's order.
      unsure: the best score is below the file's own threshold.
      none_of_these: which means that the photo shows none of the classes.
      pixels: uint8 [height, width, 3] in RGB, exactly what the model saw.
      protocol: "crop" (the training protocol) or "stretch" (the phone's view).
      protocols_differ: the two protocols show the model different pixels of this photo.
      preprocess_ms, inference_ms: of this one run.
    """

    model: tuple[str, str]
    labels: tuple[str, ...]
    scores: np.ndarray
    unsure: bool
    none_of_these: bool
    pixels: np.ndarray
    protocol: str
    protocols_differ: bool
    preprocess_ms: float
    inference_ms: float

    def to_json(self) -> dict[str, object]:
        """For scripts: scores are the float32 values, widened without loss."""
        return {
            "label": self.labels[0],
            "unsure": self.unsure,
            "none_of_these": self.none_of_these,
            "confidences": [
                {"label": label, "confidence": float(score)}
                for label, score in zip(self.labels, self.scores, strict=True)
            ],
            "model": self.model[0],
            "protocol": self.protocol,
            "preprocess_ms": self.preprocess_ms,
            "inference_ms": self.inference_ms,
        }


def classify(model: OpenModel, data: bytes, protocol: str) -> Answer:
    """Photo bytes -> Answer. Raises BadImage for bytes that are no usable picture."""
    with model.borrow() as interpreter:
        prediction = interpreter.classify(data, protocol)
    order = np.argsort(-prediction.scores, kind="stable")
    unsure = bool(prediction.scores[order[0]] < model.info.unsure_below)
    height, width = prediction.photo_size
    rgb = prediction.pixels if model.spec.color_order == "RGB" else prediction.pixels[..., ::-1]
    return Answer(
        model=(model.title, model.key),
        labels=tuple(model.labels[index] for index in order),
        scores=prediction.scores[order],
        unsure=unsure,
        none_of_these=unsure and model.info.none_of_these,
        pixels=rgb,
        protocol=protocol,
        protocols_differ=model.spec.crop_box(height, width) != (0, 0, width, height),
        preprocess_ms=prediction.preprocess_ms,
        inference_ms=prediction.inference_ms,
    )


@dataclasses.dataclass(frozen=True)
class Where:
    """What a model's answer for one photo depends on.

    Attributes:
      label: the answer.
      picture: uint8 [height, width, 3] in RGB: what the model saw, orange where covering it costs the answer most.
      largest: the score that the answer loses where one place is covered, at most.
      took_ms: of all the inferences.
    """

    label: str
    picture: np.ndarray
    largest: float
    took_ms: float


def where(model: OpenModel, result: Answer) -> Where:
    """Runs the file again and again on the pixels of an answer, a patch over one place after another."""
    is_rgb = model.spec.color_order == "RGB"
    start = time.perf_counter()
    with model.borrow() as interpreter:
        seen = occlusion.look(
            lambda images: np.stack([interpreter.scores(image) for image in images]),
            result.pixels if is_rgb else result.pixels[..., ::-1],
        )
    took_ms = (time.perf_counter() - start) * 1e3
    return Where(model.labels[seen.label], occlusion.picture(result.pixels, seen), seen.largest, took_ms)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Several models on one photo: the first is the reference.

    Attributes:
      answers: one per model.
      agree: every best label is the reference's.
      largest_difference: per model, the largest |score - reference score| over the classes both know; None without.
    """

    answers: tuple[Answer, ...]
    agree: bool
    largest_difference: tuple[float | None, ...]

    def to_json(self) -> dict[str, object]:
        return {
            "agree": self.agree,
            "answers": [
                {**answer.to_json(), "largest_difference": difference}
                for answer, difference in zip(self.answers, self.largest_difference, strict=True)
            ],
        }


def compare(models: Sequence[OpenModel], data: bytes, protocol: str, runs: int = 5) -> Comparison:
    """One photo through each model, one model after the other; its inference time is the median of `runs`."""
    answers = []
    for model in models:
        first, *more = [classify(model, data, protocol) for _ in range(runs)]
        median = statistics.median(answer.inference_ms for answer in (first, *more))
        answers.append(dataclasses.replace(first, inference_ms=median))
    reference = answers[0]
    return Comparison(
        answers=tuple(answers),
        agree=all(answer.labels[0] == reference.labels[0] for answer in answers),
        largest_difference=tuple(_largest_difference(reference, answer) for answer in answers),
    )


def _largest_difference(reference: Answer, answer: Answer) -> float | None:
    mine, theirs = (dict(zip(a.labels, a.scores, strict=True)) for a in (answer, reference))
    common = mine.keys() & theirs.keys()
    return max(abs(float(mine[label]) - float(theirs[label])) for label in common) if common else None
