"""Model, EMA model, optimizer and their compiled steps under one distribution strategy."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf import layers, weights
from mobilevit_tf.config import TrainConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.image_spec import ImageSpec
from mobilevit_tf.optimizer import make_optimizer


def make_strategy(name: str) -> tf.distribute.Strategy:
    """ "mirrored": every GPU of this machine, or its one CPU; "multi_worker": TF_CONFIG's; "one_device"."""
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "multi_worker":
        if "cluster" not in json.loads(os.environ.get("TF_CONFIG") or "{}"):
            raise UserError("strategy multi_worker needs TF_CONFIG with a cluster and a task: see the README")
        return tf.distribute.MultiWorkerMirroredStrategy()
    device = "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"
    return tf.distribute.OneDeviceStrategy(device)


def place_in_cluster(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """(index of this host, number of hosts); the chief, where TF_CONFIG names one, is host 0."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    jobs = resolver.cluster_spec().as_dict()
    chiefs, workers = len(jobs.get("chief", ())), len(jobs.get("worker", ()))
    index = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return index, chiefs + workers


def to_float(images: tf.Tensor, spec: ImageSpec, rgb: bool) -> tf.Tensor:
    """uint8 [B, H, W, 3] -> the model's float32 input, as `ImageSpec.normalize`; `rgb` images are put in its order."""
    if rgb and spec.color_order == "BGR":
        images = images[..., ::-1]
    low, high = spec.range
    scaled = tf.cast(images, tf.float32) * ((high - low) / 255.0) + low
    return (scaled - tf.constant(spec.mean, tf.float32)) / tf.constant(spec.std, tf.float32)


def _move(average: tf.Variable, weight: tf.Variable, decay: tf.Tensor) -> tf.Operation:
    return average.assign_sub((average - weight) * (1 - decay))


class Trainer:
    """What one process computes.

    Attributes:
      model: the weights that learn.
      ema_model: their average, an own model of the same graph, evaluated and saved; `model` itself with EMA off.
      optimizer: see `make_optimizer`.
    """

    def __init__(
        self,
        build: Callable[[], tf_keras.Model],
        config: TrainConfig,
        spec: ImageSpec,
        class_weights: np.ndarray | None,
        strategy: tf.distribute.Strategy,
    ):
        """`build` makes the model; `class_weights` float32 [classes] multiply each image's loss."""
        self.config, self.spec, self.strategy, self.class_weights = config, spec, strategy, class_weights
        policy = f"mixed_{config.mixed_precision}" if config.mixed_precision else "float32"
        tf_keras.mixed_precision.set_global_policy(policy)
        tf_keras.utils.set_random_seed(config.seed)
        with strategy.scope():
            self.model = build()
            self.ema_model = build() if config.ema_decay else self.model
            self.optimizer = make_optimizer(config)
            self.optimizer.build(self.model.trainable_variables)
        if config.ema_decay:
            weights.assign(self.ema_model, weights.to_dict(self.model))
        self._steps: dict[bool, Callable] = {}

    def train_step(self, iterator, learning_rate: float, images: int, step: int, frozen: bool = False):
        """One optimizer step on one batch per replica; returns the mean loss of its images (a scalar tensor).

        Args:
          iterator: of the distributed `training_dataset`; passed whole, so that every size shares one trace.
          learning_rate: of this step.
          images: over all replicas of all hosts.
          step: over the whole run; seeds the dropout and moves the EMA.
          frozen: only the classifier learns and BatchNorm stays in inference mode.
        """
        if frozen not in self._steps:
            self._steps[frozen] = tf.function(functools.partial(self._distributed_step, frozen=frozen), autograph=False)
        self.optimizer.learning_rate.assign(learning_rate)
        arguments = (tf.constant(images, tf.float32), tf.constant(step, tf.int32), tf.constant(self._decay(step)))
        return self._steps[frozen](iterator, *arguments)

    def _decay(self, step: int) -> float:
        decay = self.config.ema_decay
        return min(decay, (1 + step) / (10 + step)) if self.config.ema_warmup else decay

    def _distributed_step(self, iterator, images, step, decay, frozen):
        losses = self.strategy.run(self._replica_step, (*next(iterator), images, step, decay, frozen))
        if self.config.ema_decay:
            self._update_ema(decay)
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _replica_step(self, image, label, images, step, decay, frozen):
        """Loss and gradients of one replica, both divided by the images of all replicas: their sum is the mean."""
        variables = self.model.get_layer("classifier").trainable_variables if frozen else self.model.trainable_variables
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([self.config.seed, step * self.strategy.num_replicas_in_sync + replica])
        with tf.GradientTape() as tape:
            loss = self.loss(image, label, images, seed, training=not frozen)
            scaled = self.optimizer.get_scaled_loss(loss) if self.config.mixed_precision == "float16" else loss
        gradients = tape.gradient(scaled, variables)
        if self.config.mixed_precision == "float16":
            gradients = self.optimizer.get_unscaled_gradients(gradients)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        if self.config.ema_decay:
            self._update_ema_statistics(decay)
        return loss

    def loss(self, image, label, images, seed, training: bool = True) -> tf.Tensor:
        """Sum of the label-smoothed cross entropies of a replica's batch, divided by `images`.

        Args:
          image: uint8 [b, h, w, 3] RGB.
          label: float32 [b, classes], rows summing to 1.
          images: over all replicas.
          seed: int32 [2], of the dropout.
        """
        with layers.dropout_seed(seed):
            logits = self.model(to_float(image, self.spec, rgb=True), training=training)
        smoothing, classes = self.config.label_smoothing, label.shape[-1]
        target = label * (1 - smoothing) + smoothing / classes
        losses = tf.nn.softmax_cross_entropy_with_logits(target, logits)
        if self.class_weights is not None:
            losses *= tf.linalg.matvec(label, tf.constant(self.class_weights, tf.float32))
        return tf.reduce_sum(losses) / images

    def _update_ema(self, decay):
        """average += (1 - decay) * (weight - average) for what the optimizer moves, once for all replicas."""
        pairs = zip(self.ema_model.trainable_variables, self.model.trainable_variables, strict=True)
        for average, weight in pairs:
            self.strategy.extended.update(average, _move, args=(weight, decay))

    def _update_ema_statistics(self, decay):
        """The same for BatchNorm's statistics, which every replica keeps for itself; the paper's code averages them."""
        pairs = zip(self.ema_model.non_trainable_variables, self.model.non_trainable_variables, strict=True)
        for average, weight in pairs:
            _move(average, weight, decay)

    @tf.function(autograph=False)
    def evaluation_step(self, iterator):
        """(images right, cross entropy, images) of one batch per replica, summed over all replicas."""
        sums = self.strategy.run(self._replica_evaluation, next(iterator))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    def _replica_evaluation(self, image, label, weight):
        logits = self.ema_model(to_float(image, self.spec, rgb=False), training=False)
        right = tf.cast(tf.argmax(logits, -1) == label, tf.float32) * weight
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits) * weight
        return tf.stack([tf.reduce_sum(right), tf.reduce_sum(losses), tf.reduce_sum(weight)])
