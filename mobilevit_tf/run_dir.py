"""A run's directory: its settings, and the check that a second start means the same run.

runs/NAME/config.json        every setting
          checkpoints/       to go on from
          model.safetensors  the EMA weights of the last epoch, best.safetensors those of the best
          metrics.json       results, present once the run is finished
          history.json, report.html, model_card.md, tensorboard/
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.files import write_json

CONFIG, METRICS, CHECKPOINTS = "config.json", "metrics.json", "checkpoints"


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
    """runs/DATA_VARIANT_TIME, in the working directory."""
    name = Path(data).name.replace(":", "_") or "photos"
    return Path("runs") / f"{name}_{variant}_{datetime.datetime.now():%Y%m%d-%H%M%S}"


def newest_run(root: str | Path = "runs") -> Path:
    """The run under `root` whose model is the newest.

    Raises:
      UserError: naming the command that makes one.
    """
    models = sorted(Path(root).glob("*/model.safetensors"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise UserError(f"no finished run under {root}/: train one with `python train_main.py --flagfile=configs/...`")
    return models[-1].parent


def open_run(run_dir: Path, config: RunConfig) -> None:
    """Creates the directory with its config.json, or checks that the one there has the same settings.

    Raises:
      UserError: naming the settings that differ.
    """
    path = run_dir / CONFIG
    if not path.exists():
        write_json(path, config.to_dict())
        return
    before, now = load_config(run_dir), config.to_dict()
    differing = [
        f"{group}.{key} (was {before.get(group, {}).get(key)!r}, now {now[group][key]!r})"
        for group in now
        for key in now[group]
        if before.get(group, {}).get(key) != now[group][key]
    ]
    if differing:
        raise UserError(
            f"{run_dir} holds a run with other settings: {'; '.join(differing)}: choose another --model_dir"
        )


def load_config(run_dir: Path) -> dict:
    """The settings in a run's config.json."""
    try:
        return json.loads((Path(run_dir) / CONFIG).read_text())
    except FileNotFoundError as error:
        raise UserError(f"no {CONFIG} in {run_dir}: expected a run directory of train_main.py") from error
    except ValueError as error:
        raise UserError(f"{Path(run_dir) / CONFIG} is damaged: {error}") from error


def load_data_config(run_dir: Path) -> DataConfig:
    """The data that a run was trained on."""
    return DataConfig(**load_config(run_dir)["data"])
