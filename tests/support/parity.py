"""Reference logits of the comparison models: weights regenerated from names, assigned to our graphs, compared."""

from __future__ import annotations

import ast
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tf_keras

from mobilevit_tf.layers import ends
from mobilevit_tf.models import weights

FILES = Path(__file__).parents[1] / "parity" / "models"
SUFFIXES = {"kernel": "weight", "depthwise_kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias",
            "moving_mean": "running_mean", "moving_variance": "running_var"}  # fmt: skip
PICKS = {"first": lambda table: table[0, :1], "rest": lambda table: table[0, 1:]}  # of a position table [1, T, C]
Rules = Sequence[tuple[str, str]]
State = dict[str, np.ndarray]
VIT_RULES: Rules = [  # from the names of layers/transformers/transformer.py to those of timm and of what follows it
    (r"^classifier/", "head/"),
    (r"^class_token/token", "cls_token"),
    (r"^transformer(\d+)_", r"blocks.\1."),
    (r"\.ffn(\d)", r".mlp.fc\1"),
    (r"attention_query", "attn.qkv[0/3]"),
    (r"attention_key", "attn.qkv[1/3]"),
    (r"attention_value", "attn.qkv[2/3]"),
    (r"attention_output", "attn.proj"),
]


def value(name: str, shape: tuple[int, ...], gain: float = 2.0) -> np.ndarray:
    """The value behind the reference logits, as tests/parity/models/README.md defines it."""
    x = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return (1 + 0.2 * np.abs(x)).astype(np.float32)
    if name.endswith(("running_mean", "bias")):
        return (0.1 * x).astype(np.float32)
    if len(shape) == 1:
        return (1 + 0.1 * x).astype(np.float32)
    return (x * np.sqrt(gain / int(np.prod(shape[1:])))).astype(np.float32)


def reference(stem: str, size: str, gain: Callable[[str], float]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(state dict, logits [2, 1000]) of NAME.npz at a stored size such as "224x224" or "224x224_qk256"."""
    with np.load(FILES / f"{stem}.npz") as archive:
        shapes = archive[f"shapes_{size}"] if f"shapes_{size}" in archive.files else archive["shapes"]
        state = {
            name: value(name, tuple(ast.literal_eval(shape)), gain(name))
            for name, shape in zip(archive["names"].tolist(), shapes.tolist(), strict=True)
            if "kept" not in archive.files or name not in archive["kept"]
        }
        return state, archive[f"logits_{size}"]


def reference_input(height: int, width: int) -> np.ndarray:
    """float32 [2, height, width, 3], the input behind the reference logits."""
    images = np.random.default_rng(height * 1000 + width).random((2, 3, height, width), dtype=np.float32)
    return images.transpose(0, 2, 3, 1)


def their_name(ours: str, rules: Rules) -> tuple[str, str]:
    """Our weight's name -> (theirs, which part of it: "" for all, "first", "rest", or such as "0/3")."""
    for pattern, replacement in rules:
        ours = re.sub(pattern, replacement, ours)
    layer, _, suffix = ours.rpartition("/")
    name = f"{layer}.{SUFFIXES.get(suffix, suffix)}" if layer else suffix
    part = re.search(r"\[(.*?)\]", name)
    return re.sub(r"\[.*?\]", "", name), part[1] if part else ""


def our_value(ours: str, shape: tuple[int, ...], theirs: np.ndarray, part: str) -> np.ndarray:
    """A weight in PyTorch's layout, or a part of it, in ours."""
    if part in PICKS:
        theirs = PICKS[part](theirs)
    elif part:
        index, count = map(int, part.split("/"))
        theirs = np.split(theirs, count)[index]
    if ours.endswith("/depthwise_kernel"):
        theirs = theirs.transpose(2, 3, 0, 1)  # [C, 1, k, k] -> [k, k, C, 1]
    elif ours.endswith("/kernel"):
        theirs = theirs.transpose(2, 3, 1, 0) if theirs.ndim == 4 else theirs.T  # [O, I, k, k] -> [k, k, I, O]
    assert theirs.size == np.prod(shape), f"{ours}: {theirs.shape} for {shape}"
    return theirs.reshape(shape)


def assign(model: tf_keras.Model, state: dict[str, np.ndarray], rules: Rules) -> None:
    """Gives every weight of the model its value; each of the state is used, no part of it twice."""
    uses = {ours: their_name(ours, rules) for ours in weights.to_dict(model)}
    assert len(set(uses.values())) == len(uses), "a weight is used twice"
    assert {name for name, _ in uses.values()} == set(state), sorted({name for name, _ in uses.values()} ^ set(state))
    shapes = {ours: array.shape for ours, array in weights.to_dict(model).items()}
    values = {ours: our_value(ours, shapes[ours], state[name], part) for ours, (name, part) in uses.items()}
    weights.assign(model, values)


def error(
    stem: str,
    size: str,
    features: Callable,
    rules: Rules,
    *,
    gain: Callable[[str], float] = lambda name: 2.0,
    prepare: Callable[[State], State] = lambda state: state,
    classify: Callable = lambda features: ends.classifier(features, 1000, 0.0),
) -> float:
    """Greatest difference of the logits from the reference's, in standard deviations of the reference's.

    Args:
      stem: of the .npz file.
      size: its stored size, such as "224x224".
      features: builds images [B, H, W, 3] -> what `classify` takes, as Keras tensors; nothing is standardised.
      rules: regular expressions and replacements from our weights' names to theirs, applied in order.
      gain: of a kernel by its name.
      prepare: moves tensors of the reference into the layout or under the name that ours have.
      classify: builds features -> logits [B, 1000].
    """
    state, expected = reference(stem, size, gain)
    height, width = map(int, size.split("_")[0].split("x"))
    image = ends.image_input(height, width)
    model = tf_keras.Model(image, classify(features(image)))
    assign(model, prepare(state), rules)
    return float(np.abs(model(reference_input(height, width)).numpy() - expected).max() / expected.std())
