"""A run's directory: its settings, the check that a second start means the same run, and the lock against two at once.

runs/NAME/config.json        every setting
          checkpoints/       to go on from
          model.safetensors  the EMA weights of the last epoch, best.safetensors those of the best that was validated
          metrics.json       results, present once the run is finished
          history.json, report.html, model_card.md, tensorboard/
          .lock              held by the process that trains here
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import fcntl
import itertools
import json
import os
from collections.abc import Iterator, Set
from pathlib import Path

from mobilevit_tf import strict_json
from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.files import read_regular, write_json
from mobilevit_tf.models import model_file

CONFIG, METRICS, CHECKPOINTS, LOCK = "config.json", "metrics.json", "checkpoints", ".lock"

# What a run may be started again with: where its data lies, how its steps are called and what it keeps; and photos per
# replica, which other replicas may need for the same step.
_CHANGEABLE = {
    "data.data_dir", "data.none_of_these", "train.batch_size", "train.data_service", "train.on_nan",
    "train.steps_per_call", "train.checkpoint_steps", "train.keep_checkpoints",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's result."""

    model: ModelConfig
    data: DataConfig
    augment: AugmentConfig
    train: TrainConfig

    def to_dict(self) -> dict:
        """Plain JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def new_run_dir(data: str, variant: str) -> Path:
    """runs/DATA_VARIANT_TIME in the working directory, with a number where that is taken."""
    name = Path(data).name.replace(":", "_") or "photos"
    first = Path("runs") / f"{name}_{variant}_{datetime.datetime.now():%Y%m%d-%H%M%S}"
    others = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([first], others) if not path.exists())


def newest_run(root: str | Path = "runs") -> Path:
    """The run under `root` whose model is the newest.

    Raises:
      UserError: naming the command that makes one.
    """
    models = sorted(Path(root).glob("*/model.safetensors"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise UserError(f"no finished run under {root}/: train one with `python train_main.py --flagfile=configs/...`")
    return models[-1].parent


@contextlib.contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Inside, no other process can train in this directory, which is created where needed.

    The lock is the kernel's: it ends with the process, also with one that is killed. A file system that has no locks
    goes without.

    Raises:
      UserError: naming the process that trains there.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / LOCK, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise UserError(f"process {file.read().strip() or 'unknown'} is training in {run_dir}: wait until it "
                            "ends, or choose another --model_dir") from error  # fmt: skip
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        file.truncate(0)
        file.write(f"{os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield


def require_kept(run_dir: Path) -> None:
    """Raises UserError where the directory that this process holds the lock of was removed or replaced meanwhile."""
    try:
        owner = (run_dir / LOCK).read_text()
    except OSError:
        owner = ""
    if owner.split(" ")[0] != str(os.getpid()):
        raise UserError(f"{run_dir} was removed while it was trained, and what was saved with it: run the same command "
                        "again to start anew")  # fmt: skip


def open_run(run_dir: Path, config: RunConfig) -> None:
    """Creates the directory with its config.json, or checks that the run in it has the same settings.

    A run without a checkpoint holds nothing yet: it may be started again with other settings.

    Raises:
      UserError: naming the settings that differ; or the directory holds a model that is none of a run.
    """
    path, started = run_dir / CONFIG, any((run_dir / CHECKPOINTS).glob("step-*"))
    if not started and (run_dir / model_file.NAME).exists():
        raise UserError(f"{run_dir} holds a model but no checkpoint to go on from: choose another --model_dir")
    if started:
        require_same_settings(run_dir, config)
    if not path.exists() or load_config(run_dir) != config.to_dict():
        write_json(path, config.to_dict())


def require_same_settings(run_dir: Path, config: RunConfig, ignored: Set[str] = frozenset()) -> None:
    """Raises UserError where `config` asks for another result than the run's own settings, naming what differs."""
    now, default = config.to_dict(), RunConfig(ModelConfig(), DataConfig(), AugmentConfig(), TrainConfig()).to_dict()
    held = load_config(run_dir)
    # A setting that is younger than the run was at its default.
    before = {group: default[group] | held.get(group, {}) for group in now}
    differing = [
        f"{group}.{key} (was {before[group][key]!r}, now {now[group][key]!r})"
        for group in now
        for key in now[group]
        if f"{group}.{key}" not in _CHANGEABLE | ignored and before[group][key] != now[group][key]
    ]
    if differing:
        raise UserError(
            f"{run_dir} holds a run with other settings: {'; '.join(differing)}: choose another --model_dir"
        )


def load_config(run_dir: Path) -> dict[str, dict]:
    """The settings in a run's config.json, by group: each value as it stands there.

    Raises:
      UserError: where there is none, or it is no object of objects.
    """
    path = Path(run_dir) / CONFIG
    try:
        groups = strict_json.parse_object(read_regular(path, strict_json.MAX_TEXT_BYTES), str(path))
    except FileNotFoundError as error:
        raise UserError(f"no {CONFIG} in {run_dir}: expected a run directory of train_main.py") from error
    for name, values in groups.items():
        if not isinstance(values, dict):
            raise UserError(f"{path}: {name!r} is no JSON object: expected the config.json of train_main.py")
    return groups


def load_data_config(run_dir: Path) -> DataConfig:
    """The data that a run was trained on. Raises UserError as `load_config`, and for a value of the wrong kind."""
    groups, where = load_config(run_dir), f"{Path(run_dir) / CONFIG}"
    if "data" not in groups:
        raise UserError(f"{where}: the key 'data' is missing: expected the config.json of train_main.py")
    return strict_json.build(DataConfig, groups["data"], f"{where}: data")
