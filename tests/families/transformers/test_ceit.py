"""CeiT-T against the authors' implementation, and in the pipeline."""

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import ceit
from mobilevit_tf.models import build

RULES = [
    *parity.VIT_RULES,
    (r"^position/embedding", "pos_embed[rest]"),
    (r"^class_token/position", "pos_embed[first]"),
    (r"^lca_position/embedding", "pos_layer_embed"),
    (r"^stem_", "i2t.backbone."),
    (r"^patch_embedding/", "i2t.proj/"),
    (r"leff_", "leff."),
    (r"lca_ffn", "lca.feedforward.fc"),
    (r"lca_", "lca."),
]
SMALL = ceit.Size(8, 12, 5, 3, 24, 0.5, (2, 2))  # more layers than one concatenation takes


def small(height, width):
    return family_checks.model(lambda image: ceit.features(image, SMALL), height, width)


@pytest.mark.parametrize(
    ("stored", "grid"), [pytest.param("224x224", (14, 14), marks=pytest.mark.slow), ("192x192", (12, 12))]
)
def test_logits_equal_the_reference(stored, grid):
    size = dataclasses.replace(ceit.Size(), grid=grid)
    assert parity.error("ceit_t", stored, lambda image: ceit.features(image, size), RULES) < 1e-5


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32))


def test_gradients_reach_every_weight_but_the_last_leff_whose_patches_nobody_reads():
    family_checks.assert_gradients_reach_every_weight(small(32, 32), unmoved=("transformer4_leff",))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(64, 64))


def test_repeated_edges_pool_as_padding_with_minus_infinity_does():
    features = np.random.default_rng(0).normal(-3, 1, (1, 6, 7, 2)).astype(np.float32)
    padded = np.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    pooled = tf_keras.layers.MaxPooling2D(3, 2)(ceit.RepeatEdges()(features))
    np.testing.assert_array_equal(pooled, tf.nn.max_pool2d(padded, 3, 2, "VALID"))


def test_an_input_without_a_whole_patch_is_refused():
    with pytest.raises(UserError, match="ceit_t needs an input of at least 16 x 16 pixels, not 15 x 64"):
        build.build(ModelConfig("ceit_t", 2), 15, 64)
