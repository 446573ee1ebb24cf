"""The export of T2T-ViT: its soft splits are depthwise convolutions, its attention by random features stays float."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.families.transformers import t2t
from mobilevit_tf.image.image_spec import ImageSpec
from quantize.graph import Graph
from quantize.layers.folded import ALMOST_1
from quantize.recipes.default import DefaultRecipe
from quantize.steps import fold


@tf_keras.utils.register_keras_serializable("mobilevit_tf")
class UnroundedKernelAttention(t2t.KernelAttention):
    """Attention by random features in float between 8-bit tensors."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call([tokens * ALMOST_1 for tokens in inputs])


class T2TRecipe(DefaultRecipe):
    """See `quantize.recipe.Recipe`."""

    left_unrounded: Mapping[type, type[tf_keras.layers.Layer]] = {
        **DefaultRecipe.left_unrounded,
        t2t.KernelAttention: UnroundedKernelAttention,
    }

    def lower(self, graph: Graph, spec: ImageSpec) -> Graph:
        return super().lower(soft_splits_as_convolutions(graph), spec)


def soft_splits_as_convolutions(graph: Graph) -> Graph:
    """Every `SoftSplit` as what it computes: a padding and a depthwise convolution with one-hot kernels."""
    for name in graph.names_of(t2t.SoftSplit):
        split = graph.nodes[name]
        kernel, stride, source = split.config["kernel"], split.config["stride"], split.inputs[0]
        places, edge = kernel**2, (kernel - stride + 1) // 2
        # [k * k, k * k] -> [k, k, 1, k * k] -> [k, k, C, k * k]
        one_hot = np.eye(places).reshape(kernel, kernel, 1, places).repeat(split.shape[-1] // places, 2)
        plain = keras_layers.DepthwiseConv2D(kernel, stride, depth_multiplier=places, use_bias=False)
        made = split.made(keras_layers.DepthwiseConv2D, **fold.settings_of(plain))
        graph = graph.with_nodes(dataclasses.replace(made, weights={"depthwise_kernel": one_hot}))
        graph = graph.inserted(fold.padding(f"{name}_pad", source, edge), source, fold.named(name))
    return graph


RECIPE = T2TRecipe()
