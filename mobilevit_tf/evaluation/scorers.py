"""What answers a batch of pixels: a Keras model or a .tflite. TensorFlow is loaded by `keras` alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.image.image_spec import ImageSpec

if TYPE_CHECKING:
    import tf_keras

Scorer = Callable[[np.ndarray], np.ndarray]  # uint8 [b, height, width, 3] -> float32 [b, N] in [0, 1]
_BATCH = 64
_MOST_INTERPRETERS = 4  # one a core, each with the file's memory of its own


def in_batches(score: Scorer, images: np.ndarray) -> np.ndarray:
    """float32 [n, N]: the scores of images [n, height, width, 3], n > 0, of which a batch fits into memory."""
    return np.concatenate([score(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)])


def keras(model: tf_keras.Model, spec: ImageSpec) -> Scorer:
    """Scores of a model of float images [B, height, width, 3], as `spec.normalize` gives them, -> logits [B, N]."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, *spec.size, 3), tf.float32)])  # one trace for every batch
    def probabilities(images: tf.Tensor) -> Any:
        return tf.nn.softmax(tf.cast(model(images, training=False), tf.float32))

    def score(images: np.ndarray) -> np.ndarray:
        values: np.ndarray = probabilities(spec.normalize(images)).numpy()
        return values

    return score


def tflite(path: str | Path) -> tuple[TFLiteModel, Scorer]:
    """The file, and its scores: each image in one thread, as on a phone, several images at the same time.

    The file is loaded here: one that is not trusted goes through `probe.probe` before.
    """
    models = [TFLiteModel(path) for _ in range(min(_MOST_INTERPRETERS, os.cpu_count() or 1))]

    def share(model: TFLiteModel, images: np.ndarray) -> list[np.ndarray]:
        return [model.scores(image) for image in images]

    def score(images: np.ndarray) -> np.ndarray:
        with ThreadPoolExecutor(len(models)) as pool:
            shares = list(pool.map(share, models, np.array_split(images, len(models))))
        return np.stack([scores for part in shares for scores in part])

    return models[0], score
