"""Lowering: the exported graph computes what the trained one does."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support.folded_models import lowered, trained

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import blocks
from mobilevit_tf.layers.dropout import StatelessDropout
from mobilevit_tf.models import count
from quantize import graph
from quantize.layers import folded as folded_layers
from quantize.layers import patches
from quantize.recipe import recipe_of

GONE = (
    tf_keras.layers.BatchNormalization, tf_keras.layers.LayerNormalization, tf_keras.layers.Dense, StatelessDropout,
)  # fmt: skip


@pytest.mark.parametrize("cheap", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "patch_sizes"),
    [(64, 64, (2, 2, 2)), (65, 50, (2, 2, 2)), (64, 64, (8, 4, 2))],
)
def test_lowered_model_gives_the_trained_models_logits_to_1e_5(height, width, patch_sizes, cheap):
    model = trained(ModelConfig("tiny", 5, patch_sizes), height, width)
    found = lowered(model, "tiny", ImageSpec(height, width))
    exported = graph.build(recipe_of("tiny").cheapen(found, {}) if cheap else found)
    images = np.random.default_rng(1).random((2, height, width, 3), np.float32)
    before, after = model(images, training=False).numpy(), exported(images, training=False).numpy()
    assert np.abs(before).max() > 0.01
    np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize("variant", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "efficientnet_b0", "densenet121"])
def test_a_cnn_gives_the_trained_models_logits_without_batch_norm_dense_layers_and_scaled_pixels(variant):
    model = trained(ModelConfig(variant, 5))
    exported = graph.build(lowered(model, variant), batch_size=2)
    kinds = {type(layer) for layer in exported.layers}
    assert not kinds & {tf_keras.layers.BatchNormalization, tf_keras.layers.Dense, StatelessDropout}
    assert "standardize" not in {layer.name for layer in exported.layers}
    images = np.random.default_rng(1).random((2, 64, 64, 3), np.float32)
    before, after = model(images, training=False).numpy(), exported(images, training=False).numpy()
    # Random weights magnify rounding: what changing the pixels by a millionth does is the measure.
    noise = np.abs(model(images * (1 + 1e-6), training=False).numpy() - before).max()
    np.testing.assert_allclose(after, before, atol=1e-5 * before.std() + 2 * noise)


def test_lowered_mobilevit_has_no_norms_with_weights_and_fewer_parameters():
    model = trained(ModelConfig("tiny", 5))
    exported = graph.build(lowered(model, "tiny"), batch_size=1)
    assert not {type(layer) for layer in exported.layers} & set(GONE)
    assert exported.get_layer("stem_conv").use_bias
    assert not exported.get_layer("layer3_vit_projection_conv").use_bias  # no BatchNorm there in the paper
    assert exported.count_params() < model.count_params()
    assert exported.input_shape == (1, 64, 64, 3)
    assert count.count_macs(exported) == count.count_macs(model)


@pytest.mark.parametrize("color_order", ["RGB", "BGR"])
def test_normalisation_and_channel_order_move_into_the_stem(color_order):
    spec = ImageSpec(64, 64, color_order=color_order, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    model = trained(ModelConfig("tiny", 5))
    exported = graph.build(lowered(model, "tiny", spec))
    rgb = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    ordered = rgb if color_order == "RGB" else rgb[..., ::-1]
    before = model(spec.normalize(ordered), training=False).numpy()
    after = exported(spec.plain().normalize(rgb), training=False).numpy()
    np.testing.assert_allclose(after, before, atol=1e-5)
    fill = exported.get_layer("stem_pad").fill
    assert fill == pytest.approx((0.485, 0.456, 0.406) if color_order == "RGB" else (0.406, 0.456, 0.485))


@pytest.mark.parametrize("color_order", ["RGB", "BGR"])
def test_an_image_that_two_layers_read_is_normalised_by_a_convolution_of_its_own(color_order):
    image = tf_keras.Input((8, 8, 3), name="image")
    scaled = tf_keras.layers.Rescaling([2.0, 3.0, 4.0], [-1.0, 0.5, 0.25], name="standardize")(image)
    parts = [tf_keras.layers.Conv2D(4, 3, name=name)(scaled) for name in ("one", "other")]
    pooled = tf_keras.layers.GlobalAveragePooling2D(name="pool")(tf_keras.layers.Multiply(name="product")(parts))
    model = tf_keras.Model(image, tf_keras.layers.Dense(5, name="classifier")(pooled))
    spec = ImageSpec(8, 8, color_order=color_order, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    exported = graph.build(lowered(model, "tiny", spec))
    assert exported.get_layer("normalise").kernel.shape == (1, 1, 3, 3)
    assert "standardize" not in {layer.name for layer in exported.layers}
    rgb = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    expected = model(spec.normalize(rgb if color_order == "RGB" else rgb[..., ::-1])).numpy()
    np.testing.assert_allclose(exported(spec.plain().normalize(rgb)), expected, atol=1e-5 * np.abs(expected).max())


def test_factors_go_into_a_convolution_before_them_and_into_the_epsilon_of_a_norm_behind_them():
    image = tf_keras.Input((4, 4, 3), name="image")
    x = tf_keras.layers.Conv2D(8, 1, name="writer", bias_initializer="ones")(image)
    x = tf_keras.layers.ReLU(name="relu")(tf_keras.layers.Rescaling(3.0, name="behind")(x))
    x = tf_keras.layers.Rescaling(0.25, name="before")(x)
    x = tf_keras.layers.LayerNormalization(epsilon=0.1, name="norm")(x)
    model = tf_keras.Model(image, tf_keras.layers.Dense(5, name="classifier")(tf_keras.layers.Flatten(name="flat")(x)))
    found = lowered(model, "tiny", ImageSpec(4, 4))
    assert not {"behind", "before"} & set(found.nodes)
    assert found.nodes["norm"].config["epsilon"] == pytest.approx(0.1 * 16)
    images = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    np.testing.assert_allclose(graph.build(found)(images), model(images), atol=1e-5)


def test_a_norm_whose_tokens_are_read_elsewhere_stays_a_layer_norm():
    """Centring what writes to the stream would change what the pooling reads."""
    image = tf_keras.Input((4, 4, 3), name="image")
    tokens = tf_keras.layers.Conv2D(8, 1, name="writer")(image)
    normed = tf_keras.layers.Conv2D(8, 1, name="reader")(tf_keras.layers.LayerNormalization(name="norm")(tokens))
    pooled = tf_keras.layers.GlobalAveragePooling2D(name="pool")(tf_keras.layers.Add(name="sum")([tokens, normed]))
    model = tf_keras.Model(image, tf_keras.layers.Dense(5, name="classifier")(pooled))
    found = lowered(model, "tiny", ImageSpec(4, 4))
    assert found.nodes["norm"].kind is tf_keras.layers.LayerNormalization
    images = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    np.testing.assert_allclose(graph.build(found)(images), model(images), atol=1e-5)


def test_a_layer_that_is_called_twice_is_refused_by_name():
    image = tf_keras.Input((4, 4, 3), name="image")
    twice = tf_keras.layers.Conv2D(3, 1, name="shared")
    model = tf_keras.Model(image, tf_keras.layers.Flatten()(twice(twice(image))))
    with pytest.raises(ValueError, match="shared is called more than once"):
        lowered(model, "tiny", ImageSpec(4, 4))


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


@pytest.mark.parametrize("patch_size", [1, 2, 4])
@pytest.mark.parametrize("swapped", [False, True])
def test_patches_through_rank_4_are_the_patches_of_the_trained_layers(patch_size, swapped):
    features = np.random.default_rng(0).normal(size=(2, 8, 12, 6)).astype(np.float32)
    split = patches.SplitByDepth(patch_size, 3, swapped)(features)
    np.testing.assert_array_equal(split, blocks.SplitPatches(patch_size, 3, swapped)(features))
    whole = tf.linalg.matrix_transpose(split) if swapped else split
    np.testing.assert_array_equal(patches.MergeByDepth(patch_size, 3)([whole, features]), features)
