"""A file must compute what its fake-quantised Keras model does; otherwise the conversion is wrong.

Two looks. Layer by layer: each Keras layer gets what the file's layer got, so that no earlier rounding counts, and both
must agree to an 8-bit step or two. This holds for a model of any accuracy. And the scores as a whole: where the two
best lie close together rounding may change the answer, anywhere else it may not.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tf_keras
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow_model_optimization.python.core.quantization.keras import quantize_wrapper

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.evaluate import Evaluation
from quantize.checks import scores
from quantize.checks.report import Report
from quantize.layers.reproducible import LEVELS
from quantize.steps import settle

# A right layer departs by up to 1 step (the pooling, whose mean is rounded twice), also in a weak model
# (docs/quantisation_notebook.md).
MAX_STEPS = 2.0  # root mean square over one channel, in 8-bit steps of the layer's output
MAX_MOVED = 0.05  # mean over photos of the share of the scores that moves to other classes
CLOSE = 0.1  # the two best scores of an answer that rounding may change
# Carry a layer's name, and may have its shape in another order.
_MOVES = ("TRANSPOSE", "RESHAPE", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
CHANGED = 0.01  # share of other answers that may change, at least one


@dataclasses.dataclass(frozen=True)
class LayerGap:
    """How far a layer of the file is from its Keras layer, in steps: root mean square over its worst channel."""

    layer: str
    steps: float


def check_layers(gaps: list[LayerGap]) -> None:
    """Raises UserError where a layer of the file computes something else than its Keras layer."""
    worst = max(gaps, key=lambda gap: gap.steps, default=None)
    if worst is not None and not worst.steps <= MAX_STEPS:
        raise UserError(f"layer {worst.layer} of the file departs by {worst.steps:.1f} 8-bit steps from the "
                        f"fake-quantised model, expected at most {MAX_STEPS:.0f}: the conversion is wrong")  # fmt: skip


def check_scores(report: Report, keras: Evaluation, file: Evaluation) -> Report:
    """The report with how near the file's scores are to its fake-quantised Keras model's.

    Raises:
      UserError: where they differ by more than rounding explains.
    """
    moved = float(np.abs(keras.scores.astype(np.float64) - file.scores).sum(1).mean() / 2)
    best = np.sort(keras.scores, axis=1)[:, -2:]  # [n, 2]
    changed = int(((keras.y_pred != file.y_pred) & (best[:, 1] - best[:, 0] > CLOSE)).sum())
    photos, allowed = len(keras.ids), max(1, int(len(keras.ids) * CHANGED))
    if changed > allowed or not moved <= MAX_MOVED:
        raise UserError(f"the file answers {changed} of {photos} photos unlike the fake-quantised model though its two "
                        f"best scores lie more than {CLOSE} apart (expected at most {allowed}), and {moved:.1%} of the "
                        f"scores move to other classes (at most {MAX_MOVED:.0%}): the conversion is wrong")  # fmt: skip
    agreement, distance = scores.agreement(keras, file), scores.distance(keras.scores, file.scores)
    return dataclasses.replace(report, keras_agreement=agreement, keras_distance=distance)


def layer_gaps(quantised: tf_keras.Model, path: Path, images: np.ndarray, pixels: np.ndarray) -> list[LayerGap]:
    """Every layer of a file beside its Keras layer, on the same input.

    Args:
      quantised: from `qat.apply`, any batch size.
      path: the file that was made of it.
      images: uint8 [n, height, width, 3], two or three.
      pixels: float32 of the same shape, the Keras model's input.
    """
    held = _tensors_of(path, images)

    def tensor_of(wrapper: quantize_wrapper.QuantizeWrapperV2) -> np.ndarray | None:
        shape = tuple(wrapper.output.shape[1:])
        value = held.get((wrapper.layer.name, int(np.prod(shape))))
        return None if value is None else value.reshape(-1, *shape)  # [n, elements] -> [n, ...]

    gaps = []
    for wrapper in settle.rounded(quantised):
        file, sources = tensor_of(wrapper), settle.sources_of(quantised, wrapper)
        given = [pixels if source is None else tensor_of(source) for source in sources]
        if file is None or any(value is None for value in given):
            continue
        starts = [quantised.input if source is None else source.output for source in sources]
        keras = tf_keras.Model(starts, wrapper.output)(given, training=False).numpy()
        low, high = settle.get_range(wrapper)
        steps = (file - keras) / ((high - low) / LEVELS)
        gaps.append(LayerGap(wrapper.layer.name, float(np.sqrt((steps**2).mean(tuple(range(steps.ndim - 1))).max()))))
    return gaps


def _moves(node: dict, details: dict[int, dict]) -> bool:
    """True for an operator that passes a layer's 8-bit numbers on: in another order, or in another scale."""
    rescales = node["op_name"] == "QUANTIZE" and details[int(node["inputs"][0])]["dtype"] == np.int8
    return rescales or node["op_name"] in _MOVES


def _tensors_of(path: Path, images: np.ndarray) -> dict[tuple[str, int], np.ndarray]:
    """By Keras layer and number of elements, what the file's 8-bit tensor of that layer holds: [n, elements].

    The file may have another shape of the same order, where a reshape was moved across the rounding.
    """
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    nodes = [node for node in interpreter._get_ops_details() if not _moves(node, details)]
    made = [details[int(index)] for node in nodes for index in node["outputs"]]
    found = {}
    for tensor in made:  # the last of a layer is its output
        if tensor["dtype"] == np.int8:
            for name in re.findall(r"quant_([^/;]+)/", tensor["name"]):
                found[name, int(np.prod(tensor["shape"]))] = tensor
    held: dict[tuple[str, int], list[np.ndarray]] = {key: [] for key in found}
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
        interpreter.invoke()
        for key, tensor in found.items():
            scale, zero_point = tensor["quantization"]
            steps = interpreter.get_tensor(tensor["index"]).astype(np.float32).ravel() - zero_point
            held[key].append(steps * np.float32(scale))
    return {key: np.stack(values) for key, values in held.items()}
