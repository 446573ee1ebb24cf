"""The training loop: epochs, checkpoints, evaluation of the EMA weights, and what a run leaves behind."""

from __future__ import annotations

import logging
import math
import signal
import time
from pathlib import Path
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf import distribution
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.progress import ProgressBar
from mobilevit_tf.reports.tensorboard_log import TensorBoardLog
from mobilevit_tf.train import checkpoint, input_pipeline, schedule
from mobilevit_tf.train.checkpoint import NonFiniteError, Progress
from mobilevit_tf.train.epochs import Epochs
from mobilevit_tf.train.guards import PhotosLost, readable_data_errors, stop_signals
from mobilevit_tf.train.multiscale import Step
from mobilevit_tf.train.run_dir import CHECKPOINTS, RunConfig, require_kept
from mobilevit_tf.train.trainer import Trainer

_LOGGER = logging.getLogger(__name__)
MAX_ROLLBACKS = 3


class Run:
    """One training run in this process.

    Attributes:
      progress: where it stands, as the next checkpoint will hold it.
    """

    def __init__(
        self, config: RunConfig, source: Source, spec: ImageSpec, trainer: Trainer, run_dir: Path,
        license: str = model_file.LICENSE, origin: str = "",
    ) -> None:  # fmt: skip
        self.config, self.source, self.spec, self.trainer, self.run_dir = config, source, spec, trainer, run_dir
        self.license, self.origin = license, origin
        self.host, self.hosts = distribution.place_in_cluster(trainer.strategy)
        self.is_chief = self.host == 0
        self.replicas = trainer.strategy.num_replicas_in_sync
        self.epochs = Epochs(config, source, self.host, self.hosts, self.replicas)
        self.train_images = self.epochs.images
        if self.train_images < self.replicas:
            raise UserError(f"{self.train_images} training photos for {self.replicas} replicas: expected one for each")
        self.stop_signal: int | None = None
        self.progress = checkpoint.restore(self.folder, trainer) or Progress(train_images=self.train_images)
        self._require_same_start()
        self.epochs.take_up(self.progress)
        self.warmup_steps = schedule.warmup_steps(config.train, len(self.epochs.plan(0)))
        # Throughput of this process without its first step, which traces the graph.
        self.traced, self.timed_images, self.timed_seconds = False, 0, 0.0

    def _require_same_start(self) -> None:
        before, step = self.progress.train_images, self.progress.step
        if before not in (0, self.train_images):
            raise UserError(f"{self.run_dir} was begun on {before} training photos, now there are {self.train_images}: "
                            "choose another --model_dir")  # fmt: skip
        if self.hosts > 1 and distribution.sum_of_replicas(self.trainer.strategy, step) != step * self.replicas:
            raise UserError(f"not every worker found the checkpoint of step {step}: --model_dir must be one folder "
                            "that all of them reach")  # fmt: skip

    @property
    def folder(self) -> Path:
        return self.run_dir / CHECKPOINTS

    def fit(self) -> None:
        """Trains what is left of the run, saving after every epoch and validating where it is due."""
        epochs, progress = self.config.train.epochs, self.progress
        if progress.step:
            _LOGGER.info("resumed at step %d", progress.step)
        log = TensorBoardLog(self.run_dir / "tensorboard") if self.is_chief else None
        done, total = progress.epoch * self.train_images + progress.images, epochs * self.train_images
        bar = ProgressBar(total=total, initial=done, unit="img", disable=not self.is_chief, smoothing=0.05)
        with bar, stop_signals(self):
            if self.config.train.on_nan == "rollback" and not progress.step:
                self._save()
            while self.progress.epoch < epochs:
                try:
                    self._train_epoch(bar)
                    self._end_epoch(bar, log)
                except NonFiniteError as error:
                    self._roll_back(error, bar)
                self._stop_if_asked()

    def _train_epoch(self, bar: ProgressBar) -> None:
        progress, train = self.progress, self.config.train
        plan = self.epochs.plan(progress.epoch, progress.offset)
        bar.set_description(f"epoch {progress.epoch + 1}/{train.epochs}")
        frozen = progress.epoch < train.freeze_epochs
        if progress.epoch and progress.epoch == train.freeze_epochs and not progress.epoch_step:
            self._forget_moments()
        iterator = iter(self.training_data()) if progress.epoch_step < len(plan) else None
        while progress.epoch_step < len(plan):
            to_checkpoint = train.checkpoint_steps - progress.step % train.checkpoint_steps
            steps = plan[progress.epoch_step :][: min(train.steps_per_call, to_checkpoint)]
            try:
                self._train_steps(iterator, steps, frozen)
            except PhotosLost as lost:
                if not (train.data_service and progress.images):
                    raise UserError(str(lost)) from lost
                _LOGGER.warning("%s: the epoch ends without %d photos", lost, self.train_images - progress.images)
                break
            bar.update(sum(step.images for step in steps))
            bar.set_postfix(loss=f"{progress.loss_sum / progress.images:.3f}", refresh=False)
            self._stop_if_asked()
            if progress.step % train.checkpoint_steps == 0 and progress.epoch_step < len(plan):
                self._save()

    def _train_steps(self, iterator: Any, steps: list[Step], frozen: bool) -> None:
        progress, train, start = self.progress, self.config.train, time.perf_counter()
        images = [step.images for step in steps]
        numbers = range(progress.step, progress.step + len(steps))
        rates = [schedule.learning_rate(train, number, progress.epoch, self.warmup_steps) for number in numbers]
        rates = [rate * progress.rate_scale for rate in rates]
        with readable_data_errors(progress.step, lambda error: self.epochs.explain(error, progress, len(steps))):
            losses = np.asarray(self.trainer.train_steps(iterator, rates, images, progress.step, frozen))
        for loss, rate, count in zip(losses.tolist(), rates, images, strict=True):
            if not math.isfinite(loss):
                raise NonFiniteError(self._describe_batch(loss, rate))
            progress.step, progress.epoch_step = progress.step + 1, progress.epoch_step + 1
            progress.loss_sum, progress.images = progress.loss_sum + loss * count, progress.images + count
        seconds = time.perf_counter() - start
        progress.seconds += seconds
        if self.traced:
            self.timed_images, self.timed_seconds = self.timed_images + sum(images), self.timed_seconds + seconds
        self.traced = True

    def _forget_moments(self) -> None:
        """Starts AdamW anew where the backbone begins to learn.

        Its bias correction counts the steps of the frozen epochs too: it would no longer lift the backbone's fresh
        second moments, and the first updates would be several times the learning rate.
        """
        for variable in self.trainer.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        self.traced = False  # the next step is another graph

    def training_data(self) -> tf.distribute.DistributedDataset:
        """The epoch under way, from its next step on."""
        return self.trainer.strategy.distribute_datasets_from_function(lambda _: self.epochs.dataset(self.progress))

    def _end_epoch(self, bar: ProgressBar, log: TensorBoardLog | None) -> None:
        progress, train = self.progress, self.config.train
        rate = schedule.learning_rate(train, progress.step - 1, progress.epoch, self.warmup_steps) * progress.rate_scale
        row = {
            "epoch": progress.epoch + 1,
            "train_loss": progress.loss_sum / progress.images,
            "learning_rate": rate,
            "images_per_second": self.timed_images / self.timed_seconds if self.timed_images else 0.0,
            "seconds": progress.seconds,
        }
        if row["epoch"] % train.validate_every == 0 or row["epoch"] == train.epochs:
            row |= self._validate()
        progress.history.append(row)
        progress.epoch, progress.epoch_step, progress.loss_sum, progress.images = progress.epoch + 1, 0, 0.0, 0
        progress.offset = 0
        if log is not None:  # the chief
            shown = f"epoch {row['epoch']}/{train.epochs}  loss {row['train_loss']:.3f}  "
            shown += f"val loss {row['val_loss']:.3f}  val top-1 {row['val_top1']:.2%}  " if "val_top1" in row else ""
            bar.write(f"{shown}{row['images_per_second']:.0f} images/s")
            log.write(row, progress.step)
        if "val_top1" in row and all(row["val_top1"] > entry.get("val_top1", -1) for entry in progress.history[:-1]):
            self.save_model("best.safetensors")  # of equals the first, as metrics.json says
        self._save()

    def _validate(self) -> dict[str, float]:
        top1, loss = self.evaluate("val")
        if not math.isfinite(loss):
            raise NonFiniteError(f"the validation loss became {loss} after step {self.progress.step}; {self._advice()}")
        return {"val_loss": loss, "val_top1": top1}

    def evaluate(self, split: str) -> tuple[float, float]:
        """(top-1 in [0, 1], mean cross entropy) of the EMA weights, computed on every replica."""
        batch, size = self.config.train.batch_size, self.source.size(split)
        rounds = math.ceil(math.ceil(size / self.hosts) / (batch * (self.replicas // self.hosts)))
        batches = rounds * self.replicas // self.hosts
        data = self.trainer.strategy.distribute_datasets_from_function(
            lambda context: input_pipeline.evaluation_dataset(
                self.source, split, self.spec, batch, (self.host, self.hosts), batches
            )
        )
        iterator = iter(data)
        with readable_data_errors(self.progress.step):
            sums = [self.trainer.evaluation_step(iterator).numpy() for _ in range(rounds)]
        right, loss, images = np.sum(sums, axis=0, dtype=np.float64)
        return float(right / images), float(loss / images)

    def save_model(self, name: str) -> None:
        """Writes the EMA weights with all that export needs; every worker calls this, the chief writes."""
        values = weights.to_dict(self.trainer.ema_model)
        names, run_id = self.source.class_names, self.run_dir.name
        model = ModelFile(self.config.model, self.spec, names, values, run_id, self.license, self.origin)
        if self.is_chief:
            require_kept(self.run_dir)
            model_file.save(self.run_dir / name, model)

    def _save(self) -> None:
        if self.is_chief:
            require_kept(self.run_dir)
        keep = self.config.train.keep_checkpoints
        with readable_data_errors(self.progress.step):  # all workers take part: one may be gone
            checkpoint.save(self.folder, self.trainer, self.progress, keep, write=self.is_chief)

    def _stop_if_asked(self) -> None:
        """Saves and ends the run where this worker or another got a signal; all end together, or saving would hang."""
        asked = self.stop_signal is not None
        if not (asked if self.hosts == 1 else distribution.sum_of_replicas(self.trainer.strategy, float(asked))):
            return
        self._save()
        name = "another worker" if self.stop_signal is None else signal.Signals(self.stop_signal).name
        raise UserError(f"stopped by {name} at step {self.progress.step}, all is saved; go on with the same command "
                        f"and --model_dir={self.run_dir}")  # fmt: skip

    def _describe_batch(self, loss: float, rate: float) -> str:
        where = f"step {self.progress.step} (learning rate {rate:.2e}) on {self.epochs.names(self.progress)}"
        return f"the loss became {loss} at {where}; {self._advice()}"

    def _advice(self) -> str:
        saved = any(self.folder.glob("step-*"))
        last = f"the last good checkpoint is in {self.folder}" if saved else "nothing was saved yet"
        return f"{last}: use --on_nan=rollback, or a lower --learning_rate and another --model_dir"

    def _roll_back(self, error: NonFiniteError, bar: ProgressBar) -> None:
        rollbacks, scale = self.progress.rollbacks + 1, self.progress.rate_scale / 2
        if self.config.train.on_nan == "stop" or rollbacks > MAX_ROLLBACKS:
            raise error
        # The newest checkpoint may hold the very weights that gave the NaN: one before that where there is one.
        below = checkpoint.restore(self.folder, self.trainer, below=self.progress.step)
        restored = below or checkpoint.restore(self.folder, self.trainer)
        if restored is None:
            raise error
        self.progress = restored
        self.epochs.take_up(restored)
        restored.rollbacks, restored.rate_scale = rollbacks, scale
        bar.n = restored.epoch * self.train_images + restored.images
        _LOGGER.warning("%s. Rolled back to step %d at half the learning rate", error, restored.step)
