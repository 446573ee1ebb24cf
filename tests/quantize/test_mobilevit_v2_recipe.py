"""MobileViTv2's export on one block: exact at every step, one form of each layer, one partition, equal scores."""

from __future__ import annotations

from collections.abc import Mapping

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from mobilevit_tf.families import mobilevit_v2
from mobilevit_tf.families.mobilevit_v2_sizes import Stage
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import convolution, ends
from mobilevit_tf.layers import linear_attention as trained_layers
from mobilevit_tf.models import weights
from quantize import graph
from quantize.checks import runtime
from quantize.exporter import observed
from quantize.graph import Graph
from quantize.layers import linear_attention as layers
from quantize.recipe import recipe_of
from quantize.recipes.mobilevit_v2 import RECIPE
from quantize.settings import MODES
from quantize.steps import convert, qat
from quantize.tuning import ranges

SPEC = ImageSpec(14, 16)  # maps of 7 x 8 are enlarged to 8 x 8


def _model() -> tf_keras.Model:
    image = ends.image_input(*SPEC.size)
    x = convolution.conv_norm(image, 8, "stem", kernel=3, stride=2, act="swish")
    x = mobilevit_v2._block(x, Stage(12, 8, 2), 2, 0.1, "block")
    x = tf_keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(image, ends.classifier(x, 5, 0.1))


def _random_weights(model: tf_keras.Model) -> dict[str, np.ndarray]:
    random, values = np.random.default_rng(0), {}
    for name, value in weights.to_dict(model).items():
        noise = random.standard_normal(value.shape)
        if name.endswith("moving_variance"):
            value = 1 + 0.2 * np.abs(noise)
        elif value.ndim == 1:
            value = value + 0.2 * noise
        elif "query" in name:
            value = noise
        values[name] = value.astype(np.float32)
    return values


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (8, *SPEC.size, 3), np.uint8)


@pytest.fixture(scope="module")
def trained(images) -> tuple[Graph, np.ndarray]:
    """(graph of the trained model, its logits)."""
    model = _model()
    values = _random_weights(model)
    weights.assign(model, values)
    return graph.read(model, values), model(SPEC.normalize(images), training=False).numpy()


@pytest.fixture(scope="module")
def lowered(trained) -> Graph:
    return RECIPE.lower(trained[0], SPEC)


@pytest.fixture(scope="module")
def calibrated(lowered, images) -> tuple[Graph, Mapping[str, tuple[float, float]]]:
    """(cheapened graph, ranges)."""
    first = RECIPE.cheapen(lowered, {})
    outputs, maxima = observed(RECIPE, first)
    assert maxima == [f"block_transformer{index}_attention_query" for index in range(2)]
    limits = ranges.ranges(first, outputs, maxima, images, SPEC)
    return RECIPE.cheapen(lowered, {name: limits[name] for name in maxima}), limits


def _kinds(found: Graph) -> set[type]:
    return {node.kind for node in found.nodes.values()}


def test_the_catalogues_models_take_this_recipe_and_have_all_modes():
    assert recipe_of("v2_050") is RECIPE
    assert RECIPE.modes == MODES


def test_the_lowered_graph_gives_the_trained_logits_without_scales_and_shifts_of_norms(trained, lowered, images):
    expected = trained[1]
    assert layers.ImageNorm in _kinds(lowered)
    assert not {trained_layers.ImageNormalization, tf_keras.layers.BatchNormalization} & _kinds(lowered)
    found = graph.build(lowered)(SPEC.normalize(images), training=False)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_cheapened_graph_gives_the_trained_logits_before_and_after_calibration(
    trained, lowered, calibrated, images
):
    expected = trained[1]
    for found in (RECIPE.cheapen(lowered, {}), calibrated[0]):
        kinds = _kinds(found)
        assert {layers.ExponentialWeights, layers.WeightedContext, layers.PlaceProduct} <= kinds
        assert not any(kind.__module__ == trained_layers.__name__ for kind in kinds - {trained_layers.EnlargeToPatches})
        logits = graph.build(found)(SPEC.normalize(images), training=False)
        np.testing.assert_allclose(logits, expected, atol=2e-5 * np.abs(expected).max())


def test_quarters_of_calibrated_queries_end_a_margin_below_0(calibrated, images):
    found, ranges = calibrated
    name = "block_transformer0_attention_query"
    model = graph.build(found)
    probe = tf_keras.Model(model.input, model.get_layer(name).output)
    quarters = probe(SPEC.normalize(images), training=False).numpy()
    low, high = ranges[name]
    assert quarters.max() <= -0.09 * (high - low)
    assert quarters.min() >= -1.11 * (high - low)


@pytest.fixture(scope="module")
def int8(calibrated, tmp_path_factory) -> tuple[tf_keras.Model, bytes]:
    """(fake-quantised model for one photo, its file)."""
    model = qat.apply(*_arguments(calibrated), frozen=True, batch_size=1)
    return model, convert.to_int8(model)


def _arguments(calibrated):
    return calibrated[0], RECIPE, calibrated[1]


def test_8_bit_logits_are_near_the_trained_ones(trained, int8, images):
    expected = trained[1]
    found = np.concatenate([int8[0](SPEC.normalize(images[i : i + 1]), training=False) for i in range(len(images))])
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert np.corrcoef((found - found.mean(0)).ravel(), (expected - expected.mean(0)).ravel())[0, 1] > 0.9


def test_the_graph_for_any_batch_computes_what_the_one_for_a_single_photo_does(calibrated, int8, images):
    batch = qat.apply(*_arguments(calibrated), frozen=True)(SPEC.normalize(images), training=False).numpy()
    single = np.concatenate([int8[0](SPEC.normalize(images[i : i + 1]), training=False) for i in range(len(images))])
    np.testing.assert_allclose(batch, single, atol=1e-5)


def test_the_file_is_one_partition_of_fast_operators(int8, tmp_path):
    (tmp_path / "m.tflite").write_bytes(int8[1])
    facts = runtime.operators(tmp_path / "m.tflite")
    assert facts["partitions"] == 1
    assert [entry.operator for entry in facts["not_delegated"]] in ([], ["QUANTIZE"])  # of the uint8 pixels
    assert facts["operators"]["ELU"] == 2
    assert not {"EXP", "RSQRT", "REDUCE_MAX", "TRANSPOSE", "BATCH_MATMUL"} & set(facts["operators"])


def test_two_runtimes_give_equal_scores(int8, images):
    """TensorFlow's runtime and LiteRT's, whose XNNPACKs are some versions apart."""

    def run(interpreter) -> np.ndarray:
        interpreter.allocate_tensors()
        scores = []
        for image in images:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[np.newaxis])
            interpreter.invoke()
            scores.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
        return np.array(scores)

    scores = run(Interpreter(model_content=int8[1]))
    assert np.ptp(scores) > 0.1
    np.testing.assert_allclose(run(tf.lite.Interpreter(model_content=int8[1])), scores, atol=1e-6)
