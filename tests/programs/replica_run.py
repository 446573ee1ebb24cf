"""A whole run on the digits in which the classifier alone learns: `python replica_run.py FOLDER REPLICAS BATCH CALL`.

REPLICAS logical devices of this machine's processor with BATCH photos each, CALL steps in one call; with TF_CONFIG one
of several workers. Without BatchNorm's own statistics of each replica, the losses do not depend on the replicas.
Leaves FOLDER/history-N.json, N being this host.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf import distribution
from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.train import run_dir, session, trainer
from mobilevit_tf.train.run import Run
from mobilevit_tf.train.run_dir import RunConfig


def main(folder: Path, replicas: int, batch: int, steps_per_call: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
    config = RunConfig(
        ModelConfig("tiny", 10), DataConfig(), AugmentConfig(flip=False),
        TrainConfig(
            epochs=2, batch_size=batch, input_size=32, init_from="frozen", freeze_epochs=2, checkpoint_steps=1,
            keep_checkpoints=100, steps_per_call=steps_per_call, learning_rate=0.1, warmup_learning_rate=0.1,
            strategy="multi_worker" if "TF_CONFIG" in os.environ else "mirrored",
        ),
    )  # fmt: skip
    strategy = distribution.make_strategy(config.train.strategy)
    spec = session.image_spec(config, None)
    made = trainer.Trainer(lambda: session.build_model(config), config.train, spec, None, strategy)
    run = Run(config, DigitsSource(0.2), spec, made, folder)
    with run_dir.locked(folder) if run.is_chief else contextlib.nullcontext():
        run.fit()
    (folder / f"history-{run.host}.json").write_text(json.dumps(run.progress.history))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
