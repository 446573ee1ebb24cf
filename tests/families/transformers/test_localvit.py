"""LocalViT against the reference implementation."""

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import localvit
from mobilevit_tf.layers import activations
from mobilevit_tf.models import build

RULES = [
    *parity.VIT_RULES,
    (r"^class_token/position", "pos_embed[first]"),
    (r"^position/embedding", "pos_embed[rest]"),
    (r"^patch_embedding/", "patch_embed.proj/"),
    (r"ffn_expand_bn", "conv.conv.1"),
    (r"ffn_expand", "conv.conv.0"),
    (r"ffn_depthwise_bn", "conv.conv.4"),
    (r"ffn_depthwise", "conv.conv.3"),
    (r"ffn_squeeze_reduce", "conv.conv.6.fc.0"),
    (r"ffn_squeeze_expand", "conv.conv.6.fc.2"),
]
# Places in the reference's sequence of layers, where squeeze-and-excitation moves the last two.
LAST = {
    "localvit_t": [(r"ffn_project_bn", "conv.conv.8"), (r"ffn_project", "conv.conv.7")],
    "localvit_t_mlp6": [(r"ffn_project_bn", "conv.conv.7"), (r"ffn_project", "conv.conv.6")],
}
SMALL = localvit.LocalViTSize(2, 4, patch=8, dim=32, depth=2, drop_path=0.2, grid=(4, 4))


@pytest.mark.parametrize("name", ["localvit_t", pytest.param("localvit_t_mlp6", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("stored", "grid"), [pytest.param("224x224", (14, 14), marks=pytest.mark.slow), ("192x192", (12, 12))]
)
def test_logits_equal_the_reference(name, stored, grid):
    size = dataclasses.replace(localvit.SIZES[name], grid=grid)
    rules = [*RULES, *LAST[name]]
    assert parity.error(name, stored, lambda image: localvit.features(image, size), rules) < 1e-5


def test_hard_activations_have_the_values_of_their_definition():
    points = tf.constant([-4.0, -3.0, -1.0, 0.0, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(activations.HardSigmoid()(points), [0, 0, 1 / 3, 0.5, 0.75, 1, 1], atol=1e-6)
    np.testing.assert_allclose(activations.HardSwish()(points), [0, 0, -1 / 3, 0, 1.125, 3, 5], atol=1e-6)


def small(height, width):
    return family_checks.model(lambda image: localvit.features(image, SMALL), height, width)


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32))


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    """The last feed-forward network changes the patches alone, of which the classifier sees none."""
    family_checks.assert_gradients_reach_every_weight(small(32, 32), unmoved=("transformer1_ffn",))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(32, 48))


@pytest.mark.slow
def test_float32_tflite_of_a_published_size_gives_the_same_scores_for_any_number_of_classes():
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("localvit_t", 3), 64, 96))


def test_a_side_that_is_too_short_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="localvit_t needs an input of at least 16 x 16 pixels, not 15 x 64"):
        build.build(ModelConfig("localvit_t", 2), 15, 64)
