"""Folded or fake-quantised graph -> .tflite bytes: batch 1, softmax inside, tensors named."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from mobilevit_tf import tf_setup  # isort: skip  before TensorFlow
import flatbuffers
import numpy as np
import tensorflow as tf
import tf_keras
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from quantize import flatfile
from quantize.layers.folded import ALMOST_1

INPUT_NAME, OUTPUT_NAME = "image", "probability"
INPUT_RANGE = (0.0, 1.0)  # forced on the pixels of int8 files: scale 1/255, zero point 0
OUTPUT_TYPES = {"float32": tf.float32, "uint8": tf.uint8}


def to_int8(model: tf_keras.Model, output_type: str = "float32") -> bytes:
    """A fake-quantised model (`qat.apply`) -> int8 .tflite with uint8 pixels as input.

    The input's scale 1/255 and zero point 0 are forced by a fixed fake quantiser over [0, 1] in front of the graph.

    Args:
      model: logits of images [1, height, width, 3] in [0, 1].
      output_type: "float32", or "uint8" with scale 1/256 and zero point 0.
    """

    def serve(image: tf.Tensor) -> Any:
        pixels = tf.quantization.fake_quant_with_min_max_args(image, *INPUT_RANGE)
        # Straight from a quantiser it would become an int8 softmax, which no fast kernel runs.
        scores = tf.nn.softmax(model(pixels, training=False) * ALMOST_1)
        if output_type == "uint8":
            scores = tf.quantization.fake_quant_with_min_max_args(scores, 0.0, 255 / 256)
        return {OUTPUT_NAME: scores}

    converter = _converter(model, serve)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = OUTPUT_TYPES[output_type]
    return _convert(converter, flatfile.set_tables, flatfile.drop_signs, flatfile.move_as_8_bits)


def to_integer(model: tf_keras.Model, images: np.ndarray, output_type: str = "uint8") -> bytes:
    """A float model for batch 1 -> .tflite that computes in integers only, by the converter's own post-training recipe.

    For accelerators that know no float, and for models without configs of their own in `qat`.

    Args:
      model: logits of images [1, height, width, 3] in [0, 1].
      images: float32 [n, height, width, 3], the calibration photos.
      output_type: "uint8"; "float32" adds a conversion of the scores at the end.
    """

    def serve(image: tf.Tensor) -> Any:
        return {OUTPUT_NAME: tf.nn.softmax(model(image, training=False))}

    def representative() -> Any:
        # The first makes the input's range exactly [0, 1], however dark the photos are.
        extremes = np.zeros((1, *images.shape[1:]), np.float32)
        extremes[:, ::2] = 1
        yield [extremes]
        for image in images:
            yield [image[np.newaxis]]

    converter = _converter(model, serve)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = OUTPUT_TYPES[output_type]
    return _convert(converter)


def to_float(model: tf_keras.Model, mode: str = "float32") -> bytes:
    """A folded float model -> .tflite: "float32", "float16" weights, or "dynamic" range (8-bit weights)."""

    def serve(image: tf.Tensor) -> Any:
        return {OUTPUT_NAME: tf.nn.softmax(model(image, training=False))}

    converter = _converter(model, serve)
    if mode != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return _convert(converter)


def _converter(model: tf_keras.Model, serve: Callable) -> tf.lite.TFLiteConverter:
    """A converter of the frozen graph: five times as fast as the one that goes through a SavedModel."""
    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, INPUT_NAME)
    with _quiet():
        function = tf.function(serve, input_signature=[signature]).get_concrete_function()
        return tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])


def _convert(converter: tf.lite.TFLiteConverter, *edits: Callable[[schema.ModelT], None]) -> bytes:
    with _quiet():
        data = converter.convert()
    check_input(data)
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for edit in (*edits, _name_tensors):
        edit(model)
    builder = flatbuffers.Builder(len(data) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def check_input(data: bytes) -> None:
    """A uint8 input must have scale 1/255 and zero point 0: readers copy raw pixels into it.

    Raises:
      RuntimeError: where the converter chose others.
    """
    graph = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.type != schema.TensorType.UINT8:
        return
    scale, zero_point = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    if abs(scale * 255 - 1) > 1e-6 or zero_point != 0:
        raise RuntimeError(f"the input's scale is {scale} and its zero point {zero_point}, expected 1/255 and 0")


def _name_tensors(model: schema.ModelT) -> None:
    """Gives input and output their names, and the file its signature."""
    graph = model.subgraphs[0]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = (
        [_signature_entry(graph, index, name)]
        for index, name in ((graph.inputs[0], INPUT_NAME), (graph.outputs[0], OUTPUT_NAME))
    )
    model.signatureDefs = [signature]


def _signature_entry(graph: schema.SubGraphT, index: int, name: str) -> schema.TensorMapT:
    graph.tensors[index].name = name
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops what the converter writes to stderr by C++ and by `warnings`; errors come as exceptions."""
    with tf_setup.stderr_dropped(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
