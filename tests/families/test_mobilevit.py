"""The builder: published sizes, any input, patch sizes, the folded form, the printed table."""

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from mobilevit_tf.config import ModelConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.families import mobilevit
from mobilevit_tf.layers import blocks, dropout
from mobilevit_tf.models import weights

TINY = ModelConfig("tiny", num_classes=5)


def _images(height: int, width: int, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).random((batch, height, width, 3), np.float32)


def _resized_blocks(model: tf_keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if isinstance(layer, blocks.ResizeToMultiple)]


def test_number_of_classes_changes_the_classifier_alone():
    sizes = {}
    for classes in (2, 1000):
        model = mobilevit.build(ModelConfig("tiny", num_classes=classes))
        sizes[classes] = model.count_params()
        assert model.output_shape == (None, classes)
    assert sizes[1000] - sizes[2] == 998 * (16 + 1)


@pytest.mark.parametrize(
    ("height", "width", "feature_map", "resized"),
    [
        (256, 256, (8, 8), []),
        (224, 224, (7, 7), ["layer5_vit_resize"]),  # 7x7 -> 8x8 -> 7x7
        (250, 190, (8, 6), []),
        (96, 160, (3, 5), ["layer5_vit_resize"]),
        (65, 33, (3, 2), ["layer3_vit_resize", "layer4_vit_resize", "layer5_vit_resize"]),
    ],
)
def test_any_size_graph_gives_the_numbers_of_the_fixed_size_graph(height, width, feature_map, resized):
    fixed = mobilevit.build(TINY, height, width)
    free = mobilevit.build(TINY)
    weights.assign(free, weights.to_dict(fixed))
    assert fixed.get_layer("head_swish").output_shape[1:3] == feature_map
    assert _resized_blocks(fixed) == resized
    logits = fixed(_images(height, width)).numpy()
    assert logits.shape == (2, 5)
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0
    np.testing.assert_allclose(free(_images(height, width)), logits, atol=1e-5)


@pytest.mark.parametrize("patch_sizes", [(4, 4, 4), (8, 4, 2), (1, 3, 2)])
def test_patch_sizes_of_the_ablation_build_and_train_one_step(patch_sizes):
    model = mobilevit.build(ModelConfig("tiny", num_classes=3, patch_sizes=patch_sizes))
    assert model.count_params() == mobilevit.build(ModelConfig("tiny", num_classes=3)).count_params()
    with tf.GradientTape() as tape, dropout.dropout_seed(tf.constant([0, 0])):
        logits = model(_images(64, 64), training=True)
        loss = tf_keras.losses.sparse_categorical_crossentropy([0, 2], logits, from_logits=True)
    gradients = tape.gradient(loss, model.trainable_weights)
    assert logits.shape == (2, 3)
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


def test_patch_size_changes_the_answer():
    values = weights.to_dict(mobilevit.build(TINY, 64, 64))
    logits = []
    for patch_sizes in ((2, 2, 2), (8, 4, 2)):
        model = mobilevit.build(ModelConfig("tiny", 5, patch_sizes), 64, 64)
        weights.assign(model, values)
        logits.append(model(_images(64, 64)).numpy())
    assert np.abs(logits[0] - logits[1]).max() > 1e-6


def test_dropout_rates_are_the_published_ones_unless_given():
    def rates(**settings):
        model = mobilevit.build(ModelConfig("tiny", num_classes=2, **settings), 64, 64)
        return {layer.rate for layer in model.layers if isinstance(layer, dropout.StatelessDropout)}

    assert ModelConfig("xxs").rates == (0.05, 0.1)
    assert ModelConfig("s").rates == (0.1, 0.1)
    assert rates() == {0.1}
    assert rates(dropout=0.2, classifier_dropout=0.3) == {0.2, 0.3}
    assert rates(dropout=0.0, classifier_dropout=0.0) == set()


def test_batch_norm_and_layer_norm_have_the_published_constants():
    model = mobilevit.build(TINY)
    kinds = tf_keras.layers.BatchNormalization, blocks.LayerNormalization
    constants = {(type(layer), layer.epsilon, getattr(layer, "momentum", None)) for layer in model.layers
                 if isinstance(layer, kinds)}  # fmt: skip
    assert constants == {(kinds[0], 1e-5, 0.9), (kinds[1], 1e-5, None)}


def test_saved_graph_loads_with_its_own_layers_and_gives_the_same_logits(tmp_path):
    model = mobilevit.build(TINY, 64, 64)
    model.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(_images(64, 64)), model(_images(64, 64)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "xl"}, "variant 'xl' is not known, did you mean xs or xxs"),
        ({"num_classes": 1}, "at least 2 classes, the data has 1"),
        ({"patch_sizes": (2, 2)}, "three from 1 to 64 such as 2,2,2"),
        ({"patch_sizes": (2, 2, 10**9)}, "three from 1 to 64 such as 2,2,2"),
        ({"patch_sizes": (2, 0, 2)}, "three from 1 to 64 such as 2,2,2"),
    ],
)
def test_impossible_settings_are_refused_in_one_sentence(settings, message):
    with pytest.raises(UserError, match=message):
        ModelConfig(**settings)


def test_weights_of_another_model_are_refused_by_name_and_leave_the_model_as_it_was():
    model = mobilevit.build(TINY, 64, 64)
    before = weights.to_dict(model)
    other = weights.to_dict(mobilevit.build(ModelConfig("tiny", num_classes=7), 64, 64))
    with pytest.raises(UserError, match=r"classifier/kernel: shape \(16, 7\) in the file, \(16, 5\) in the model"):
        weights.assign(model, other)
    with pytest.raises(UserError, match="weight stem_conv/kernel: the file lacks it"):
        weights.assign(model, {name: value for name, value in before.items() if name != "stem_conv/kernel"})
    for name, value in weights.to_dict(model).items():
        np.testing.assert_array_equal(value, before[name])
