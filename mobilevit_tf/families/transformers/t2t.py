"""T2T-ViT-7 and T2T-ViT-12 (arXiv 2101.11986): a narrow transformer over tokens that overlap.

Section 3.1: three soft splits, with a transformer step after the first two, turn pixels into tokens (Tokens-to-Token).
Section 3.2: the backbone, its positions from sines. The lite sizes take kernel attention (arXiv 2009.14794) in the two
steps, whose cost grows with the tokens and not with their square. Constants are those of the authors' code.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import ends
from mobilevit_tf.layers.dropout import StatelessDropout
from mobilevit_tf.layers.transformers import transformer

LAYER_NORM_EPSILON = 1e-5
SPLITS = ((7, 4), (3, 2), (3, 2))  # side of a window and stride of the soft splits (section 3.1)
STRIDE = math.prod(stride for _, stride in SPLITS)  # pixels a token


@dataclasses.dataclass(frozen=True)
class Size:
    """A row of the paper's Table 1 (structure details); drop path and scale are those of the authors' code.

    Attributes:
      depth: backbone layers.
      dim: token width.
      num_heads: attention heads.
      hidden: feed-forward width.
      step_dim: width of the two Tokens-to-Token steps.
      drop_path: greatest drop-path rate of the backbone.
      scale: of attention's scores; None takes (dim / num_heads) ** -0.5. The published weights want dim ** -0.5.
    """

    depth: int
    dim: int = 256
    num_heads: int = 4
    hidden: int = 512
    step_dim: int = 64
    drop_path: float = 0.1
    scale: float | None = None


SIZES = {"t2t_vit_7": Size(7), "t2t_vit_12": Size(12)}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class SoftSplit(keras_layers.Layer):
    """[B, H, W, C] -> [B, rows, columns, C * kernel ** 2]: windows that overlap, as channels.

    They are ordered (C, row, column). A depthwise convolution with one-hot kernels makes them: TFLite has no operator
    that extracts windows.

    Args:
      kernel: side of a window, in pixels.
      stride: from a window to the next. edge = (kernel - stride + 1) // 2 rows and columns of zeros lie around the
        input, so rows = (H + 2 * edge - kernel) // stride + 1.
    """

    def __init__(self, kernel: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel, self.stride = kernel, stride

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        places, channels = self.kernel**2, inputs.shape[-1]
        one_hot = np.eye(places).reshape(self.kernel, self.kernel, 1, places)  # [k * k, k * k] -> [k, k, 1, k * k]
        edge = (self.kernel - self.stride + 1) // 2
        padded = tf.pad(inputs, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        kernels = tf.constant(np.tile(one_hot, (1, 1, channels, 1)), inputs.dtype)
        return tf.nn.depthwise_conv2d(padded, kernels, (1, self.stride, self.stride, 1), "VALID")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"kernel": self.kernel, "stride": self.stride}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class KernelAttention(keras_layers.Layer):
    """Called on (key, query, value), each [B, H, W, C]: attention with one head by positive random features.

    exp(k . q) is estimated by f(k) . f(q), f(x) = exp(w x - |x|^2 / 2) / sqrt(m) (arXiv 2009.14794, Lemma 1), so that
    keys and values meet before the queries come. `w` [m, C] is random, orthogonal and never trained.

    Args:
      features: m.
    """

    epsilon = 1e-8  # of the denominator

    def __init__(self, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features

    def build(self, input_shape: Any) -> None:
        orthogonal = tf_keras.initializers.Orthogonal(math.sqrt(self.features))
        shape = (self.features, input_shape[0][-1])
        self.w = self.add_weight("w", shape, None, orthogonal, trainable=False, experimental_autocast=False)
        super().build(input_shape)  # says that it is built

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        key, query, value = (self._tokens(tokens) for tokens in inputs)  # [B, N, C]
        key, query = self._features(key), self._features(query)  # [B, N, m]
        context = tf.matmul(value, key, transpose_a=True)  # [B, C, m]
        total = tf.reduce_sum(key, axis=1, keepdims=True)  # [B, 1, m]
        weights = tf.matmul(query, total, transpose_b=True) + self.epsilon  # [B, N, 1]
        mixed = tf.matmul(query, context, transpose_b=True) / weights  # [B, N, C]
        reference = inputs[2]
        shape = reference.shape if None not in reference.shape[1:] else tf.shape(reference)
        mixed = tf.reshape(mixed, (tf.shape(reference)[0], shape[1], shape[2], reference.shape[3]))  # -> [B, H, W, C]
        return tf.cast(mixed, self.compute_dtype)

    @staticmethod
    def _tokens(features: tf.Tensor) -> tf.Tensor:
        """[B, H, W, C] -> [B, H * W, C], in float32: the exponents are large."""
        count = math.prod(features.shape[1:3]) if None not in features.shape[1:3] else -1
        return tf.cast(tf.reshape(features, (tf.shape(features)[0], count, features.shape[-1])), tf.float32)

    def _features(self, tokens: tf.Tensor) -> tf.Tensor:
        half_square = tf.reduce_sum(tf.square(tokens), axis=-1, keepdims=True) / 2
        projected = tf.matmul(tokens, self.w, transpose_b=True)
        return tf.exp(projected - half_square) * (1 / math.sqrt(self.features))

    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        height, width, channels = self.input_shape[0][1:]
        return height * width * self.features * (4 * channels + 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"features": self.features}


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class SinePositions(keras_layers.Layer):
    """Adds to token p of [B, 1, T, C]: sin(p / 10000 ** (2 * (j // 2) / C)) at even channels j, the cosine at odd."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        count, channels = inputs.shape[2], inputs.shape[3]
        column = np.arange(channels)
        rates, phases = 10000.0 ** (-2 * (column // 2) / channels), np.pi / 2 * (column % 2)  # cos x = sin(x + pi / 2)
        if count is not None:
            table = np.sin(np.arange(count)[:, np.newaxis] * rates + phases)  # [T, C]
        else:
            positions = tf.cast(tf.range(tf.shape(inputs)[2]), tf.float64)
            table = tf.sin(positions[:, tf.newaxis] * rates + phases)
        return inputs + tf.cast(table, inputs.dtype)


def _step(x: tf_keras.KerasTensor, dim: int, dropout: float, name: str) -> tf_keras.KerasTensor:
    """A Tokens-to-Token transformer step (section 3.1): [B, H, W, any] -> [B, H, W, dim]."""
    y = transformer.layer_norm(x, f"{name}_norm1", LAYER_NORM_EPSILON)
    parts = [transformer.dense(y, dim, f"{name}_{part}") for part in ("key", "query", "value")]
    y = transformer.dense(KernelAttention(dim // 2, name=f"{name}_attention")(parts), dim, f"{name}_output")
    if dropout:
        y = StatelessDropout(dropout, name=f"{name}_dropout1")(y)
    x = keras_layers.Add(name=f"{name}_add1")([parts[2], y])  # the values: the input has another width
    y = transformer.mlp(transformer.layer_norm(x, f"{name}_norm2", LAYER_NORM_EPSILON), dim, name)
    if dropout:
        y = StatelessDropout(dropout, name=f"{name}_dropout2")(y)
    return keras_layers.Add(name=f"{name}_add2")([x, y])


def features(image: tf_keras.KerasTensor, size: Size, dropout: float = 0.0) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; `dropout` is that of the two Tokens-to-Token steps."""
    x = image
    for index, (kernel, stride) in enumerate(SPLITS):
        x = SoftSplit(kernel, stride, name=f"split{index}")(x)
        if index < len(SPLITS) - 1:
            x = _step(x, size.step_dim, dropout, f"step{index + 1}")
    x = transformer.dense(x, size.dim, "project")
    token = transformer.ClassToken(position=False, name="class_token")(x)
    x = SinePositions(name="position")(transformer.JoinClassToken(name="join_class")([token, x]))
    for index, rate in enumerate(transformer.drop_path_rates(size.drop_path, size.depth)):
        x = transformer.block(
            x, size.num_heads, size.hidden, f"transformer{index}", drop_path=rate, epsilon=LAYER_NORM_EPSILON,
            qkv_bias=False, scale=size.scale,
        )  # fmt: skip
    return transformer.class_features(x, LAYER_NORM_EPSILON)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout in the Tokens-to-Token steps and before the classifier.
      height, width: input size in pixels, at least 16; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    size, dropout = SIZES[config.variant], config.rates[0]
    return ends.model(config, height, width, lambda image: features(image, size, dropout), least=STRIDE)
