"""What a run reads in each epoch, wherever it goes on: with the replicas that it began with, or with others."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import BadImage
from mobilevit_tf.image import jpeg, pixels
from mobilevit_tf.train import data_service, input_pipeline
from mobilevit_tf.train.checkpoint import Progress
from mobilevit_tf.train.input_pipeline import HostPlan
from mobilevit_tf.train.multiscale import Step, plan_epoch
from mobilevit_tf.train.run_dir import RunConfig

_LOGGER = logging.getLogger(__name__)


class Epochs:
    """The training photos of a run, epoch by epoch.

    Attributes:
      images: in the training split.
    """

    def __init__(self, config: RunConfig, source: Source, host: int, hosts: int, replicas: int) -> None:
        self._config, self._source, self._host, self._hosts, self._replicas = config, source, host, hosts, replicas
        self.images = source.size("train")

    def take_up(self, progress: Progress) -> None:
        """Plans what is left of the epoch under way anew, where it was begun with other replicas or batches."""
        layout = [self._config.train.batch_size, self._replicas, self._hosts]
        before, progress.layout = progress.layout or layout, layout
        if before == layout:
            return
        progress.offset, progress.epoch_step = progress.images, 0
        was, now = before[0] * before[1], layout[0] * layout[1]
        if was != now:
            _LOGGER.warning(
                "a step took %d photos on %d replicas, now it takes %d on %d at the same learning rate: "
                "--batch_size=%d would keep it", was, before[1], now, layout[1], max(1, was // layout[1])
            )  # fmt: skip

    def plan(self, epoch: int, offset: int = 0) -> list[Step]:
        """The steps of what is left of one epoch; none where fewer photos than replicas are left."""
        if self.images - offset < self._replicas:
            return []
        train = self._config.train
        return plan_epoch(
            self.images - offset, batch_size=train.batch_size, replicas=self._replicas, base_size=train.input_size,
            sizes=train.multiscale, seed=train.seed, epoch=epoch,
        )  # fmt: skip

    def _host_plan(self, progress: Progress) -> HostPlan:
        plan = self.plan(progress.epoch, progress.offset)
        return HostPlan(plan, self._host, self._hosts, progress.offset)

    def dataset(self, progress: Progress) -> tf.data.Dataset:
        """This host's batches from the step that is next."""
        train, plan = self._config.train, self._host_plan(progress)
        arguments = (self._source, plan, self._config.augment, train.seed, progress.epoch, progress.epoch_step)
        if train.data_service:
            data_service.require_reachable(train.data_service)
            return data_service.training_dataset(train.data_service, *arguments)
        return input_pipeline.training_dataset(*arguments)

    def names(self, progress: Progress) -> str:
        """The photos that this host read for the step that is next, as far as a message has room."""
        names = [name for name, _ in self._records(progress, progress.epoch_step)]
        return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")

    def explain(self, error: tf.errors.OpError, progress: Progress, steps: int) -> str | None:
        """What of this host's next `steps` steps TensorFlow could not read, by name; None where nothing is found."""
        if isinstance(error, tf.errors.DataLossError):
            record = self._source.broken_record("train", str(error.message))
            return record and f"{record} is damaged or cut short: restore that file and run the same command again"
        for step in range(progress.epoch_step, progress.epoch_step + steps):
            for name, data in self._records(progress, step):
                if (reason := _damage(data)) is not None:
                    return f"{name}: {reason}: run with --dry_run for a list of such files"
        return None

    def _records(self, progress: Progress, step: int) -> Iterator[tuple[str, bytes]]:
        seed, plan = self._config.train.seed, self._host_plan(progress)
        return input_pipeline.records_of_step(self._source, plan, seed, progress.epoch, step)


def _damage(data: bytes) -> str | None:
    try:
        pixels.decode_image(data)
        if jpeg.decodable_shape(tf.constant(data))[0] > 0:
            tf.io.decode_jpeg(data)
    except BadImage as error:
        return str(error)
    except tf.errors.InvalidArgumentError:
        return "a damaged JPEG, which only some programs open; saved anew by one of them it can be used"
    return None
