"""The export of CaiT: LayerScale goes into the convolution before it."""

from __future__ import annotations

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
from tf_keras import layers as keras_layers

from mobilevit_tf.families.transformers import cait
from mobilevit_tf.image.image_spec import ImageSpec
from quantize.graph import Graph
from quantize.recipes.default import DefaultRecipe


class CaiTRecipe(DefaultRecipe):
    """See `quantize.recipe.Recipe`."""

    def lower(self, graph: Graph, spec: ImageSpec) -> Graph:
        return super().lower(layer_scales_as_factors(graph), spec)


def layer_scales_as_factors(graph: Graph) -> Graph:
    """Every `LayerScale` as a `Rescaling`, which the default folds."""
    changed = []
    for name in graph.names_of(cait.LayerScale):
        node = graph.nodes[name]
        made = node.made(keras_layers.Rescaling, scale=node.weights["gamma"].tolist(), offset=0.0)
        changed.append(dataclasses.replace(made, weights={}))
    return graph.with_nodes(*changed)


RECIPE = CaiTRecipe()
