"""Quantisation-aware fine-tuning of a fake-quantised model on photos in evaluation preprocessing."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tqdm import tqdm

from mobilevit_tf.image_spec import ImageSpec
from quantize import qat
from quantize.settings import FineTuneConfig


def finetune(
    model: tf_keras.Model,
    teacher: tf_keras.Model,
    images: np.ndarray,
    spec: ImageSpec,
    config: FineTuneConfig,
) -> None:
    """Teaches the fake-quantised model to answer as the float model does; in place, ends on the averaged weights.

    The loss is the cross entropy with the float model's scores: what is wanted is that the answers stay the same.

    Args:
      model: from `qat.apply`, any batch size.
      teacher: the folded float model.
      images: uint8 [n, height, width, 3].
      spec: turns them into the models' input.
      config: epochs, learning rate, seed, ...
    """
    steps = max(1, len(images) // config.batch_size) * config.epochs
    if not steps:
        return
    rate = tf_keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    optimizer = tf_keras.optimizers.Adam(rate)
    variables = model.trainable_variables
    average = [tf.Variable(variable, trainable=False) for variable in variables]

    @tf.function(input_signature=[tf.TensorSpec((None, *spec.size, 3), tf.float32), tf.TensorSpec((), tf.float32)])
    def step(batch, decay):
        target = tf.nn.softmax(teacher(batch, training=False))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, model(batch, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for mean, variable in zip(average, variables, strict=True):
            mean.assign(decay * mean + (1 - decay) * variable)
        return loss

    with tqdm(total=steps, desc="fine-tuning", unit="step") as bar:
        for number, indices in enumerate(_batches(len(images), config)):
            batch = images[indices]
            if config.flip:
                flips = np.random.default_rng((config.seed, 1, number)).random(len(batch)) < 0.5
                batch = np.where(flips[:, None, None, None], batch[:, :, ::-1], batch)
            decay = min(config.ema_decay, (1 + number) / (10 + number))
            bar.set_postfix(loss=f"{float(step(spec.normalize(batch), decay)):.4f}", refresh=False)
            bar.update()
    for mean, variable in zip(average, variables, strict=True):
        variable.assign(mean)
    qat.set_weight_ranges(model)


def _batches(count: int, config: FineTuneConfig):
    """Index arrays of all epochs; the last incomplete batch of an epoch is left out."""
    size = min(config.batch_size, count)
    for epoch in range(config.epochs):
        order = np.random.default_rng((config.seed, 0, epoch)).permutation(count)
        yield from order[: count // size * size].reshape(-1, size)
