"""Rewrites of a converted file: results stay, needless signs go, moves are of 8-bit numbers."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python import schema_py_generated as schema

from quantize import flatfile
from quantize.steps import convert

_NONE = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def rounded(values: tf.Tensor) -> tf.Tensor:
    return tf.quantization.fake_quant_with_min_max_args(values, -1, 127 / 128)


class Product(tf_keras.layers.Layer):
    """[B, 8, 8, 4] -> [B, 4, 4]: a product of transposed 8-bit numbers with others, both with signs of their own."""

    def __init__(self, signs: tuple[float, float]) -> None:
        super().__init__()
        self.signs = signs

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        sides = [rounded(inputs - 0.5), rounded(0.4 - inputs)]
        moved = [tf.transpose(tf.reshape(side, (-1, 64, 4)), (0, 2, 1)) for side in sides]
        left, right = (side * sign for side, sign in zip(moved, self.signs, strict=True))
        return tf.matmul(left, right, transpose_b=True)


def run(data: bytes, image: np.ndarray) -> tuple[np.ndarray, list[str]]:
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=_NONE)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    names = [node["op_name"] for node in interpreter._get_ops_details()]
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), names


@pytest.mark.parametrize(("signs", "dropped"), [((-1.0, -1.0), 2), ((-1.0, 0.5), 0)])
def test_signs_that_cancel_go_and_moves_are_8_bit_and_the_scores_stay(monkeypatch, signs, dropped):
    image = tf_keras.Input((8, 8, 4), 1)
    model = tf_keras.Model(image, tf_keras.layers.Flatten()(Product(signs)(image)))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 4), np.uint8)
    after, names = run(data := convert.to_int8(model), pixels)
    for rewrite in ("drop_signs", "move_as_8_bits"):
        monkeypatch.setattr(flatfile, rewrite, lambda model: None)
    before, old_names = run(convert.to_int8(model), pixels)
    assert np.ptp(before) > 0.001
    np.testing.assert_array_equal(after, before)
    assert names.count("BATCH_MATMUL") == old_names.count("BATCH_MATMUL") == 1
    assert old_names.count("MUL") - names.count("MUL") == dropped
    if dropped:
        read = schema.ModelT.InitFromPackedBuf(data, 0)
        moved = list(flatfile.of_type(read, schema.BuiltinOperator.TRANSPOSE))
        assert {read.subgraphs[0].tensors[op.inputs[0]].type for op in moved} == {schema.TensorType.INT8}
