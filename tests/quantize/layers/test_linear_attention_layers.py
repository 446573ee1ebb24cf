"""The exported forms of MobileViTv2's steps: equal to the trained layers, and the same in any order of adding."""

from __future__ import annotations

import json

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mobilevit_tf.layers import linear_attention as trained
from quantize.layers import linear_attention as exported
from quantize.layers.linear_attention import LEVELS, POWER, on_a_grid, reach_of


def _random(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def _eight_bits(*shape: int, step: float, seed: int = 0) -> np.ndarray:
    """8-bit values around 5 steps, of a step that is a power of two."""
    levels = np.clip(np.round(40 * np.random.default_rng(seed).standard_normal(shape) + 5), -127, 127)
    return (levels * step).astype(np.float32)


def _shuffled_places(features: np.ndarray, order: np.ndarray, size: int = 2) -> np.ndarray:
    """[B, H, W, C] with its patches in another order."""
    batch, height, width, channels = features.shape
    grid = features.reshape(batch, height // size, size, width // size, size, channels).transpose(0, 1, 3, 2, 4, 5)
    patches = grid.reshape(batch, -1, size, size, channels)[:, order]
    grid = patches.reshape(batch, height // size, width // size, size, size, channels).transpose(0, 1, 3, 2, 4, 5)
    return grid.reshape(batch, height, width, channels)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_norm_without_gamma_and_beta_is_the_trained_one(batch):
    features = 3 + _random(batch, 4, 6, 5)
    np.testing.assert_allclose(exported.ImageNorm()(features), trained.ImageNormalization()(features), atol=1e-5)


@pytest.mark.parametrize(("step", "height", "channels"), [(2.0**-5, 32, 64), (2.0**-12, 16, 96), (1.0, 3, 5)])
def test_the_reproducible_norm_is_near_and_does_not_depend_on_the_order(step, height, channels):
    features = _eight_bits(2, height, height, channels, step=step)
    found = exported.ReproducibleImageNorm(epsilon=1e-5)(features).numpy()
    wide = features.astype(np.float64)
    deviation = np.sqrt(wide.var((1, 2, 3), keepdims=True) + 1e-5)
    np.testing.assert_allclose(found, (wide - wide.mean((1, 2, 3), keepdims=True)) / deviation, atol=2e-4)
    for seed in range(3):
        generator = np.random.default_rng(seed)
        order, other = generator.permutation(height * height), generator.permutation(channels)
        shuffled = features.reshape(2, -1, channels)[:, order][..., other].reshape(features.shape)
        again = exported.ReproducibleImageNorm(epsilon=1e-5)(shuffled).numpy()
        back = np.empty_like(again).reshape(2, -1, channels)
        back[:, order[:, None], other] = again.reshape(2, -1, channels)
        np.testing.assert_array_equal(back.reshape(found.shape), found)


def test_a_constant_image_has_a_norm_of_zero():
    flat = np.full((1, 8, 8, 4), 0.75, np.float32)
    np.testing.assert_array_equal(exported.ReproducibleImageNorm()(flat), 0)


@pytest.mark.parametrize("largest", [1.0, 0.7, 1e-9, 3e8])
@pytest.mark.parametrize("count", [1, 7, 1024])
def test_values_on_a_grid_add_without_rounding_in_any_order(largest, count):
    values = np.random.default_rng(0).uniform(-largest, largest, (50, count)).astype(np.float32)
    values[0], values[1, ::2] = largest, -largest
    rounded = on_a_grid(tf.constant(values), tf.constant(2 * largest * count, tf.float32)).numpy()
    np.testing.assert_allclose(rounded, values, rtol=0, atol=largest * count / 2**22)
    exact = rounded.astype(np.float64).sum(1)
    for order in range(3):
        one_by_one = np.zeros(len(values), np.float32)
        for column in np.random.default_rng(order).permutation(count):
            one_by_one += rounded[:, column]
        np.testing.assert_array_equal(one_by_one, exact)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("shift", [0.0, 7.5])
def test_exponentials_and_a_division_at_the_end_are_the_softmax_and_its_mean(batch, shift):
    queries, tokens = _random(batch, 8, 6, 1, scale=3), _random(batch, 8, 6, 5, seed=1)
    expected = trained.ContextMean(2)([trained.LinearAttentionWeights(2)(queries), tokens])
    weights = exported.ExponentialWeights()(tf.constant((queries - shift) / POWER, tf.float32))
    np.testing.assert_allclose(weights, np.exp(queries - shift), rtol=2e-6)
    np.testing.assert_allclose(exported.WeightedContext(2)([weights, tokens]), expected, atol=2e-6)


def _queries(seed: int) -> np.ndarray:
    """As found in a trained model: within -3.6 and 7.8."""
    return np.clip(_random(1, 32, 32, 1, seed=seed, scale=2) + 1, -3.6, 7.8)


LIMITS = (-3.6 / POWER, 7.8 / POWER)


def test_weights_by_table_are_the_exponentials_within_half_a_step():
    top, step = reach_of(*LIMITS)
    assert top == pytest.approx(7.8 / POWER + 0.1 * 11.4 / POWER)
    assert LEVELS * step == pytest.approx(1.2 * 11.4 / POWER, rel=0.01)
    queries = _queries(0)
    weights = exported.TableWeights(LIMITS)(tf.constant(queries / POWER - top, tf.float32)).numpy()
    exact = np.exp(queries - POWER * top)
    entry = exact ** (1 / POWER)
    np.testing.assert_allclose(weights ** (1 / POWER), entry, rtol=0, atol=0.5 / 256 + step / 2)
    roots = np.sqrt(np.sqrt(weights)) * 256
    np.testing.assert_allclose(roots, np.round(roots), atol=1e-4)  # entries of 1/256


def test_a_query_beyond_the_table_weighs_as_its_end():
    far = exported.TableWeights(LIMITS)(tf.constant([[[[5.0], [0.0], [-50.0]]]])).numpy().ravel()
    assert far[0] == far[1] == 1
    assert far[2] < 1e-4


def test_the_context_of_an_8_bit_file_is_near_and_does_not_depend_on_the_order():
    top, _ = reach_of(*LIMITS)
    tokens = _eight_bits(1, 32, 32, 64, step=2.0**-5)
    weights = exported.TableWeights(LIMITS)(tf.constant(_queries(0) / POWER - top, tf.float32)).numpy()
    layer = exported.ReproducibleContext(2, largest=4.0)
    found = layer([weights, tokens]).numpy()
    assert found.shape == (1, 2, 2, 64)
    np.testing.assert_allclose(found, exported.WeightedContext(2)([weights, tokens]), atol=2e-4)
    softmax = trained.LinearAttentionWeights(2)(_queries(0))
    np.testing.assert_allclose(found, trained.ContextMean(2)([softmax, tokens]), atol=0.02 * np.abs(tokens).max())
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(256)
        shuffled = [_shuffled_places(part, order) for part in (weights, tokens)]
        np.testing.assert_array_equal(layer(shuffled), found)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [2, 3])
def test_the_product_with_the_context_is_the_trained_one(batch, size):
    values, context = _random(batch, 6, 12, 5), _random(batch, size, size, 5, seed=1)
    expected = trained.ContextProduct(size)([values, context])
    np.testing.assert_array_equal(exported.PlaceProduct(size)([values, context]), expected)


def test_gradients_pass_the_roundings():
    queries, tokens = tf.constant(_random(2, 8, 8, 1) - 3), tf.constant(_eight_bits(2, 8, 8, 4, step=2.0**-5))
    with tf.GradientTape() as tape:
        tape.watch([queries, tokens])
        weights = exported.TableWeights((-3.0, 0.0))(queries)
        normal = exported.ReproducibleImageNorm()(tokens)
        loss = tf.reduce_sum(exported.ReproducibleContext(2, 8.0)([weights, normal]) ** 2)
    for slope in tape.gradient(loss, [queries, tokens]):
        assert np.isfinite(slope).all()
        assert np.any(slope)


@pytest.mark.parametrize(
    "layer",
    [
        exported.ReproducibleImageNorm(1e-3, name="a"), exported.TableWeights((-1.0, 2.0), name="a"),
        exported.ReproducibleContext(4, 8.0, name="a"), exported.PlaceProduct(4, name="a"),
    ],
)  # fmt: skip
def test_a_layer_comes_back_from_its_settings(layer):
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert {key: value for key, value in vars(again).items() if key in ("epsilon", "limits", "patch_size", "largest")} \
        == {key: value if not isinstance(value, tuple) else list(value) for key, value in vars(layer).items()
            if key in ("epsilon", "limits", "patch_size", "largest")}  # fmt: skip


def test_two_sets_of_kernels_compute_the_same_bits():
    """The reference kernels and the fast ones add in other orders."""

    def serve(tokens, weights):
        normal = exported.ReproducibleImageNorm()(tokens)
        return normal, exported.ReproducibleContext(2, 8.0)([weights, normal])

    signature = [tf.TensorSpec((1, 16, 16, 24)), tf.TensorSpec((1, 16, 16, 1))]
    function = tf.function(serve, input_signature=signature).get_concrete_function()
    data = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    inputs = {24: _eight_bits(1, 16, 16, 24, step=2.0**-6), 1: np.exp(_random(1, 16, 16, 1))}

    def run(kernels: OpResolverType) -> list[np.ndarray]:
        interpreter = Interpreter(model_content=data, experimental_op_resolver_type=kernels)
        interpreter.allocate_tensors()
        for entry in interpreter.get_input_details():
            interpreter.set_tensor(entry["index"], inputs[int(entry["shape"][-1])])
        interpreter.invoke()
        outputs = sorted(interpreter.get_output_details(), key=lambda entry: entry["shape"].tolist())
        return [interpreter.get_tensor(entry["index"]) for entry in outputs]

    fast, reference = run(OpResolverType.AUTO), run(OpResolverType.BUILTIN_REF)
    assert [part.shape for part in fast] == [(1, 2, 2, 24), (1, 16, 16, 24)]
    for one, other in zip(fast, reference, strict=True):
        np.testing.assert_array_equal(one, other)
