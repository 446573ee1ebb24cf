"""ESPNetv2: the logits of the reference, dilation with a stride, training, any size, float32 .tflite."""

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
from mobilevit_tf.families import espnet
from mobilevit_tf.layers.convolution import StridedDilatedDepthwise
from mobilevit_tf.models import build, count, weights

# Without the weights that no output depends on: 3,130 and 4,666 of the 1,670,072 and 2,314,856 of the authors' files.
PARAMETERS = {"espnetv2_100": 1_666_942, "espnetv2_150": 2_310_190}
UNUSED = {"espnetv2_100": 3_130, "espnetv2_150": 4_666}
PARTS = {
    "reduce_conv": "proj_1x1.conv", "reduce_bn": "proj_1x1.bn", "reduce_prelu": "proj_1x1.act",
    "concat_bn": "br_after_cat.bn", "concat_prelu": "br_after_cat.act",
    "merge_conv": "conv_1x1_exp.conv", "merge_bn": "conv_1x1_exp.bn", "prelu": "module_act",
}  # fmt: skip
PLACES = {
    "level1": "level1", "head_depthwise": "level5.3", "head": "level5.4", "image_first": "inp_reinf.0",
    "image_last": "inp_reinf.1",
}  # fmt: skip
KINDS = {"conv": "conv", "bn": "bn", "prelu": "act"}


def their_module(ours: str) -> str:
    if ours == "classifier":
        return ours
    if place := re.fullmatch(r"(level1|head_depthwise|head)_(conv|bn|prelu)", ours):
        return f"{PLACES[place[1]]}.{KINDS[place[2]]}"
    if place := re.fullmatch(r"level(\d)_down_(image_first|image_last)_(\w+)", ours):
        return f"level{place[1]}_0.{PLACES[place[2]]}.{KINDS[place[3]]}"
    if place := re.fullmatch(r"level(\d)_down_prelu", ours):
        return f"level{place[1]}_0.act"
    place = re.fullmatch(r"level(\d)_(?:unit(\d)|down_eesp)_(.*)", ours)
    module = f"level{place[1]}_0.eesp" if place[2] is None else f"level{place[1]}.{place[2]}"
    branch = re.fullmatch(r"branch(\d)_conv", place[3])
    return f"{module}.spp_dw.{branch[1]}.conv" if branch else f"{module}.{PARTS[place[3]]}"


def rule(name: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """The slopes of PReLU are a quarter of the common rule."""
    return parity.value(name, shape, gain) * np.float32(0.25 if name.endswith("act.weight") else 1)


@pytest.mark.parametrize(
    ("height", "width"), [(192, 256), *(pytest.param(side, side, marks=pytest.mark.slow) for side in (224, 256))]
)
@pytest.mark.parametrize("name", ["espnetv2_100", pytest.param("espnetv2_150", marks=pytest.mark.slow)])
def test_logits_equal_the_reference(name, height, width):
    reference = parity.Reference(name, 1.6, rule)
    model, state = build.build(ModelConfig(name), height, width), reference.state(height, width)
    left = parity.assign(model, state, their_module)
    learned = [key for key in left if "running" not in key]
    assert all(re.match(r"level\d_0\.eesp\.module_act\.|level5_0\.inp_reinf\.", key) for key in left)
    assert sum(state[key].size for key in learned) == UNUSED[name]
    assert count.count_parameters(model) == PARAMETERS[name]
    assert parity.relative_error(model, parity.images(height, width), reference.logits(height, width)) < 1e-5


@pytest.mark.parametrize("rate", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10)])
def test_a_strided_dilated_convolution_is_every_second_place_of_the_dilated_one(rate, height, width):
    x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    strided = StridedDilatedDepthwise(3, 2, rate, use_bias=False)
    plain = tf_keras.layers.DepthwiseConv2D(3, padding="same", dilation_rate=rate, use_bias=False)
    result = strided(x)
    plain(x)
    plain.set_weights(strided.get_weights())
    assert strided.compute_output_shape((None, height, width, 3))[1:] == result.shape[1:]
    np.testing.assert_allclose(result, plain(x)[:, ::2, ::2], atol=1e-5)
    again = StridedDilatedDepthwise.from_config(strided.get_config())
    assert (again.rate, again.strides, again.kernel_size, again.use_bias) == (rate, (2, 2), (3, 3), False)


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    fixed, free = build.build(ModelConfig("espnetv2_100", 5), 64, 97), build.build(ModelConfig("espnetv2_100", 5))
    weights.assign(free, weights.to_dict(fixed))
    images = np.random.default_rng(0).random((2, 64, 97, 3), np.float32)
    np.testing.assert_allclose(free(images), fixed(images), atol=1e-5)
    assert free(images).shape == (2, 5)


@pytest.fixture
def small(monkeypatch):
    """One narrow unit per level."""
    monkeypatch.setitem(espnet.CHANNELS, "espnetv2_100", (16, 32, 64, 128, 256))
    monkeypatch.setattr(espnet, "REPEATS", (0, 1, 1, 1))


def test_it_learns_and_the_gradient_reaches_every_weight(small):
    family_checks.assert_the_loss_falls(build.build(ModelConfig("espnetv2_100", 10), 32, 32))
    family_checks.assert_gradients_reach_every_weight(build.build(ModelConfig("espnetv2_100", 3), 64, 64), drops=False)


def test_it_runs_in_litert_with_grouped_and_dilated_convolutions_and_loads_from_a_file(small, tmp_path):
    model = build.build(ModelConfig("espnetv2_100", 3), 64, 64)
    operators = family_checks.assert_tflite_is_equal(model, drawn=True)
    assert not {"SPLIT", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"} & operators
    model.save(tmp_path / "model.keras")
    images = tf.random.stateless_uniform((1, 64, 64, 3), (1, 2))
    np.testing.assert_array_equal(tf_keras.models.load_model(tmp_path / "model.keras")(images), model(images))


def test_a_too_small_input_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="espnetv2_150 needs an input of at least 32 x 32 pixels, not 64 x 31"):
        build.build(ModelConfig("espnetv2_150", 2), 64, 31)
