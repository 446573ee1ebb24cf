"""T2T-ViT against the authors' implementation, and in the pipeline."""

import dataclasses

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import t2t
from mobilevit_tf.models import build

RULES = [
    *parity.VIT_RULES,
    (r"^project/", "tokens_to_token.project/"),
    (r"^step(\d)_attention/w", r"step\1_w"),
    (r"^step(\d)_key/", r"step\1_kqv[0/3]/"),
    (r"^step(\d)_query/", r"step\1_kqv[1/3]/"),
    (r"^step(\d)_value/", r"step\1_kqv[2/3]/"),
    (r"^step(\d)_output/", r"step\1_proj/"),
    (r"^step(\d)_ffn1/", r"step\1_mlp.0/"),
    (r"^step(\d)_ffn2/", r"step\1_mlp.2/"),
    (r"^step(\d)_", r"tokens_to_token.attention\1."),
]
SMALL = t2t.Size(depth=2, dim=32, num_heads=2, hidden=48, step_dim=16, drop_path=0.3)


def small(height, width, dropout=0.1):
    return family_checks.model(lambda image: t2t.features(image, SMALL, dropout), height, width)


def _gain(name):
    return 0.1 if name.endswith("kqv.weight") else 2.0


@pytest.mark.parametrize(
    ("name", "stored", "scale"),
    [
        ("t2t_vit_7", "192x192", None),
        ("t2t_vit_7", "224x224_qk256", 256**-0.5),
        pytest.param("t2t_vit_7", "224x224", None, marks=pytest.mark.slow),
        pytest.param("t2t_vit_12", "192x192", None, marks=pytest.mark.slow),
        pytest.param("t2t_vit_12", "224x224", None, marks=pytest.mark.slow),
        pytest.param("t2t_vit_12", "224x224_qk256", 256**-0.5, marks=pytest.mark.slow),
    ],
)
def test_logits_equal_the_reference(name, stored, scale):
    size = dataclasses.replace(t2t.SIZES[name], scale=scale)
    assert parity.error(name, stored, lambda image: t2t.features(image, size), RULES, gain=_gain) < 1e-5


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(32, 32), rate=3e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    network = small(32, 32)
    family_checks.assert_gradients_reach_every_weight(network)
    assert [weight.name for weight in network.non_trainable_weights] == ["step1_attention/w:0", "step2_attention/w:0"]


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(64, 64))


@pytest.mark.parametrize(("kernel", "stride", "edge"), [(7, 4, 2), (3, 2, 1)])
def test_a_soft_split_has_windows_in_the_order_of_channels_rows_and_columns(kernel, stride, edge):
    features = np.random.default_rng(0).random((2, 17, 12, 3), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(features, ((0, 0), (edge, edge), (edge, edge), (0, 0))), (kernel, kernel), axis=(1, 2)
    )[:, ::stride, ::stride]  # [B, rows, columns, C, k, k]
    split = t2t.SoftSplit(kernel, stride)(features)
    np.testing.assert_array_equal(split, windows.reshape(*windows.shape[:3], -1))


def test_kernel_attention_comes_near_softmax_attention_with_many_features():
    """The mean over random features is exp(k . q): with 4,096 of them the error is a few per cent."""
    random = np.random.default_rng(0)
    key, query, value = (random.normal(0, 0.5, (1, 2, 3, 4)).astype(np.float32) for _ in range(3))
    layer = t2t.KernelAttention(4096)
    layer([key, query, value])
    layer.w.assign(random.normal(size=layer.w.shape))
    scores = np.exp(query.reshape(6, 4) @ key.reshape(6, 4).T)
    expected = scores / scores.sum(-1, keepdims=True) @ value.reshape(6, 4)
    np.testing.assert_allclose(layer([key, query, value]).numpy().reshape(6, 4), expected, atol=0.05)


def test_a_small_input_is_refused():
    with pytest.raises(UserError, match="t2t_vit_7 needs an input of at least 16 x 16 pixels, not 8 x 64"):
        build.build(ModelConfig("t2t_vit_7", 2), 8, 64)
