"""The export of MobileViTv2: the default's convolutions, with linear attention and the norm over a whole image."""

from __future__ import annotations

from collections.abc import Sequence

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras

from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers.linear_attention import EnlargeToPatches
from quantize.graph import Graph, Node
from quantize.layers import linear_attention as layers
from quantize.recipe import Ranges, Rounding
from quantize.recipes.default import DefaultRecipe
from quantize.steps import linear_attention

_ROOM = 2.0  # how far fine-tuning may widen the range of a norm


class MobileViTv2Recipe(DefaultRecipe):
    """See `quantize.recipe.Recipe`."""

    reads_row_maxima = (layers.ExponentialWeights,)

    def lower(self, graph: Graph, spec: ImageSpec) -> Graph:
        return linear_attention.fold_image_norms(super().lower(graph, spec))

    def cheapen(self, graph: Graph, row_maxima: Ranges) -> Graph:
        return linear_attention.with_tops(linear_attention.divide_after_sum(graph), row_maxima)

    def rounding(self, node: Node, readers: Sequence[Node]) -> Rounding:
        if issubclass(node.kind, EnlargeToPatches):
            return Rounding.INPUT
        if node.kind is layers.ExponentialWeights or any(one.kind is layers.ExponentialWeights for one in readers):
            return Rounding.FLOAT
        return super().rounding(node, readers)

    def replace(self, node: Node, ranges: Ranges) -> tf_keras.layers.Layer | None:
        if node.kind is layers.ImageNorm:
            return layers.ReproducibleImageNorm(node.config["epsilon"], name=node.name)
        if node.kind is layers.ExponentialWeights:
            return layers.TableWeights(ranges[node.inputs[0]], name=node.name)
        if node.kind is layers.WeightedContext:
            largest = _ROOM * max(map(abs, ranges[node.inputs[1]]))
            return layers.ReproducibleContext(node.config["patch_size"], largest, name=node.name)
        return super().replace(node, ranges)


RECIPE = MobileViTv2Recipe()
