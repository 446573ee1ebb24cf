"""unfold, fold and the attention without them, against plain loops; dropout without hidden state."""

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import mobilevit
from mobilevit_tf.layers import blocks, dropout
from mobilevit_tf.models import weights


def _features(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _unfold_loop(features: np.ndarray, size: int) -> np.ndarray:
    batch, height, width, channels = features.shape
    columns = width // size
    patches = np.zeros((batch, size * size, height * width // size**2, channels), features.dtype)
    for y in range(height):
        for x in range(width):
            pixel, patch = (y % size) * size + x % size, (y // size) * columns + x // size
            patches[:, pixel, patch] = features[:, y, x]
    return patches


@pytest.mark.parametrize(("height", "width", "size"), [(4, 6, 2), (8, 4, 4), (8, 16, 8), (3, 5, 1)])
def test_unfold_equals_a_plain_loop_and_fold_is_its_inverse(height, width, size):
    features = _features(2, height, width, 3)
    patches = blocks.unfold(features, size)
    assert patches.shape == (2, size * size, height * width // size**2, 3)
    np.testing.assert_array_equal(patches, _unfold_loop(features, size))
    np.testing.assert_array_equal(blocks.fold(patches, size, height, width), features)


def test_unfold_after_fold_gives_the_patches_back():
    patches = _features(2, 4, 6, 3)
    np.testing.assert_array_equal(blocks.unfold(blocks.fold(patches, 2, 4, 6), 2), patches)


def test_unfold_of_a_size_that_does_not_divide_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="5 x 4 does not divide into patches of 2"):
        blocks.unfold(_features(1, 5, 4, 1), 2)


def test_convolution_through_unfold_gives_the_worked_example():
    """X * K with stride 1 is a 4x4 matrix of windows times the kernel, window by window."""
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    kernel = np.array([[1, 0], [0, -1]], np.float32)
    # Overlapping windows side by side are an image whose 2x2 patches do not overlap.
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2))  # [2, 2, 2, 2]
    tiled = windows.transpose(0, 2, 1, 3).reshape(1, 4, 4, 1)
    matrix = blocks.unfold(tiled, 2).numpy()[0, :, :, 0].T  # [P, N] -> [N windows, P pixels]
    np.testing.assert_array_equal(matrix, [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]])
    product = (matrix @ kernel.reshape(4, 1)).reshape(1, 1, 4, 1)
    np.testing.assert_array_equal(product.reshape(2, 2), [[-4, -4], [-4, -4]])
    # fold puts one result a patch back in its place: [1, P = 1, N = 4, 1] with patches of one pixel.
    np.testing.assert_array_equal(blocks.fold(product, 1, 2, 2)[0, :, :, 0], [[-4, -4], [-4, -4]])


def _paper_transformer(features: np.ndarray, values: dict[str, np.ndarray], heads: int, size: int) -> np.ndarray:
    """Section 3.1 word for word: unfold, pre-norm transformer over the N patches of each pixel, fold."""

    def dense(x, name):
        kernel = values[f"{name}/kernel"]
        return x @ kernel.reshape(kernel.shape[2:]) + values[f"{name}/bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scale = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return centred * scale * values[f"{name}/gamma"] + values[f"{name}/beta"]

    tokens = blocks.unfold(features, size).numpy().astype(np.float64)  # [B, P, N, d]
    dim = tokens.shape[-1]
    y = norm(tokens, "norm1")
    query, key, value = (dense(y, f"attention_{part}") for part in ("query", "key", "value"))
    mixed = np.zeros_like(tokens)
    for head in range(heads):
        part = slice(head * dim // heads, (head + 1) * dim // heads)
        scores = query[..., part] @ key[..., part].swapaxes(-1, -2) / np.sqrt(dim // heads)  # [B, P, N, N]
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        mixed[..., part] = attention / attention.sum(-1, keepdims=True) @ value[..., part]
    tokens = tokens + dense(mixed, "attention_output")
    hidden = dense(norm(tokens, "norm2"), "ffn1")
    tokens = tokens + dense(hidden / (1 + np.exp(-hidden)), "ffn2")
    return blocks.fold(tokens, size, *features.shape[1:3]).numpy()


@pytest.mark.parametrize(("height", "width", "size"), [(8, 8, 2), (4, 6, 2), (8, 8, 4), (16, 8, 8)])
def test_attention_on_the_feature_map_equals_unfold_transformer_fold(height, width, size):
    config = ModelConfig("tiny", patch_sizes=(size, 2, 2))
    whole = mobilevit.build(config, 8 * height, 8 * width)  # layer 3 has stride 8
    first, last = (whole.get_layer(f"layer3_vit_transformer0_{name}") for name in ("norm1", "add2"))
    model = tf_keras.Model(first.input, last.output)
    random = np.random.default_rng(1)
    values = {name: random.normal(0, 0.4, value.shape).astype(np.float32) for name, value in
              weights.to_dict(model).items()}  # fmt: skip
    weights.assign(model, values)
    features = _features(2, height, width, 8)
    values = {name.removeprefix("layer3_vit_transformer0_"): value for name, value in values.items()}
    expected = _paper_transformer(features, values, heads=2, size=size)
    assert np.abs(expected - features).max() > 0.5  # the layer did something
    np.testing.assert_allclose(model(features), expected, atol=1e-5, rtol=1e-5)


def test_split_patches_then_merge_patches_is_the_identity_for_any_batch_and_size():
    image = tf_keras.Input((None, None, 8))
    split = blocks.SplitPatches(2, 4)(image)
    model = tf_keras.Model(image, [split, blocks.MergePatches(2, 4)([split, image])])
    for shape in ((1, 4, 4, 8), (3, 6, 10, 8)):
        features = _features(*shape)
        groups, merged = model(features)
        assert groups.shape == (shape[0], 16, shape[1] * shape[2] // 4, 2)
        np.testing.assert_array_equal(merged, features)


def test_resize_goes_up_to_the_next_multiple_and_back_to_the_reference():
    features = _features(1, 7, 5, 2)
    resized = blocks.ResizeToMultiple(4)(features)
    assert resized.shape == (1, 8, 8, 2)
    assert blocks.ResizeLike()([resized, features]).shape == (1, 7, 5, 2)


def test_dropout_repeats_for_a_seed_and_differs_between_seeds_and_layers():
    ones = tf.ones((4, 8, 8, 16))
    first, second = dropout.StatelessDropout(0.25, name="first"), dropout.StatelessDropout(0.25, name="second")

    def run(layer, *seed):
        with dropout.dropout_seed(tf.constant(seed, tf.int32)):
            return layer(ones, training=True).numpy()

    np.testing.assert_array_equal(run(first, 7, 1), run(first, 7, 1))
    assert (run(first, 7, 1) != run(first, 7, 2)).any()
    assert (run(first, 7, 1) != run(first, 8, 1)).any()
    assert (run(first, 7, 1) != run(second, 7, 1)).any()
    np.testing.assert_allclose(np.unique(run(first, 7, 1)), [0, 4 / 3], rtol=1e-6)
    assert np.mean(run(first, 7, 1) == 0) == pytest.approx(0.25, abs=0.03)


def test_dropout_in_training_without_a_seed_is_refused_and_in_evaluation_does_nothing():
    layer = dropout.StatelessDropout(0.5, name="lonely")
    ones = tf.ones((2, 3))
    np.testing.assert_array_equal(layer(ones), ones)
    with pytest.raises(RuntimeError, match=r"lonely: call the model inside `with dropout\.dropout_seed"):
        layer(ones, training=True)


def test_convolutions_start_with_the_deviation_of_kaiming_normal_over_the_fan_out():
    values = blocks.kaiming()((3, 3, 64, 256)).numpy()
    assert values.std() == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.05)
    # PyTorch's fan out of a depthwise kernel (C, 1, k, k) is C * k * k.
    layer = tf_keras.layers.DepthwiseConv2D(3, depthwise_initializer=blocks.kaiming(depthwise=True))
    layer.build((None, 8, 8, 2048))
    assert layer.depthwise_kernel.numpy().std() == pytest.approx(np.sqrt(2 / (9 * 2048)), rel=0.05)


def test_the_written_out_gradients_are_those_of_automatic_differentiation():
    rng = np.random.default_rng(0)
    features = tf.constant(rng.normal(1, 3, (2, 3, 4, 8)), tf.float32)
    upstream = tf.constant(rng.normal(size=(2, 3, 4, 8)), tf.float32)
    norm = blocks.LayerNormalization(epsilon=1e-5)
    norm.build(features.shape)
    norm.set_weights([rng.normal(size=8), rng.normal(size=8)])

    def gradients(layer, training):
        with tf.GradientTape() as tape:
            tape.watch(features)
            result = layer(features, training=training)
        return [result, *tape.gradient(result, [features, *layer.trainable_variables], upstream)]

    for layer in (norm, blocks.Swish()):
        for written, automatic in zip(gradients(layer, True), gradients(layer, False), strict=True):
            np.testing.assert_allclose(written, automatic, rtol=1e-4, atol=1e-5)
