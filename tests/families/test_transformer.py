"""The parts that vision transformers share."""

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support import family_checks

from mobilevit_tf.layers.transformers import attention, transformer


def test_position_embedding_is_added_as_it_is_on_its_own_grid():
    layer = transformer.PositionEmbedding((14, 10))
    np.testing.assert_array_equal(layer(tf.zeros((1, 14, 10, 8))), layer.embedding)


@pytest.mark.parametrize("size", [(5, 9), (24, 30), (14, 20)])
def test_position_embedding_is_resized_bicubically_elsewhere(size):
    layer = transformer.PositionEmbedding((14, 10))
    resized = layer(tf.zeros((2, *size, 8)))
    expected = tf.image.resize(layer.embedding, size, "bicubic")
    np.testing.assert_allclose(resized, tf.tile(expected, (2, 1, 1, 1)), atol=1e-7)


def test_a_larger_input_than_the_published_one_becomes_tflite():
    image = tf_keras.Input((48, 40, 3))
    table = transformer.PositionEmbedding((14, 14), name="position")
    x = table(tf_keras.layers.Conv2D(256, 1)(image))
    table.embedding.assign(tf.random.stateless_normal(table.embedding.shape, (0, 0)))
    family_checks.assert_tflite_is_equal(tf_keras.Model(image, tf_keras.layers.GlobalMaxPooling2D()(x)))


def test_class_token_joins_and_patches_come_back():
    patches = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype(np.float32)
    layer = transformer.ClassToken()
    token = layer(patches)
    row = transformer.JoinClassToken()([token, patches])
    assert (token.shape, row.shape) == ((3, 1, 1, 5), (3, 1, 9, 5))
    np.testing.assert_allclose(token[2, 0, 0], sum(part.numpy() for part in layer.parts)[0, 0, 0])
    np.testing.assert_array_equal(transformer.TakeClassToken()(row), token)
    np.testing.assert_array_equal(transformer.TakePatches()([row, patches]), patches)


def test_a_class_token_without_a_position_has_one_weight():
    layer = transformer.ClassToken(position=False, name="class_token")
    assert layer(tf.zeros((2, 4, 4, 3))).shape == (2, 1, 1, 3)
    assert [weight.name for weight in layer.weights] == ["class_token/token:0"]


def test_mixed_heads_are_a_dense_layer_over_the_heads():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    layer = attention.MixHeads(0.5)
    layer(scores)
    layer.bias.assign([[1.0], [2.0], [3.0]])
    expected = np.einsum("bits,io->bots", 0.5 * scores, layer.kernel) + np.reshape([1, 2, 3], (3, 1, 1))
    np.testing.assert_allclose(layer(scores), expected, atol=1e-6)


def test_saved_layers_come_back_as_they_were():
    kinds = [
        transformer.Gelu(),
        transformer.PositionEmbedding((3, 4)),
        transformer.ClassToken(position=False),
        attention.MixHeads(0.25),
    ]
    for layer in kinds:
        again = tf_keras.layers.deserialize(tf_keras.layers.serialize(layer))
        assert (type(again), again.get_config()) == (type(layer), layer.get_config())


def test_drop_path_rates_rise_from_zero_to_the_greatest():
    assert transformer.drop_path_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert transformer.drop_path_rates(0.3, 1) == [0]
