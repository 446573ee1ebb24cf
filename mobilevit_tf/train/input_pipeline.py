"""Source and plan -> batches of uint8 images. Every random draw is a pure function of (seed, epoch, index).

The index of a photo is the 64-bit fingerprint of its id, so that it is varied alike whoever reads it, and that of a
batch its place in the epoch. JPEG photos stay in the TensorFlow graph from the file to the batch; what the graph
cannot decode as `pixels` does is decoded by Pillow in Python threads. What is evaluated is always decoded by `pixels`,
as on the phone.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.data.datasets import Source
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import augment, jpeg, mixing, pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.train.multiscale import Step

PARALLEL_CALLS = 2 * (os.cpu_count() or 1)  # photos that are decoded at the same time
_CROP, _MIX = range(2)  # streams of the seeds below
_TEXT, _SIZE, _SEED = tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int64)


def order_seed(seed: int, epoch: int) -> int:
    """Seed of an epoch's order."""
    return int(np.random.default_rng((seed, epoch)).integers(2**31))


def draw_seed(seed: int, epoch: int, stream: int, index: tf.Tensor) -> tf.Tensor:
    """int64 [2]: TensorFlow's seed of one photo's or batch's draws; different arguments give different ones.

    Args:
      seed, epoch: below 2**31.
      stream: _CROP or _MIX.
      index: int64 scalar.
    """
    return tf.stack([tf.constant(seed << 32 | epoch << 1 | stream, tf.int64), index])


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
    records = source.records("train", shuffle_seed=order_seed(seed, epoch), shard=shard, start=skipped)
    classes, sizes = len(source.class_names), tf.constant(plan.sizes, tf.int32)

    def load(record, chunk):
        arguments = (record["id"], record["image"], sizes[chunk], _photo_seed(record["id"], seed, epoch))
        image = tf.ensure_shape(_training_image(config)(*arguments), (None, None, 3))
        return chunk, image, tf.one_hot(record["label"], classes)

    def finish(chunk, image, label):
        mix_seed = draw_seed(seed, epoch, _MIX, chunk[0] * shard[1] + shard[0])
        image, label = mixing.mix_batch(image, label, mix_seed, config)
        return tf.ensure_shape(image, (None, None, None, 3)), tf.ensure_shape(label, (None, classes))

    counts = tf.constant(plan.counts)
    dataset = tf.data.Dataset.zip((records, chunks)).map(load, PARALLEL_CALLS, deterministic=True)
    dataset = dataset.group_by_window(
        key_func=lambda chunk, image, label: chunk,
        reduce_func=lambda chunk, window: window.batch(int(plan.counts.max())),
        window_size_func=lambda chunk: counts[chunk],
    )
    return _without_tuner(dataset.map(finish, PARALLEL_CALLS, deterministic=True).prefetch(4))


def _photo_seed(identity: tf.Tensor, seed: int, epoch: int) -> tf.Tensor:
    return draw_seed(seed, epoch, _CROP, tf.strings.to_hash_bucket_fast(identity, 2**63 - 1))


@functools.cache
def _training_image(config: AugmentConfig) -> Callable[..., tf.Tensor]:
    """(id, bytes, size, seed) -> uint8 [size, size, 3] of one photo; a graph function, traced once in a process."""

    @tf.function(autograph=False, input_signature=[_TEXT, _TEXT, _SIZE, _SEED])
    def training_image(identity: tf.Tensor, data: tf.Tensor, size: tf.Tensor, photo_seed: tf.Tensor) -> tf.Tensor:
        return tf.cond(
            jpeg.decodable_shape(data)[0] > 0,
            lambda: augment.from_jpeg(data, size, photo_seed, config),
            lambda: augment.from_pixels(_decoded_by_pillow(identity, data), size, photo_seed, config),
        )

    return training_image


def _decoded_by_pillow(identity: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """uint8 [height, width, 3] of a photo in any format."""

    def decode(identity: bytes, data: bytes) -> np.ndarray:
        try:
            return pixels.decode(data, augment.MAX_TRAINING_PIXELS)
        except BadImage as error:
            raise _unusable(identity, error) from error

    image = tf.numpy_function(decode, (identity, data), tf.uint8, stateful=False)
    return tf.ensure_shape(image, (None, None, 3))


def _unusable(identity: bytes, error: BadImage) -> UserError:
    return UserError(f"{_text(identity)}: {error}: run with --dry_run for a list of such files")


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
            raise _unusable(identity, error) from error

    def load(record):
        image = tf.numpy_function(read, (record["id"], record["image"]), tf.uint8, stateful=False)
        return tf.ensure_shape(image, (*spec.size, 3)), record["label"], 1.0

    nothing = (tf.zeros((*spec.size, 3), tf.uint8), tf.zeros((), tf.int64), 0.0)
    padding = tf.data.Dataset.from_tensors(nothing).repeat(batches * batch_size)
    images = source.records(split, shard=shard).map(load, PARALLEL_CALLS, deterministic=True)
    return _without_tuner(images.concatenate(padding).batch(batch_size).take(batches).prefetch(2))
