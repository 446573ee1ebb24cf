"""Where a model looks: what its answer loses when a patch covers one place of the photo after another.

Occlusion sensitivity (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", section 4.2). It needs
no gradient, so that it tells the truth of an 8-bit file too. No TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mobilevit_tf.evaluation.scorers import Scorer
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec

PLACES, FEWER_PLACES = 9, 7  # of the patch, in each direction: 81 inferences for one photo, 49 where there are many
_PATCH = 1 / 4  # its side over the photo's
_FAINT = 0.5  # a loss, in log-odds, that is shown in full; where no place loses as much, the whole picture is fainter
_SMALLEST = 1e-3  # a score is taken as at least this far from 0 and 1: 8-bit files give exact zeros
_HEAT = np.array([255, 120, 0], np.float32)
_AT_ONCE, _MOST_BYTES = 16, 2**25  # covered photos, and their pixels, that are in memory together


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """What one answer depends on.

    Attributes:
      label: index of the answer.
      score: its score for the whole photo, in [0, 1].
      losses: float32 [height, width]: what the log-odds of the score lose where a pixel is covered, as a mean of the
        patches that cover it, those whose middle is near the most; negative where they gain. A sure answer loses
        hardly any score, but log-odds all the same.
      largest: what the score loses under the worst patch.
    """

    label: int
    score: float
    losses: np.ndarray
    largest: float


def look(score: Scorer, image: np.ndarray, label: int | None = None, places: int = PLACES) -> Look:
    """Moves a patch of the photo's mean colour over it, from border to border.

    Args:
      score: of the model.
      image: uint8 [height, width, 3], as the model sees it.
      label: index of the class whose score is watched; None for the model's own answer.
      places: of the patch, in each direction.
    """
    height, width = image.shape[:2]
    patch = max(1, round(height * _PATCH)), max(1, round(width * _PATCH))
    tops, lefts = (
        np.linspace(0, side - part, places).round().astype(int)
        for side, part in zip((height, width), patch, strict=True)
    )
    boxes = [(slice(top, top + patch[0]), slice(left, left + patch[1])) for top in tops for left in lefts]
    color = image.mean((0, 1)).round().astype(np.uint8)
    at_once = max(1, min(_AT_ONCE, _MOST_BYTES // image.size))
    scores = np.concatenate(
        [score(image[np.newaxis])]
        + [score(_covered(image, boxes[start : start + at_once], color)) for start in range(0, len(boxes), at_once)]
    )
    label = int(scores[0].argmax()) if label is None else label
    mine = scores[:, label].astype(np.float64)
    odds = np.log(mine.clip(_SMALLEST, 1 - _SMALLEST) / (1 - mine).clip(_SMALLEST, 1 - _SMALLEST))
    weight = np.outer(*(np.hanning(part + 2)[1:-1] for part in patch))  # [patch height, patch width]
    total, weights = np.zeros((height, width)), np.zeros((height, width))
    for value, box in zip(odds[1:], boxes, strict=True):
        total[box] += weight * (odds[0] - value)
        weights[box] += weight
    losses = (total / weights).astype(np.float32)
    return Look(label, float(mine[0]), losses, float(mine[0] - mine[1:].min()))


def _covered(image: np.ndarray, boxes: Sequence[tuple[slice, slice]], color: np.ndarray) -> np.ndarray:
    """The photo once for each box, with the box in one colour: uint8 [n, height, width, 3]."""
    pictures = np.repeat(image[np.newaxis], len(boxes), axis=0)
    for each, box in zip(pictures, boxes, strict=True):
        each[box] = color
    return pictures


def picture(image: np.ndarray, seen: Look) -> np.ndarray:
    """The photo in grey, orange where its answer loses most: uint8 [height, width, 3].

    Args:
      image: uint8 [height, width, 3], RGB.
      seen: of this photo.
    """
    heat = (seen.losses / max(float(seen.losses.max()), _FAINT)).clip(0, 1)[..., np.newaxis] * 0.75
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return ((1 - heat) * grey[..., np.newaxis] + heat * _HEAT).round().astype(np.uint8)


def of_photo(score: Scorer, spec: ImageSpec, data: bytes, label: int) -> np.ndarray:
    """Photo bytes -> `picture` of the class of that index, in RGB; with fewer places, for pages of many photos."""
    image = pixels.model_input(data, spec)
    seen = look(score, image, label, FEWER_PLACES)
    return picture(image if spec.color_order == "RGB" else image[..., ::-1], seen)
