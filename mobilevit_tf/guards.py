"""What surrounds the training loop: signals that stop it, and data that disappears under it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Protocol

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.errors import UserError


class Stoppable(Protocol):
    """Holds the signal that asked it to stop."""

    stop_signal: int | None


@contextlib.contextmanager
def stop_signals(run: Stoppable) -> Iterator[None]:
    """Inside, SIGTERM and Ctrl-C set `run.stop_signal`, which the loop obeys after the step under way."""

    def remember(number, frame) -> None:
        run.stop_signal = number

    before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def readable_data_errors(step: int) -> Iterator[None]:
    """Turns what TensorFlow makes of a lost file or a bad photo into one sentence."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = next((line for line in str(error.message).splitlines() if "UserError: " in line), None)
        if reason is not None:
            raise UserError(f"step {step}: {reason.split('UserError: ', 1)[1]}") from error
        if isinstance(error, tf.errors.NotFoundError | tf.errors.DataLossError | tf.errors.PermissionDeniedError):
            lost = str(error.message).splitlines()[0]
            raise UserError(
                f"step {step}: the data cannot be read any more ({lost}); the last checkpoint is intact: run the same "
                "command again once it can"
            ) from error
        raise
