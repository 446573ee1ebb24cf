"""TensorBoard's curves of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.errors import UserError

CURVES = ("train_loss", "learning_rate", "val_loss", "val_top1")


class TensorBoardLog:
    """One event file of this process in `folder`.

    Raises:
      UserError: here and in `write`, where the file cannot be written, as on a full disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._readable_errors():
            self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, row: Mapping[str, float], step: int) -> None:
        """Adds one epoch's `CURVES`; one without validation lacks two of them."""
        with self._readable_errors():
            with self._writer.as_default(step=step):
                for key in (key for key in CURVES if key in row):
                    tf.summary.scalar(key, row[key])
            self._writer.flush()

    @contextlib.contextmanager
    def _readable_errors(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            reason = str(error.message).split("}} ")[-1].split(" [Op:")[0]
            raise UserError(
                f"the TensorBoard log in {self._folder} cannot be written ({reason}): the last checkpoint is intact, "
                "run the same command again once it can"
            ) from error
