"""Files in one runtime: `python one_runtime.py PHOTOS.npz FILE.tflite ... > FACTS.json`, in that runtime's environment.

Needs NumPy and either ai-edge-litert or TensorFlow, nothing of this project: old runtimes do not live beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
except ImportError:
    import tensorflow as tf

    Interpreter, OpResolverType = tf.lite.Interpreter, tf.lite.experimental.OpResolverType

WARM_UP, ROUNDS, REPEATS = 5, 7, 7


def nodes_of(interpreter: Interpreter) -> list[dict]:
    """Operators as plain lists."""
    return [
        {"op_name": node["op_name"], **{key: [int(i) for i in node[key] if i >= 0] for key in ("inputs", "outputs")}}
        for node in interpreter._get_ops_details()
    ]


def facts(path: str, photos: np.ndarray) -> dict:
    """Operators with and without the delegate, and the scores of the photos, uint8 [n, H, W, 3]."""
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    plain = Interpreter(
        path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1
    )
    plain.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scores = []
    for photo in photos:
        pixels = photo if given["dtype"] == np.uint8 else photo / np.float32(255)
        interpreter.set_tensor(given["index"], pixels[np.newaxis].astype(given["dtype"]))
        interpreter.invoke()
        scores.append(interpreter.get_tensor(result["index"])[0].tolist())
    return {
        "nodes": nodes_of(plain),
        "delegates": [node for node in nodes_of(interpreter) if node["op_name"] == "DELEGATE"],
        "outputs": [int(output["index"]) for output in plain.get_output_details()],
        "scores": scores,
    }


def milliseconds(paths: list[str]) -> list[float]:
    """Median of one inference for each file, in turns."""
    models = [Interpreter(path, num_threads=1) for path in paths]
    medians: list[list[float]] = [[] for _ in models]
    for model in models:
        model.allocate_tensors()
        for _ in range(WARM_UP):
            model.invoke()
    for _ in range(ROUNDS):
        for model, found in zip(models, medians, strict=True):
            times = []
            for _ in range(REPEATS):
                start = time.perf_counter()
                model.invoke()
                times.append((time.perf_counter() - start) * 1e3)
            found.append(statistics.median(times))
    return [min(found) for found in medians]


if __name__ == "__main__":
    photos = np.load(sys.argv[1])
    found = {path: facts(path, photos[Path(path).stem]) for path in sys.argv[2:]}
    for path, spent in zip(found, milliseconds(list(found)), strict=True):
        found[path]["ms"] = spent
    print(json.dumps(found))
