"""What each size of the multi-scale sampler costs: `python benchmarks/multiscale_cost.py`.

Trains MobileViT-XXS as `train_main.py --multiscale` does, one compiled step for every size, and prints for each size
the time of its first step and the median of the later ones. The batch keeps its pixels constant.
"""

from __future__ import annotations

import statistics
import time

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
from absl import app, flags
from train_contenders import CLASSES, noise  # beside this script

from mobilevit_tf import distribution
from mobilevit_tf.config import ModelConfig, TrainConfig
from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.families import mobilevit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.train import trainer
from mobilevit_tf.train.multiscale import scaled_batch

flags.DEFINE_list("sizes", ["128", "160", "192", "224", "256"], "Sides of the input in pixels, in this order.")
flags.DEFINE_integer("base_size", 128, "Side at which a step takes batch_size images.")
flags.DEFINE_integer("batch_size", 32, "Images a step at base_size.")
flags.DEFINE_integer("steps", 10, "Steps at each size.")
FLAGS = flags.FLAGS


def step_seconds(made: trainer.Trainer, size: int, batch: int, steps: int) -> list[float]:
    """Seconds of each of `steps` steps on the same `batch` images of one size."""
    dataset = tf.data.Dataset.from_tensors(noise(size, batch)).repeat()
    iterator = iter(made.strategy.distribute_datasets_from_function(lambda context: _any_size(dataset)))
    seconds = []
    for step in range(steps):
        start = time.perf_counter()
        float(made.train_steps(iterator, [1e-3], [batch], step)[0])
        seconds.append(time.perf_counter() - start)
    return seconds


def _any_size(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same, its shapes unknown to the graph, as those of the training photos are."""
    return dataset.map(
        lambda image, label: (
            tf.ensure_shape(_hidden(image), (None, None, None, 3)),
            tf.ensure_shape(_hidden(label), (None, CLASSES)),
        )
    )


def _hidden(values: tf.Tensor) -> tf.Tensor:
    return tf.numpy_function(lambda array: array, (values,), values.dtype, stateful=False)


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    try:
        sizes = [int(size) for size in FLAGS.sizes]
    except ValueError as error:
        raise UserError(f"--sizes={','.join(FLAGS.sizes)}: expected whole numbers separated by commas") from error
    base = FLAGS.base_size
    config = TrainConfig(input_size=base, batch_size=FLAGS.batch_size, multiscale=tuple(sizes))
    made = trainer.Trainer(
        lambda: mobilevit.build(ModelConfig("xxs", CLASSES)),
        config,
        ImageSpec(base, base),
        None,
        distribution.make_strategy("mirrored"),
    )
    print("| size | images a step | first step s | later steps, median s | images/s |\n|---|---|---|---|---|")
    for size in sizes:
        batch = scaled_batch(FLAGS.batch_size, base, size)
        first, *later = step_seconds(made, size, batch, FLAGS.steps)
        median = statistics.median(later)
        print(f"| {size} | {batch} | {first:.2f} | {median:.2f} | {batch / median:.1f} |", flush=True)


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
