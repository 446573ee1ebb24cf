"""Training batches whose JPEG photos other machines decode: a client of tf.data service.

The workers read, decode, crop and vary the photos; each takes the next ones that no other has taken. So of an epoch
every photo arrives once while no worker is lost. Of a lost one the photos that it had taken and not yet delivered do
not arrive in that epoch: tf.data's "at most once". The trainer waits LOST_SECONDS for them, then the epoch ends.
Photos arrive in the order in which they are done, so that a run does not repeat itself bit for bit; a photo is cropped
and varied as it would be without the service. An epoch that is gone on with in its middle passes over as many photos
as it had taken, which may be others: then some come twice in that epoch and others not at all.
"""

from __future__ import annotations

import socket
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.image import augment, jpeg
from mobilevit_tf.train import input_pipeline
from mobilevit_tf.train.input_pipeline import PARALLEL_CALLS, HostPlan

LOST_SECONDS = 30  # without a photo, while a worker has nothing left to do: what is missing was lost
_CONNECT_SECONDS = 10


def require_reachable(service: str) -> None:
    """Raises UserError where nothing listens at grpc://HOST:PORT; TensorFlow would try for an hour."""
    host, _, port = service.removeprefix("grpc://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"no data service answers at {service} ({error.strerror or error}): start its dispatcher with "
            f"`python -m mobilevit_tf.data_service --port={port}`"
        ) from error


def training_dataset(
    service: str, source: Source, plan: HostPlan, config: AugmentConfig, seed: int, epoch: int, first_step: int
) -> tf.data.Dataset:
    """As `input_pipeline.training_dataset`, from the service at `service`; where photos were lost, it ends early.

    Every photo is served at the largest size of the plan, and made smaller here where its step is of another. What
    only Pillow decodes comes as it is and is decoded here. Ends with the last step that is complete.
    """
    classes, largest = len(source.class_names), int(plan.sizes.max())
    sizes, counts = tf.constant(plan.sizes, tf.int32), tf.constant(plan.counts)

    def serve(record: Any) -> Any:
        data, photo_seed = record["image"], input_pipeline.photo_seed(record["id"], seed, epoch)
        image, rest = tf.cond(
            jpeg.decodable_shape(data)[0] > 0,
            lambda: (augment.from_jpeg(data, tf.constant(largest), photo_seed, config), b""),
            lambda: (tf.zeros([0, 0, 3], tf.uint8), data),
        )
        return record["id"], tf.ensure_shape(image, (None, None, 3)), rest, record["label"]

    def load(served: Any, chunk: Any) -> Any:
        identity, image, rest, label = served
        size, photo_seed = sizes[chunk], input_pipeline.photo_seed(identity, seed, epoch)
        image = tf.cond(
            tf.strings.length(rest) > 0,
            lambda: augment.from_pixels(input_pipeline.decoded_by_pillow(identity, rest), size, photo_seed, config),
            lambda: tf.cond(tf.shape(image)[0] == size, lambda: image, lambda: augment.resized(image, size)),
        )
        return chunk, tf.ensure_shape(image, (None, None, 3)), tf.one_hot(label, classes)

    order = input_pipeline.order_seed(seed, epoch)
    records = source.records("train", shuffle_seed=order, shard=plan.shard, remote=True)
    photos = _served(records.map(serve, tf.data.AUTOTUNE), service).skip(plan.first_record(first_step))
    left = plan.chunks[plan.first_image(first_step) :]
    chunks = tf.data.Dataset.from_tensor_slices(left)
    loaded = tf.data.Dataset.zip((photos.take(len(left)), chunks)).map(load, PARALLEL_CALLS, deterministic=True)
    whole = input_pipeline.chunked(loaded, plan).filter(
        lambda chunk, image, label: tf.size(chunk, tf.int64) == counts[chunk[0]]
    )
    if plan.local_replicas > 1:
        steps = whole.window(plan.local_replicas, drop_remainder=True)
        whole = steps.flat_map(lambda *parts: tf.data.Dataset.zip(parts))
    return input_pipeline.finished(whole, plan, config, seed, epoch)


def _served(photos: tf.data.Dataset, service: str) -> tf.data.Dataset:
    """The photos as workers deliver them, until none has come for LOST_SECONDS though a worker has no more to do.

    A client of tf.data service waits for a lost worker for ever. So a worker that is done delivers empty elements
    without end, and the client looks at the clock whenever one arrives.
    """
    spec = photos.element_spec
    nothing = tuple(tf.zeros([0 if side is None else side for side in part.shape], part.dtype) for part in spec)
    photos = photos.map(lambda *photo: (True, photo))
    done = tf.data.Dataset.range(2**62).map(lambda number: (False, nothing))
    served = photos.concatenate(done).apply(
        tf.data.experimental.service.distribute(
            tf.data.experimental.service.ShardingPolicy.DYNAMIC, service, compression=None
        )
    )

    def clocked(last: Any, element: Any) -> Any:
        now = tf.timestamp()
        last = tf.where(element[0] | (last == 0), now, last)
        return last, (now - last < LOST_SECONDS, element)

    waited = served.scan(tf.constant(0.0, tf.float64), clocked)
    waited = waited.take_while(lambda in_time, element: in_time)
    return waited.filter(lambda in_time, element: element[0]).map(lambda in_time, element: element[1])
