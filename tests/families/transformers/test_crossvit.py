"""CrossViT against the reference implementation, its resizing, and its classifier for other classes."""

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from support import family_checks, parity

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.transformers import crossvit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.layers import ends
from mobilevit_tf.layers.transformers import bicubic
from mobilevit_tf.models import build, model_file, weights

RULES = [
    *parity.VIT_RULES,
    (r"_small_", "_0_"),
    (r"_large_", "_1_"),
    (r"^small_", "0_"),
    (r"^large_", "1_"),
    (r"^(\d)_class_token/token", r"cls_token_\1"),
    (r"^(\d)_class_token/position", r"pos_embed_\1[first]"),
    (r"^(\d)_position/embedding", r"pos_embed_\1[rest]"),
    (r"^(\d)_patch_embedding", r"patch_embed.\1.proj"),
    (r"^(\d)_norm", r"norm.\1"),
    (r"^encoder(\d)_(\d)_block(\d)_", r"blocks.\1.blocks.\2.\3."),
    (r"\.ffn(\d)", r".mlp.fc\1"),
    (r"^encoder(\d)_(\d)_(project|revert)_norm", r"blocks.\1.\3.\2.0"),
    (r"^encoder(\d)_(\d)_(project|revert)", r"blocks.\1.\3.\2.2"),
    (r"\.project\.", ".projs."),
    (r"\.revert\.", ".revert_projs."),
    (r"^encoder(\d)_(\d)_cross_norm", r"blocks.\1.fusion.\2.norm1"),
    (r"^encoder(\d)_(\d)_cross_output", r"blocks.\1.fusion.\2.attn.proj"),
    (r"^encoder(\d)_(\d)_cross_([qkv])[a-z]+", r"blocks.\1.fusion.\2.attn.w\3"),
]
SMALL = crossvit.CrossViTSize((64, 128), (1, 2), (2, 2), 2, encoders=1, drop_path=0.1, grids=((4, 4), (2, 2)))


def _one_head(state):
    """Both heads under one name, as our classifier keeps them: the kernels side by side, the biases stacked."""
    heads = [[state.pop(f"head.{branch}.{part}") for branch in range(2)] for part in ("weight", "bias")]
    return state | {"head.weight": np.concatenate(heads[0], axis=1), "head.bias": np.stack(heads[1])}


@pytest.mark.parametrize("name", ["crossvit_ti", pytest.param("crossvit_9", marks=pytest.mark.slow)])
def test_logits_equal_the_reference(name):
    def features(image):
        return crossvit.features(image, crossvit.SIZES[name])

    def classify(features):
        return crossvit.classifier(features, 1000, 0.0)

    assert parity.error(name, "240x240", features, RULES, prepare=_one_head, classify=classify) < 1e-5


def small(height, width):
    image = ends.image_input(height, width)
    return tf_keras.Model(image, crossvit.classifier(crossvit.features(ends.standardize(image), SMALL), 10, 0.1))


def test_the_loss_of_a_small_one_falls_over_50_steps():
    family_checks.assert_the_loss_falls(small(48, 48), rate=3e-3)


def test_gradients_reach_every_weight_and_repeat_for_a_seed():
    family_checks.assert_gradients_reach_every_weight(small(32, 32))


def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph():
    family_checks.assert_any_size_is_equal(small, [(32, 48), (45, 70)])


def test_float32_tflite_gives_the_same_scores():
    family_checks.assert_tflite_is_equal(small(32, 48))


@pytest.mark.slow
def test_float32_tflite_of_a_published_size_gives_the_same_scores_for_any_number_of_classes():
    family_checks.assert_tflite_is_equal(build.build(ModelConfig("crossvit_ti", 3), 64, 96))


def test_a_side_that_is_too_short_is_refused_in_one_sentence():
    assert small(18, 18).get_layer("large_patch_embedding").output_shape == (None, 1, 1, 128)
    with pytest.raises(UserError, match="crossvit_ti needs an input of at least 18 x 18 pixels, not 17 x 64"):
        build.build(ModelConfig("crossvit_ti", 2), 17, 64)


def test_resizing_keeps_flat_images_straight_ramps_and_what_stays_as_large():
    matrix = bicubic.resize_matrix(30, 28).numpy()
    np.testing.assert_allclose(matrix.sum(0), 1, atol=1e-6)
    assert ((matrix != 0).sum(0) <= 4).all()
    # Pixel i of 28 has its centre at (i + 0.5) * 30 / 28 - 0.5 of 30; an odd kernel keeps the ramp's middle.
    ramp = np.arange(30, dtype=np.float32) @ matrix
    np.testing.assert_allclose(ramp + ramp[::-1], 29, atol=1e-4)
    np.testing.assert_allclose(bicubic.resize_matrix(9, 9), np.eye(9), atol=1e-6)


def test_resizing_takes_each_axis_by_its_own_matrix():
    images = np.random.default_rng(0).normal(size=(2, 30, 45, 3)).astype(np.float32)
    rows, columns = bicubic.resize_matrix(30, 28).numpy(), bicubic.resize_matrix(45, 42).numpy()
    expected = np.einsum("bhwc,hi,wj->bijc", images, rows, columns)
    np.testing.assert_allclose(bicubic.ResizeBicubic(14, 15)(images), expected, atol=1e-5)


def test_resizing_by_hand_worked_weights():
    """Halfway between two pixels Keys' kernel with a = -0.75 gives -3/32, 19/32, 19/32, -3/32."""
    assert bicubic.resize_matrix(8, 4).numpy()[:, 1].tolist() == [0, -0.09375, 0.59375, 0.59375, -0.09375, 0, 0, 0]


def test_the_logits_are_the_mean_of_two_classifiers_and_other_classes_renew_both():
    head = crossvit.MeanOfClassifiers(3)
    features = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
    head(features)
    kernel, bias = np.random.default_rng(1).normal(size=(7, 3)), np.array([[1.0, 2, 3], [5, 6, 7]])
    head.set_weights([kernel, bias])
    expected = (features[:, :2] @ kernel[:2] + bias[0] + features[:, 2:] @ kernel[2:] + bias[1]) / 2
    np.testing.assert_allclose(head(features), expected, atol=1e-6)

    config = ModelConfig("crossvit_ti", 2)
    network = build.build(config, 32, 32)
    file = model_file.ModelFile(config, ImageSpec(32, 32), ("a", "b"), weights.to_dict(network))
    renewed, left_out = model_file.reheaded(file, ("c", "d", "e"))
    assert left_out == ("classifier/bias", "classifier/kernel")
    weights.assign(build.build(renewed.config, 32, 32), renewed.weights)  # names and shapes fit
    assert renewed.weights["classifier/bias"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert 0.01 < renewed.weights["classifier/kernel"].std() < 0.02
