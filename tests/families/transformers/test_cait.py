"""CaiT-XXS24 against the reference implementation, and in the pipeline."""

import dataclasses

import numpy as np
import pytest
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import cait
from mobilevit_tf.models import build

RULES = [
    (r"^class(\d)_attention_query", r"class\1_attention_q"),
    (r"^class(\d)_attention_key", r"class\1_attention_k"),
    (r"^class(\d)_attention_value", r"class\1_attention_v"),
    *parity.VIT_RULES,
    (r"^class(\d)_", r"blocks_token_only.\1."),
    (r"attention_", "attn."),
    (r"attn\.output", "attn.proj"),
    (r"\.ffn(\d)", r".mlp.fc\1"),
    (r"attn\.talk1", "attn.proj_l"),
    (r"attn\.talk2", "attn.proj_w"),
    (r"\.scale(\d)/gamma", r".gamma_\1"),
    (r"^patch_embedding/", "patch_embed.proj/"),
    (r"^position/embedding", "pos_embed"),
]
SMALL = cait.Size(8, 48, 2, 2, 3, 96, 0.1, 1.0, (4, 4))


def small(height, width):
    return family_checks.model(lambda image: cait.features(image, SMALL), height, width)


@pytest.mark.parametrize("stored", [pytest.param("224x224", marks=pytest.mark.slow), "192x192"])
def test_logits_equal_the_reference(stored):
    side = int(stored[:3]) // 16
    size = dataclasses.replace(cait.Size(), grid=(side, side))
    assert parity.error("cait_xxs24", stored, lambda image: cait.features(image, size), RULES) < 1e-5


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32), rate=3e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    family_checks.assert_gradients_reach_every_weight(small(32, 32))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(64, 64))


def test_branches_start_near_zero():
    size = dataclasses.replace(SMALL, layer_scale=cait.Size().layer_scale)
    network = family_checks.model(lambda image: cait.features(image, size), 32, 32)
    scales = [layer.gamma.numpy() for layer in network.layers if isinstance(layer, cait.LayerScale)]
    assert len(scales) == 2 * (size.depth + size.class_depth)
    np.testing.assert_allclose(scales, 1e-5)


def test_an_input_without_a_whole_patch_is_refused():
    with pytest.raises(UserError, match="cait_xxs24 needs an input of at least 16 x 16 pixels, not 15 x 64"):
        build.build(ModelConfig("cait_xxs24", 2), 15, 64)
