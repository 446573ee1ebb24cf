"""Model, EMA model, optimizer and their compiled steps under one distribution strategy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.config import TrainConfig
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers.dropout import dropout_seed
from mobilevit_tf.train.flat_weights import FlatWeights, join
from mobilevit_tf.train.optimizer import group_of, make_optimizer


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
      optimizer: see `make_optimizer`; it moves flat weights, one vector a group of variables.
    """

    def __init__(
        self,
        build: Callable[[], tf_keras.Model],
        config: TrainConfig,
        spec: ImageSpec,
        class_weights: np.ndarray | None,
        strategy: tf.distribute.Strategy,
    ) -> None:
        """`build` makes the model; `class_weights` float32 [classes] multiply each image's loss."""
        self.config, self.spec, self.strategy, self.class_weights = config, spec, strategy, class_weights
        self._policy = f"mixed_{config.mixed_precision}" if config.mixed_precision else "float32"
        tf_keras.mixed_precision.set_global_policy(self._policy)
        tf_keras.utils.set_random_seed(config.seed)
        self._build = build
        with strategy.scope():
            self.model = build()
            self._learned = self._flat_groups("weights")
            self._average = self._flat_groups("average") if config.ema_decay else {}
            self._average_statistics = self._flat_statistics() if config.ema_decay else None
            self.optimizer = make_optimizer(config)
            self.optimizer.build([flat.vector for flat in self._learned.values()])
        self._ema_model: tf_keras.Model | None = None
        self._ema_model_current = False
        self._steps: dict[bool, Callable] = {}

    def _flat_groups(self, name: str) -> dict[str, FlatWeights]:
        """The trainable variables as the optimizer and the freezing tell them apart, in an order that never changes."""
        classifier = {id(variable) for variable in self.model.get_layer("classifier").trainable_variables}
        groups: dict[str, list[tf.Variable]] = {}
        for variable in self.model.trainable_variables:
            place = "classifier" if id(variable) in classifier else "backbone"
            groups.setdefault(f"{place}_{group_of(variable.name, self.config)}", []).append(variable)
        return {key: FlatWeights(variables, f"{name}_{key}") for key, variables in groups.items()}

    def _flat_statistics(self) -> FlatWeights | None:
        """BatchNorm's moving statistics, which every replica keeps for itself; reading them takes the mean."""
        if not self.model.non_trainable_variables:
            return None
        placement = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.MEAN,
        }
        return FlatWeights(self.model.non_trainable_variables, "average_statistics", **placement)

    @property
    def ema_model(self) -> tf_keras.Model:
        """The average of the weights, an own model of the same graph, evaluated and saved; `model` with EMA off.

        It is built, and its weights brought up to date, where it is asked for: every worker has to ask.
        """
        if not self.config.ema_decay:
            return self.model
        if self._ema_model is None:
            policy = tf_keras.mixed_precision.global_policy()
            tf_keras.mixed_precision.set_global_policy(self._policy)
            with self.strategy.scope():
                self._ema_model = self._build()
            tf_keras.mixed_precision.set_global_policy(policy)
        if not self._ema_model_current:
            self._ema_model_current = True
            for flat, variables in self._averages(self._ema_model):
                flat.give(variables)
        return self._ema_model

    def _averages(self, ema_model: tf_keras.Model) -> list[tuple[FlatWeights, list[tf.Variable]]]:
        """Every average with the variables of `ema_model` that it belongs to."""
        twins = {variable.name: variable for variable in ema_model.weights}
        averages = [*self._average.values(), *([self._average_statistics] if self._average_statistics else [])]
        return [(flat, [twins[variable.name] for variable in flat.variables]) for flat in averages]

    @property
    def vectors(self) -> list[tf.Variable]:
        """What moves with the model's weights beside them: their vectors and the averages."""
        flats = [*self._learned.values(), *self._average.values(), self._average_statistics]
        return [flat.vector for flat in flats if flat is not None]

    def take_up_weights(self) -> None:
        """Goes on from what `model` and `ema_model` hold: to be called after their weights were assigned."""
        for flat in self._learned.values():
            flat.take()
        if self._ema_model is not None:
            for flat, variables in self._averages(self._ema_model):
                flat.take(variables)

    def train_steps(
        self, iterator: Any, rates: Sequence[float], images: Sequence[int], step: int, frozen: bool = False
    ) -> Any:
        """Optimizer steps in one call of a graph, on one batch per replica each.

        Args:
          iterator: of the distributed `training_dataset`; passed whole, so that every size shares one trace.
          rates, images: of each step, its learning rate and its images over all replicas of all hosts.
          step: the number over the whole run of the first; seeds the dropout and moves the EMA.
          frozen: only the classifier learns and BatchNorm stays in inference mode.

        Returns:
          float32 [len(rates)]: each step's mean loss of its images.
        """
        if frozen not in self._steps:
            function = self._several_steps if self.config.steps_per_call > 1 else self._one_step
            self._steps[frozen] = tf.function(functools.partial(function, frozen=frozen), autograph=False)
        self._ema_model_current = False
        steps = [*range(step, step + len(rates))]
        decays = tf.constant([self._decay(number) for number in steps])
        of_steps = tf.constant(rates), tf.constant(images, tf.float32), tf.constant(steps, tf.int32), decays
        return tf.reshape(self._steps[frozen](iterator, of_steps), [-1])  # of one step a scalar

    def _decay(self, step: int) -> float:
        decay = self.config.ema_decay
        return min(decay, (1 + step) / (10 + step)) if self.config.ema_warmup else decay

    def _one_step(self, iterator: Any, of_steps: Any, frozen: Any, index: Any = 0) -> Any:
        rate, images, step, decay = (values[index] for values in of_steps)
        self.optimizer.learning_rate.assign(rate)
        return self._distributed_step(iterator, images, step, decay, frozen)

    def _several_steps(self, iterator: Any, of_steps: Any, frozen: Any) -> Any:
        """A loop in the graph: the same trace for any number of steps."""
        count = tf.shape(of_steps[0])[0]

        def body(index: Any, losses: Any) -> Any:
            return index + 1, losses.write(index, self._one_step(iterator, of_steps, frozen, index))

        start = tf.constant(0), tf.TensorArray(tf.float32, count, element_shape=[])
        return tf.while_loop(lambda index, _: index < count, body, start, parallel_iterations=1)[1].stack()

    def _distributed_step(self, iterator: Any, images: tf.Tensor, step: Any, decay: Any, frozen: Any) -> Any:
        losses = self.strategy.run(self._replica_step, (*next(iterator), images, step, decay, frozen))
        for group in self._moving(frozen):
            self._learned[group].spread(self.strategy)
            if self.config.ema_decay:
                arguments = (self._learned[group].vector, decay)
                self.strategy.extended.update(self._average[group].vector, _move, args=arguments)
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _moving(self, frozen: bool) -> list[str]:
        """The groups that a step moves."""
        return [group for group in self._learned if not frozen or group.startswith("classifier")]

    def _replica_step(
        self, image: tf.Tensor, label: tf.Tensor, images: tf.Tensor, step: Any, decay: Any, frozen: Any
    ) -> Any:
        """Loss and gradients of one replica, both divided by the images of all replicas: their sum is the mean."""
        learned = [self._learned[group] for group in self._moving(frozen)]
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([self.config.seed, step * self.strategy.num_replicas_in_sync + replica])
        with tf.GradientTape() as tape:
            loss = self.loss(image, label, images, seed, training=not frozen)
            scaled = self.optimizer.get_scaled_loss(loss) if self.config.mixed_precision == "float16" else loss
        variables = [flat.variables for flat in learned]
        gradients = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [join(group) for group in gradients]
        if self.config.mixed_precision == "float16":
            gradients = self.optimizer.get_unscaled_gradients(gradients)
        self.optimizer.apply_gradients(zip(gradients, [flat.vector for flat in learned], strict=True))
        if self._average_statistics:
            _move(self._average_statistics.vector, join(self._average_statistics.variables), decay)
        return loss

    def loss(
        self, image: tf.Tensor, label: tf.Tensor, images: tf.Tensor, seed: Any, training: bool = True
    ) -> tf.Tensor:
        """Sum of the label-smoothed cross entropies of a replica's batch, divided by `images`.

        Args:
          image: uint8 [b, h, w, 3] RGB.
          label: float32 [b, classes], rows summing to 1.
          images: over all replicas.
          seed: int32 [2], of the dropout.
        """
        with dropout_seed(seed):
            logits = self.model(to_float(image, self.spec, rgb=True), training=training)
        smoothing, classes = self.config.label_smoothing, label.shape[-1]
        target = label * (1 - smoothing) + smoothing / classes
        losses = tf.nn.softmax_cross_entropy_with_logits(target, logits)
        if self.class_weights is not None:
            losses *= tf.linalg.matvec(label, tf.constant(self.class_weights, tf.float32))
        return tf.reduce_sum(losses) / images

    def evaluation_step(self, iterator: Any) -> Any:
        """(images right, cross entropy, images) of one batch per replica with `ema_model`, over all replicas."""
        model = self.ema_model  # brought up to date outside the graph
        return self._distributed_evaluation(iterator, model)

    @tf.function(autograph=False)
    def _distributed_evaluation(self, iterator: Any, model: Any) -> Any:
        sums = self.strategy.run(functools.partial(self._replica_evaluation, model), next(iterator))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    def _replica_evaluation(self, model: Any, image: tf.Tensor, label: tf.Tensor, weight: Any) -> Any:
        logits = model(to_float(image, self.spec, rgb=False), training=False)
        right = tf.cast(tf.argmax(logits, -1) == label, tf.float32) * weight
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits) * weight
        return tf.stack([tf.reduce_sum(right), tf.reduce_sum(losses), tf.reduce_sum(weight)])
