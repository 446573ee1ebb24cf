"""MobileNetV4-Conv-S against timm's, and training."""

from __future__ import annotations

import re

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from support.published import reference_file, reference_input

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.families import mobilenet_v4
from mobilevit_tf.layers import ends
from mobilevit_tf.models import weights

NORMS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
PARTS = {"start": "dw_start", "expand": "pw_exp", "middle": "dw_mid", "project": "pw_proj"}
ENDS = {"stem": ("conv_stem", "bn1"), "last": ("blocks.4.0.conv", "blocks.4.0.bn1"), "head": ("conv_head", "norm_head")}


def timm_name(name: str) -> str:
    """A weight of ours by the name that timm gives it."""
    layer, part = name.split("/")
    if layer == "classifier":
        return f"classifier.{'bias' if part == 'bias' else 'weight'}"
    block, kind = layer.rsplit("_", 1)
    fused, bottleneck = re.match(r"layer([12])_(\w+)", block), re.match(r"layer([34])_block(\d)_(\w+)", block)
    if bottleneck:
        theirs = f"blocks.{int(bottleneck[1]) - 1}.{bottleneck[2]}.{PARTS[bottleneck[3]]}"
        conv, norm = f"{theirs}.conv", f"{theirs}.bn"
    elif fused:
        theirs = f"blocks.{int(fused[1]) - 1}.{ {'conv': 0, 'project': 1}[fused[2]] }"
        conv, norm = f"{theirs}.conv", f"{theirs}.bn1"
    else:
        conv, norm = ENDS[block]
    return f"{norm}.{NORMS[part]}" if kind == "bn" else f"{conv}.weight"


def to_ours(name: str, value: np.ndarray) -> np.ndarray:
    if value.ndim == 4:
        return value.transpose((2, 3, 0, 1) if name.endswith("depthwise_kernel") else (2, 3, 1, 0))
    return value.T


@pytest.fixture(scope="module")
def any_size_model():
    return mobilenet_v4.build(ModelConfig("mobilenet_v4_s"))


def test_logits_equal_the_reference_at_every_size(any_size_model):
    state, expected = reference_file("models/mobilenetv4_conv_small.npz")
    ours = {name: timm_name(name) for name in weights.to_dict(any_size_model)}
    assert sorted(ours.values()) == sorted(state)
    weights.assign(any_size_model, {name: to_ours(name, state[theirs]) for name, theirs in ours.items()})
    assert sorted(expected) == [(192, 256), (200, 232), (224, 224), (256, 256)]
    for size, logits in expected.items():
        # The reference's input goes straight into the first layer: undo what the graph does before it.
        images = reference_input(*size) * np.float32(ends.IMAGENET_STD) + np.float32(ends.IMAGENET_MEAN)
        found = any_size_model(images, training=False).numpy()
        assert np.abs(found - logits).max() / logits.std() < 1e-5, size


@pytest.mark.parametrize("size", [1, 40])
def test_any_input_size_gives_the_numbers_of_the_graph_for_any_size(size, any_size_model):
    fixed = mobilenet_v4.build(ModelConfig("mobilenet_v4_s"), size, size)
    weights.assign(fixed, weights.to_dict(any_size_model))
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    expected = any_size_model(images, training=False)
    np.testing.assert_allclose(fixed(images, training=False), expected, atol=1e-4)


def test_the_loss_falls_and_gradients_reach_every_weight():
    model = mobilenet_v4.build(ModelConfig("mobilenet_v4_s", 3, classifier_dropout=0.0), 32, 32)
    images = np.random.default_rng(0).random((6, 32, 32, 3), np.float32)
    labels = tf.constant([0, 1, 2, 0, 1, 2])

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return loss, tape.gradient(loss, model.trainable_weights)

    losses = []
    for _ in range(30):
        loss, slopes = gradients()
        losses.append(float(loss))
        for weight, slope in zip(model.trainable_weights, slopes, strict=True):
            weight.assign_sub(0.05 * slope)
    assert all(slope is not None and np.any(slope) for slope in slopes)
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
