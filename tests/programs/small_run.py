"""`python tests/programs/small_run.py FOLDER`: a run directory of a tiny MobileViT, briefly trained on the digits."""

from __future__ import annotations

import sys
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.families import mobilevit
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.train import run_dir

SIZE = 64


def main(folder: Path) -> None:
    """Trains for half a minute: an untrained model's scores are all alike, and any rounding changes its answers."""
    tf_keras.utils.set_random_seed(0)
    source, spec = datasets.open_source(DataConfig("digits")), ImageSpec(SIZE, SIZE, crop_fraction=1.0)
    config = ModelConfig("tiny", 10, dropout=0.0, classifier_dropout=0.0)
    examples = list(source.examples("train"))
    images = np.stack([spec.normalize(pixels.model_input(example.data, spec)) for example in examples])
    model = mobilevit.build(config, SIZE, SIZE)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(tf_keras.optimizers.schedules.CosineDecay(2e-2, 450)), loss)
    model.fit(images, np.array([example.label for example in examples]), 32, epochs=10, verbose=0)
    run_dir.open_run(folder, run_dir.RunConfig(config, DataConfig("digits"), AugmentConfig(), TrainConfig()))
    model_file.save(folder, ModelFile(config, spec, source.class_names, weights.to_dict(model), "tiny_digits"))


if __name__ == "__main__":
    tf.config.threading.set_inter_op_parallelism_threads(2)
    main(Path(sys.argv[1]))
