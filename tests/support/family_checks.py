"""What every family is held to, on a small model of it: it trains, repeats for a seed, takes any size and converts."""

from __future__ import annotations

from collections.abc import Callable, Collection

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from mobilevit_tf.config import AugmentConfig, TrainConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.distribution import make_strategy
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import dropout, ends
from mobilevit_tf.models import weights
from mobilevit_tf.train import input_pipeline
from mobilevit_tf.train.multiscale import plan_epoch
from mobilevit_tf.train.trainer import Trainer
from quantize.steps import convert

STEPS = 50


def model(features: Callable, height: int | None, width: int | None, classes: int = 10) -> tf_keras.Model:
    """RGB in [0, 1] -> logits, by a function of standardised images [B, H, W, 3] to features [B, C]."""
    image = ends.image_input(height, width)
    return tf_keras.Model(image, ends.classifier(features(ends.standardize(image)), classes, 0.0))


def images(height: int, width: int, batch: int = 2) -> np.ndarray:
    """Noise in [0, 1], float32 [batch, height, width, 3]."""
    return np.random.default_rng(0).random((batch, height, width, 3), np.float32)


def draw_weights(network: tf_keras.Model) -> None:
    """Weights as of a trained model: fresh ones leave some logits so small that nothing shows in the probabilities."""
    random = np.random.default_rng(0)
    for weight in network.weights:
        name, x = weight.name.split("/")[-1], random.standard_normal(weight.shape)
        if "variance" in name or "gamma" in name:
            weight.assign(1 + 0.2 * np.abs(x))
        elif "kernel" in name:
            inputs = weight.shape[:2] if "depthwise" in name else weight.shape[:-1]
            weight.assign(x * np.sqrt(1.6 / np.prod(inputs)))
        else:
            weight.assign(0.1 * x)


def assert_the_loss_falls(network: tf_keras.Model, rate: float = 1e-3) -> None:
    """Trains `network`, of ten classes and square images, on digits for 50 steps of 16 images."""
    size = network.input_shape[1]
    config = TrainConfig(batch_size=16, input_size=size, ema_decay=0.0, strategy="one_device")
    strategy, source = make_strategy(config.strategy), DigitsSource(0.2)
    trainer = Trainer(lambda: network, config, ImageSpec(size, size), None, strategy)
    plan = plan_epoch(source.size("train"), batch_size=16, replicas=1, base_size=size, sizes=(), seed=0, epoch=0)
    plan = plan[:STEPS]
    arguments = (source, input_pipeline.HostPlan(plan, 0, 1), AugmentConfig("none"), config.seed, 0, 0)
    data = strategy.distribute_datasets_from_function(lambda context: input_pipeline.training_dataset(*arguments))
    iterator = iter(data)
    losses = [
        float(trainer.train_steps(iterator, [rate], [step.images], number)[0]) for number, step in enumerate(plan)
    ]
    assert len(losses) == STEPS
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:10]), losses


def assert_gradients_reach_every_weight(
    network: tf_keras.Model, unmoved: Collection[str] = (), drops: bool = True
) -> None:
    """No weight stands still but those whose names begin with one of `unmoved`; what `drops` repeats for a seed."""
    shape = (8, *network.input_shape[1:])

    def step(seed: int) -> list[np.ndarray]:
        with tf.GradientTape() as tape, dropout.dropout_seed(tf.constant([seed, 0])):
            logits = network(images(*shape[1:3], batch=8), training=True)
            labels = np.arange(8) % logits.shape[-1]
            loss = tf_keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        return [np.asarray(gradient) for gradient in tape.gradient(loss, network.trainable_weights)]

    first, again = step(1), step(1)
    still = [
        weights.name_of(weight)
        for weight, gradient in zip(network.trainable_weights, first, strict=True)
        if not gradient.any()  # also where it is None
    ]
    assert [name for name in still if not name.startswith(tuple(unmoved))] == []
    for one, two in zip(first, again, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)
    if drops:
        assert any((one != two).any() for one, two in zip(first, step(2), strict=True))


def assert_any_size_is_equal(build: Callable, sizes: list[tuple[int, int]]) -> None:
    """The graph for any size gives the numbers of the graphs of fixed size: `build(height, width)`, None for any."""
    free = build(None, None)
    for height, width in sizes:
        fixed = build(height, width)
        weights.assign(fixed, weights.to_dict(free))
        expected = fixed(images(height, width)).numpy()
        assert np.ptp(expected) > 0
        np.testing.assert_allclose(free(images(height, width)), expected, atol=1e-5)


def assert_tflite_is_equal(network: tf_keras.Model, drawn: bool = False) -> set[str]:
    """The float32 .tflite gives the graph's probabilities in LiteRT; returns its operators, which are built in.

    With `drawn`, the weights are drawn first, so that the probabilities differ from class to class.
    """
    if drawn:
        draw_weights(network)
    photo = images(*network.input_shape[1:3], batch=1)
    interpreter = Interpreter(model_content=convert.to_float(network))
    interpreter.allocate_tensors()
    operators = {detail["op_name"] for detail in interpreter._get_ops_details()}
    assert not [name for name in operators if name.startswith("Flex")]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], photo)
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = tf.nn.softmax(network(photo, training=False)).numpy()
    assert not drawn or np.ptp(expected) > 0.01
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    return operators
