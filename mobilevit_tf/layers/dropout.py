"""Dropout and stochastic depth whose masks repeat: pure functions of the run's seed, the step and the layer's name."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

_dropout_seeds: list[tf.Tensor] = []


@contextlib.contextmanager
def dropout_seed(seed: tf.Tensor) -> Iterator[None]:
    """Every `StatelessDropout` called inside draws from `seed`, an int32 tensor [2], such as (run seed, step)."""
    _dropout_seeds.append(seed)
    try:
        yield
    finally:
        _dropout_seeds.pop()


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class StatelessDropout(tf_keras.layers.Layer):
    """Dropout whose mask is a pure function of (`dropout_seed`, layer name), so that a resumed run repeats it.

    tf_keras' own Dropout keeps a hidden generator that no checkpoint holds.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or self.rate == 0:
            return inputs
        if not _dropout_seeds:
            raise RuntimeError(f"{self.name}: call the model inside `with dropout.dropout_seed(seed):` when training")
        layer_id = zlib.crc32(self.name.encode()) & 0x7FFFFFFF
        seed = tf.random.experimental.stateless_fold_in(_dropout_seeds[-1], layer_id)
        # Two 16-bit draws a word: random numbers are most of what dropout costs, and rate * 65536 is exact enough.
        shape = tf.shape(inputs)
        count = tf.reduce_prod(shape)
        words = tf.random.stateless_uniform(((count + 1) // 2,), seed, None, None, tf.uint32, alg="philox")
        draws = tf.reshape(tf.bitcast(words, tf.uint16), (-1,))[:count]  # [words] -> [words, 2] -> [elements]
        threshold = min(round(self.rate * 65536), 65535)
        keep = tf.cast(draws >= tf.constant(threshold, tf.uint16), inputs.dtype)
        return inputs * tf.reshape(keep, shape) * (65536 / (65536 - threshold))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rate": self.rate}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class StatelessDropPath(StatelessDropout):
    """Stochastic depth: drops the whole residual branch of an image, drawn as `StatelessDropout` draws."""

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not training or self.rate == 0:
            return inputs
        kept = super().call(tf.ones_like(inputs[:, :1, :1, :1]), training)  # [B, 1, 1, 1]: 0 or 1 / (1 - rate)
        return inputs * kept
