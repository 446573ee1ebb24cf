"""Training checkpoints: everything a run needs to go on as if it had never stopped, in one file each.

`checkpoints/step-00001234.safetensors` holds the weights, their average and the optimizer's state bit for bit; its
header holds the `Progress`. Files are written to a temporary name and renamed; a damaged one is passed over for the
one before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import safetensors.numpy
import tensorflow as tf
import tf_keras
from safetensors import SafetensorError, safe_open

from mobilevit_tf.errors import UserError
from mobilevit_tf.files import write_atomic
from mobilevit_tf.train.trainer import Trainer

_LOGGER = logging.getLogger(__name__)


class NonFiniteError(UserError):
    """Weights, or a loss, that are NaN or infinite."""


@dataclasses.dataclass
class Progress:
    """Where a run stands.

    Attributes:
      step: optimizer steps done; the next one has this number.
      epoch, epoch_step: the epoch under way, and its steps done.
      loss_sum, images: sum over the images of the epoch under way, and how many they were.
      seconds: spent training, over all starts of the run.
      history: one dictionary a finished epoch.
      rate_scale, rollbacks: the learning rate's factor after NaN losses, and how many there were.
      train_images: in the training split; a folder may have changed when the run goes on.
      layout: (photos per replica, replicas, hosts) of the plan under way; empty in files of before it was kept.
      offset: photos of the epoch that were read under another layout, before the present plan began.
    """

    step: int = 0
    epoch: int = 0
    epoch_step: int = 0
    loss_sum: float = 0.0
    images: int = 0
    seconds: float = 0.0
    history: list[dict] = dataclasses.field(default_factory=list)
    rate_scale: float = 1.0
    rollbacks: int = 0
    train_images: int = 0
    layout: list[int] = dataclasses.field(default_factory=list)
    offset: int = 0


def _variables(trainer: Trainer) -> dict[str, tf.Variable]:
    optimizer = trainer.optimizer
    groups = {"model": trainer.model.weights, "optimizer": optimizer.variables, "loss_scale": _loss_scale(optimizer)}
    if trainer.ema_model is not trainer.model:
        groups["ema"] = trainer.ema_model.weights
    named = [(f"{group}/{variable.name}", variable) for group, values in groups.items() for variable in values]
    result = dict(named)
    if len(result) != len(named):
        raise RuntimeError("two variables of the trainer share a name: a checkpoint could not tell them apart")
    return result


def _loss_scale(optimizer: tf_keras.optimizers.Optimizer) -> list[tf.Variable]:
    """float16's loss scale and its counter, which the optimizer's `variables` leave out."""
    if not isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
        return []
    return [optimizer._loss_scale._current_loss_scale, optimizer._loss_scale.counter]


@contextlib.contextmanager
def unchanged(trainer: Trainer) -> Iterator[None]:
    """Inside, training steps may be tried, but not `trainer.ema_model` asked for; afterwards all is as it was."""
    optimizer = trainer.optimizer
    variables = [*trainer.model.weights, *trainer.vectors, *optimizer.variables, *_loss_scale(optimizer)]
    before = [np.array(variable.numpy()) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def save(folder: Path, trainer: Trainer, progress: Progress, keep: int, write: bool = True) -> None:
    """Writes the checkpoint of `progress.step` and removes all but the newest `keep`.

    Every worker calls this, since reading BatchNorm's statistics averages them over all replicas; one has `write`.
    The replicas go on from the average too, as they will after a restore.

    Raises:
      NonFiniteError: for a NaN or infinity in the weights or the optimizer; nothing is written then.
    """
    variables = _variables(trainer)
    tensors = {name: np.asarray(variable.numpy()) for name, variable in variables.items()}
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise NonFiniteError(f"{name} became NaN or infinite before step {progress.step}")
    if trainer.strategy.num_replicas_in_sync > 1:
        for name, variable in variables.items():
            if variable.synchronization == tf.VariableSynchronization.ON_READ:
                variable.assign(tensors[name].reshape(variable.shape))
        trainer.take_up_weights()
    if not write:
        return
    data = safetensors.numpy.save(tensors, {"progress": json.dumps(dataclasses.asdict(progress))})
    write_atomic(_path(folder, progress.step), data)
    for old in _newest_first(folder)[keep:]:
        old.unlink(missing_ok=True)


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.safetensors"


def restore(folder: Path, trainer: Trainer, below: int | None = None) -> Progress | None:
    """Loads the newest checkpoint that is whole, and with `below` of a step before that; None where there is none.

    Raises:
      UserError: where checkpoints exist but belong to another model or optimizer, or none of them is whole.
    """
    for leftover in folder.glob(".step-*.tmp"):  # of a process that was killed while it wrote
        leftover.unlink(missing_ok=True)
    paths = [path for path in _newest_first(folder) if below is None or path < _path(folder, below)]
    for path in paths:
        try:
            return _load(path, trainer)
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            if isinstance(error, UserError):
                raise
            _LOGGER.warning("checkpoint %s is damaged (%s): using the one before", path, error)
    if paths:
        raise UserError(f"no checkpoint in {folder} is whole: remove the folder to start again")
    return None


def _load(path: Path, trainer: Trainer) -> Progress:
    with safe_open(path, "np") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
        values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    variables = _variables(trainer)
    if set(values) != set(variables):
        raise UserError(f"{path} belongs to another model or optimizer: choose another --model_dir")
    for name, variable in variables.items():
        variable.assign(values[name].reshape(variable.shape))
    trainer.take_up_weights()
    return progress


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)
