"""Reference logits of other implementations (tests/parity/models/README.md), and their weights for our models."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tf_keras
from tf_keras import layers as keras_layers

from support.parity import value

PARITY = Path(__file__).parents[1] / "parity" / "models"
# Of a layer's variable: the end of the name in PyTorch.
THEIR_ENDS = {
    "kernel": "weight", "depthwise_kernel": "weight", "alpha": "weight", "tokens": "weight", "gamma": "weight",
    "beta": "bias", "bias": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
    "rows": "pos_embed.height_rel", "columns": "pos_embed.width_rel",
}  # fmt: skip


class Reference:
    """One .npz file: names, shapes (per size where they differ) and logits [2, 1000] of some sizes."""

    def __init__(self, name: str, gain: float = 2.0, make: Callable = value):
        self.archive = np.load(PARITY / f"{name}.npz")
        self.gain, self.make = gain, make

    def state(self, height: int, width: int) -> dict[str, np.ndarray]:
        """The state dict at an input size, in PyTorch's layout."""
        own = f"shapes_{height}x{width}"
        shapes = self.archive[own if own in self.archive.files else "shapes"].tolist()
        pairs = zip(self.archive["names"].tolist(), shapes, strict=True)
        return {name: self.make(name, tuple(ast.literal_eval(shape)), self.gain) for name, shape in pairs}

    def logits(self, height: int, width: int) -> np.ndarray:
        return self.archive[f"logits_{height}x{width}"]


def images(height: int, width: int) -> np.ndarray:
    """float32 [2, height, width, 3], the input behind the reference logits."""
    drawn = np.random.default_rng(height * 1000 + width).random((2, 3, height, width), dtype=np.float32)
    return drawn.transpose(0, 2, 3, 1)


def to_ours(layer: keras_layers.Layer, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of PyTorch's layout in the layout of a layer's weight."""
    if isinstance(layer, keras_layers.DepthwiseConv2D):  # [C * m, 1, k, k] -> [C, m, k, k] -> [k, k, C, m]
        return array.reshape(shape[2], shape[3], *shape[:2]).transpose(2, 3, 0, 1)
    if isinstance(layer, keras_layers.Conv2D) and len(shape) == 4:  # [O, I, k, k], a linear layer's [O, I] for 1x1
        return array.reshape(*array.shape[:2], *shape[:2]).transpose(2, 3, 1, 0)
    if isinstance(layer, keras_layers.Dense) and len(shape) == 2:
        return array.T
    return array.reshape(shape)


def assign(model: tf_keras.Model, state: dict[str, np.ndarray], their_module: Callable[[str], str]) -> set[str]:
    """Gives every weight of the model the value of the reference.

    Args:
      their_module: of one of our layers' names, the name of the module in PyTorch; "qkv#1/3" is the second of three
        equal parts of its outputs.

    Returns:
      The names in `state` that no layer took.
    """
    taken = set()
    for layer in model.layers:
        for weight in layer.weights:
            ours = weight.name.split("/")[-1].removesuffix(":0")
            module, _, part = their_module(layer.name).partition("#")
            theirs = f"{module}.{THEIR_ENDS[ours]}".removeprefix(".")
            assert (theirs, part) not in taken, theirs
            index, parts = map(int, part.split("/")) if part else (0, 1)
            array = np.split(state[theirs], parts)[index]
            weight.assign(to_ours(layer, array, tuple(weight.shape)))
            taken.add((theirs, part))
    return set(state) - {theirs for theirs, _ in taken}


def relative_error(model: tf_keras.Model, pixels: np.ndarray, logits: np.ndarray) -> float:
    """Greatest difference to the reference's logits over their standard deviation.

    The pixels go in behind the standardisation, as they did in the reference.
    """
    network = tf_keras.Model(model.get_layer("standardize").output, model.output)
    return float(np.abs(network(pixels, training=False).numpy() - logits).max() / logits.std())
