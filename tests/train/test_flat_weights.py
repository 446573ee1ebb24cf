"""Weights in flat vectors move exactly as tf_keras' AdamW moves variables one by one."""

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from mobilevit_tf import distribution
from mobilevit_tf.config import ModelConfig, TrainConfig
from mobilevit_tf.families import mobilevit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import weights
from mobilevit_tf.train import trainer
from mobilevit_tf.train.optimizer import NORM_AND_BIAS

DECAY, AVERAGE, STEPS = 0.3, 0.9, 4


class GivenGradients(trainer.Trainer):
    """Its gradient of a variable is `gradients[its name]` times the step's number, counted from 1."""

    def loss(self, image, label, images, seed, training=True):
        sums = [tf.reduce_sum(variable * self.gradients[variable.name]) for variable in self.model.trainable_variables]
        return tf.cast(seed[1] + 1, tf.float32) * tf.add_n(sums)


def make(**settings) -> GivenGradients:
    config = TrainConfig(weight_decay=DECAY, ema_decay=AVERAGE, ema_warmup=False, strategy="one_device", **settings)
    made = GivenGradients(
        lambda: mobilevit.build(ModelConfig("tiny", 5), 32, 32), config, ImageSpec(32, 32), None,
        distribution.make_strategy("one_device"),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    made.gradients = {v.name: rng.normal(size=v.shape).astype(np.float32) for v in made.model.trainable_variables}
    return made


def train(made: GivenGradients, steps: range, frozen: bool = False) -> None:
    batch = np.zeros((2, 32, 32, 3), np.uint8), np.eye(5, dtype=np.float32)[:2]
    iterator = iter(made.strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_tensors(batch).repeat()
    ))  # fmt: skip
    for step in steps:
        made.train_steps(iterator, [1e-2], [2], step, frozen)


@pytest.mark.parametrize("decay_norm_and_bias", [True, False])
def test_weights_and_average_equal_those_of_adamw_on_single_variables(decay_norm_and_bias):
    made = make(decay_norm_and_bias=decay_norm_and_bias)
    variables = [tf.Variable(v.numpy(), name=v.name.split(":")[0]) for v in made.model.trainable_variables]
    averages = [v.numpy() for v in variables]
    optimizer = tf_keras.optimizers.AdamW(1e-2, DECAY, global_clipnorm=1.0, epsilon=1e-8, jit_compile=False)
    optimizer.exclude_from_weight_decay(var_names=[] if decay_norm_and_bias else list(NORM_AND_BIAS))
    for step in range(STEPS):
        optimizer.apply_gradients([(tf.constant(made.gradients[v.name] * (step + 1)), v) for v in variables])
        averages = [AVERAGE * old + (1 - AVERAGE) * v.numpy() for old, v in zip(averages, variables, strict=True)]
    train(made, range(STEPS))
    ours, average = weights.to_dict(made.model), weights.to_dict(made.ema_model)
    for variable, expected in zip(variables, averages, strict=True):
        name = weights.name_of(variable)
        np.testing.assert_allclose(ours[name], variable.numpy(), rtol=0, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(average[name], expected, rtol=0, atol=1e-6, err_msg=name)


def test_a_frozen_step_moves_the_classifier_alone():
    made = make()
    before = weights.to_dict(made.model)
    train(made, range(1), frozen=True)
    after = weights.to_dict(made.model)
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {
        "classifier/kernel", "classifier/bias",
    }  # fmt: skip


def test_training_goes_on_from_weights_that_were_assigned():
    made = make()
    given = {name: np.full_like(value, 0.5) for name, value in weights.to_dict(made.model).items()}
    for model in (made.model, made.ema_model):
        weights.assign(model, given)
    made.take_up_weights()
    train(made, range(1))
    for values in (weights.to_dict(made.model), weights.to_dict(made.ema_model)):
        assert 0 < np.abs(values["stem_conv/kernel"] - 0.5).max() < 0.05
