"""AdamW as the paper uses it (arXiv 2110.02178, section 4.1: decoupled weight decay, betas 0.9 and 0.999)."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras

from mobilevit_tf.config import TrainConfig

NORM_AND_BIAS = ("bias", "gamma", "beta")
DECAYED, UNDECAYED = "decayed", "kept"


def group_of(name: str, config: TrainConfig) -> str:
    """DECAYED or UNDECAYED, for a variable of that name."""
    exempt = not config.decay_norm_and_bias and any(part in name for part in NORM_AND_BIAS)
    return UNDECAYED if exempt else DECAYED


def make_optimizer(config: TrainConfig) -> tf_keras.optimizers.Optimizer:
    """tf_keras' AdamW; its learning rate is set before every step.

    It moves vectors that hold a group of variables each, their names ending in `group_of`. What is left out of the
    decay is decided from the config at every start, since tf_keras forgets it on saving and loading.
    """
    optimizer = tf_keras.optimizers.AdamW(
        learning_rate=config.warmup_learning_rate,
        weight_decay=config.weight_decay,
        beta_1=0.9,
        beta_2=0.999,
        global_clipnorm=config.clip_norm or None,
        epsilon=1e-8,  # PyTorch's default, which the paper's code keeps
        jit_compile=False,  # XLA does not pay on a CPU, and costs minutes of compilation
    )
    optimizer.exclude_from_weight_decay(var_names=[f"_{UNDECAYED}"])
    if config.mixed_precision == "float16":
        return tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer
