"""What a run will train and how long it takes: said before its first epoch, from a few steps that leave no trace."""

from __future__ import annotations

import itertools
import shlex
import statistics
import time
from collections.abc import Sequence

import numpy as np

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.reports.training import duration
from mobilevit_tf.train import checkpoint
from mobilevit_tf.train.guards import readable_data_errors
from mobilevit_tf.train.run import Run

TIMED_STEPS = 3  # after the first one, which traces the graph
_VALIDATION = 1 / 3  # of the time that training on a photo takes: no way back through the network

# The proposal for who chose no recipe. configs/flowers_xxs.flags looks at 300,000 photos in all; the paper takes 300
# epochs; 64 divides these sizes, so that no block resizes inside.
PHOTOS_SEEN, FEWEST_EPOCHS, MOST_EPOCHS = 300_000, 30, 300
SIZES = (256, 192, 128)
SECONDS = 3600.0

FEW_PHOTOS = 1000  # to train on, below which published weights are the better start


def announce(run: Run, command: Sequence[str] = ()) -> None:
    """Prints one line about the run, one where it should rather start from published weights, and with `command` one
    that proposes input size and epochs.

    Args:
      run: before its first step, or where it goes on.
      command: that started it without a recipe of its own, up to the proposed flags; empty for no proposal.
    """
    if not run.is_chief:
        return
    step_seconds = time_a_step(run)
    train, plan = run.config.train, run.epochs.plan(run.progress.epoch, run.progress.offset)
    whole = f"{train.epochs} epoch{'' if train.epochs == 1 else 's'}"
    epochs = f"epochs {run.progress.epoch + 1} to {train.epochs}" if run.progress.epoch else whole
    model = f"{catalog.find(run.config.model.variant).title}, {run.trainer.model.count_params():,} weights"
    classes, held_out = len(run.source.class_names), run.source.size("val")
    print(
        f"{model}, {train.input_size} px, {classes} classes, {run.train_images:,} photos to train on, {held_out:,} to "
        f"validate, {epochs} of {len(plan)} steps{_how_long(run, step_seconds)}",
        flush=True,
    )
    if run.train_images < FEW_PHOTOS and not train.init_from and not run.progress.step:
        read = any(weights.variant == run.config.model.variant for weights in catalog.PUBLISHED.values())
        print(
            f"with fewer than {FEW_PHOTOS:,} photos to train on, published weights are the better start: add "
            f"{'' if read else f'--variant={ModelConfig().variant} '}--init_from={catalog.IMAGENET}, or take "
            "configs/finetune_xxs.flags (docs/pretrained.md)",
            flush=True,
        )
    if not command or run.progress.step or step_seconds is None:
        return
    size, count = propose(run.train_images, step_seconds * len(plan) / run.train_images, train.input_size)
    if (size, count) != (train.input_size, train.epochs):
        seconds = step_seconds * (size / train.input_size) ** 2 * len(plan) * count
        line = shlex.join([*command, f"--input_size={size}", f"--epochs={count}"])
        print(f"for this many photos on this machine, about {duration(seconds)}: {line}", flush=True)


def _how_long(run: Run, step_seconds: float | None) -> str:
    if step_seconds is None:
        return ""
    return f": about {duration(remaining(run, step_seconds))} on this machine ({step_seconds:.2g} s a step, measured)"


def time_a_step(run: Run) -> float | None:
    """Median seconds of a training step, measured without leaving a trace in the run.

    None where no step can be tried: with several workers, which would have to begin and end together, and for a run
    that was stopped between the last step of an epoch and its validation.
    """
    progress = run.progress
    plan = run.epochs.plan(progress.epoch, progress.offset)[progress.epoch_step :]
    if run.hosts > 1 or not plan:
        return None
    seconds, iterator = [], None
    explained = readable_data_errors(progress.step, lambda error: run.epochs.explain(error, progress, 1 + TIMED_STEPS))
    with checkpoint.unchanged(run.trainer), explained:
        for index, step in enumerate(itertools.islice(itertools.cycle(plan), 1 + TIMED_STEPS)):
            if index % len(plan) == 0:
                iterator = iter(run.training_data())
            start = time.perf_counter()
            np.asarray(run.trainer.train_steps(iterator, [0.0], [step.images], progress.step, False))
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def remaining(run: Run, step_seconds: float) -> float:
    """Seconds until the last epoch is validated."""
    train, progress = run.config.train, run.progress
    steps = len(run.epochs.plan(progress.epoch, progress.offset))
    due = [epoch for epoch in range(progress.epoch + 1, train.epochs + 1)
           if epoch % train.validate_every == 0 or epoch == train.epochs]  # fmt: skip
    validation = _VALIDATION * run.source.size("val") * steps / run.train_images  # in training steps
    return step_seconds * (steps * (train.epochs - progress.epoch) - progress.epoch_step + validation * len(due))


def propose(photos: int, photo_seconds: float, measured_size: int) -> tuple[int, int]:
    """(input size, epochs): as many epochs as few photos need, at the largest size that takes at most an hour.

    Args:
      photos: in the training split.
      photo_seconds: that training on one of them took at `measured_size`; time goes with the number of pixels.
      measured_size: side of the input in pixels.
    """
    epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(PHOTOS_SEEN / photos, -1)))
    hours = (size for size in SIZES if epochs * photos * photo_seconds * (size / measured_size) ** 2 <= SECONDS)
    return next(hours, SIZES[-1]), int(epochs)
