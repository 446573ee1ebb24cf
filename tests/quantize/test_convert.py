"""What the converter makes of a fake-quantised model: operators, weights, tables, one answer in every runtime."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from support.folded_models import cheapened, rescaled
from tensorflow.lite.python import schema_py_generated as schema

from quantize import exporter
from quantize.checks import runtime
from quantize.layers import reproducible
from quantize.recipe import recipe_of
from quantize.steps import convert, qat


@pytest.fixture(scope="module")
def xxs_file(tmp_path_factory):
    """An int8 file of an XXS whose weights are random."""
    found, recipe = cheapened("xxs"), recipe_of("xxs")
    outputs, maxima = exporter.observed(recipe, found)
    ranges = {name: (-3.0, 3.0 + len(name) / 50) for name in outputs}
    for name in maxima:  # one row maximum far from another takes another way through the exponential
        ranges[name] = (-50.0, 100.0) if name.startswith("layer5") else (-4.0, 16.0)
    path = tmp_path_factory.mktemp("xxs") / "xxs.tflite"
    path.write_bytes(convert.to_int8(qat.apply(found, recipe, ranges, frozen=True, batch_size=1)))
    return path


def test_int8_xxs_is_one_partition_with_only_the_input_outside(xxs_file):
    found = runtime.operators(xxs_file)
    assert found["partitions"] == 1
    assert [(op.operator, op.reason) for op in found["not_delegated"]] == [("QUANTIZE", "XNNPACK takes no uint8")]
    assert rescaled(xxs_file.read_bytes()) == []


def test_convolutions_in_the_file_have_8_bit_weights_a_channel_and_attention_is_float(xxs_file):
    model = schema.ModelT.InitFromPackedBuf(xxs_file.read_bytes(), 0)
    graph, builtin = model.subgraphs[0], schema.BuiltinOperator
    axes = {builtin.CONV_2D: 0, builtin.DEPTHWISE_CONV_2D: 3}
    seen = dict.fromkeys((*axes, builtin.BATCH_MATMUL), 0)
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in axes:
            kernel = graph.tensors[operator.inputs[1]]
            assert kernel.type == schema.TensorType.INT8
            assert kernel.quantization.quantizedDimension == axes[code]
            assert len(kernel.quantization.scale) == kernel.shape[axes[code]]
        elif code == builtin.BATCH_MATMUL:
            assert graph.tensors[operator.inputs[0]].type == schema.TensorType.FLOAT32
        seen[code] = seen.get(code, 0) + 1
    assert (seen[builtin.CONV_2D], seen[builtin.DEPTHWISE_CONV_2D], seen[builtin.BATCH_MATMUL]) == (83, 7, 18)


def test_exponentials_are_8_bit_tables_and_no_exponential_root_or_mean_is_left_in_float(xxs_file):
    model = schema.ModelT.InitFromPackedBuf(xxs_file.read_bytes(), 0)
    graph, builtin = model.subgraphs[0], schema.BuiltinOperator
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    assert (codes.count(builtin.ELU), codes.count(builtin.EXP), codes.count(builtin.RSQRT)) == (9, 0, 0)
    assert codes.count(builtin.MEAN) == 1  # the pooling, of 8-bit values
    assert (codes.count(builtin.MAX_POOL_2D), codes.count(builtin.REDUCE_MIN), codes.count(builtin.NEG)) == (9, 0, 0)
    steps = []
    for operator, code in zip(graph.operators, codes, strict=True):
        if code in (builtin.ELU, builtin.MAX_POOL_2D):
            ends = [graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]]
            rounded = schema.TensorType.INT8 if code == builtin.ELU or len(steps) < 6 else schema.TensorType.FLOAT32
            assert [tensor.type for tensor in ends] == [rounded] * 2
        if code == builtin.ELU:
            steps.append(float(ends[0].quantization.scale[0]))
            assert ends[1].quantization.scale[0] == 1 / 256
            assert [int(tensor.quantization.zeroPoint[0]) for tensor in ends] == [127, 127]
    assert steps == [reproducible.table_step((26 + reproducible.SPAN) / 254)] * 6 + [1323 / 65536] * 3


def test_no_tensor_has_more_than_4_dimensions_and_no_float_is_transposed(xxs_file):
    model = schema.ModelT.InitFromPackedBuf(xxs_file.read_bytes(), 0)
    graph, builtin = model.subgraphs[0], schema.BuiltinOperator
    assert max(len(tensor.shape) for tensor in graph.tensors if tensor.shape is not None) == 4
    moved = [op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == builtin.TRANSPOSE]
    assert len(moved) == 6 * 5  # queries, keys, values, maxima, result; layer 5 has a single token
    assert {graph.tensors[op.inputs[0]].type for op in moved} == {schema.TensorType.INT8}


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf\.lite\.Interpreter is deprecated:UserWarning")
def test_the_older_runtime_of_tensorflow_takes_the_file_whole(xxs_file):
    interpreter = tf.lite.Interpreter(str(xxs_file))
    interpreter.allocate_tensors()
    assert sum(node["op_name"] == "DELEGATE" for node in interpreter._get_ops_details()) == 1


def test_an_elu_that_is_no_exponential_is_refused():
    image = tf_keras.Input((8, 8, 3), 1)
    model = tf_keras.Model(image, tf_keras.layers.Flatten()(tf_keras.layers.ELU()(image)))
    with pytest.raises(RuntimeError, match="ELU stands elsewhere"):
        convert.to_int8(model)


@pytest.mark.filterwarnings(r"ignore:\s*Warning. tf\.lite\.Interpreter is deprecated:UserWarning")
def test_two_runtimes_give_one_file_the_same_scores(xxs_file):
    images = np.random.default_rng(0).integers(0, 256, (8, 1, 64, 64, 3), np.uint8)
    answers = []
    for runtime_of in (Interpreter, tf.lite.Interpreter):
        interpreter = runtime_of(str(xxs_file), num_threads=1)
        interpreter.allocate_tensors()
        scores = []
        for image in images:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
            interpreter.invoke()
            scores.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
        answers.append(np.concatenate(scores))
    assert np.ptp(answers[0], axis=0).max() > 0.01
    np.testing.assert_allclose(*answers, atol=1e-6)


def test_an_input_scale_that_readers_do_not_expect_is_found():
    tensor, graph, model = schema.TensorT(), schema.SubGraphT(), schema.ModelT()
    tensor.type, tensor.shape, tensor.quantization = schema.TensorType.UINT8, [1], schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [0.003], [0]
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], []
    model.subgraphs, model.buffers, model.operatorCodes = [graph], [schema.BufferT()], []
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(RuntimeError, match=r"scale is 0\.003.* expected 1/255 and 0"):
        convert.check_input(bytes(builder.Output()))
