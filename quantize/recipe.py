"""How a family is exported: `quantize/recipes/FAMILY.py` where it has rules of its own, else the default."""

from __future__ import annotations

import enum
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Protocol

import tf_keras

from mobilevit_tf import catalog
from mobilevit_tf.image.image_spec import ImageSpec
from quantize.graph import Graph, Node

Range = tuple[float, float]
Ranges = Mapping[str, Range]


class Rounding(enum.Enum):
    """What a fake-quantised graph does with a layer's output."""

    RANGE = "rounded to 8 bits in a range of its own"
    INPUT = "carries its input's 8-bit steps"
    FLOAT = "stays float: what reads it rounds"


class Recipe(Protocol):
    """What a family says of its export."""

    modes: tuple[str, ...]  # of `settings.MODES`
    reads_row_maxima: tuple[type, ...]  # layers whose form depends on the row maxima of what they read

    def lower(self, graph: Graph, spec: ImageSpec) -> Graph:
        """The trained graph -> an exact float graph of standard operators for plain pixels, RGB in [0, 1]."""
        ...

    def cheapen(self, graph: Graph, row_maxima: Ranges) -> Graph:
        """The lowered graph -> what the float and 8-bit files compute: equal, and fewer instructions.

        Args:
          graph: from `lower`.
          row_maxima: (lowest or 0, highest or 0) of the row maxima of attention's scores, by the scores' node; empty
            before calibration.
        """
        ...

    def rounding(self, node: Node, readers: Sequence[Node]) -> Rounding:
        """How the output of a node of the cheapened graph is rounded in 8-bit files."""
        ...

    def fixed_range(self, node: Node) -> Range | None:
        """The range that the runtime prescribes for a node's output; None where calibration finds it."""
        ...

    def replace(self, node: Node, ranges: Ranges) -> tf_keras.layers.Layer | None:
        """The layer that 8-bit files compute in place of a node's; None for the node's own."""
        ...


def recipe_of(variant: str) -> Recipe:
    """The recipe of a model of the catalogue."""
    name = f"quantize.recipes.{catalog.find(variant).module.split('.')[-1]}"  # without the family's folder
    module = importlib.import_module(name if importlib.util.find_spec(name) else "quantize.recipes.default")
    recipe: Recipe = module.RECIPE
    return recipe
