"""A model's weights end to end in a few long vectors, so that a training step is a few operations for all of them.

An optimizer's update is some fifteen operations, and its average five more, for every variable: for the 230 variables
of MobileViT they would be a third of the graph, most of the time to the first step, and one all-reduce each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf


def join(values: Sequence[tf.Tensor | tf.Variable]) -> tf.Tensor:
    """Tensors of any shapes -> one vector [n], in their order."""
    return tf.concat([value if len(value.shape) == 1 else tf.reshape(value, [-1]) for value in values], 0)


class FlatWeights:
    """Some variables of a model, and one vector that holds all of them.

    Attributes:
      variables: of the model.
      vector: float32 [n], what the optimizer moves; or, of statistics, nothing but their average.
    """

    def __init__(self, variables: Sequence[tf.Variable], name: str, **placement: Any) -> None:
        """`placement`: `synchronization` and `aggregation` of the vector; make it under the variables' strategy."""
        self.variables = list(variables)
        self._sizes = [math.prod(variable.shape) for variable in self.variables]
        self.vector = tf.Variable(self._joined(self.variables), name=name, **placement)

    def _joined(self, variables: Sequence[tf.Variable]) -> np.ndarray:
        return np.concatenate([np.ravel(variable.numpy()) for variable in variables]).astype(np.float32)

    def take(self, variables: Sequence[tf.Variable] | None = None) -> None:
        """The vector from `variables`, by default its own; not inside a graph."""
        self.vector.assign(self._joined(self.variables if variables is None else variables))

    def give(self, variables: Sequence[tf.Variable]) -> None:
        """The vector's values to `variables`, as many and of the same shapes as its own; not inside a graph."""
        parts = np.split(self.vector.numpy(), np.cumsum(self._sizes)[:-1])
        for variable, part in zip(variables, parts, strict=True):
            variable.assign(part.reshape(variable.shape))

    def spread(self, strategy: tf.distribute.Strategy) -> None:
        """The vector's values to its own variables, on every replica, inside a step."""
        strategy.extended.update(self.vector, self._spread_on_replica, args=(self.variables,))

    def _spread_on_replica(self, vector: tf.Variable, variables: Sequence[tf.Variable]) -> tf.Operation:
        parts = tf.split(vector, self._sizes)
        pairs = zip(variables, parts, strict=True)
        return tf.group(*(variable.assign(tf.reshape(part, variable.shape)) for variable, part in pairs))
