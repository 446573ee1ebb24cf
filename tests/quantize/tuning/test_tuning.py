"""Ranges and weights chosen for what they do to the logits."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support.folded_models import cheapened
from tf_keras import layers as keras_layers

from mobilevit_tf.image.image_spec import ImageSpec
from quantize import exporter, graph
from quantize.recipe import recipe_of
from quantize.steps import qat, settle
from quantize.tuning import ranges, reconstruct

SPEC, RECIPE = ImageSpec(64, 64), recipe_of("tiny")
GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    coarse = GENERATOR.integers(0, 256, (24, 8, 8, 3), np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


@pytest.fixture(scope="module")
def tiny(images):
    """(graph before quantisation, its ranges)."""
    found = cheapened("tiny")
    return found, ranges.ranges(found, *exporter.observed(RECIPE, found), images, SPEC)


@pytest.mark.parametrize("curve", [ranges._identity, ranges._swish])
@pytest.mark.parametrize("end", [-6.0, 5.0])
def test_cutting_off_moves_the_logits_as_far_as_the_slope_says(curve, end):
    x, slope = GENERATOR.normal(0, 2, (3, 500)).clip(-6, 5), GENERATOR.normal(0, 1, (3, 500))
    moved = ranges._cut(x, curve(x), slope, end, curve)
    for candidate, share in enumerate(ranges.SHARES):
        cut = np.maximum(x, share * end) if end < 0 else np.minimum(x, share * end)
        np.testing.assert_allclose(moved[:, candidate], (slope * (curve(cut) - curve(x))).sum(1), atol=1e-9)


def test_a_range_is_narrow_where_cutting_off_costs_nothing_and_leaves_one_lost_photo_to_itself():
    cut = np.zeros((50, 2, len(ranges.SHARES)))
    costs = ranges._Costs([1000.0] * 50, list(cut))
    assert ranges._cheapest(costs, -10, 20, np.ones(50)) == pytest.approx((-3, 6))
    cut[0, 1, :-1] = 3.0  # one photo of fifty suffers from any cut
    assert ranges._cheapest(costs, -10, 20, np.ones(50)) == pytest.approx((-3, 6))
    cut[:, 1, :-1] = 3.0  # all do
    assert ranges._cheapest(costs, -10, 20, np.ones(50)) == pytest.approx((-3, 20))


def test_ranges_lie_within_what_was_seen_and_are_found_again(tiny, images):
    found, limits = tiny
    outputs, maxima = exporter.observed(RECIPE, found)
    assert ranges.ranges(found, outputs, maxima, images, SPEC) == limits
    model = graph.build(found)
    for name in ("stem_conv", "layer1_mv2_project_conv", "classifier"):
        values = tf_keras.Model(model.input, model.get_layer(name).output)(SPEC.normalize(images)).numpy()
        low, high = limits[name]
        assert min(values.min(), 0) - 1e-4 <= low <= 0.2 * values.min() and 0.2 * values.max() <= high
        assert high <= max(values.max(), 0) + 1e-4


def test_weights_chosen_together_put_out_what_nearest_ones_do_not():
    mixed = GENERATOR.normal(0, 1, (32, 32)) * np.geomspace(1, 0.01, 32)[:, None]
    x = 0.3 + GENERATOR.normal(0, 1, (1, 4000, 32)) @ mixed
    weights = GENERATOR.normal(0, 1, (1, 32, 8))
    y = x @ weights + 1
    chosen, bias = reconstruct.rounded_weights(x, y, weights)
    step = np.abs(chosen).max(1, keepdims=True) / 127
    np.testing.assert_allclose(chosen / step, np.round(chosen / step), atol=1e-9)
    nearest_step = np.abs(weights).max(1, keepdims=True) / 127
    nearest = np.round(weights / nearest_step) * nearest_step
    assert np.abs(x @ chosen + bias - y).mean() < 0.7 * np.abs(x @ nearest + 1 - y).mean()


@pytest.mark.parametrize(
    "layer",
    [
        keras_layers.Conv2D(6, 3, strides=2, padding="same"),
        keras_layers.Conv2D(6, 3, groups=2),
        keras_layers.Conv2D(6, 1),
        keras_layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        keras_layers.DepthwiseConv2D(3, dilation_rate=2),
    ],
    ids=["strided", "groups", "pointwise", "multiplier", "dilated"],
)
@pytest.mark.parametrize("stride", [1, 7])
def test_patches_times_kernel_are_the_convolution(layer, stride):
    image = GENERATOR.normal(0, 1, (20, 9, 9, 4)).astype(np.float32)  # more than one batch of photos
    wanted = layer(image).numpy()
    depthwise = isinstance(layer, keras_layers.DepthwiseConv2D)
    kernel = (layer.depthwise_kernel if depthwise else layer.kernel).numpy()
    blocks = 4 if depthwise else layer.groups
    weights = kernel.reshape(-1, blocks, wanted.shape[-1] // blocks).transpose(1, 0, 2)  # [B, K, O]
    x = reconstruct._patches(layer, image, blocks, stride)
    np.testing.assert_allclose(x @ weights, reconstruct._places(wanted, blocks, stride), atol=1e-5)


def test_a_reconstructed_model_is_nearer_to_float_settled_and_the_same_every_time(tiny, images):
    found, limits = tiny
    float_model = graph.build(found)
    exact = float_model(SPEC.normalize(images), training=False).numpy()
    made = [qat.apply(found, RECIPE, limits, frozen=True) for _ in range(2)]
    before = made[0](SPEC.normalize(images), training=False).numpy()
    for model in made:
        reconstruct.reconstruct(model, found, float_model, images, SPEC)
    after = made[0](SPEC.normalize(images), training=False).numpy()
    assert np.abs(after - exact).mean() < np.abs(before - exact).mean()
    first, second = (model.get_weights() for model in made)
    settle.settle(made[0])
    for one, other, again in zip(first, second, made[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, again)
