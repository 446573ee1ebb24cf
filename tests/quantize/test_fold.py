"""Folding: the exported graph computes what the trained one does."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support.folded_models import random_weights

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import mobilevit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import weights
from quantize.layers import folded as folded_layers
from quantize.steps.fold import fold, fold_normalization


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "patch_sizes"),
    [(64, 64, (2, 2, 2)), (65, 50, (2, 2, 2)), (64, 64, (8, 4, 2))],
)
def test_folded_model_gives_the_trained_models_logits_to_1e_5(height, width, patch_sizes, softmax):
    config = ModelConfig("tiny", 5, patch_sizes)
    trained = mobilevit.build(config, height, width)
    values = random_weights(trained)
    weights.assign(trained, values)
    folded = mobilevit.build(config, height, width, folded=True, softmax=softmax)
    weights.assign(folded, fold(values, num_heads=2))
    images = np.random.default_rng(1).random((2, height, width, 3), np.float32)
    before, after = trained(images, training=False).numpy(), folded(images, training=False).numpy()
    assert np.abs(before).max() > 0.01
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_folded_model_has_no_batch_norm_and_fewer_parameters():
    config = ModelConfig("tiny", 5)
    trained, folded = mobilevit.build(config, 64, 64), mobilevit.build(config, 64, 64, folded=True, softmax=False)
    assert not [weight.name for weight in folded.weights if "_bn/" in weight.name or "gamma" in weight.name]
    assert folded.count_params() < trained.count_params()


def test_weights_of_another_architecture_are_refused_by_name():
    with pytest.raises(UserError, match="other_bn/gamma: no convolution other_conv"):
        fold({f"other_bn/{part}": np.ones(3) for part in ("gamma", "beta", "moving_mean", "moving_variance")}, 4)


@pytest.mark.parametrize("color_order", ["RGB", "BGR"])
def test_normalisation_and_channel_order_move_into_the_stem(color_order):
    spec = ImageSpec(64, 64, color_order=color_order, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    config = ModelConfig("tiny", 5)
    trained = mobilevit.build(config, 64, 64)
    values = random_weights(trained)
    weights.assign(trained, values)
    moved = fold(values, num_heads=2)
    fill = fold_normalization(moved, spec)
    folded = mobilevit.build(config, 64, 64, folded=True, softmax=False)
    folded.get_layer("stem_pad").fill = fill
    weights.assign(folded, moved)
    rgb = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    ordered = rgb if color_order == "RGB" else rgb[..., ::-1]
    before = trained(spec.normalize(ordered), training=False).numpy()
    after = folded(spec.plain().normalize(rgb), training=False).numpy()
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert fill == pytest.approx((0.485, 0.456, 0.406) if color_order == "RGB" else (0.406, 0.456, 0.485))


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 9)])
def test_edge_zeros_pad_what_a_strided_convolution_reads(size):
    image = np.random.default_rng(0).random((2, *size, 3), np.float32)
    kernel = np.random.default_rng(1).random((3, 3, 3, 4), np.float32)
    padded = tf.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = tf.nn.conv2d(padded, kernel, 2, "VALID").numpy()
    got = tf.nn.conv2d(folded_layers.EdgeZeros()(tf.constant(image)), kernel, 2, "VALID").numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize(("spread", "offset", "shift"), [(3, 0, None), (3, 0, 0.0), (100, 0, None), (10, 100, 100.0)])
def test_weighted_mean_of_exponentials_is_attention_with_softmax(spread, offset, shift):
    generator = np.random.default_rng(0)
    scores = generator.normal(offset, spread, (2, 4, 6, 6)).astype(np.float32)
    values = generator.normal(0, 1, (2, 4, 5, 6)).astype(np.float32)
    expected = tf.matmul(tf.nn.softmax(scores), values, transpose_b=True).numpy()
    got = folded_layers.WeightedMean()([folded_layers.Exponential(shift)(scores), values]).numpy()
    assert got.shape == (2, 4, 6, 5)
    np.testing.assert_allclose(got, expected, atol=1e-5)
