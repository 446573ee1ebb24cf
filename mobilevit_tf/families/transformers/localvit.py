"""LocalViT (arXiv 2104.05707): DeiT-Ti whose feed-forward networks look at a patch's neighbours.

The feed-forward network is an inverted residual (section 3.3): 1x1, depthwise 3x3, 1x1, each with BatchNorm, with an
addition of its own, no LayerNorm before it, and the class token passes it by.
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import activations, blocks, ends
from mobilevit_tf.layers.transformers import transformer


@dataclasses.dataclass(frozen=True)
class LocalViTSize:
    """Expansion of the feed-forward network, and width of its squeeze-and-excitation (0: none, and ReLU6 throughout).

    Patch side in pixels, token width and layers are DeiT-Ti's (arXiv 2012.12877, Table 1), with 4 heads as the authors'
    code has it; the expansions and activations are those compared in section 4.2. `grid` is that of the learned
    positions: 224 / 16 per side; other sizes interpolate.
    """

    expansion: int
    squeeze: int
    patch: int = 16
    dim: int = 192
    depth: int = 12
    num_heads: int = 4
    drop_path: float = 0.1
    grid: tuple[int, int] = (14, 14)


SIZES = {
    "localvit_t": LocalViTSize(expansion=4, squeeze=4),  # 768 / 192, the reduction of the published model
    "localvit_t_mlp6": LocalViTSize(expansion=6, squeeze=0),
}


def _act(x: tf_keras.KerasTensor, size: LocalViTSize, name: str) -> tf_keras.KerasTensor:
    if size.squeeze:
        return activations.HardSwish(name=f"{name}_hard_swish")(x)
    return keras_layers.ReLU(6.0, name=f"{name}_relu6")(x)


def _squeeze_excite(x: tf_keras.KerasTensor, width: int, name: str) -> tf_keras.KerasTensor:
    """Scales the channels of [B, H, W, C] by gates in [0, 1] made from their means (arXiv 1709.01507)."""
    y = keras_layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)  # [B, 1, 1, C]
    y = keras_layers.ReLU(name=f"{name}_relu")(transformer.dense(y, width, f"{name}_reduce"))
    y = transformer.dense(y, x.shape[-1], f"{name}_expand")
    return keras_layers.Multiply(name=f"{name}_scale")([x, activations.HardSigmoid(name=f"{name}_gate")(y)])


def _local_feed_forward(x: tf_keras.KerasTensor, size: LocalViTSize, name: str) -> tf_keras.KerasTensor:
    """1x1, depthwise 3x3, 1x1 and the addition: [B, H, W, C] -> the same."""
    hidden = size.expansion * size.dim
    y = transformer.dense(x, hidden, f"{name}_expand", use_bias=False)
    y = _act(transformer.batch_norm(y, f"{name}_expand_bn"), size, f"{name}_expand")
    y = keras_layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, depthwise_initializer=blocks.kaiming(depthwise=True),
        name=f"{name}_depthwise",
    )(y)  # fmt: skip
    y = _act(transformer.batch_norm(y, f"{name}_depthwise_bn"), size, f"{name}_depthwise")
    if size.squeeze:
        y = _squeeze_excite(y, size.squeeze, f"{name}_squeeze")
    y = transformer.dense(y, size.dim, f"{name}_project", use_bias=False)
    y = transformer.batch_norm(y, f"{name}_project_bn")
    return keras_layers.Add(name=f"{name}_add")([x, y])


def _block(
    row: tf_keras.KerasTensor, patches: tf_keras.KerasTensor, size: LocalViTSize, drop_path: float, name: str
) -> tf_keras.KerasTensor:
    """Row [B, 1, 1 + H * W, C] and any map [B, H, W, .] -> the row and its patches [B, H, W, C]."""
    y = transformer.layer_norm(row, f"{name}_norm1")
    y = transformer.self_attention(y, size.num_heads, f"{name}_attention")
    row = transformer.add_branch(row, y, name, 1, drop_path)
    token = transformer.TakeClassToken(name=f"{name}_take_class")(row)
    patches = transformer.TakePatches(name=f"{name}_take_patches")([row, patches])
    patches = _local_feed_forward(patches, size, f"{name}_ffn")
    return transformer.JoinClassToken(name=f"{name}_join_class")([token, patches]), patches


def features(image: tf_keras.KerasTensor, size: LocalViTSize) -> tf_keras.KerasTensor:
    """Standardised images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    patches = keras_layers.Conv2D(
        size.dim, size.patch, size.patch, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(image)
    patches = transformer.PositionEmbedding(size.grid, name="position")(patches)
    token = transformer.ClassToken(name="class_token")(patches)
    row = transformer.JoinClassToken(name="join_class")([token, patches])
    for index, rate in enumerate(transformer.drop_path_rates(size.drop_path, size.depth)):
        row, patches = _block(row, patches, size, rate, f"transformer{index}")
    return transformer.class_features(row)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least one patch of 16; None builds one graph for any size.

    Raises:
      UserError: for an input without a whole patch.
    """
    size = SIZES[config.variant]
    return ends.model(config, height, width, lambda image: features(image, size), least=size.patch)
