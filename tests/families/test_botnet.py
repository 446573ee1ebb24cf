"""BoT50: the logits of the reference at two sizes, relative positions, training, float32 .tflite."""

import re

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support import family_checks
from support import parity_by_layer as parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import botnet, resnet
from mobilevit_tf.layers.transformers.relative import RelativeScores
from mobilevit_tf.models import build, count

PLACES = {
    "stem_conv": "stem.conv1.conv", "stem_bn": "stem.conv1.bn", "classifier": "head.fc",
    "first_conv": "conv1_1x1.conv", "first_bn": "conv1_1x1.bn", "middle_conv": "conv2_kxk.conv",
    "middle_bn": "conv2_kxk.bn", "last_conv": "conv3_1x1.conv", "last_bn": "conv3_1x1.bn",
    "shortcut_conv": "shortcut.conv", "shortcut_bn": "shortcut.bn",
    "query": "self_attn.qkv#0/3", "key": "self_attn.qkv#1/3", "value": "self_attn.qkv#2/3", "position": "self_attn",
    "attention_bn": "post_attn",
}  # fmt: skip


def their_module(ours: str) -> str:
    block = re.fullmatch(r"layer(\d)_(\d+)_(.*)", ours)
    return f"stages.{int(block[1]) - 1}.{block[2]}.{PLACES[block[3]]}" if block else PLACES[ours]


@pytest.mark.parametrize("side", [224, pytest.param(256, marks=pytest.mark.slow)])
def test_logits_equal_the_reference(side):
    reference = parity.Reference("bot50", gain=1.6)
    model = build.build(ModelConfig("bot50"), side, side)
    assert parity.assign(model, reference.state(side, side), their_module) == set()
    assert side != 224 or count.count_parameters(model) == 20_852_008
    # Rounding alone makes 9.3e-6 at 224; a wrong epsilon or padding makes more than 1e-3.
    assert parity.relative_error(model, parity.images(side, side), reference.logits(side, side)) < 2e-5


def test_relative_scores_equal_a_plain_loop():
    height, width, heads, channels = 3, 5, 2, 4
    layer = RelativeScores(heads)
    queries = np.random.default_rng(0).normal(size=(2, height, width, heads * channels)).astype(np.float32)
    layer(queries)
    layer.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in layer.weights])
    rows, columns = layer.get_weights()
    assert (rows.shape, columns.shape) == ((5, 4), (9, 4))
    expected = np.zeros((2, heads, height * width, height * width))
    for query in range(height * width):
        for key in range(height * width):
            down, right = key // width - query // width, key % width - query % width
            vector = rows[down + height - 1] + columns[right + width - 1]
            heads_of_query = queries[:, query // width, query % width].reshape(2, heads, channels)
            expected[:, :, query, key] = heads_of_query @ vector
    np.testing.assert_allclose(layer(queries), expected, atol=1e-5)


def test_a_map_that_is_not_square_keeps_its_rows_and_columns():
    model = build.build(ModelConfig("bot50", 3), 64, 128)
    assert model.get_layer("layer4_0_position").rows.shape == (7, 128)
    assert model.get_layer("layer4_0_position").columns.shape == (15, 128)
    assert model.get_layer("layer4_2_position").columns.shape == (7, 128)
    assert model(tf.zeros((1, 64, 128, 3))).shape == (1, 3)


@pytest.fixture
def small(monkeypatch):
    """One narrow block per stage."""
    monkeypatch.setattr(resnet, "WIDTHS", (8, 16, 32, 64))
    monkeypatch.setattr(botnet, "DEPTHS", (1, 1, 1, 2))


def test_it_learns_and_the_gradient_reaches_every_weight(small):
    family_checks.assert_the_loss_falls(build.build(ModelConfig("bot50", 10), 32, 32))
    family_checks.assert_gradients_reach_every_weight(build.build(ModelConfig("bot50", 3), 64, 64), drops=False)


def test_it_runs_in_litert(small):
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("bot50", 3), 64, 64), drawn=True)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((), "bot50 learns its positions for one input size: train it without --multiscale"),
        ((16, 64), "bot50 needs an input of at least 32 x 32 pixels, not 16 x 64"),
        ((240, 224), "halves a map of 15 x 14 pixels for 240 x 224, which must be even: take sides that divide by 32"),
    ],
)
def test_another_size_is_refused_in_one_sentence(size, message):
    with pytest.raises(UserError, match=message):
        build.build(ModelConfig("bot50", 2), *size)


def test_every_size_whose_last_map_halves_is_taken():
    assert build.build(ModelConfig("bot50", 2), 210, 224).output_shape == (None, 2)  # 14 rows at stride 16
