"""DeepViT against the authors' implementation, and in the pipeline."""

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import deepvit
from mobilevit_tf.models import build

RULES = [
    *parity.VIT_RULES,
    (r"^position/embedding", "pos_embed[rest]"),
    (r"^class_token/position", "pos_embed[first]"),
    (r"^patch_embedding/", "patch_embed.proj/"),
    (r"^stem(\d)_(conv|bn)", r"patch_embed.\2\1"),
    (r"attention_mix_heads", "attn.reatten_matrix"),
    (r"attention_bn", "attn.var_norm"),
]
# One layer without and one with re-attention, and each factor once.
SMALL = deepvit.Size(24, 48, 8, 1, 0.5, 0.5, 2, 3, 0.2, (2, 2))


def small(height, width):
    return family_checks.model(lambda image: deepvit.features(image, SMALL), height, width)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("deepvit_16", 192),
        pytest.param("deepvit_s", 192, marks=pytest.mark.slow),
        pytest.param("deepvit_16", 224, marks=pytest.mark.slow),
        pytest.param("deepvit_s", 224, marks=pytest.mark.slow),
    ],
)
def test_logits_equal_the_reference(name, side):
    size = dataclasses.replace(deepvit.SIZES[name], grid=(side // 16, side // 16))
    assert parity.error(name, f"{side}x{side}", lambda image: deepvit.features(image, size), RULES) < 1e-5


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32), rate=3e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    family_checks.assert_gradients_reach_every_weight(small(32, 32))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(64, 64))


def test_pixels_are_scaled_to_minus_one_and_one(monkeypatch):
    monkeypatch.setitem(deepvit.SIZES, "deepvit_s", SMALL)
    network = build.build(ModelConfig("deepvit_s", 2), 16, 16)
    seen = tf_keras.Model(network.input, network.get_layer("stem1_pad").input)
    np.testing.assert_allclose(seen(np.stack([np.zeros((16, 16, 3)), np.ones((16, 16, 3))]))[:, 0, 0, 0], [-1, 1])


def test_an_input_without_a_whole_patch_is_refused():
    with pytest.raises(UserError, match="deepvit_s needs an input of at least 16 x 16 pixels, not 64 x 15"):
        build.build(ModelConfig("deepvit_s", 2), 64, 15)
