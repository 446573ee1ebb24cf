"""SE-ResNet: the logits of the reference, training, any size, float32 .tflite."""

import re

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support import family_checks
from support import parity_by_layer as parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import resnet
from mobilevit_tf.models import build, count, weights

PLACES = {
    "stem_conv": "conv1", "stem_bn": "bn1", "classifier": "fc", "first_conv": "conv1", "first_bn": "bn1",
    "middle_conv": "conv2", "middle_bn": "bn2", "last_conv": "conv3", "last_bn": "bn3",
    "se_reduce": "se.fc1", "se_expand": "se.fc2", "shortcut_conv": "downsample.0", "shortcut_bn": "downsample.1",
}  # fmt: skip
PARAMETERS = {"seresnet50": 28_088_024, "seresnet101": 49_326_872}
GAINS = {"seresnet50": 2.0, "seresnet101": 1.6}
SIZES = [("seresnet50", 192, 256),
         pytest.param("seresnet50", 224, 224, marks=pytest.mark.slow),
         pytest.param("seresnet50", 256, 256, marks=pytest.mark.slow),
         pytest.param("seresnet101", 224, 224, marks=pytest.mark.slow),
         pytest.param("seresnet101", 192, 256, marks=pytest.mark.slow)]  # fmt: skip


def their_module(ours: str) -> str:
    block = re.fullmatch(r"(layer\d)_(\d+)_(.*)", ours)
    return f"{block[1]}.{block[2]}.{PLACES[block[3]]}" if block else PLACES[ours]


@pytest.mark.parametrize(("name", "height", "width"), SIZES)
def test_logits_equal_the_reference(name, height, width):
    reference = parity.Reference(name, GAINS[name])
    model = build.build(ModelConfig(name), height, width)
    assert parity.assign(model, reference.state(height, width), their_module) == set()
    assert count.count_parameters(model) == PARAMETERS[name]
    assert parity.relative_error(model, parity.images(height, width), reference.logits(height, width)) < 1e-5


def test_a_block_excites_by_the_mean_of_its_map():
    """A gate of sigmoid(0) = 0.5 halves every channel; the gate sees nothing but the mean."""
    image = tf_keras.Input((4, 4, 32))
    model = tf_keras.Model(image, resnet.squeeze_excite(image, "se"))
    x = tf.random.stateless_normal((1, 4, 4, 32), (1, 2))
    names = {weight.name: weight for weight in model.weights}
    assert {name: tuple(weight.shape) for name, weight in names.items()} == {
        "se_reduce/kernel:0": (1, 1, 32, 2), "se_reduce/bias:0": (2,),
        "se_expand/kernel:0": (1, 1, 2, 32), "se_expand/bias:0": (32,)}  # fmt: skip
    gate = model(x) / x
    np.testing.assert_allclose(gate, tf.broadcast_to(gate[:, :1, :1], gate.shape), rtol=1e-5)
    np.testing.assert_allclose(model(tf.reverse(x, [1])), tf.reverse(model(x), [1]), rtol=1e-5)
    names["se_expand/kernel:0"].assign(tf.zeros((1, 1, 2, 32)))
    np.testing.assert_allclose(model(x), x / 2, rtol=1e-6)


@pytest.fixture
def small(monkeypatch):
    """One narrow block per stage."""
    monkeypatch.setattr(resnet, "WIDTHS", (16, 32, 64, 128))
    monkeypatch.setitem(resnet.DEPTHS, "seresnet50", (1, 1, 1, 1))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph(small):
    fixed, free = build.build(ModelConfig("seresnet50", 5), 64, 97), build.build(ModelConfig("seresnet50", 5))
    weights.assign(free, weights.to_dict(fixed))
    images = np.random.default_rng(0).random((2, 64, 97, 3), np.float32)
    np.testing.assert_allclose(free(images), fixed(images), atol=1e-5)
    assert free(images).shape == (2, 5)


def test_it_learns_and_the_gradient_reaches_every_weight(small):
    family_checks.assert_the_loss_falls(build.build(ModelConfig("seresnet50", 10), 32, 32))
    family_checks.assert_gradients_reach_every_weight(build.build(ModelConfig("seresnet50", 3), 64, 64), drops=False)


def test_it_runs_in_litert(small):
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("seresnet50", 3), 64, 64), drawn=True)


def test_a_too_small_input_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="seresnet101 needs an input of at least 32 x 32 pixels, not 31 x 64"):
        build.build(ModelConfig("seresnet101", 2), 31, 64)
