"""Multi-scale Vision Longformer against the reference implementation; its blocks and biases against plain loops."""

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import vil
from mobilevit_tf.layers.transformers import offset_bias, windows
from mobilevit_tf.models import build

# The authors number stages from 1, and a stage's parts: 0 the patches, then attention and feed-forward in turn.
RULES = [
    *[(rf"^stage{stage}_", f"layer{stage + 1}.") for stage in range(4)],
    (r"\.global_token/token", ".0.cls_token"),
    (r"\.patch_embedding", ".0.proj"),
    (r"\.patch_norm", ".0.norm_embed"),
    *[(rf"block{index}_(attention|norm1)", rf"{2 * index + 1}.\1") for index in range(9)],
    *[(rf"block{index}_(ffn|norm2)", rf"{2 * index + 2}.\1") for index in range(9)],
    (r"\.norm[12]/", ".norm/"),
    (r"\.ffn(\d)", r".mlp.fc\1"),
    (r"^(layer[12].*)attention_query", r"\1attn.query"),
    (r"^(layer[12].*)attention_key", r"\1attn.kv[0/2]"),
    (r"^(layer[12].*)attention_value", r"\1attn.kv[1/2]"),
    (r"attention_(token_)?bias/offset_bias", "attn/local_relative_position_bias_table"),
    (r"attention_(token_)?bias/token_to_token_bias", "attn/g2g_relative_position_bias"),
    (r"attention_(token_)?bias/token_to_patch_bias", "attn[0/2]/g2l_relative_position_bias"),
    (r"attention_(token_)?bias/patch_to_token_bias", "attn[1/2]/g2l_relative_position_bias"),
    *parity.VIT_RULES,
]
SMALL = vil.ViLSize(
    (vil.Stage(1, 4, 2, 48, window=3), vil.Stage(1, 2, 2, 96, grid=(4, 4)),
     vil.Stage(1, 2, 4, 128, grid=(2, 2), token=False)), drop_path=0.1,
)  # fmt: skip


def _with_grids(side: int) -> vil.ViLSize:
    """The published size with offsets learned for `side` x `side` places in the third stage, half in the fourth."""
    first, second, third, fourth = vil.SIZES["vil_tiny_rpb"].stages
    third = dataclasses.replace(third, grid=(side, side))
    return vil.ViLSize((first, second, third, dataclasses.replace(fourth, grid=(side // 2, side // 2))))


@pytest.mark.parametrize(
    ("stored", "side"), [pytest.param("224x224", 14, marks=pytest.mark.slow), ("192x192", 12)]
)  # fmt: skip
def test_logits_equal_the_reference(stored, side):
    assert parity.error("vil_tiny_rpb", stored, lambda image: vil.features(image, _with_grids(side)), RULES) < 1e-5


def small(height, width):
    return family_checks.model(lambda image: vil.features(image, SMALL), height, width)


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32), rate=2e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    """What a token learns in the last block of its stage is dropped with it."""
    unmoved = ("stage0_block0_attention_token_bias", "stage1_block0_attention_bias/token_to")
    family_checks.assert_gradients_reach_every_weight(small(32, 32), unmoved)


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(32, 48))


@pytest.mark.slow
def test_float32_tflite_of_a_published_size_gives_the_same_scores_for_any_number_of_classes():
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("vil_tiny_rpb", 3), 64, 96))


def test_a_side_that_is_too_short_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="vil_tiny_rpb needs an input of at least 32 x 32 pixels, not 31 x 64"):
        build.build(ModelConfig("vil_tiny_rpb", 2), 31, 64)


def test_blocks_and_back_give_the_map():
    features = np.random.default_rng(0).normal(size=(2, 5, 8, 6)).astype(np.float32)
    split = windows.SplitBlocks(3, 2)(features).numpy()
    assert split.shape == (2, 2 * 3, 2, 9, 3)
    np.testing.assert_array_equal(split[1, 1, 0, 4], features[1, 1, 4, :3])  # second block, its middle, first head
    assert not split[:, 5, :, 6:].any()  # below the map
    np.testing.assert_array_equal(windows.MergeBlocks(3)([split, features]), features)


