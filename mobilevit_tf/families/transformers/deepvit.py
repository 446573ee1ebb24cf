"""DeepViT-16 and DeepViT-S (arXiv 2103.11886): a transformer whose heads exchange their attention maps.

Section 4.2: re-attention mixes the maps of all heads after the softmax by a learned matrix, and norms them. The sizes
are those of the authors' code: "16" is the plain transformer with re-attention in all its 16 layers; S has a stem of
convolutions, re-attention in its last five layers, and halved inputs of its norms.
"""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.layers import blocks, ends
from mobilevit_tf.layers.transformers import attention, transformer

STRIDE = 16  # pixels a token


@dataclasses.dataclass(frozen=True)
class Size:
    """One model.

    Attributes:
      dim: token width.
      hidden: feed-forward width.
      stem: channels of the two convolutions before the patches; 0 for none.
      first_mixed: index of the first layer that re-attends.
      mixed_scale: of the mixed maps.
      ratio: what the norms see of their input; the branches are divided by it.
      depth, num_heads: layers, attention heads.
      drop_path: greatest drop-path rate, that of DeiT's recipe.
      grid: of the learned positions.
    """

    dim: int
    hidden: int
    stem: int = 0
    first_mixed: int = 0
    mixed_scale: float = 1.0
    ratio: float = 1.0
    depth: int = 16
    num_heads: int = 12
    drop_path: float = 0.1
    grid: tuple[int, int] = (14, 14)


SIZES = {
    "deepvit_16": Size(384, 1152),
    "deepvit_s": Size(396, 1188, stem=64, first_mixed=11, mixed_scale=(396 // 12) ** -0.5, ratio=0.5),
}


def _conv_norm_relu(x: tf_keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> tf_keras.KerasTensor:
    x = keras_layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = keras_layers.Conv2D(
        filters, kernel, stride, use_bias=False, kernel_initializer=blocks.kaiming(), name=f"{name}_conv"
    )(x)
    return keras_layers.ReLU(name=f"{name}_relu")(transformer.batch_norm(x, f"{name}_bn"))


def _embed(image: tf_keras.KerasTensor, size: Size) -> tf_keras.KerasTensor:
    """[B, H, W, 3] -> [B, H / 16, W / 16, dim]."""
    x, patch = image, STRIDE
    if size.stem:
        x = _conv_norm_relu(x, size.stem, 7, 2, "stem1")
        x, patch = _conv_norm_relu(x, size.stem, 3, 1, "stem2"), STRIDE // 2
    return keras_layers.Conv2D(
        size.dim, patch, patch, kernel_initializer=blocks.linear(), name="patch_embedding"
    )(x)  # fmt: skip


def _re_attention(weights: tf_keras.KerasTensor, scale: float, name: str) -> tf_keras.KerasTensor:
    """Attention's weights [B, heads, T, T] -> the same, mixed over the heads and normed (section 4.2, equation 3)."""
    y = attention.MixHeads(name=f"{name}_mix_heads")(weights)
    y = transformer.batch_norm(y, f"{name}_bn", axis=1)
    return keras_layers.Rescaling(scale, name=f"{name}_rescale")(y) if scale != 1 else y


def _scaled(x: tf_keras.KerasTensor, factor: float, name: str) -> tf_keras.KerasTensor:
    return keras_layers.Rescaling(factor, name=name)(x) if factor != 1 else x


def _block(x: tf_keras.KerasTensor, size: Size, index: int, drop_path: float, name: str) -> tf_keras.KerasTensor:
    """Pre-norm transformer layer on [B, 1, T, C]."""
    mixed = None
    if index >= size.first_mixed:

        def mixed(weights: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
            return _re_attention(weights, size.mixed_scale, f"{name}_attention")

    y = transformer.layer_norm(_scaled(x, size.ratio, f"{name}_ratio1"), f"{name}_norm1")
    y = transformer.self_attention(y, size.num_heads, f"{name}_attention", map_weights=mixed)
    x = transformer.add_branch(x, _scaled(y, 1 / size.ratio, f"{name}_branch1"), name, 1, drop_path)
    y = transformer.layer_norm(_scaled(x, size.ratio, f"{name}_ratio2"), f"{name}_norm2")
    y = transformer.mlp(y, size.hidden, name)
    return transformer.add_branch(x, _scaled(y, 1 / size.ratio, f"{name}_branch2"), name, 2, drop_path)


def features(image: tf_keras.KerasTensor, size: Size) -> tf_keras.KerasTensor:
    """Scaled images [B, H, W, 3] -> [B, dim]; what does not fill a patch at the right and bottom is not seen."""
    patches = transformer.PositionEmbedding(size.grid, name="position")(_embed(image, size))
    x = transformer.JoinClassToken(name="join_class")([transformer.ClassToken(name="class_token")(patches), patches])
    for index, rate in enumerate(transformer.drop_path_rates(size.drop_path, size.depth)):
        x = _block(x, size, index, rate, f"transformer{index}")
    return transformer.class_features(x)


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3], RGB in [0, 1] -> float32 logits [B, num_classes].

    Args:
      config: variant, classes, dropout before the classifier.
      height, width: input size in pixels, at least 16; None builds one graph for any size.

    Raises:
      UserError: for a smaller input.
    """
    size = SIZES[config.variant]
    return ends.model(config, height, width, lambda image: features(image, size), least=STRIDE, scaled=ends.to_signed)
