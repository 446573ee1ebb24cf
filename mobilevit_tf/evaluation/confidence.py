"""How far a model's top scores can be believed, and which answers it should rather not give. NumPy only."""

from __future__ import annotations

import numpy as np

SURE = 0.95  # share of right answers that "sure" promises
FALSE_ALARMS = 0.05  # share of photos of the classes that a threshold for "none of these" may turn away
_BINS = 15


def fit_unsure(scores: np.ndarray, y_true: np.ndarray) -> float:
    """The lowest top score from which on at least 95 % of the answers are right; 0 where they all are enough.

    Args:
      scores: [n, N] in [0, 1].
      y_true: int [n], the classes.
    """
    top, right = scores.max(1), scores.argmax(1) == y_true
    order = np.argsort(-top, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(share >= SURE)
    if not len(good):
        return float(top.max())
    return 0.0 if good[-1] == len(order) - 1 else float(top[order[good[-1]]])


def fit_none(own: np.ndarray, strangers: np.ndarray) -> float:
    """The top score below which the answer is "none of these".

    Of the thresholds that turn away at most FALSE_ALARMS of the own photos it turns away the most strangers. From the
    many that do, it is the middle between the highest stranger that is turned away and the highest such threshold.

    Args:
      own: scores [n, N] in [0, 1] of photos of the classes.
      strangers: scores [m, N] of photos of none of them.
    """
    top = np.sort(own.max(1))
    highest = float(top[int(FALSE_ALARMS * len(top))])  # below it lie so many own photos, or fewer
    below = strangers.max(1)[strangers.max(1) < highest]
    return (float(below.max()) + highest) / 2 if len(below) else 0.0


def answered(scores: np.ndarray, y_true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a threshold on the top score leaves: (thresholds, share of answered photos, share of those that are right).

    Arguments as `fit_unsure`. Each result has one entry a different top score, the highest first: the last one answers
    every photo.
    """
    top, right = scores.max(1), scores.argmax(1) == y_true
    order = np.argsort(-top, kind="stable")
    last = np.append(np.flatnonzero(np.diff(top[order])), len(top) - 1)  # of equal scores all are answered, or none
    given = last + 1
    return top[order][last], given / len(top), np.cumsum(right[order])[last] / given


def reliability(scores: np.ndarray, y_true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Top scores in 15 equal bins: (mean top score, share of right answers, photos) of each bin that holds a photo.

    Arguments as `fit_unsure`.
    """
    top, right = scores.max(1), scores.argmax(1) == y_true
    bins = np.minimum((top * _BINS).astype(int), _BINS - 1)
    held = [bins == place for place in np.unique(bins)]
    means, shares = ([values[inside].mean() for inside in held] for values in (top, right))
    return np.array(means), np.array(shares), np.array([inside.sum() for inside in held])


def calibration_error(scores: np.ndarray, y_true: np.ndarray) -> float:
    """Expected calibration error: mean gap between top score and accuracy over the bins, weighted by photos."""
    means, shares, photos = reliability(scores, y_true)
    return float((np.abs(means - shares) * photos).sum() / photos.sum())
