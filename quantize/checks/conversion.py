"""The fake-quantised Keras model must answer as its file does; otherwise the conversion is wrong."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.evaluate import Evaluation
from quantize.checks import scores
from quantize.checks.report import Report

KERAS_AGREEMENT, KERAS_DISTANCE = 0.99, 0.01  # between the fake-quantised model and its file


def check(report: Report, keras: Evaluation, file: Evaluation) -> Report:
    """The report with how near the file is to its fake-quantised Keras model.

    Raises:
      UserError: where they differ.
    """
    agreement = scores.agreement(keras, file)
    distance = scores.distance(keras.scores, file.scores)
    photos = len(keras.ids)
    changed, allowed = round((1 - agreement) * photos), may_change(photos)
    if changed > allowed or distance > KERAS_DISTANCE:
        raise UserError(f"the file answers {changed} of {photos} photos unlike the fake-quantised model (expected at "
                        f"most {allowed}), score distance {distance:.4f} (at most {KERAS_DISTANCE}): the conversion is "
                        "wrong")  # fmt: skip
    return dataclasses.replace(report, keras_agreement=agreement, keras_distance=distance)


def may_change(photos: int) -> int:
    """How many answers of a right conversion may change: 1 %, at least one."""
    return max(1, int(photos * (1 - KERAS_AGREEMENT)))
