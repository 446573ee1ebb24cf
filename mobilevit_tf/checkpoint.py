"""Training checkpoints: everything a run needs to go on as if it had never stopped, in one file each.

`checkpoints/step-00001234.safetensors` holds the weights, their average and the optimizer's state bit for bit; its
header holds the `Progress`. Files are written to a temporary name and renamed; a damaged one is passed over for the
one before.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import safetensors.numpy
import tensorflow as tf
from safetensors import SafetensorError, safe_open

from mobilevit_tf.errors import UserError
from mobilevit_tf.files import write_atomic
from mobilevit_tf.trainer import Trainer

_LOGGER = logging.getLogger(__name__)


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


def _variables(trainer: Trainer) -> dict[str, tf.Variable]:
    groups = {"model": trainer.model.weights, "optimizer": trainer.optimizer.variables}
    if trainer.ema_model is not trainer.model:
        groups["ema"] = trainer.ema_model.weights
    named = [(f"{group}/{variable.name}", variable) for group, values in groups.items() for variable in values]
    result = dict(named)
    if len(result) != len(named):
        raise RuntimeError("two variables of the trainer share a name: a checkpoint could not tell them apart")
    return result


def save(folder: Path, trainer: Trainer, progress: Progress, keep: int, write: bool = True) -> None:
    """Writes the checkpoint of `progress.step` and removes all but the newest `keep`.

    Every worker calls this, since reading BatchNorm's statistics averages them over all replicas; one has `write`.
    """
    tensors = {name: np.asarray(variable.numpy()) for name, variable in _variables(trainer).items()}
    if not write:
        return
    data = safetensors.numpy.save(tensors, {"progress": json.dumps(dataclasses.asdict(progress))})
    write_atomic(folder / f"step-{progress.step:08d}.safetensors", data)
    for old in _newest_first(folder)[keep:]:
        old.unlink()


def restore(folder: Path, trainer: Trainer) -> Progress | None:
    """Loads the newest checkpoint that is whole; None where there is none.

    Raises:
      UserError: where checkpoints exist but belong to another model or optimizer, or none of them is whole.
    """
    paths = _newest_first(folder)
    for path in paths:
        try:
            return _load(path, trainer)
        except (SafetensorError, OSError, ValueError) as error:
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
    return progress


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)
