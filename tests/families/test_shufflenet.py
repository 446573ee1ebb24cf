"""ShuffleNetV2: the logits of the reference, training, any size, float32 .tflite."""

import re

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support import family_checks
from support import parity_by_layer as parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.layers.channels import ChannelShuffle
from mobilevit_tf.models import build, count, weights

PLACES = {
    "stem_conv": "conv1.0", "stem_bn": "conv1.1", "head_conv": "conv5.0", "head_bn": "conv5.1", "classifier": "fc",
    "left_depthwise_conv": "branch1.0", "left_depthwise_bn": "branch1.1",
    "left_project_conv": "branch1.2", "left_project_bn": "branch1.3",
    "expand_conv": "branch2.0", "expand_bn": "branch2.1", "depthwise_conv": "branch2.3", "depthwise_bn": "branch2.4",
    "project_conv": "branch2.5", "project_bn": "branch2.6",
}  # fmt: skip


def their_module(ours: str) -> str:
    unit = re.fullmatch(r"stage(\d)_unit(\d+)_(.*)", ours)
    return f"stage{unit[1]}.{unit[2]}.{PLACES[unit[3]]}" if unit else PLACES[ours]


@pytest.mark.parametrize(
    ("height", "width"),
    [(192, 256), (200, 232), *(pytest.param(side, side, marks=pytest.mark.slow) for side in (224, 256))],
)
def test_logits_equal_the_reference(height, width):
    reference = parity.Reference("shufflenetv2_x1_0")
    model = build.build(ModelConfig("shufflenet_v2"), height, width)
    assert parity.assign(model, reference.state(height, width), their_module) == set()
    assert count.count_parameters(model) == 2_278_604
    assert parity.relative_error(model, parity.images(height, width), reference.logits(height, width)) < 1e-5


def test_shuffle_takes_one_channel_of_each_group_in_turn():
    shuffled = ChannelShuffle(2)(np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6))
    np.testing.assert_array_equal(shuffled[0, 0, 0], [0, 3, 1, 4, 2, 5])


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    fixed, free = build.build(ModelConfig("shufflenet_v2", 5), 64, 97), build.build(ModelConfig("shufflenet_v2", 5))
    weights.assign(free, weights.to_dict(fixed))
    images = np.random.default_rng(0).random((2, 64, 97, 3), np.float32)
    np.testing.assert_allclose(free(images), fixed(images), atol=1e-5)
    assert free(images).shape == (2, 5)


def test_it_learns_and_the_gradient_reaches_every_weight():
    family_checks.assert_the_loss_falls(build.build(ModelConfig("shufflenet_v2", 10), 64, 64))
    family_checks.assert_gradients_reach_every_weight(build.build(ModelConfig("shufflenet_v2", 3), 64, 64), drops=False)


def test_it_runs_in_litert_and_loads_from_a_file(tmp_path):
    model = build.build(ModelConfig("shufflenet_v2", 3), 64, 64)
    family_checks.assert_tflite_is_equal(model, drawn=True)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    np.testing.assert_array_equal(tf_keras.models.load_model(tmp_path / "model.keras")(images), model(images))


def test_a_too_small_input_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="shufflenet_v2 needs an input of at least 32 x 32 pixels, not 64 x 16"):
        build.build(ModelConfig("shufflenet_v2", 2), 64, 16)
