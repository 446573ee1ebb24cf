"""Folded models with random weights."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import mobilevit
from mobilevit_tf.models import weights
from quantize.steps.fold import fold


def random_weights(model) -> dict[str, np.ndarray]:
    """Weights as after training: no BatchNorm is the identity, no bias is zero."""
    generator = np.random.default_rng(0)
    values = {}
    for name, value in weights.to_dict(model).items():
        if name.endswith(("gamma", "moving_variance")):
            values[name] = generator.uniform(0.5, 2, value.shape).astype(np.float32)
        else:
            spread = 0.3 * (value.std() + 0.1)
            values[name] = (value + generator.normal(0, spread, value.shape)).astype(np.float32)
    return values


def folded_model(variant: str, batch_size: int | None = None):
    config = ModelConfig(variant, 5)
    values = random_weights(mobilevit.build(config, 64, 64))
    model = mobilevit.build(config, 64, 64, batch_size=batch_size, folded=True, softmax=False)
    weights.assign(model, fold(values, num_heads=2 if variant == "tiny" else 4))
    return model


def rescaled(data: bytes) -> list[bytes]:
    """The 8-bit tensors of a .tflite that are another 8-bit tensor in another scale."""
    flat = schema.ModelT.InitFromPackedBuf(data, 0)
    graph, int8 = flat.subgraphs[0], schema.TensorType.INT8
    return [
        graph.tensors[op.outputs[0]].name
        for op in graph.operators
        if flat.operatorCodes[op.opcodeIndex].builtinCode == schema.BuiltinOperator.QUANTIZE
        and graph.tensors[op.inputs[0]].type == graph.tensors[op.outputs[0]].type == int8
    ]