def test_neighbourhoods_hold_the_token_and_nine_blocks():
    rng = np.random.default_rng(0)
    token, features = rng.normal(size=(2, 1, 1, 4)).astype(np.float32), rng.normal(size=(2, 5, 8, 4)).astype(np.float32)
    seen = windows.SplitNeighbourhoods(3, 2)([token, features]).numpy()
    swapped = windows.SplitNeighbourhoods(3, 2, swapped=True)([token, features]).numpy()
    assert seen.shape == (2, 2 * 3, 2, 1 + 81, 2)
    np.testing.assert_array_equal(swapped, seen.transpose(0, 1, 2, 4, 3))
    padded = np.pad(features, ((0, 0), (3, 3 + 1), (3, 3 + 1), (0, 0)))
    for block, (row, column) in enumerate((row, column) for row in range(2) for column in range(3)):
        expected = [token[1, 0, 0, 2:]]
        for up, left in ((up, left) for up in range(3) for left in range(3)):
            corner = 3 * (row + up), 3 * (column + left)
            expected += [padded[1, corner[0] + y, corner[1] + x, 2:] for y in range(3) for x in range(3)]
        np.testing.assert_array_equal(seen[1, block, 1], expected)


def test_the_bias_of_blocks_belongs_to_the_offset_and_hides_what_is_outside():
    """A map of 2 x 3 places in blocks of 2: the neighbour above is outside, and so is the place right of the last."""
    layer, scores = windows.BlockBias(2, scale=0.5), tf.ones((1, 2, 1, 4, 1 + 36))
    layer([scores, tf.zeros((1, 2, 3, 1))])
    table = np.arange(49.0).reshape(7, 7, 1)
    layer.bias.assign(table)
    layer.token_bias.assign([[[100.0]]])
    bias = layer([scores, tf.zeros((1, 2, 3, 1))]).numpy()[0, :, 0] - 0.5
    np.testing.assert_allclose(bias[:, :, 0], 100)
    for block, query, key in ((0, (0, 0), (1, 1)), (0, (1, 0), (0, 2)), (1, (1, 0), (0, 0)), (1, (0, 0), (1, 0))):
        neighbour = 3 + key[1] // 2 + (1 - block)  # of the nine: the middle row, left, same or right
        place = 1 + 4 * neighbour + 2 * key[0] + key[1] % 2
        place_of_query = 2 * query[0] + query[1]
        down, right = query[0] - key[0], query[1] + 2 * block - key[1]
        assert bias[block, place_of_query, place] == table[down + 3, right + 3, 0]
    assert (bias[:, :, 1:13] < -9000).all()  # the blocks above
    assert (bias[1, :, [1 + 4 * 4 + 1, 1 + 4 * 4 + 3]] < -9000).all()  # column 3 of a map of 3
    assert (bias[0] > -9000).sum() == (bias[1] > -9000).sum() == 4 * (1 + 6)  # the token and the six places


def test_the_bias_over_everything_belongs_to_the_offset():
    layer, scores = offset_bias.OffsetBias((2, 3), 2.0, token=True), tf.ones((1, 1, 7, 7))
    grid = tf.zeros((1, 2, 3, 1))
    layer([scores, grid])
    layer.set_weights([np.arange(15.0).reshape(3, 5, 1), *(np.full((1, 1, 1), value) for value in (100, 200, 300))])
    bias = layer([scores, grid]).numpy()[0, 0] - 2
    assert bias[0].tolist() == [100, *[200] * 6]
    assert bias[1:, 0].tolist() == [300] * 6
    places = [(row, column) for row in range(2) for column in range(3)]
    for query, (row, column) in enumerate(places):
        for key, (other_row, other_column) in enumerate(places):
            assert bias[1 + query, 1 + key] == (row - other_row + 1) * 5 + column - other_column + 2


def test_the_table_of_offsets_is_resized_for_another_map():
    layer = offset_bias.OffsetBias((4, 4), 1.0, token=False)
    scores, grid = tf.zeros((1, 2, 15, 15)), tf.zeros((1, 3, 5, 1))
    layer([scores, grid])
    layer.bias.assign(tf.ones_like(layer.bias) * 0.25)
    np.testing.assert_allclose(layer([scores, grid]), 0.25, atol=1e-6)
