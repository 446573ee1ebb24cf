"""The training loop: epochs, checkpoints, evaluation of the EMA weights, and what a run leaves behind."""

from __future__ import annotations

import logging
import math
import signal
import time
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mobilevit_tf import checkpoint, input_pipeline, model_file, schedule, weights
from mobilevit_tf.errors import UserError
from mobilevit_tf.guards import readable_data_errors, stop_signals
from mobilevit_tf.image_spec import ImageSpec
from mobilevit_tf.model_file import ModelFile
from mobilevit_tf.multiscale import Step, plan_epoch
from mobilevit_tf.run_dir import CHECKPOINTS, RunConfig
from mobilevit_tf.source import Source
from mobilevit_tf.trainer import Trainer, place_in_cluster

_LOGGER = logging.getLogger(__name__)
MAX_ROLLBACKS = 3
WARMUP_SHARE, PUBLISHED_WARMUP_STEPS = 0.05, 3000


class NonFiniteLossError(UserError):
    """A NaN or infinite loss."""


class Run:
    """One training run in this process.

    Attributes:
      progress: where it stands, as the next checkpoint will hold it.
    """

    def __init__(
        self, config: RunConfig, source: Source, spec: ImageSpec, trainer: Trainer, run_dir: Path,
        license: str = model_file.LICENSE,
    ):  # fmt: skip
        self.config, self.source, self.spec, self.trainer, self.run_dir = config, source, spec, trainer, run_dir
        self.license = license
        self.host, self.hosts = place_in_cluster(trainer.strategy)
        self.is_chief = self.host == 0
        self.replicas = trainer.strategy.num_replicas_in_sync
        self.train_images = source.size("train")
        if self.train_images < self.replicas:
            raise UserError(f"{self.train_images} training photos for {self.replicas} replicas: expected one for each")
        self.stop_signal: int | None = None
        self.progress = checkpoint.restore(self.folder, trainer) or checkpoint.Progress()
        self.warmup_steps = self._warmup_steps()
        # Throughput of this process without its first step, which traces the graph.
        self.traced, self.timed_images, self.timed_seconds = False, 0, 0.0

    @property
    def folder(self) -> Path:
        return self.run_dir / CHECKPOINTS

    @property
    def shard(self) -> tuple[int, int]:
        return self.host, self.hosts

    def plan(self, epoch: int) -> list[Step]:
        """The steps of one epoch."""
        train = self.config.train
        return plan_epoch(
            self.train_images, batch_size=train.batch_size, replicas=self.replicas, base_size=train.input_size,
            sizes=train.multiscale, seed=train.seed, epoch=epoch,
        )  # fmt: skip

    def _warmup_steps(self) -> int:
        train = self.config.train
        if train.warmup_steps is not None:
            return train.warmup_steps
        return min(PUBLISHED_WARMUP_STEPS, int(WARMUP_SHARE * train.epochs * len(self.plan(0))))

    def fit(self) -> None:
        """Trains what is left of the run, evaluating and saving after every epoch."""
        epochs, progress = self.config.train.epochs, self.progress
        if progress.step:
            _LOGGER.info("resumed at step %d", progress.step)
        writer = tf.summary.create_file_writer(str(self.run_dir / "tensorboard")) if self.is_chief else None
        done = progress.epoch * self.train_images + progress.images
        total, quiet = epochs * self.train_images, not self.is_chief
        bar = tqdm(total=total, initial=done, unit="img", disable=quiet, smoothing=0.05)
        with bar, stop_signals(self):
            while self.progress.epoch < epochs:
                try:
                    self._train_epoch(bar)
                except NonFiniteLossError as error:
                    self._roll_back(error, bar)
                    continue
                self._end_epoch(bar, writer)

    def _train_epoch(self, bar: tqdm) -> None:
        progress, train, plan = self.progress, self.config.train, self.plan(self.progress.epoch)
        bar.set_description(f"epoch {progress.epoch + 1}/{train.epochs}")
        iterator = iter(self._training_data(plan))
        frozen = progress.epoch < train.freeze_epochs
        while progress.epoch_step < len(plan):
            start, images = time.perf_counter(), plan[progress.epoch_step].images
            rate = schedule.learning_rate(train, progress.step, progress.epoch, self.warmup_steps) * progress.rate_scale
            with readable_data_errors(progress.step):
                loss = float(self.trainer.train_step(iterator, rate, images, progress.step, frozen))
            if not math.isfinite(loss):
                raise NonFiniteLossError(self._describe_batch(loss, rate))
            progress.step += 1
            progress.epoch_step += 1
            progress.loss_sum += loss * images
            progress.images += images
            seconds = time.perf_counter() - start
            progress.seconds += seconds
            if self.traced:
                self.timed_images, self.timed_seconds = self.timed_images + images, self.timed_seconds + seconds
            self.traced = True
            bar.update(images)
            bar.set_postfix(loss=f"{progress.loss_sum / progress.images:.3f}", refresh=False)
            if self.stop_signal is not None:
                self._stop()
            if progress.step % train.checkpoint_steps == 0 and progress.epoch_step < len(plan):
                self._save()

    def _training_data(self, plan: list[Step]):
        host_plan = input_pipeline.HostPlan(plan, self.host, self.hosts)
        progress, seed = self.progress, self.config.train.seed
        return self.trainer.strategy.distribute_datasets_from_function(
            lambda context: input_pipeline.training_dataset(
                self.source, host_plan, self.shard, self.config.augment, seed, progress.epoch, progress.epoch_step
            )
        )

    def _end_epoch(self, bar: tqdm, writer) -> None:
        progress, train = self.progress, self.config.train
        rate = schedule.learning_rate(train, progress.step - 1, progress.epoch, self.warmup_steps) * progress.rate_scale
        top1, loss = self.evaluate("val")
        row = {
            "epoch": progress.epoch + 1,
            "train_loss": progress.loss_sum / progress.images,
            "learning_rate": rate,
            "images_per_second": self.timed_images / self.timed_seconds if self.timed_images else 0.0,
            "seconds": progress.seconds,
            "val_loss": loss,
            "val_top1": top1,
        }
        progress.history.append(row)
        progress.epoch, progress.epoch_step, progress.loss_sum, progress.images = progress.epoch + 1, 0, 0.0, 0
        if self.is_chief:
            bar.write(
                f"epoch {row['epoch']}/{train.epochs}  loss {row['train_loss']:.3f}  val loss {loss:.3f}  "
                f"val top-1 {top1:.2%}  {row['images_per_second']:.0f} images/s"
            )
            with writer.as_default(step=progress.step):
                for key in ("train_loss", "learning_rate", "val_loss", "val_top1"):
                    tf.summary.scalar(key, row[key])
        if top1 >= max(entry["val_top1"] for entry in progress.history):
            self.save_model("best.safetensors")
        self._save()

    def evaluate(self, split: str) -> tuple[float, float]:
        """(top-1 in [0, 1], mean cross entropy) of the EMA weights, computed on every replica."""
        batch, size = self.config.train.batch_size, self.source.size(split)
        rounds = math.ceil(math.ceil(size / self.hosts) / (batch * (self.replicas // self.hosts)))
        batches = rounds * self.replicas // self.hosts
        data = self.trainer.strategy.distribute_datasets_from_function(
            lambda context: input_pipeline.evaluation_dataset(self.source, split, self.spec, batch, self.shard, batches)
        )
        iterator = iter(data)
        with readable_data_errors(self.progress.step):
            right, loss, images = np.sum([self.trainer.evaluation_step(iterator) for _ in range(rounds)], axis=0)
        return float(right / images), float(loss / images)

    def model_file(self) -> ModelFile:
        """The EMA weights with all that export needs."""
        values = weights.to_dict(self.trainer.ema_model)
        names, run_id = self.source.class_names, self.run_dir.name
        return ModelFile(self.config.model, self.spec, names, values, run_id, self.license)

    def save_model(self, name: str) -> None:
        """Writes the EMA weights; every worker calls this, the chief writes."""
        model = self.model_file()
        if self.is_chief:
            model_file.save(self.run_dir / name, model)

    def _save(self) -> None:
        keep = self.config.train.keep_checkpoints
        checkpoint.save(self.folder, self.trainer, self.progress, keep, write=self.is_chief)

    def _stop(self) -> None:
        self._save()
        raise UserError(
            f"stopped by {signal.Signals(self.stop_signal).name} at step {self.progress.step}, all is saved; go on "
            f"with the same command and --model_dir={self.run_dir}"
        )

    def _describe_batch(self, loss: float, rate: float) -> str:
        progress, plan = self.progress, self.plan(self.progress.epoch)
        host_plan = input_pipeline.HostPlan(plan, self.host, self.hosts)
        first, last = host_plan.first_image(progress.epoch_step), host_plan.first_image(progress.epoch_step + 1)
        order = input_pipeline.order_seed(self.config.train.seed, progress.epoch)
        records = self.source.records("train", shuffle_seed=order, shard=self.shard, start=first).take(last - first)
        names = [record["id"].numpy().decode() for record in records]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return (
            f"the loss became {loss} at step {progress.step} (learning rate {rate:.2e}) on {shown}; the last good "
            f"checkpoint is in {self.folder}: lower --learning_rate or use --on_nan=rollback"
        )

    def _roll_back(self, error: NonFiniteLossError, bar: tqdm) -> None:
        rollbacks, scale = self.progress.rollbacks + 1, self.progress.rate_scale / 2
        if self.config.train.on_nan == "stop" or rollbacks > MAX_ROLLBACKS:
            raise error
        restored = checkpoint.restore(self.folder, self.trainer)
        if restored is None:
            raise error
        self.progress = restored
        self.progress.rollbacks, self.progress.rate_scale = rollbacks, scale
        bar.n = restored.epoch * self.train_images + restored.images
        _LOGGER.warning("%s. Rolled back to step %d at half the learning rate", error, restored.step)
