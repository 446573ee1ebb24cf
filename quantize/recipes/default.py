"""The export of any family of convolutions, attention and standard layers.

Where a pass finds its pattern it applies, where not it changes nothing: a family without BatchNorm loses none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import activations as layers
from mobilevit_tf.layers import blocks, channels
from mobilevit_tf.layers.transformers import relative, tokens, transformer, windows
from quantize.graph import Graph, Node
from quantize.layers import folded, reproducible, unrounded
from quantize.recipe import Range, Ranges, Rounding
from quantize.settings import MODES
from quantize.steps import activations, attention, edges, fold, norms

_CARRIES_ITS_INPUT = (
    keras_layers.Flatten,
    keras_layers.Reshape,
    keras_layers.Permute,
    keras_layers.ZeroPadding2D,
    keras_layers.Cropping2D,
    keras_layers.MaxPooling2D,
    keras_layers.AveragePooling2D,
    keras_layers.UpSampling2D,
    blocks.SplitPatches,
    blocks.MergePatches,
    blocks.ResizeToMultiple,
    blocks.ResizeLike,
    folded.EdgeZeros,
    folded.Exponential,
    channels.TakeChannels,
    channels.ChannelShuffle,
    tokens.FirstToken,
    transformer.TakeClassToken,
    transformer.TakePatches,
    windows.SplitBlocks,
    windows.MergeBlocks,
    windows.SplitNeighbourhoods,  # its token and its map are parts of one row
)
_TAKES_AN_ACTIVATION = (*fold.CONVOLUTIONS, keras_layers.Add, keras_layers.Rescaling)  # the converter fuses it
# What the int8 graph computes in place of float layers, so that every runtime finds the same number.
_REPRODUCIBLE: dict[type, type] = {
    folded.AttentionScores: reproducible.FloatProduct,
    transformer.Gelu: folded.UnroundedGelu,
    folded.WeightedMean: reproducible.TableWeightedMean,
    blocks.Swish: reproducible.RoundedSwish,
    layers.HardSwish: unrounded.UnroundedHardSwish,
    keras_layers.Maximum: unrounded.UnroundedMaximum,
    unrounded.PlainScores: unrounded.UnroundedScores,
}
_OF_SCORES = (blocks.OfScores, unrounded.PlainScores)


# The same for layers with settings or weights of their own.
_UNROUNDED: Mapping[type, type[tf_keras.layers.Layer]] = {
    blocks.ScaledSoftmax: unrounded.UnroundedSoftmax,
    keras_layers.PReLU: unrounded.UnroundedPReLU,
    relative.RelativeScores: unrounded.UnroundedRelativeScores,
}


class DefaultRecipe:
    """See `quantize.recipe.Recipe`."""

    modes: tuple[str, ...] = MODES
    reads_row_maxima: tuple[type, ...] = (folded.Exponential,)
    left_unrounded: Mapping[type, type[tf_keras.layers.Layer]] = _UNROUNDED

    def lower(self, graph: Graph, spec: ImageSpec) -> Graph:
        graph = fold.drop_dropout(graph)
        graph = fold.strided_dilations_as_convolutions(graph)
        graph = activations.constant_arithmetic(activations.layers_of_their_own(graph))
        graph = fold.batch_norms_as_convolutions(fold.fold_batch_norms(graph))
        graph = fold.plain_convolutions(fold.average_pools_as_convolutions(graph))
        graph = attention.fold_into_heads(fold.fold_factors(graph))
        graph = norms.fold_layer_norms(fold.dense_as_convolutions(graph))
        graph = attention.fold_scales(graph)
        return edges.fold_input(edges.copied_edges(attention.low_rank(graph)), spec)

    def cheapen(self, graph: Graph, row_maxima: Ranges) -> Graph:
        graph = attention.mark_scores(attention.divide_after_product(graph))
        return attention.with_shifts(graph, row_maxima)

    def rounding(self, node: Node, readers: Sequence[Node]) -> Rounding:
        if issubclass(node.kind, _CARRIES_ITS_INPUT):
            return Rounding.INPUT
        if issubclass(node.kind, _OF_SCORES) or any(issubclass(one.kind, folded.Exponential) for one in readers):
            return Rounding.FLOAT
        fused = len(readers) == 1 and activations.is_clip(readers[0])
        return Rounding.FLOAT if fused and issubclass(node.kind, _TAKES_AN_ACTIVATION) else Rounding.RANGE

    def fixed_range(self, node: Node) -> Range | None:
        return reproducible.GATE_RANGE if activations.is_sigmoid(node) else None

    def replace(self, node: Node, ranges: Ranges) -> tf_keras.layers.Layer | None:
        if node.kind is folded.Exponential:
            return reproducible.TableExponential(ranges.get(node.inputs[0]), name=node.name)
        if node.kind is folded.RootMeanSquareNorm:
            return reproducible.ReproducibleNorm(node.config["epsilon"], name=node.name)
        if node.kind in self.left_unrounded:
            return self.left_unrounded[node.kind].from_config({**node.config, "name": node.name})
        made = _REPRODUCIBLE.get(node.kind)
        return made(name=node.name) if made else None


RECIPE = DefaultRecipe()
