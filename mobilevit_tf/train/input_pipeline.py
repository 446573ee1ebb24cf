"""Source and plan -> batches of uint8 images. Every random draw is a pure function of (seed, epoch, index).

The index of a photo is the 64-bit fingerprint of its id, so that it is varied alike whoever reads it, and that of a
batch its place in the epoch. JPEG photos stay in the TensorFlow graph from the file to the batch; what the graph
cannot decode as `pixels` does is decoded by Pillow in Python threads. What is evaluated is always decoded by `pixels`,
as on the phone.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.data.datasets import Source
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import augment, erasing, jpeg, mixing, pixels
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
    """The part of an epoch's plan that one host reads: one chunk a local replica and step, in reading order.

    Attributes:
      shard: (index, count) of the photos that the host reads.
    """

    def __init__(self, steps: list[Step], host: int, hosts: int, offset: int = 0) -> None:
        """`offset`: photos of the epoch that all hosts read before this plan began, in the same order."""
        local = len(steps[0].counts) // hosts
        counts = [[step.counts[replica * hosts + host] for replica in range(local)] for step in steps]
        self.counts = np.asarray(counts, np.int64).reshape(-1)  # [steps * local replicas]
        self.sizes = np.repeat([step.size for step in steps], local)
        self.chunks = np.repeat(np.arange(len(self.counts)), self.counts)  # [images]: the chunk of each image
        self.local_replicas, self.offset = local, offset
        # Photo n of an order belongs to shard n % hosts: the next one is the first of host 0
        self.shard = (host + offset) % hosts, hosts
        self._read_before = max(0, math.ceil((offset - self.shard[0]) / hosts))

    def first_image(self, step: int) -> int:
        """How many images of the plan the host reads before `step`."""
        return int(self.counts[: step * self.local_replicas].sum())

    def first_record(self, step: int) -> int:
        """How many records of its shard the host has read before `step`."""
        return self._read_before + self.first_image(step)


def training_dataset(
    source: Source,
    plan: HostPlan,
    config: AugmentConfig,
    seed: int,
    epoch: int,
    first_step: int,
) -> tf.data.Dataset:
    """One epoch of one host from `first_step` on: one element per local replica and step.

    Yields:
      (image uint8 [b, s, s, 3] RGB, label float32 [b, classes]): one-hot, or mixed where the augmentation mixes.
    """
    chunks = tf.data.Dataset.from_tensor_slices(plan.chunks[plan.first_image(first_step) :])
    order, start = order_seed(seed, epoch), plan.first_record(first_step)
    records = source.records("train", shuffle_seed=order, shard=plan.shard, start=start)
    classes, sizes = len(source.class_names), tf.constant(plan.sizes, tf.int32)

    def load(record: Any, chunk: Any) -> Any:
        arguments = (record["id"], record["image"], sizes[chunk], photo_seed(record["id"], seed, epoch))
        image = tf.ensure_shape(_training_image(config)(*arguments), (None, None, 3))
        if config.random_erasing:
            image = erasing.erase(image, erasing.seed_of(seed, epoch, record["id"]), config.random_erasing)
        return chunk, image, tf.one_hot(record["label"], classes)

    photos = tf.data.Dataset.zip((records, chunks)).map(load, PARALLEL_CALLS, deterministic=True)
    return finished(chunked(photos, plan), plan, config, seed, epoch)


def chunked(photos: tf.data.Dataset, plan: HostPlan) -> tf.data.Dataset:
    """(chunk, image, label) of single photos, in order -> the same of whole chunks."""
    counts = tf.constant(plan.counts)
    return photos.group_by_window(
        key_func=lambda chunk, image, label: chunk,
        reduce_func=lambda chunk, window: window.batch(int(plan.counts.max())),
        window_size_func=lambda chunk: counts[chunk],
    )


def finished(chunks: tf.data.Dataset, plan: HostPlan, config: AugmentConfig, seed: int, epoch: int) -> tf.data.Dataset:
    """(chunk [b], image, label) of whole chunks -> what `training_dataset` yields."""
    classes = chunks.element_spec[2].shape[-1]

    def finish(chunk: Any, image: tf.Tensor, label: tf.Tensor) -> Any:
        mix_seed = draw_seed(seed, epoch, _MIX, (plan.offset + chunk[0]) * plan.shard[1] + plan.shard[0])
        image, label = mixing.mix_batch(image, label, mix_seed, config)
        return tf.ensure_shape(image, (None, None, None, 3)), tf.ensure_shape(label, (None, classes))

    return _without_tuner(chunks.map(finish, PARALLEL_CALLS, deterministic=True).prefetch(4))


def photo_seed(identity: tf.Tensor, seed: int, epoch: int) -> tf.Tensor:
    """int64 [2]: the seed of one photo's draws in one epoch."""
    return draw_seed(seed, epoch, _CROP, tf.strings.to_hash_bucket_fast(identity, 2**63 - 1))


@functools.cache
def _training_image(config: AugmentConfig) -> Callable[..., tf.Tensor]:
    """(id, bytes, size, seed) -> uint8 [size, size, 3] of one photo; a graph function, traced once in a process."""

    @tf.function(autograph=False, input_signature=[_TEXT, _TEXT, _SIZE, _SEED])
    def training_image(identity: tf.Tensor, data: tf.Tensor, size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        draws = augment.draws_of(seed, config)
        crop = tf.cond(
            jpeg.decodable_shape(data)[0] > 0,
            lambda: augment.crop_of_jpeg(data, size, draws, config),
            lambda: augment.crop_of_pixels(decoded_by_pillow(identity, data), size, draws, config),
        )
        return augment.varied(crop, draws, config)

    return training_image


def decoded_by_pillow(identity: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
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


def records_of_step(source: Source, plan: HostPlan, seed: int, epoch: int, step: int) -> Iterator[tuple[str, bytes]]:
    """(id, bytes) of the photos that one host reads for one step of `training_dataset`."""
    order, first = order_seed(seed, epoch), plan.first_record(step)
    records = source.records("train", shuffle_seed=order, shard=plan.shard, start=first)
    for record in records.take(plan.first_record(step + 1) - first).as_numpy_iterator():
        yield _text(record["id"]), record["image"]


def evaluation_dataset(
    source: Source, split: str, spec: ImageSpec, batch_size: int, shard: tuple[int, int], batches: int
) -> tf.data.Dataset:
    """`batches` batches of one host, decoded by the exact evaluation rule of `pixels`.

    Yields:
      (image uint8 [b, h, w, 3] in the spec's colour order, label int64 [b], weight float32 [b]): the weight is 0
      for the padding that gives every replica the same number of full batches.
    """

    def read(identity: Any, data: Any) -> Any:
        try:
            return pixels.model_input(data, spec)
        except BadImage as error:
            raise _unusable(identity, error) from error

    def load(record: Any) -> Any:
        image = tf.numpy_function(read, (record["id"], record["image"]), tf.uint8, stateful=False)
        return tf.ensure_shape(image, (*spec.size, 3)), record["label"], 1.0

    nothing = (tf.zeros((*spec.size, 3), tf.uint8), tf.zeros((), tf.int64), 0.0)
    padding = tf.data.Dataset.from_tensors(nothing).repeat(batches * batch_size)
    images = source.records(split, shard=shard).map(load, PARALLEL_CALLS, deterministic=True)
    return _without_tuner(images.concatenate(padding).batch(batch_size).take(batches).prefetch(2))
