"""ConViT against the reference implementation, and its attention by position."""

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import convit
from mobilevit_tf.models import build

RULES = [
    (r"^transformer(\d)_attention_query", r"transformer\1_attention_qk[0/2]"),  # of the gated layers, 0 to 9
    (r"^transformer(\d)_attention_key", r"transformer\1_attention_qk[1/2]"),
    (r"^transformer(\d)_attention_value", r"transformer\1_attention_v"),
    (r"_attention_(qk|v)\b", r"_attn.\1"),
    (r"_attention_gate/gate", "_attn/gating_param"),
    (r"_attention_gate", "_attn.pos_proj"),
    *parity.VIT_RULES,
    (r"^position/embedding", "pos_embed"),
    (r"^patch_embedding/", "patch_embed.proj/"),
    (r"\.ffn(\d)", r".mlp.fc\1"),
]
SMALL = convit.ConViTSize(96, patch=8, depth=2, gated=1, drop_path=0.2, grid=(4, 4))


@pytest.mark.parametrize("name", ["convit_ti", pytest.param("convit_ti_plus", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("stored", "grid"), [pytest.param("224x224", (14, 14), marks=pytest.mark.slow), ("192x192", (12, 12))]
)
def test_logits_equal_the_reference(name, stored, grid):
    size = dataclasses.replace(convit.SIZES[name], grid=grid)
    assert parity.error(name, stored, lambda image: convit.features(image, size), RULES) < 1e-5


def small(height, width):
    return family_checks.model(lambda image: convit.features(image, SMALL), height, width)


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32))


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    family_checks.assert_gradients_reach_every_weight(small(32, 32))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(32, 48))


@pytest.mark.slow
def test_float32_tflite_of_a_published_size_gives_the_same_scores_for_any_number_of_classes():
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("convit_ti", 3), 64, 96))


def test_a_side_that_is_too_short_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="convit_ti needs an input of at least 16 x 16 pixels, not 15 x 64"):
        build.build(ModelConfig("convit_ti", 2), 15, 64)


def test_attention_by_position_falls_off_around_one_neighbour_of_each_head():
    """Four heads look half a patch up or down and left or right: at four patches alike, and at nothing far away."""
    layer, grid = convit.PositionGate(), tf.zeros((1, 5, 6, 1))
    nothing = tf.zeros((1, 4, 30, 30))
    position = layer([nothing, grid]).numpy()[0] / tf.sigmoid(1.0).numpy()
    assert position.shape == (4, 30, 30)
    np.testing.assert_allclose(position.sum(-1), 1, atol=1e-5)
    for head, (left, up) in enumerate([(-1, -1), (-1, 0), (0, -1), (0, 0)]):
        share = position[head, 2 * 6 + 3].reshape(5, 6)  # of the query in row 2, column 3
        seen = {(2 + up + down, 3 + left + right) for down in (0, 1) for right in (0, 1)}
        order = np.argsort(share, axis=None)[::-1][:4]
        assert {(int(place) // 6, int(place) % 6) for place in order} == seen
        np.testing.assert_allclose(share.flat[order], share.max(), rtol=1e-4)
    assert position[0, 0, -1] < 1e-20  # from corner to corner


def test_the_gate_mixes_content_and_position_per_head():
    layer, grid = convit.PositionGate(), tf.zeros((1, 2, 2, 1))
    content = tf.one_hot([[[3, 2, 1, 0]] * 4], 4)  # [1, heads, 4, 4]
    layer([content, grid])
    layer.gate.assign([[[-100.0]], [[100.0]], [[0.0]], [[0.0]]])
    layer.kernel.assign(tf.zeros((3, 4)))  # every place alike
    mixed = layer([content, grid]).numpy()[0]
    np.testing.assert_allclose(mixed[0], content[0, 0], atol=1e-6)
    np.testing.assert_allclose(mixed[1], 0.25, atol=1e-6)
    np.testing.assert_allclose(mixed[2], 0.5 * content[0, 2] + 0.125, atol=1e-6)
