"""AdamW as the paper uses it (arXiv 2110.02178, section 4.1: decoupled weight decay, betas 0.9 and 0.999)."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras

from mobilevit_tf.config import TrainConfig

NORM_AND_BIAS = ("bias", "gamma", "beta")


def make_optimizer(config: TrainConfig) -> tf_keras.optimizers.Optimizer:
    """tf_keras' AdamW; its learning rate is set before every step.

    What is left out of the decay is decided here from the config at every start, since tf_keras forgets it on
    saving and loading.
    """
    optimizer = tf_keras.optimizers.AdamW(
        learning_rate=config.warmup_learning_rate,
        weight_decay=config.weight_decay,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,  # PyTorch's default, which the paper's code keeps
        jit_compile=False,  # XLA does not pay on a CPU, and costs minutes of compilation
    )
    if not config.decay_norm_and_bias:
        optimizer.exclude_from_weight_decay(var_names=list(NORM_AND_BIAS))
    if config.mixed_precision == "float16":
        return tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer
