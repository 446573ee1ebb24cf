"""Weights between a tf_keras model and a plain dictionary of arrays, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tf_keras

from mobilevit_tf.errors import UserError


def name_of(variable: Any) -> str:
    """ "stem_conv/kernel:0" -> "stem_conv/kernel"."""
    return variable.name.split(":")[0]


def to_dict(model: tf_keras.Model) -> dict[str, np.ndarray]:
    """Every weight of the model by name, as arrays."""
    return {name_of(variable): variable.numpy() for variable in model.weights}


def assign(model: tf_keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Gives every weight of the model its value.

    Raises:
      UserError: where names or shapes differ, naming the first of them; the model is left as it was.
    """
    variables = {name_of(variable): variable for variable in model.weights}
    for name in sorted(set(variables) ^ set(weights)):
        side = "the file lacks it" if name in variables else "the model has no such weight"
        raise UserError(f"weight {name}: {side}: the file belongs to another variant or setting")
    for name, variable in variables.items():
        if tuple(variable.shape) != weights[name].shape:
            raise UserError(f"weight {name}: shape {weights[name].shape} in the file, {tuple(variable.shape)} in the "
                            "model: the file belongs to another variant or number of classes")  # fmt: skip
    for name, variable in variables.items():
        variable.assign(weights[name])
