"""DeiT-Ti against the reference implementation, and a small one in the pipeline."""

import dataclasses

import numpy as np
import pytest
from support import family_checks, parity

from mobilevit_tf.families.transformers import deit

RULES = [
    *parity.VIT_RULES,
    (r"^class_token/position", "pos_embed[first]"),
    (r"^position/embedding", "pos_embed[rest]"),
    (r"^patch_embedding/", "patch_embed.proj/"),
]
SMALL = deit.ViTSize(dim=48, depth=2, ffn_dim=96, patch=8, drop_path=0.2, grid=(4, 4))


def small(height, width):
    return family_checks.model(lambda image: deit.features(image, SMALL), height, width)


@pytest.mark.parametrize(
    ("stored", "grid"), [pytest.param("224x224", (14, 14), marks=pytest.mark.slow), ("192x256", (12, 16))]
)
def test_logits_equal_the_reference(stored, grid):
    size = dataclasses.replace(deit.ViTSize(), grid=grid)
    assert parity.error("deit_ti", stored, lambda image: deit.features(image, size), RULES) < 1e-5


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32), rate=3e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    family_checks.assert_gradients_reach_every_weight(small(32, 32))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(64, 96), (70, 100)])


def test_pixels_that_fill_no_patch_are_not_seen():
    network, image = small(None, None), family_checks.images(70, 100)
    np.testing.assert_allclose(network(image), network(image[:, :64, :96]), atol=1e-5)


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(64, 64))
