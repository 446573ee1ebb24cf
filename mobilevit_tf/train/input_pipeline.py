"""Source and plan -> batches of uint8 images. Every random draw is a pure function of (seed, epoch, index).

Pixels are decoded by `pixels` and `augment` in Python threads (Pillow lets go of the interpreter lock while it
works), so that training, evaluation and the phone share one decoder.
"""

from __future__ import annotations

import os

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.data.datasets import Source
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import augment, erasing, pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.train.multiscale import Step

PARALLEL_CALLS = 2 * (os.cpu_count() or 1)  # photos that are decoded at the same time
_ORDER, _CROP, _MIX = range(3)  # streams of the generator below


def generator(seed: int, epoch: int, stream: int, index: int = 0) -> np.random.Generator:
    """The one source of randomness of the input: NumPy's default generator seeded by all four numbers."""
    return np.random.default_rng((seed, epoch, stream, index))


def order_seed(seed: int, epoch: int) -> int:
    """Seed of an epoch's order."""
    return int(generator(seed, epoch, _ORDER).integers(2**31))


class HostPlan:
    """The part of an epoch's plan that one host reads: one chunk a local replica and step, in reading order."""

    def __init__(self, steps: list[Step], host: int, hosts: int):
        local = len(steps[0].counts) // hosts
        counts = [[step.counts[replica * hosts + host] for replica in range(local)] for step in steps]
        self.counts = np.asarray(counts, np.int64).reshape(-1)  # [steps * local replicas]
        self.sizes = np.repeat([step.size for step in steps], local)
        self.chunks = np.repeat(np.arange(len(self.counts)), self.counts)  # [images]: the chunk of each image
        self.local_replicas = local

    def first_image(self, step: int) -> int:
        """How many images the host reads before `step`."""
        return int(self.counts[: step * self.local_replicas].sum())


def training_dataset(
    source: Source,
    plan: HostPlan,
    shard: tuple[int, int],
    config: AugmentConfig,
    seed: int,
    epoch: int,
    first_step: int,
) -> tf.data.Dataset:
    """One epoch of one host from `first_step` on: one element per local replica and step.

    Yields:
      (image uint8 [b, s, s, 3] RGB, label float32 [b, classes]): one-hot, or mixed where the augmentation mixes.
    """
    skipped = plan.first_image(first_step)
    chunks = tf.data.Dataset.from_tensor_slices(plan.chunks[skipped:])
    positions = tf.data.Dataset.range(skipped, len(plan.chunks))
    records = source.records("train", shuffle_seed=order_seed(seed, epoch), shard=shard, start=skipped)
    classes, sizes = len(source.class_names), tf.constant(plan.sizes)

    def crop(identity, data, size, position):
        index = int(position) * shard[1] + shard[0]
        try:
            return augment.training_image(data, int(size), generator(seed, epoch, _CROP, index), config)
        except BadImage as error:
            raise UserError(f"{_text(identity)}: {error}: run with --dry_run for a list of such files") from error

    def load(record, chunk, position):
        arguments = (record["id"], record["image"], sizes[chunk], position)
        image = tf.numpy_function(crop, arguments, tf.uint8, stateful=False)
        image = tf.ensure_shape(image, (None, None, 3))
        if config.random_erasing:
            image = erasing.erase(image, erasing.seed_of(seed, epoch, record["id"]), config.random_erasing)
        return chunk, image, tf.one_hot(record["label"], classes)

    def mix(chunk, image, label):
        rng = generator(seed, epoch, _MIX, int(chunk) * shard[1] + shard[0])
        return augment.mix_batch(image, label, rng, config)

    def finish(chunk, image, label):
        if config.mixes:
            arguments = (chunk[0], image, label)
            image, label = tf.numpy_function(mix, arguments, (tf.uint8, tf.float32), stateful=False)
        return tf.ensure_shape(image, (None, None, None, 3)), tf.ensure_shape(label, (None, classes))

    counts = tf.constant(plan.counts)
    dataset = tf.data.Dataset.zip((records, chunks, positions)).map(load, PARALLEL_CALLS, deterministic=True)
    dataset = dataset.group_by_window(
        key_func=lambda chunk, image, label: chunk,
        reduce_func=lambda chunk, window: window.batch(int(plan.counts.max())),
        window_size_func=lambda chunk: counts[chunk],
    )
    return _without_tuner(dataset.map(finish, PARALLEL_CALLS, deterministic=True).prefetch(4))


def _without_tuner(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """tf.data's tuner sleeps for up to a minute at a time, and the end of an epoch waits until it wakes up."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _text(identity: bytes) -> str:
    """A photo's id for messages; not every file name is UTF-8."""
    return identity.decode(errors="backslashreplace")


def ids_of_step(source: Source, plan: HostPlan, shard: tuple[int, int], seed: int, epoch: int, step: int) -> list[str]:
    """The photos that one host reads for one step of `training_dataset`."""
    first, last = plan.first_image(step), plan.first_image(step + 1)
    records = source.records("train", shuffle_seed=order_seed(seed, epoch), shard=shard, start=first)
    return [_text(record["id"].numpy()) for record in records.take(last - first)]


def evaluation_dataset(
    source: Source, split: str, spec: ImageSpec, batch_size: int, shard: tuple[int, int], batches: int
) -> tf.data.Dataset:
    """`batches` batches of one host, decoded by the exact evaluation rule of `pixels`.

    Yields:
      (image uint8 [b, h, w, 3] in the spec's colour order, label int64 [b], weight float32 [b]): the weight is 0
      for the padding that gives every replica the same number of full batches.
    """

    def read(identity, data):
        try:
            return pixels.model_input(data, spec)
        except BadImage as error:
            raise UserError(f"{_text(identity)}: {error}: run with --dry_run for a list of such files") from error

    def load(record):
        image = tf.numpy_function(read, (record["id"], record["image"]), tf.uint8, stateful=False)
        return tf.ensure_shape(image, (*spec.size, 3)), record["label"], 1.0

    nothing = (tf.zeros((*spec.size, 3), tf.uint8), tf.zeros((), tf.int64), 0.0)
    padding = tf.data.Dataset.from_tensors(nothing).repeat(batches * batch_size)
    images = source.records(split, shard=shard).map(load, PARALLEL_CALLS, deterministic=True)
    return _without_tuner(images.concatenate(padding).batch(batch_size).take(batches).prefetch(2))
