"""MobileViT (arXiv 2110.02178) as a Functional model."""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families.mobilevit_sizes import SIZES, Stage
from mobilevit_tf.layers import blocks, convolution, ends
from mobilevit_tf.layers.dropout import StatelessDropout


class _Builder:
    """Adds named layers to a Functional graph."""

    def __init__(self, config: ModelConfig) -> None:
        self.config, self.size = config, SIZES[config.variant]
        self.dropout_rate, self.classifier_dropout_rate = config.rates

    def dense(self, x: tf_keras.KerasTensor, filters: int, name: str) -> tf_keras.KerasTensor:
        """A dense layer over the channels, as a 1x1 convolution."""
        return blocks.PointwiseConv2D(filters, 1, kernel_initializer=blocks.linear(), name=name)(x)

    def layer_norm(self, x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
        return blocks.LayerNormalization(epsilon=blocks.LAYER_NORM_EPSILON, name=name)(x)

    def dropout(self, x: tf_keras.KerasTensor, name: str) -> tf_keras.KerasTensor:
        return StatelessDropout(self.dropout_rate, name=name)(x) if self.dropout_rate else x

    def inverted_residual(
        self, x: tf_keras.KerasTensor, filters: int, name: str, *, stride: int = 1
    ) -> tf_keras.KerasTensor:
        return convolution.inverted_residual(x, filters, name, expand_ratio=self.size.expand_ratio, stride=stride)

    def attention(self, x: tf_keras.KerasTensor, patch_size: int, name: str) -> tf_keras.KerasTensor:
        """Multi-head self-attention over the pixels at the same place of their patches: [B, H, W, d] -> the same."""
        heads, dim = self.size.num_heads, x.shape[-1]
        parts = {
            part: blocks.SplitPatches(patch_size, heads, swapped=part == "value", name=f"{name}_{part}_split")(
                self.dense(x, dim, f"{name}_{part}")
            )
            for part in ("query", "key", "value")
        }
        scores = blocks.ProductTransposed(name=f"{name}_scores")([parts["query"], parts["key"]])  # [B, P*heads, N, N]
        weights = blocks.ScaledSoftmax(1 / math.sqrt(dim // heads), name=f"{name}_softmax")(scores)
        weights = self.dropout(weights, f"{name}_dropout")
        mixed = blocks.ProductTransposed(name=f"{name}_mix")([weights, parts["value"]])  # [B, P*heads, N, d/heads]
        mixed = blocks.MergePatches(patch_size, heads, name=f"{name}_merge")([mixed, x])  # [B, H, W, d]
        return self.dense(mixed, dim, f"{name}_output")

    def transformer(self, x: tf_keras.KerasTensor, ffn_dim: int, patch_size: int, name: str) -> tf_keras.KerasTensor:
        """Pre-norm transformer layer on [B, H, W, d]."""
        dim = x.shape[-1]
        y = self.attention(self.layer_norm(x, f"{name}_norm1"), patch_size, f"{name}_attention")
        x = keras_layers.Add(name=f"{name}_add1")([x, self.dropout(y, f"{name}_dropout1")])
        y = self.dense(self.layer_norm(x, f"{name}_norm2"), ffn_dim, f"{name}_ffn1")
        y = self.dropout(blocks.Swish(name=f"{name}_swish")(y), f"{name}_dropout2")
        y = self.dropout(self.dense(y, dim, f"{name}_ffn2"), f"{name}_dropout3")
        return keras_layers.Add(name=f"{name}_add2")([x, y])

    def mobilevit_block(
        self, x: tf_keras.KerasTensor, stage: Stage, patch_size: int, name: str
    ) -> tf_keras.KerasTensor:
        """The MobileViT block (section 3.1): local 3x3, transformers over patches, fusion with the input."""
        y = convolution.conv_norm(x, stage.channels, f"{name}_local", kernel=3, act="swish")
        y = features = blocks.PointwiseConv2D(
            stage.transformer_dim, 1, use_bias=False, kernel_initializer=blocks.kaiming(),
            name=f"{name}_projection_conv",
        )(y)  # fmt: skip
        resized = None in features.shape[1:3] or features.shape[1] % patch_size or features.shape[2] % patch_size
        if resized:
            y = blocks.ResizeToMultiple(patch_size, name=f"{name}_resize")(y)
        for index in range(stage.depth):
            y = self.transformer(y, stage.ffn_dim, patch_size, f"{name}_transformer{index}")
        y = self.layer_norm(y, f"{name}_norm")
        if resized:
            y = blocks.ResizeLike(name=f"{name}_resize_back")([y, features])
        y = convolution.conv_norm(y, stage.channels, f"{name}_output", act="swish")
        y = keras_layers.Concatenate(name=f"{name}_concat")([x, y])
        return convolution.conv_norm(y, stage.channels, f"{name}_fusion", kernel=3, act="swish")

    def network(self, image: tf_keras.KerasTensor) -> tf_keras.KerasTensor:
        """Images [B, H, W, 3] -> logits [B, num_classes]."""
        size = self.size
        x = convolution.conv_norm(image, size.stem, "stem", kernel=3, stride=2, act="swish")
        x = self.inverted_residual(x, size.layer1, "layer1_mv2")
        for index in range(3):
            x = self.inverted_residual(x, size.layer2, f"layer2_mv2{index}", stride=2 if index == 0 else 1)
        for number, stage, patch_size in zip((3, 4, 5), size.stages, self.config.patch_sizes, strict=True):
            x = self.inverted_residual(x, stage.channels, f"layer{number}_mv2", stride=2)
            x = self.mobilevit_block(x, stage, patch_size, f"layer{number}_vit")
        x = convolution.conv_norm(x, size.head, "head", act="swish")
        x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
        return ends.classifier(x, self.config.num_classes, self.classifier_dropout_rate, blocks.linear())


def build(config: ModelConfig, height: int | None = None, width: int | None = None) -> tf_keras.Model:
    """The model: float images [B, height, width, 3] -> logits [B, num_classes].

    Args:
      config: variant, classes, patches, dropout.
      height, width: input size in pixels; None builds one graph for any size. A feature map that does not divide
        into patches is resized bilinearly inside the block, as the paper's code does (224: 7x7 -> 8x8 -> 7x7).
    """
    image = ends.image_input(height, width)
    return tf_keras.Model(image, _Builder(config).network(image), name=f"mobilevit_{config.variant}")
