"""PiT against the reference implementation."""

import dataclasses

import pytest
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import pit
from mobilevit_tf.layers.transformers import transformer
from mobilevit_tf.models import build

RULES = [
    *parity.VIT_RULES,
    (r"^position/embedding", "pos_embed"),
    (r"^patch_embedding/", "patch_embed.conv/"),
    (r"^stage(\d)_block(\d)_", r"transformers.\1.blocks.\2."),
    (r"^stage(\d)_pool_patches", r"transformers.\1.pool.conv"),
    (r"^stage(\d)_pool_class", r"transformers.\1.pool.fc"),
    (r"\.ffn(\d)", r".mlp.fc\1"),
]
SMALL = pit.PiTSize((16, 32, 64), (1, 2, 1), drop_path=0.2, grid=(3, 3))


def _positions_as_a_map(state):
    return state | {"pos_embed": state["pos_embed"].transpose(0, 2, 3, 1)}  # [1, C, H, W] -> [1, H, W, C]


@pytest.mark.parametrize("name", ["pit_ti", pytest.param("pit_xs", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("stored", "grid"), [("224x224", (27, 27)), pytest.param("256x256", (31, 31), marks=pytest.mark.slow)]
)
def test_logits_equal_the_reference(name, stored, grid):
    size = dataclasses.replace(pit.SIZES[name], grid=grid)
    error = parity.error(name, stored, lambda image: pit.features(image, size), RULES, prepare=_positions_as_a_map)
    assert error < 1e-5


def test_the_stages_shrink_as_the_paper_says():
    model = pit.build(ModelConfig("pit_ti", 5), 224, 224)
    shapes = [layer.output_shape[1:] for layer in model.layers if isinstance(layer, transformer.JoinClassToken)]
    assert shapes == [(1, 1 + 27 * 27, 64), (1, 1 + 14 * 14, 128), (1, 1 + 7 * 7, 256)]


def small(height, width):
    return family_checks.model(lambda image: pit.features(image, SMALL), height, width)


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
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("pit_ti", 3), 64, 96))


def test_a_side_that_is_too_short_is_refused_in_one_sentence():
    assert small(16, 16).get_layer("patch_embedding").output_shape == (None, 1, 1, 16)
    with pytest.raises(UserError, match="pit_ti needs an input of at least 16 x 16 pixels, not 15 x 64"):
        build.build(ModelConfig("pit_ti", 2), 15, 64)
