"""PVT-Tiny against the authors' implementation, and in the pipeline."""

import dataclasses

import pytest
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import pvt
from mobilevit_tf.models import build

RULES = [
    (r"_attention_query", ".attn.q"),
    (r"_attention_key", ".attn.kv[0/2]"),
    (r"_attention_value", ".attn.kv[1/2]"),
    (r"_attention_reduction", ".attn.sr"),
    (r"_attention_", "_attn."),
    (r"attn\.output", "attn.proj"),
    (r"transformer(\d)[_.]", r"transformer\1_"),
    (r"^stage(\d)_transformer(\d)_(attn\.)?", r"block\1.\2.\3"),
    (r"\.ffn(\d)", r".mlp.fc\1"),
    (r"^stage(\d)_embedding", r"patch_embed\1.proj"),
    (r"^stage(\d)_norm", r"patch_embed\1.norm"),
    (r"^stage4_position/embedding", "pos_embed4[rest]"),
    (r"^class_token/position", "pos_embed4[first]"),
    (r"^stage(\d)_position/embedding", r"pos_embed\1"),
    *parity.VIT_RULES,
]
SMALL = pvt.Size(
    (pvt.Stage(4, 32, 4, 1, 2, 1), pvt.Stage(2, 32, 2, 2, 2, 1), pvt.Stage(2, 48, 1, 3, 2, 2)), 0.3, (32, 32)
)


def small(height, width):
    return family_checks.model(lambda image: pvt.features(image, SMALL), height, width)


@pytest.mark.parametrize("side", [pytest.param(224, marks=pytest.mark.slow), 192])
def test_logits_equal_the_reference(side):
    size = dataclasses.replace(pvt.Size(), image=(side, side))
    assert parity.error("pvt_tiny", f"{side}x{side}", lambda image: pvt.features(image, size), RULES) < 1e-5


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32), rate=3e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    family_checks.assert_gradients_reach_every_weight(small(32, 32))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(64, 64))


def test_a_small_input_is_refused():
    with pytest.raises(UserError, match="pvt_tiny needs an input of at least 32 x 32 pixels, not 64 x 31"):
        build.build(ModelConfig("pvt_tiny", 2), 64, 31)
