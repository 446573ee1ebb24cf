"""One worker of a multi-worker run on the digits: `python worker.py FOLDER`, with TF_CONFIG set.

Leaves FOLDER/worker-N.json: the hash of its weights, and the ids of the training photos that it read.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.train import session
from mobilevit_tf.train.run import Run
from mobilevit_tf.train.run_dir import RunConfig


class LoggedDigits(DigitsSource):
    """Notes the id of every training photo that is read."""

    def __init__(self):
        super().__init__(0.2)
        self.read: list[str] = []

    def records(self, split, **arguments):
        dataset = super().records(split, **arguments)
        if split != "train":
            return dataset

        def note(identity):
            self.read.append(identity.decode())
            return np.int64(0)

        def noted(record):
            with tf.control_dependencies([tf.numpy_function(note, [record["id"]], tf.int64)]):
                return {name: tf.identity(value) for name, value in record.items()}

        return dataset.map(noted)


class KeptRun(Run):
    """Can be looked at when the session is over."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        KeptRun.last = self


def main() -> None:
    folder = Path(sys.argv[1])
    config = RunConfig(
        ModelConfig("tiny", 10), DataConfig(), AugmentConfig(flip=False),
        TrainConfig(epochs=1, batch_size=64, input_size=32, strategy="multi_worker", ema_decay=0.9),
    )  # fmt: skip
    source = LoggedDigits()
    session.Run = KeptRun
    session.train_and_evaluate(config, source, folder / "run")
    run = KeptRun.last
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    result = {
        "weights": model_file.weights_sha256(weights.to_dict(run.trainer.ema_model)),
        "read": source.read,
        "val_top1": run.progress.history[-1]["val_top1"],
    }
    (folder / f"worker-{index}.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
