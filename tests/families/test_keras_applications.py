"""The paper's comparison models: documented sizes, one input contract, float32 .tflite."""

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter
from support import family_checks

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.layers import dropout
from mobilevit_tf.models import build, weights
from quantize.steps import convert

# Total parameters as tf_keras' documentation has them (EfficientNet-B0 without the 7 statistics of the application's
# own input normalisation; the width of 0.6 as counted), DeiT-Ti as its authors publish it; then those that train,
# without BatchNorm's statistics.
PARAMETERS = {
    "mobilenet_v1": (4_253_864, 4_231_976),
    "mobilenet_v2": (3_538_984, 3_504_872),
    "mobilenet_v2_060": (2_239_176, 2_217_000),
    "mobilenet_v3": (5_507_432, 5_483_032),
    "resnet50": (25_636_712, 25_583_592),
    "resnet101": (44_707_176, 44_601_832),
    "densenet121": (8_062_504, 7_978_856),
    "densenet169": (14_307_880, 14_149_480),
    "efficientnet_b0": (5_330_571 - 7, 5_288_548),
    "vit_ti": (5_717_416, 5_717_416),
}
FIRST_LAYER = {
    "mobilenet_v1": "conv1", "mobilenet_v2": "Conv1", "mobilenet_v2_060": "Conv1", "mobilenet_v3": "Conv",
    "resnet50": "conv1_pad", "resnet101": "conv1_pad", "densenet121": "conv1/conv", "densenet169": "conv1/conv",
    "efficientnet_b0": "stem_conv_pad", "vit_ti": "patch_embedding",
}  # fmt: skip
DEEP = ("resnet101", "densenet169")  # the blocks of their smaller sisters, more often
# Half a minute each in training; mobilenet_v2_060 has the blocks of mobilenet_v2, and test_deit.py trains a small DeiT.
LONG = (*DEEP, "resnet50", "densenet121", "efficientnet_b0", "mobilenet_v2", "vit_ti")


def marked(slow: tuple[str, ...]) -> list:
    """The names, those in `slow` left to the slow tests."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in PARAMETERS]


SIGNED = [[-1, -1, -1], [1, 1, 1]]
STANDARD = [[-2.117904, -2.035714, -1.804444], [2.248908, 2.428571, 2.64]]  # ImageNet's mean and deviation


def _images(height: int, width: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(0).random((batch, height, width, 3), np.float32)


def test_narrow_mobilenet_is_within_two_percent_of_xxs_for_five_classes():
    counts = [
        sum(math.prod(weight.shape) for weight in build.build(ModelConfig(name, 5), 64, 64).trainable_weights)
        for name in ("xxs", "mobilenet_v2_060")
    ]
    assert counts == [952_629, 942_405]


@pytest.mark.parametrize("name", marked(DEEP))
def test_baseline_has_the_documented_parameters_and_exports_to_float32_tflite(name):
    model = build.build(ModelConfig(name), 64, 64)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert (model.count_params(), trainable) == PARAMETERS[name]

    # Black and white reach the first layer in the range that the architecture was published with.
    first = tf_keras.Model(model.input, model.get_layer(FIRST_LAYER[name]).input)
    seen = first(np.stack([np.zeros((64, 64, 3)), np.ones((64, 64, 3))])).numpy()[:, 32, 32]
    np.testing.assert_allclose(seen, SIGNED if name.startswith("mobilenet") else STANDARD, atol=1e-5)

    interpreter = Interpreter(model_content=convert.to_float(model))
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]
    assert (image["dtype"], image["shape"].tolist()) == (np.float32, [1, 64, 64, 3])
    interpreter.set_tensor(image["index"], _images(64, 64))
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(scores, tf.nn.softmax(model(_images(64, 64))), atol=1e-5)


@pytest.mark.parametrize("name", marked(LONG))
def test_the_loss_of_a_baseline_falls_over_50_steps_on_digits(name):
    size = 64 if name.startswith("mobilenet_v2") else 32  # its BatchNorms need more than one pixel at the end
    family_checks.assert_the_loss_falls(build.build(ModelConfig(name, 10), size, size))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    fixed, free = (build.build(ModelConfig("mobilenet_v1", 5), *size) for size in ((64, 96), ()))
    weights.assign(free, weights.to_dict(fixed))  # the same names in both
    expected = fixed(_images(64, 96, 2)).numpy()
    assert expected.shape == (2, 5)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(free(_images(64, 96, 2)), expected, atol=1e-4)


def test_drop_path_drops_whole_images_and_keeps_the_mean():
    layer = dropout.StatelessDropPath(0.25, name="path")
    with dropout.dropout_seed(tf.constant([3, 1])):
        out = layer(tf.ones((4000, 2, 3, 4)), training=True).numpy()
    assert (out == out[:, :1, :1, :1]).all()
    np.testing.assert_allclose(np.unique(out), [0, 4 / 3], rtol=1e-6)
    assert out.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(layer(tf.ones((2, 2, 3, 4))), 1)


def test_last_layer_answers_in_float32_under_mixed_precision():
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build.build(ModelConfig("mobilenet_v1", 3), 32, 32)
        assert model.get_layer("conv1").compute_dtype == "bfloat16"
        assert model(_images(32, 32)).dtype == tf.float32
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")


def test_unknown_name_and_too_small_input_are_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"variant 'vgg' is not known: `python -m mobilevit_tf\.mobilevit` lists"):
        ModelConfig("vgg", 2)
    with pytest.raises(UserError, match="resnet50 needs an input of at least 32 x 32 pixels, not 16 x 64"):
        build.build(ModelConfig("resnet50", 2), 16, 64)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "resnet50", "efficientnet_b0"])
def test_batch_norm_keeps_pace_with_a_small_data_set(name):
    norms = [
        layer
        for layer in build.build(ModelConfig(name, 5)).layers
        if isinstance(layer, tf_keras.layers.BatchNormalization)
    ]
    assert norms and {layer.momentum for layer in norms} == {0.9}
