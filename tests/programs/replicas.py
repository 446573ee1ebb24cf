"""Loss and gradients of a batch under one replica and under N: `python replicas.py N` prints the differences."""

from __future__ import annotations

import sys

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.config import ModelConfig, TrainConfig
from mobilevit_tf.families import mobilevit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.train.trainer import Trainer

IMAGES, SIZE, CLASSES = 11, 32, 5


def loss_and_gradients(devices: list[str], counts: list[int]) -> tuple[float, list[np.ndarray]]:
    """Of the same eleven images, split over the replicas as `counts` says, BatchNorm frozen."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, IMAGES)]
    strategy = tf.distribute.MirroredStrategy(devices)
    model = ModelConfig("tiny", CLASSES, dropout=0.0, classifier_dropout=0.0)
    trainer = Trainer(
        lambda: mobilevit.build(model, SIZE, SIZE), TrainConfig(ema_decay=0.0), ImageSpec(SIZE, SIZE), None, strategy
    )
    ends = np.cumsum(counts)

    def part(context, values):
        replica = context.replica_id_in_sync_group
        return tf.constant(values[ends[replica] - counts[replica] : ends[replica]])

    batch = [
        strategy.experimental_distribute_values_from_function(lambda context, values=values: part(context, values))
        for values in (images, labels)
    ]

    @tf.function
    def step():
        def replica_step(image, label):
            with tf.GradientTape() as tape:
                loss = trainer.loss(image, label, float(IMAGES), tf.constant([0, 0]), training=False)
            gradients = tape.gradient(loss, trainer.model.trainable_variables)
            context = tf.distribute.get_replica_context()
            return loss, context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)

        loss, gradients = strategy.run(replica_step, batch)
        return strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None), gradients

    loss, gradients = step()
    return float(loss), [strategy.experimental_local_results(value)[0].numpy() for value in gradients]


def main(replicas: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
    counts = [IMAGES // replicas + (replica < IMAGES % replicas) for replica in range(replicas)]
    one_loss, one = loss_and_gradients(["CPU:0"], [IMAGES])
    many_loss, many = loss_and_gradients([f"CPU:{replica}" for replica in range(replicas)], counts)
    gradient = max(float(np.abs(left - right).max()) for left, right in zip(one, many, strict=True))
    largest = max(float(np.abs(value).max()) for value in one)
    print("differences", abs(one_loss - many_loss), gradient, "largest gradient", largest)


if __name__ == "__main__":
    main(int(sys.argv[1]))
