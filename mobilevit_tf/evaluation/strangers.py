"""Photos of none of the classes: half of them fit a threshold, the other half measure it. No TensorFlow.

They lie in the folder `_none` beside the class folders, or where `DataConfig.none_of_these` says.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from mobilevit_tf.data.folder_layout import is_hidden
from mobilevit_tf.data.scan import MAX_FILE_BYTES
from mobilevit_tf.data.source import hash_order
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.evaluation.scorers import Scorer
from mobilevit_tf.files import read_regular
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec

_LOGGER = logging.getLogger(__name__)
FEWEST = 10  # in each half: fewer fit and measure nothing
_BATCH = 64
MOST = 2000  # in each half, a minute of inferences


@dataclasses.dataclass(frozen=True)
class Rejection:
    """What a threshold on the top score turns away.

    Attributes:
      strangers: photos of none of the classes that were judged, none of which fitted the threshold.
      auroc: probability that a photo of a class has a higher top score than one of none; 0.5 is chance.
      strangers_turned_away, own_turned_away: shares below the threshold; of the own photos these are false alarms.
    """

    strangers: int
    auroc: float
    strangers_turned_away: float
    own_turned_away: float


def halves(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(photos that fit the threshold, photos that measure it), at most MOST of each, the same on every machine.

    Both are empty where there are fewer than FEWEST for each.
    """
    found: dict[str, Path] = {}
    for number, folder in enumerate(folders):
        for parent, inside, names in os.walk(folder):
            inside[:] = [name for name in inside if not is_hidden(name)]
            paths = [Path(parent) / name for name in names if not is_hidden(name)]
            found |= {f"{number}/{path.relative_to(folder).as_posix()}": path for path in paths}
    order = [found[key] for key in hash_order(list(found), seed=0)]
    fitting, measuring = order[::2][:MOST], order[1::2][:MOST]
    if len(measuring) >= FEWEST:
        return fitting, measuring
    if order:
        _LOGGER.warning(
            "%d photos of none of the classes are too few, expected %d: without them", len(order), 2 * FEWEST
        )
    return [], []


def load(paths: Sequence[Path], spec: ImageSpec) -> np.ndarray:
    """uint8 [n, height, width, 3]: the model's pixels of those that are readable photos; the others are named."""
    images = []
    for path in paths:
        try:
            images.append(pixels.model_input(read_regular(path, MAX_FILE_BYTES), spec))
        except (BadImage, UserError, OSError) as error:
            _LOGGER.warning("left out: %s: %s", path.name, error)
    return np.stack(images) if images else np.empty((0, *spec.size, 3), np.uint8)


def scores_of(score: Scorer, paths: Sequence[Path], spec: ImageSpec) -> np.ndarray:
    """float32 [m, N]: the scores of those that are readable photos, of which a batch at a time is in memory."""
    batches = (load(paths[start : start + _BATCH], spec) for start in range(0, len(paths), _BATCH))
    found = [score(images) for images in batches if len(images)]
    return np.concatenate(found) if found else np.empty((0, 0), np.float32)


def measure(
    score: Scorer, paths: Sequence[Path], spec: ImageSpec, own: np.ndarray, threshold: float
) -> Rejection | None:
    """What `threshold` turns away.

    Args:
      score: the model.
      paths: photos of none of the classes.
      spec: the model's preprocessing.
      own: scores [n, N] of photos of the classes.
      threshold: on the top score.

    Returns:
      None where there is no readable photo.
    """
    found = scores_of(score, paths, spec)
    if not len(found):
        return None
    strangers, top = found.max(1), own.max(1)
    auroc = roc_auc_score(np.repeat([1, 0], [len(top), len(strangers)]), np.concatenate([top, strangers]))
    turned_away = [float((values < threshold).mean()) for values in (strangers, top)]
    return Rejection(len(strangers), float(auroc), *turned_away)
