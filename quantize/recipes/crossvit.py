"""The export of CrossViT: one classifier in place of two, and a float resize of the image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.families.transformers import crossvit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers.transformers import bicubic
from quantize.graph import Graph
from quantize.layers.folded import ALMOST_1
from quantize.recipes.default import DefaultRecipe


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedResize(bicubic.ResizeBicubic):
    """A bicubic resize in float between 8-bit tensors, without a transpose that the rounding could move across."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        to_rows, to_columns = (
            bicubic.constant_matrix(side, side * self.numerator // self.denominator, tf.float32)
            for side in (height, width)
        )  # [H, H'], [W, W']
        # [B, H, W, C] -> [B, H, W * C] -> [B, H', W * C] -> [B, H', W, C] -> [B, H', W', C]
        rows = tf.matmul(to_rows, tf.reshape(inputs * ALMOST_1, (-1, height, width * channels)), transpose_a=True)
        grid = tf.reshape(rows, (-1, rows.shape[1], width, channels))
        return tf.matmul(to_columns, grid, transpose_a=True)


class CrossViTRecipe(DefaultRecipe):
    """See `quantize.recipe.Recipe`."""

    left_unrounded: Mapping[type, type[tf_keras.layers.Layer]] = {
        **DefaultRecipe.left_unrounded,
        bicubic.ResizeBicubic: UnroundedResize,
    }

    def lower(self, graph: Graph, spec: ImageSpec) -> Graph:
        return super().lower(one_classifier(graph), spec)


def one_classifier(graph: Graph) -> Graph:
    """The mean of two dense layers as the dense layer of the mean weights."""
    changed = []
    for name in graph.names_of(crossvit.MeanOfClassifiers):
        node, count = graph.nodes[name], len(crossvit.BRANCHES)
        config = {"units": node.config["units"], "use_bias": True, "activation": "linear", "dtype": "float32"}
        weights = {"kernel": node.weights["kernel"] / count, "bias": node.weights["bias"].sum(0) / count}
        changed.append(dataclasses.replace(node, kind=keras_layers.Dense, config=config, weights=weights))
    return graph.with_nodes(*changed)


RECIPE = CrossViTRecipe()
