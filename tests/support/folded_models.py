"""Lowered graphs with random weights."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tf_keras
from tensorflow.lite.python import schema_py_generated as schema

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import build, weights
from quantize import graph
from quantize.graph import Graph
from quantize.recipe import recipe_of


def random_weights(model: tf_keras.Model) -> dict[str, np.ndarray]:
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


def trained(config: ModelConfig, height: int = 64, width: int = 64) -> tf_keras.Model:
    """A model of fixed size with random weights."""
    model = build.build(config, height, width)
    weights.assign(model, random_weights(model))
    return model


def lowered(model: tf_keras.Model, variant: str, spec: ImageSpec | None = None) -> Graph:
    """What the recipe makes of a model: a float graph of standard operators."""
    return recipe_of(variant).lower(graph.read(model, weights.to_dict(model)), spec or ImageSpec(64, 64))


def cheapened(variant: str) -> Graph:
    """What float and 8-bit files of a model with five classes and random weights compute, before calibration."""
    return recipe_of(variant).cheapen(lowered(trained(ModelConfig(variant, 5)), variant), {})


def rescaled(data: bytes) -> list[bytes]:
    """The 8-bit tensors of a .tflite that are another 8-bit tensor in another scale."""
    flat = schema.ModelT.InitFromPackedBuf(data, 0)
    part, int8 = flat.subgraphs[0], schema.TensorType.INT8
    return [
        part.tensors[op.outputs[0]].name
        for op in part.operators
        if flat.operatorCodes[op.opcodeIndex].builtinCode == schema.BuiltinOperator.QUANTIZE
        and part.tensors[op.inputs[0]].type == part.tensors[op.outputs[0]].type == int8
    ]
