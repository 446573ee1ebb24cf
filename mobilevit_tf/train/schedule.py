"""The learning rate of the paper's recipe: linear warm-up by step, then a cosine that moves once an epoch."""

from __future__ import annotations

import math

from mobilevit_tf.config import TrainConfig

WARMUP_SHARE, PUBLISHED_WARMUP_STEPS = 0.05, 3000


def warmup_steps(config: TrainConfig, epoch_steps: int) -> int:
    """config.warmup_steps; unset 5 % of the run, at most the paper's 3,000."""
    if config.warmup_steps is not None:
        return config.warmup_steps
    return min(PUBLISHED_WARMUP_STEPS, int(WARMUP_SHARE * config.epochs * epoch_steps))


def learning_rate(config: TrainConfig, step: int, epoch: int, warmup_steps: int) -> float:
    """Learning rate of one step.

    Args:
      config: its warmup_learning_rate, learning_rate, min_learning_rate and epochs.
      step: counted from 0 over the whole run.
      epoch: counted from 0; the cosine is min + (max - min) * (1 + cos(pi * epoch / epochs)) / 2, as Apple's
        configuration has it (`is_iteration_based: false`).
      warmup_steps: steps of the linear rise from warmup_learning_rate to learning_rate.
    """
    if step < warmup_steps:
        return config.warmup_learning_rate + (config.learning_rate - config.warmup_learning_rate) * step / warmup_steps
    low, high = config.min_learning_rate, config.learning_rate
    return low + (high - low) * (1 + math.cos(math.pi * epoch / config.epochs)) / 2
