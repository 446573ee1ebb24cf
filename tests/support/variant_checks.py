"""What every family is asked: does it learn, does it run as a .tflite, does the gradient reach every weight."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from mobilevit_tf.config import AugmentConfig, ModelConfig, TrainConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.distribution import make_strategy
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import dropout
from mobilevit_tf.models import build
from mobilevit_tf.train import input_pipeline
from mobilevit_tf.train.multiscale import plan_epoch
from mobilevit_tf.train.trainer import Trainer
from quantize.steps import convert


def losses_on_digits(config: ModelConfig, size: int, steps: int = 50) -> list[float]:
    """The training loss of each step on scikit-learn's digits at `size` pixels, batches of 16, Adam's rate 1e-3."""
    settings = TrainConfig(batch_size=16, input_size=size, ema_decay=0.0, strategy="one_device")
    strategy, source = make_strategy(settings.strategy), DigitsSource(0.2)
    trainer = Trainer(lambda: build.build(config, size, size), settings, ImageSpec(size, size), None, strategy)
    plan = plan_epoch(source.size("train"), batch_size=16, replicas=1, base_size=size, sizes=(), seed=0, epoch=0)
    plan = plan[:steps]
    arguments = (source, input_pipeline.HostPlan(plan, 0, 1), AugmentConfig("none"), settings.seed, 0, 0)
    data = strategy.distribute_datasets_from_function(lambda context: input_pipeline.training_dataset(*arguments))
    iterator = iter(data)
    return [float(trainer.train_steps(iterator, [1e-3], [step.images], number)[0]) for number, step in enumerate(plan)]


def assert_learns(config: ModelConfig, size: int) -> None:
    losses = losses_on_digits(config, size)
    assert len(losses) == 50
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10]), losses


def draw_weights(model: tf_keras.Model) -> None:
    """Weights as of a trained model: fresh ones leave the logits so small that nothing shows in the probabilities."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        name, x = weight.name.split("/")[-1], random.standard_normal(weight.shape)
        if "variance" in name or "gamma" in name:
            weight.assign(1 + 0.2 * np.abs(x))
        elif "kernel" in name:
            inputs = weight.shape[:2] if "depthwise" in name else weight.shape[:-1]
            weight.assign(x * np.sqrt(1.6 / np.prod(inputs)))
        else:
            weight.assign(0.1 * x)


def assert_runs_in_litert(model: tf_keras.Model) -> list[str]:
    """The float32 .tflite gives the model's probabilities for one image; returns the operators of the file."""
    draw_weights(model)
    image = np.random.default_rng(0).random((1, *model.input_shape[1:]), np.float32)
    interpreter = Interpreter(model_content=convert.to_float(model))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = tf.nn.softmax(model(image, training=False)).numpy()
    assert np.ptp(expected) > 0.01  # all classes alike would say nothing
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    return [operator["op_name"] for operator in interpreter._get_ops_details()]


def assert_gradient_reaches_every_weight(model: tf_keras.Model) -> None:
    """Of the sum of squared logits in training; it repeats for a seed of dropout."""
    images = np.random.default_rng(0).random((4, *model.input_shape[1:]), np.float32)

    def step(seed: int) -> list[tf.Tensor | None]:
        with tf.GradientTape() as tape, dropout.dropout_seed(tf.constant([seed, 0])):
            loss = tf.reduce_sum(model(images, training=True) ** 2)
        return tape.gradient(loss, model.trainable_weights)

    first, again = step(1), step(1)
    for weight, gradient, repeated in zip(model.trainable_weights, first, again, strict=True):
        assert gradient is not None, weight.name
        assert np.isfinite(gradient).all(), weight.name
        assert np.any(gradient != 0), weight.name
        np.testing.assert_array_equal(gradient, repeated, weight.name)
