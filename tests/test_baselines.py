"""The paper's comparison models: documented sizes, one input contract, float32 .tflite."""

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from ai_edge_litert.interpreter import Interpreter

from mobilevit_tf import baselines, layers, vit, weights
from mobilevit_tf.errors import UserError
from quantize import convert

# Total parameters as tf_keras' documentation has them (EfficientNet-B0 without the 7 statistics of the application's
# own input normalisation), DeiT-Ti as its authors publish it; then those that train, without BatchNorm's statistics.
PARAMETERS = {
    "mobilenet_v1": (4_253_864, 4_231_976),
    "mobilenet_v2": (3_538_984, 3_504_872),
    "mobilenet_v3": (5_507_432, 5_483_032),
    "resnet50": (25_636_712, 25_583_592),
    "densenet121": (8_062_504, 7_978_856),
    "efficientnet_b0": (5_330_571 - 7, 5_288_548),
    "vit_ti": (5_717_416, 5_717_416),
}


def _images(height: int, width: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(0).random((batch, height, width, 3), np.float32)


def test_every_baseline_has_its_parameters_pinned_here():
    assert set(PARAMETERS) == set(baselines.BASELINES)


@pytest.mark.parametrize("name", PARAMETERS)
def test_baseline_has_the_documented_parameters_and_exports_to_float32_tflite(name):
    model = baselines.build(name, 1000, 64, 64, batch_size=1)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert (model.count_params(), trainable) == PARAMETERS[name]
    assert model.get_layer("classifier").output_shape == (1, 1000)
    assert len(weights.to_dict(model)) == len(model.weights)
    assert all(weight.dtype == "float32" for weight in model.weights)
    assert not any(type(layer) is tf_keras.layers.Dropout for layer in model.layers)  # it has a hidden state

    interpreter = Interpreter(model_content=convert.to_float(model))
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]
    assert (image["dtype"], image["shape"].tolist()) == (np.float32, [1, 64, 64, 3])
    interpreter.set_tensor(image["index"], _images(64, 64))
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(scores, tf.nn.softmax(model(_images(64, 64))), atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "vit_ti"])
def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph(name):
    fixed, free = baselines.build(name, 5, 64, 96), baselines.build(name, 5)
    weights.assign(free, weights.to_dict(fixed))  # the same names in both
    expected = fixed(_images(64, 96, 2)).numpy()
    assert expected.shape == (2, 5)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(free(_images(64, 96, 2)), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "first", "zero"),
    [("mobilenet_v1", "conv1", (0.5, 0.5, 0.5)), ("efficientnet_b0", "stem_conv_pad", (0.485, 0.456, 0.406))],
)
def test_pixels_in_0_to_1_reach_the_first_layer_in_the_range_it_expects(name, first, zero):
    model = baselines.build(name, 2, 32, 32)
    seen = tf_keras.Model(model.input, model.get_layer(first).input)
    image = np.broadcast_to(np.array(zero, np.float32), (1, 32, 32, 3))
    np.testing.assert_allclose(seen(image), 0, atol=1e-6)
    step = (seen(image + 0.1) - seen(image)).numpy()[0, 0, 0]
    expected = [0.2] * 3 if name == "mobilenet_v1" else [0.1 / 0.229, 0.1 / 0.224, 0.1 / 0.225]
    np.testing.assert_allclose(step, expected, rtol=1e-4)


def test_gradients_reach_every_weight_and_dropout_follows_the_seed():
    model = baselines.build("vit_ti", 3, 32, 32, dropout=0.5)

    def step(seed):
        with tf.GradientTape() as tape, layers.dropout_seed(tf.constant([seed, 0])):
            loss = tf.reduce_sum(model(_images(32, 32, 4), training=True)[:, 0])
        return tape.gradient(loss, model.trainable_weights)

    first, again, other = step(1), step(1), step(2)
    assert all(gradient is not None for gradient in first)
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0].numpy() != other[0].numpy()).any()


def test_drop_path_drops_whole_images_and_keeps_the_mean():
    layer = vit.StatelessDropPath(0.25, name="path")
    with layers.dropout_seed(tf.constant([3, 1])):
        out = layer(tf.ones((4000, 2, 3, 4)), training=True).numpy()
    assert (out == out[:, :1, :1, :1]).all()
    np.testing.assert_allclose(np.unique(out), [0, 4 / 3], rtol=1e-6)
    assert out.mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(layer(tf.ones((2, 2, 3, 4))), 1)


def test_position_embedding_is_added_as_it_is_at_224_pixels_and_resized_elsewhere():
    layer = vit.PositionEmbedding(14)
    np.testing.assert_array_equal(layer(tf.zeros((1, 14, 14, 8))), layer.embedding)
    layer.embedding.assign(tf.ones_like(layer.embedding) * 0.5)
    np.testing.assert_allclose(layer(tf.zeros((2, 5, 9, 8))), 0.5, atol=1e-6)


def test_last_layer_answers_in_float32_under_mixed_precision():
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = baselines.build("mobilenet_v1", 3, 32, 32)
        assert model.get_layer("conv1").compute_dtype == "bfloat16"
        assert model(_images(32, 32)).dtype == tf.float32
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")


def test_unknown_name_and_too_small_input_are_refused_in_one_sentence():
    with pytest.raises(UserError, match=r"baseline 'vgg' is not known, expected one of mobilenet_v1, .*vit_ti"):
        baselines.build("vgg", 2)
    with pytest.raises(UserError, match="resnet50 needs an input of at least 32 x 32 pixels, not 16 x 64"):
        baselines.build("resnet50", 2, 16, 64)
