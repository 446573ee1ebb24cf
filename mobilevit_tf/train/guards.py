"""What surrounds the training loop: signals that stop it, and data that disappears under it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.errors import UserError

_LOST_DATA = (tf.errors.NotFoundError, tf.errors.DataLossError, tf.errors.PermissionDeniedError)


class PhotosLost(Exception):
    """The data of an epoch ended before its last step: a worker of the data service was lost with photos."""


class Stoppable(Protocol):
    """Holds the signal that asked it to stop."""

    stop_signal: int | None


@contextlib.contextmanager
def stop_signals(run: Stoppable) -> Iterator[None]:
    """Inside, SIGTERM and Ctrl-C set `run.stop_signal`, which the loop obeys after the step under way.

    A second one of the same kind is no longer caught: it ends a process that is stuck in its step.
    """

    def remember(number: Any, frame: Any) -> None:
        run.stop_signal = number
        signal.signal(number, before[number])

    before = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def readable_data_errors(
    step: int, explain: Callable[[tf.errors.OpError], str | None] = lambda error: None
) -> Iterator[None]:
    """Turns what TensorFlow makes of a lost file or a bad photo into one sentence.

    Args:
      step: under way.
      explain: names the photo or the record where TensorFlow does not.
    """
    try:
        yield
    except tf.errors.OutOfRangeError as error:
        raise PhotosLost(f"step {step}: the data service delivers no more, a worker of it is gone") from error
    except tf.errors.OpError as error:
        reason = next((line for line in str(error.message).splitlines() if "UserError: " in line), None)
        if reason is not None:
            raise UserError(f"step {step}: {reason.split('UserError: ', 1)[1]}") from error
        if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.DataLossError) and (found := explain(error)):
            raise UserError(f"step {step}: {found}; the last checkpoint is intact") from error
        if isinstance(error, _LOST_DATA) or "Input/output error" in str(error.message):
            raise UserError(
                f"step {step}: the data cannot be read any more ({_reason(error)}); the last checkpoint is intact: "
                "run the same command again once it can"
            ) from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise UserError(
                f"step {step}: out of memory ({_reason(error)}): use a smaller --batch_size or --input_size"
            ) from error
        if isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError | tf.errors.CancelledError):
            raise UserError(
                f"step {step}: another worker is gone ({_reason(error)}); the last checkpoint is intact: start all "
                "workers again with the same command"
            ) from error
        raise


def _reason(error: tf.errors.OpError) -> str:
    """The line of TensorFlow's message that says what happened: the last one before the graph's nodes."""
    lines = [line for line in str(error.message).splitlines() if line.strip() and not line.lstrip().startswith("[[")]
    return lines[-1].rsplit("Iterator::", 1)[-1] if lines else type(error).__name__
