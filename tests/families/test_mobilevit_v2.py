"""MobileViTv2: the paper's attention with the key after the mean, its norm, its odd maps, and training."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support import family_checks

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import mobilevit_v2
from mobilevit_tf.families.mobilevit_v2_sizes import Stage
from mobilevit_tf.layers import blocks, dropout, linear_attention
from mobilevit_tf.models import weights


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _attention(height, width, dim=6, patch_size=2, rate=0.0) -> tf_keras.Model:
    tokens = tf_keras.Input((height, width, dim))
    return tf_keras.Model(tokens, mobilevit_v2._attention(tokens, patch_size, rate, "a"))


@pytest.mark.parametrize(("height", "width", "patch_size"), [(4, 6, 2), (6, 3, 3), (2, 2, 2), (3, 5, 1)])
def test_attention_is_the_papers_with_the_key_before_the_sum(height, width, patch_size):
    model = _attention(height, width, patch_size=patch_size)
    for index, weight in enumerate(model.weights):
        weight.assign(_random(*weight.shape, seed=index))
    tokens = _random(2, height, width, 6, seed=9)
    held = {name: array.reshape(array.shape[-2:]) if array.ndim == 4 else array
            for name, array in weights.to_dict(model).items()}  # fmt: skip
    unfolded = blocks.unfold(tf.constant(tokens), patch_size).numpy().astype(np.float64)  # [B, P, N, d]
    query, key, value = (unfolded @ held[f"a_{part}/kernel"] + held[f"a_{part}/bias"]
                         for part in ("query", "key", "value"))  # fmt: skip
    shares = np.exp(query) / np.exp(query).sum(2, keepdims=True)  # [B, P, N, 1]
    context = (shares * key).sum(2, keepdims=True)
    mixed = (np.maximum(value, 0) * context) @ held["a_output/kernel"] + held["a_output/bias"]
    expected = blocks.fold(tf.constant(mixed), patch_size, height, width)
    np.testing.assert_allclose(model(tokens), expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_weights_of_each_place_sum_to_one_however_large_the_queries_are():
    queries = 50 * _random(3, 6, 4, 1)
    shares = linear_attention.LinearAttentionWeights(2)(queries).numpy()
    assert shares.shape == (3, 6, 4, 1)
    for row in (0, 1):
        for column in (0, 1):
            np.testing.assert_allclose(shares[:, row::2, column::2].sum((1, 2, 3)), 1, rtol=1e-6)


def test_attention_of_any_size_is_that_of_the_fixed_size():
    fixed, free = _attention(4, 6), _attention(None, None)
    weights.assign(free, weights.to_dict(fixed))
    tokens = _random(2, 4, 6, 6)
    np.testing.assert_allclose(free(tokens), fixed(tokens), atol=1e-6)


def test_the_norm_is_group_norm_with_one_group_and_its_written_gradient_the_derived_one():
    ours, known = linear_attention.ImageNormalization(), tf_keras.layers.GroupNormalization(1, epsilon=1e-5)
    features, upstream = tf.constant(2 + 3 * _random(2, 4, 6, 5)), tf.constant(_random(2, 4, 6, 5, seed=1))
    for layer in (ours, known):
        layer(features)  # builds it
        layer.gamma.assign(_random(5, seed=2))
        layer.beta.assign(_random(5, seed=3))

    def run(layer, **kwargs):
        with tf.GradientTape() as tape:
            tape.watch(features)
            out = layer(features, **kwargs)
            loss = tf.reduce_sum(out * upstream)
        return out, *tape.gradient(loss, [features, layer.gamma, layer.beta])

    for kwargs in ({"training": True}, {"training": False}):
        for found, expected in zip(run(ours, **kwargs), run(known), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_norm_of_low_precision_adds_in_float32():
    layer = linear_attention.ImageNormalization(dtype="mixed_float16")
    features = tf.constant(100 + _random(1, 64, 64, 8))  # the sum is 3.3 million, float16 ends at 65,504
    out = layer(features)
    assert out.dtype == tf.float16
    assert float(tf.reduce_max(tf.abs(tf.cast(out, tf.float32)))) < 7


def test_an_odd_map_is_enlarged_with_its_corners_in_place_and_an_even_one_is_kept():
    layer = linear_attention.EnlargeToPatches(2)
    ramp = np.arange(3, dtype=np.float32)[np.newaxis, :, np.newaxis, np.newaxis] * np.ones((1, 3, 3, 1), np.float32)
    enlarged = layer(ramp).numpy()
    assert enlarged.shape == (1, 4, 4, 1)
    np.testing.assert_allclose(enlarged[0, :, 0, 0], [0, 2 / 3, 4 / 3, 2], rtol=1e-6)
    even = _random(2, 4, 6, 3)
    np.testing.assert_array_equal(layer(even), even)


def test_a_block_keeps_the_enlarged_map():
    features = tf_keras.Input((7, 5, 12))
    block = mobilevit_v2._block(features, Stage(12, 6, 1), 2, 0.0, "b")
    assert block.shape == (None, 8, 6, 12)


def _model(classes: int, size: int | None = None, **settings) -> tf_keras.Model:
    return mobilevit_v2.build(ModelConfig("v2_050", classes, **settings), size, size)


def test_any_input_size_and_any_number_of_classes():
    fixed, free = _model(7, 33), _model(7)
    weights.assign(free, weights.to_dict(fixed))
    image = np.random.default_rng(0).random((2, 33, 33, 3), np.float32)
    expected = fixed(image, training=False).numpy()
    assert expected.shape == (2, 7)
    np.testing.assert_allclose(free(image, training=False), expected, atol=1e-5)
    assert np.isfinite(free(image[:, :1, :1], training=False)).all()  # no input is too small


def test_gradients_reach_every_weight_and_dropout_repeats_for_a_seed():
    model = _model(3, 96, dropout=0.2, classifier_dropout=0.2)
    image = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)

    def step(seed):
        with tf.GradientTape() as tape, dropout.dropout_seed(tf.constant([seed, 0])):
            loss = tf.reduce_sum(model(image, training=True)[:, 0])
        return tape.gradient(loss, model.trainable_weights)

    first, again, other = step(1), step(1), step(2)
    names = [weight.name for weight, slope in zip(model.trainable_weights, first, strict=True)
             if slope is None or not np.any(slope)]  # fmt: skip
    assert names == []
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0].numpy() != other[0].numpy()).any()


def test_query_key_and_value_start_as_parts_of_one_convolution():
    model = _attention(4, 4, dim=128)
    deviations = [float(np.std(model.get_layer(f"a_{part}").kernel)) for part in ("query", "key", "value", "output")]
    fused, own = (2 / 257) ** 0.5, (2 / 128) ** 0.5
    assert deviations == pytest.approx([fused, fused, fused, own], rel=0.25)
    assert deviations[1:] == pytest.approx([fused, fused, own], rel=0.03)


def test_the_loss_falls_over_50_steps_on_digits():
    family_checks.assert_the_loss_falls(_model(10, 32))
