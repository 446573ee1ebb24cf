"""Mobile-Former: the logits of the reference, its gates, training, any size, float32 .tflite."""

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
from mobilevit_tf.families import mobile_former
from mobilevit_tf.layers import dropout, gates
from mobilevit_tf.models import build, count, weights

PARAMETERS = {"mobile_former_26m": 3_232_788, "mobile_former_96m": 4_585_252, "mobile_former_214m": 9_425_920}
SMALL = mobile_former.Size(8, (3, 12, 2), ((12, 3, 1), (24, 6, 2), (32, 3, 1)), (3, 32), 64, groups=4)
PLACES = {
    "stem_conv": "stem.0", "stem_bn": "stem.1", "tokens": "tokens",
    "first_depthwise_conv": "features.0.conv.0", "first_depthwise_bn": "features.0.conv.1",
    "first_project_conv": "features.0.conv.4", "first_project_bn": "features.0.conv.5",
    "head_expand_conv": "classifier.conv.1", "head_expand_bn": "classifier.conv.2",
    "head_dense": "classifier.fc.0", "head_dense_bn": "classifier.fc.1", "classifier": "classifier.classifier.1",
}  # fmt: skip
BRIDGE = {
    "to_global_query": "local_global.q", "to_global_alpha": "local_global.alpha.0",
    "to_global_project": "local_global.proj", "to_global_norm": "local_global.layer_norm",
    "former_query": "global_block.q", "former_project": "global_block.channel_mlp",
    "former_norm": "global_block.layer_norm", "former_ffn1": "global_block.ffn.0",
    "former_ffn2": "global_block.ffn.2", "former_ffn_norm": "global_block.ffn_norm",
    "to_local_key": "global_local.k", "to_local_value": "global_local.proj",
}  # fmt: skip
ORDER = {1: ("expand", "depthwise", "project"), 2: ("down", "linear", "depthwise", "project")}  # by the block's stride
KINDS = {"conv": "conv{}.0", "bn": "conv{}.1", "reduce": "hyper{}.hyper.0",
         "slope0": "hyper{}.hyper.2#0/2", "slope1": "hyper{}.hyper.2#1/2"}  # fmt: skip


def their_module(ours: str, size: mobile_former.Size) -> str:
    if ours in PLACES:
        return PLACES[ours]
    if ours.startswith("last_"):
        return BRIDGE[ours.removeprefix("last_")]
    block, part = re.fullmatch(r"block(\d+)_(.*)", ours).groups()
    if part in BRIDGE:
        return f"features.{int(block) + 1}.{BRIDGE[part]}"
    step, kind = part.rsplit("_", 1)
    number = ORDER[size.blocks[int(block)][2]].index(step) + 1
    return f"features.{int(block) + 1}.{KINDS[kind].format(number)}"


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("mobile_former_96m", "mobile_former_214m")]


@pytest.mark.parametrize("name", ["mobile_former_26m", *SLOW])
def test_logits_equal_the_reference(name):
    """One graph for any size serves all sizes: it is slow to build."""
    reference, size = parity.Reference(name, 1.4), mobile_former.SIZES[name]
    model = build.build(ModelConfig(name))
    assert parity.assign(model, reference.state(224, 224), lambda ours: their_module(ours, size)) == set()
    assert count.count_parameters(model) == PARAMETERS[name]
    for shape in ((224, 224), (256, 256), (192, 256)):
        assert parity.relative_error(model, parity.images(*shape), reference.logits(*shape)) < 1e-5, shape


def test_gates_have_their_published_form():
    x = np.linspace(-5, 5, 41, dtype=np.float32).reshape(1, 1, 41, 1)
    places = [tf_keras.Input((None, None, 1)) for _ in range(3)]
    sigmoid = np.clip(x + 3, 0, 6) / 6
    swish = tf_keras.Model(places[0], gates.hard_swish(places[0], "swish"))
    np.testing.assert_allclose(swish(x), x * sigmoid, atol=1e-6)
    relu = tf_keras.Model(places, gates.dynamic_relu(places[0], tuple(places[1:]), "dynamic"))
    for gate1, gate2, slope1, slope2 in ((0, 0, 1, 0), (9, -9, 2, -1), (-9, 9, 0, 1)):
        made = relu([x, *(np.full((1, 1, 1, 1), gate, np.float32) for gate in (gate1, gate2))])
        np.testing.assert_allclose(made, np.maximum(slope1 * x, slope2 * x), atol=1e-5)


@pytest.fixture
def small(monkeypatch):
    """Three narrow blocks with groups and shuffles."""
    monkeypatch.setitem(mobile_former.SIZES, "mobile_former_26m", SMALL)


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph(small):
    fixed, free = (build.build(ModelConfig("mobile_former_26m", 5), *size) for size in ((64, 97), ()))
    weights.assign(free, weights.to_dict(fixed))
    images = np.random.default_rng(0).random((2, 64, 97, 3), np.float32)
    np.testing.assert_allclose(free(images), fixed(images), atol=1e-5)
    assert free(images).shape == (2, 5)


def test_it_learns_and_the_gradient_reaches_every_weight(small):
    family_checks.assert_the_loss_falls(build.build(ModelConfig("mobile_former_26m", 10), 32, 32))
    model = build.build(ModelConfig("mobile_former_26m", 3), 64, 64)
    family_checks.draw_weights(model)  # fresh tokens see a map through keys so small that some gradients vanish
    family_checks.assert_gradients_reach_every_weight(model, drops=False)


def test_dropout_is_the_published_one_and_stateless(small):
    model = build.build(ModelConfig("mobile_former_26m", 3), 32, 32)
    assert {layer.rate for layer in model.layers if isinstance(layer, dropout.StatelessDropout)} == {0.1}
    assert not any(type(layer) is tf_keras.layers.Dropout for layer in model.layers)


def test_it_runs_in_litert_and_loads_from_a_file(small, tmp_path):
    model = build.build(ModelConfig("mobile_former_26m", 3), 64, 64)
    family_checks.assert_tflite_is_equal(model, drawn=True)
    model.save(tmp_path / "model.keras")
    images = tf.random.stateless_uniform((1, 64, 64, 3), (1, 2))
    np.testing.assert_array_equal(tf_keras.models.load_model(tmp_path / "model.keras")(images), model(images))


def test_a_too_small_input_is_refused_in_one_sentence():
    with pytest.raises(UserError, match="mobile_former_96m needs an input of at least 32 x 32 pixels, not 31 x 32"):
        build.build(ModelConfig("mobile_former_96m", 2), 31, 32)
