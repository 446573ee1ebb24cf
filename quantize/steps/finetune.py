"""Quantisation-aware fine-tuning of a fake-quantised model on photos in evaluation preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.progress import ProgressBar
from quantize.settings import FineTuneConfig
from quantize.steps import settle

BATCH_SIZE = 32
EMA_DECAY = 0.99  # of the average of the weights, which is what is exported
_ORDER, _FLIP = range(2)  # streams of the generator


def finetune(
    model: tf_keras.Model,
    teacher: tf_keras.Model,
    images: np.ndarray,
    spec: ImageSpec,
    config: FineTuneConfig,
    flip: bool = True,
) -> None:
    """Teaches the fake-quantised model to answer as the float model does; in place, ends settled on averaged weights.

    The loss is the cross entropy with the float model's scores: what is wanted is that the answers stay the same.

    Args:
      model: from `qat.apply`, any batch size.
      teacher: the folded float model.
      images: uint8 [n, height, width, 3].
      spec: turns them into the models' input.
      config: epochs, learning rate, seed.
      flip: mirror half of the photos.
    """
    batches = list(_batches(len(images), config))
    if not batches:
        return
    targets = [scores(teacher, images, spec, mirrored) for mirrored in ((False, True) if flip else (False,))]
    variables = model.trainable_variables
    average = [tf.Variable(variable, trainable=False) for variable in variables]
    step = _step(model, variables, average, spec, config, len(batches))
    with ProgressBar(total=len(batches), desc="fine-tuning", unit="step") as bar:
        for number, indices in enumerate(batches):
            flips = np.random.default_rng((config.seed, _FLIP, number)).integers(len(targets), size=len(indices))
            batch = np.where(flips[:, None, None, None] == 1, images[indices][:, :, ::-1], images[indices])
            target = np.stack([targets[side][index] for side, index in zip(flips, indices, strict=True)])
            decay = min(EMA_DECAY, (1 + number) / (10 + number))  # follows faster at first
            loss = float(step(tf.constant(spec.normalize(batch)), tf.constant(target), tf.constant(decay, tf.float32)))
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()
    for mean, variable in zip(average, variables, strict=True):
        variable.assign(mean)
    settle.settle(model)


def _step(
    model: tf_keras.Model,
    variables: list[tf.Variable],
    average: list[tf.Variable],
    spec: ImageSpec,
    config: FineTuneConfig,
    steps: int,
) -> Callable:
    """One update: (images [B, H, W, 3], scores [B, N], decay) -> loss."""
    optimizer = tf_keras.optimizers.Adam(tf_keras.optimizers.schedules.CosineDecay(config.learning_rate, steps))

    @tf.function
    def step(batch: Any, target: tf.Tensor, decay: Any) -> Any:
        batch = tf.ensure_shape(batch, (None, *spec.size, 3))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, model(batch, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for mean, variable in zip(average, variables, strict=True):
            mean.assign(decay * mean + (1 - decay) * variable)
        return loss

    return step


def scores(model: tf_keras.Model, images: np.ndarray, spec: ImageSpec, flip: bool = False) -> np.ndarray:
    """float32 [n, N]: the answers of a model that gives logits for uint8 images [n, height, width, 3], or mirrored."""

    @tf.function(input_signature=[tf.TensorSpec((None, *spec.size, 3), tf.float32)])
    def answer(batch: Any) -> Any:
        return tf.nn.softmax(model(tf.reverse(batch, (2,)) if flip else batch, training=False))

    starts = ProgressBar(range(0, len(images), 64), desc="mirrored scores" if flip else "scores", unit="batch")
    return np.concatenate([answer(spec.normalize(images[start : start + 64])).numpy() for start in starts])


def _batches(count: int, config: FineTuneConfig) -> Iterator[np.ndarray]:
    """Index arrays of all epochs; the last incomplete batch of an epoch is left out."""
    size = min(BATCH_SIZE, count)
    for epoch in range(config.epochs):
        order = np.random.default_rng((config.seed, _ORDER, epoch)).permutation(count)
        yield from order[: count // size * size].reshape(-1, size)
