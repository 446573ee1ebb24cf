"""What the runtime does with a .tflite: operators, delegate partitions, latency, memory. No TensorFlow."""

from __future__ import annotations

import collections
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from quantize.checks.report import Operator

ROUNDS = 5  # timed in turns, so that a busy moment of the machine hits both files

# Why XNNPACK leaves an operator to the slow reference kernels; each was seen on a file of this project (tests).
REASONS = {
    ("SOFTMAX", "int8"): "XNNPACK has no 8-bit softmax",
    ("RSQRT", "int8"): "XNNPACK has no 8-bit reciprocal square root",
    ("SQUARED_DIFFERENCE", "int8"): "XNNPACK has no 8-bit squared difference",
    ("HARD_SWISH", "int8"): "XNNPACK has no 8-bit hard swish",
    ("EXP", "int8"): "XNNPACK has no 8-bit exponential",
    ("GELU", "int8"): "XNNPACK has no 8-bit GELU",
    ("PRELU", "int8"): "XNNPACK has no 8-bit PReLU",
    ("MUL", "int8"): "the ratio of the scales is outside XNNPACK's range",
    ("MAXIMUM", "int8"): "XNNPACK has no 8-bit maximum",
    ("DEPTHWISE_CONV_2D", "float32"): "XNNPACK has no depthwise convolution of float values with 8-bit weights",
    ("BATCH_MATMUL", "int8"): "XNNPACK takes an 8-bit product only with a transposed second operand of zero point 0",
    ("QUANTIZE", "int8"): "the ratio of the two scales is outside XNNPACK's range",
    ("QUANTIZE", "uint8"): "XNNPACK takes no uint8",
    ("ADD", "int8"): "the ratio of the operands' scales is outside XNNPACK's range",
    ("CONCATENATION", "int8"): "XNNPACK concatenates only operands of one scale",
    ("SPACE_TO_BATCH_ND", "int8"): "XNNPACK has no SPACE_TO_BATCH_ND in any type",
    ("STRIDED_SLICE", "int8"): "XNNPACK has no STRIDED_SLICE in any type",
}


class Delegated(TypedDict):
    """Delegate partitions of a file, its operators by type and count, and what was not delegated."""

    partitions: int
    operators: dict[str, int]
    not_delegated: list[Operator]


class Footprint(TypedDict):
    """What loading a file and classifying once adds to a process: milliseconds and bytes."""

    load_ms: float
    memory_bytes: int


def operators(path: str | Path) -> Delegated:
    """What the delegate takes of a file."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    plain = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1
    )
    plain.allocate_tensors()
    tensors = {tensor["index"]: tensor for tensor in plain.get_tensor_details()}
    nodes = plain._get_ops_details()
    delegates = [node for node in interpreter._get_ops_details() if node["op_name"] == "DELEGATE"]
    left = not_delegated(nodes, delegates, {output["index"] for output in plain.get_output_details()})
    return {
        "partitions": len(delegates),
        "operators": dict(collections.Counter(node["op_name"] for node in nodes).most_common()),
        "not_delegated": [_describe(node, tensors) for node in left],
    }


def not_delegated(nodes: list[dict], delegates: list[dict], outputs: set[int]) -> list[dict]:
    """Nodes outside every partition: what they make is not a partition's output, yet somebody outside reads it."""
    made = {int(tensor) for node in delegates for tensor in node["outputs"]}
    read = outputs | {int(tensor) for node in delegates for tensor in node["inputs"]}
    left = []
    for node in reversed(nodes):
        results = {int(tensor) for tensor in node["outputs"]}
        if not results & made and results & read:
            left.append(node)
            read |= {int(tensor) for tensor in node["inputs"]}
    return left[::-1]


def _describe(node: dict, tensors: dict[int, dict]) -> Operator:
    kinds = [np.dtype(tensors[int(i)]["dtype"]).name for i in (*node["inputs"][:1], *node["outputs"][:1])]
    kind = "uint8" if "uint8" in kinds else kinds[-1]
    reason = REASONS.get((node["op_name"], kind), "unknown")
    return Operator(node["op_name"], kind, tensors[int(node["outputs"][0])]["name"], reason)


def latency(paths: Sequence[str | Path], threads: int) -> list[float]:
    """Median milliseconds of one inference for each file, the files taking turns; preprocessing is not in it."""
    models = [TFLiteModel(path, num_threads=threads) for path in paths]
    images = [np.random.default_rng(0).integers(0, 256, (*model.spec.size, 3), np.uint8) for model in models]
    medians: list[list[float]] = [[] for _ in models]
    for model, image in zip(models, images, strict=True):
        _times(model, image, 5)  # warm-up
    for _ in range(ROUNDS):
        for place, (model, image) in enumerate(zip(models, images, strict=True)):
            medians[place].append(statistics.median(_times(model, image, 15)))
    return [statistics.median(values) for values in medians]


def _times(model: TFLiteModel, image: np.ndarray, repeats: int) -> list[float]:
    model.scores(image)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        model.interpreter.invoke()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def all_threads() -> int:
    """How many threads "N threads" means on this machine."""
    return max(1, len(os.sched_getaffinity(0)))


_FOOTPRINT = """
import json, sys, time
from pathlib import Path
import numpy as np
from mobilevit_tf.evaluation.tflite_model import TFLiteModel

def resident():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024

before, start = resident(), time.perf_counter()
model = TFLiteModel(sys.argv[1])
load = (time.perf_counter() - start) * 1e3
model.scores(np.zeros((*model.spec.size, 3), np.uint8))
print(json.dumps({"load_ms": load, "memory_bytes": resident() - before}))
"""


def footprint(path: str | Path) -> Footprint:
    """The cost of a file in a process of its own (Linux).

    Raises:
      UserError: where it does not run.
    """
    child = subprocess.run([sys.executable, "-c", _FOOTPRINT, str(path)], capture_output=True, text=True, check=False)
    if child.returncode:
        raise UserError(f"{path} does not run: it is damaged, export it again")
    return json.loads(child.stdout)
