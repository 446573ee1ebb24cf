"""Metrics against hand-computed numbers; Keras and TFLite models against photos whose class is their colour."""

import json
import subprocess
import sys
import zipfile

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from support.colored_photos import COLORS, Photos, colored_photos, png

from mobilevit_tf.data.source import Example
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import evaluate, tflite_model
from mobilevit_tf.image.image_spec import ImageSpec

SPEC = ImageSpec(8, 8)
LOGIT_KERNEL = 9 * np.eye(3, dtype=np.float32)


@pytest.fixture(scope="module")
def color_model() -> tf_keras.Model:
    """Logits 9 * (mean red, mean green, mean blue)."""
    image = tf_keras.Input((8, 8, 3))
    logits = tf_keras.layers.Dense(3, use_bias=False)(tf_keras.layers.GlobalAveragePooling2D()(image))
    model = tf_keras.Model(image, logits)
    model.layers[-1].set_weights([LOGIT_KERNEL])
    return model


@pytest.fixture(scope="module")
def color_tflite(color_model, tmp_path_factory):
    image = tf_keras.Input((8, 8, 3), 1)
    graph = tf_keras.Model(image, tf_keras.layers.Softmax()(color_model(image)))
    path = tmp_path_factory.mktemp("tflite") / "color.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(graph).convert())
    info = tflite_model.ModelInfo("color", "tiny", "float32", "0", "Apache-2.0", "run")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(tflite_model.LABELS_FILE, "red\ngreen\nblue\n")
        archive.writestr(tflite_model.SPEC_FILE, SPEC.to_json())
        archive.writestr(tflite_model.INFO_FILE, info.to_json())
    return path


@pytest.fixture
def hand_made() -> evaluate.Evaluation:
    """Four photos, six classes, class "f" without photos."""
    scores = np.array([
        [0.50, 0.10, 0.10, 0.10, 0.10, 0.10],  # a, right
        [0.05, 0.60, 0.20, 0.05, 0.06, 0.04],  # a taken for b, rank 4
        [0.05, 0.20, 0.30, 0.25, 0.10, 0.10],  # c, right
        [0.90, 0.02, 0.01, 0.03, 0.00, 0.04],  # e taken for a, rank 6, the surest mistake
    ], np.float32)  # fmt: skip
    return evaluate.Evaluation(tuple("abcdef"), np.array([0, 0, 2, 4]), scores, ("w", "x", "y", "z"))


def test_metrics_are_the_hand_computed_ones(hand_made):
    assert (hand_made.top1, hand_made.top5) == (0.5, 0.75)
    assert hand_made.loss == pytest.approx(-np.log([0.5, 0.05, 0.3, 1e-7]).mean(), rel=1e-6)
    expected = np.zeros((6, 6), int)
    expected[0, 0] = expected[0, 1] = expected[2, 2] = expected[4, 0] = 1
    np.testing.assert_array_equal(hand_made.confusion, expected)
    rows = {row.label: (row.precision, row.recall, row.f1, row.support) for row in hand_made.per_class}
    assert rows == {
        "a": (0.5, 0.5, 0.5, 2), "b": (None, None, None, 0), "c": (1, 1, 1, 1),
        "d": (None, None, None, 0), "e": (0, 0, 0, 1), "f": (None, None, None, 0),
    }  # fmt: skip
    assert hand_made.macro_f1 == 0.5  # a, c and e
    assert hand_made.worst_mistakes(9) == [3, 1]
    assert hand_made.worst_mistakes(1) == [3]


def test_json_holds_every_number_and_reads_back(hand_made):
    values = json.loads(hand_made.to_json())
    assert (values["photos"], values["top1"], values["top5"], values["labels"]) == (4, 0.5, 0.75, list("abcdef"))
    assert values["per_class"][0] == {"label": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert values["confusion"][4] == [1, 0, 0, 0, 0, 0]


def test_table_has_one_line_a_class(hand_made):
    lines = evaluate.format_table(hand_made).splitlines()
    assert lines[0].startswith("4 photos: top-1 50.00%, top-5 75.00%, loss ")
    assert lines[1].split() == ["class", "precision", "recall", "F1", "photos"]
    assert lines[2].split() == ["a", "0.5000", "0.5000", "0.5000", "2"]
    assert len(lines) == 8
    assert len({len(line) for line in lines[1:]}) == 1


def test_equal_scores_count_as_right_only_where_argmax_chooses_them():
    even = evaluate.Evaluation(("a", "b"), np.array([0, 1]), np.full((2, 2), 0.5, np.float32), ("x", "y"))
    assert even.top1 == 0.5
    assert even.y_pred.tolist() == [0, 0]
    assert even.top5 == 1


def test_no_photo_and_nan_scores_are_refused():
    with pytest.raises(UserError, match="no photo to evaluate"):
        evaluate.Evaluation(("a", "b"), np.zeros(0, int), np.zeros((0, 2), np.float32), ())
    with pytest.raises(UserError, match="NaN or infinity"):
        evaluate.Evaluation(("a", "b"), np.zeros(1, int), np.full((1, 2), np.nan, np.float32), ("x",))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_keras_model_is_scored_photo_by_photo_in_the_order_of_the_source(color_model, batch_size):
    names = ["blue", "red", "green", "red", "blue", "red", "red"]
    result = evaluate.evaluate_keras(color_model, colored_photos(*names), "val", SPEC, batch_size=batch_size)
    assert result.ids == tuple(f"{i}_{name}.png" for i, name in enumerate(names))
    assert result.y_true.tolist() == [2, 0, 1, 0, 2, 0, 0]
    assert result.top1 == 1
    right = np.exp(9) / (np.exp(9) + 2)
    np.testing.assert_allclose(result.scores.max(axis=1), right, rtol=1e-5)
    np.testing.assert_allclose(result.scores.sum(axis=1), 1, rtol=1e-6)


def test_pixels_reach_the_model_in_the_colour_order_and_range_of_the_spec(color_model):
    spec = ImageSpec(8, 8, color_order="BGR", range=(-1.0, 1.0), std=(2.0, 2.0, 2.0))
    result = evaluate.evaluate_keras(color_model, colored_photos("red"), "val", spec)
    logits = 9 * np.array([-0.5, -0.5, 0.5])  # blue, green, red
    np.testing.assert_allclose(result.scores[0], np.exp(logits) / np.exp(logits).sum(), rtol=1e-5)


def test_crop_sees_the_middle_of_a_photo_and_stretch_all_of_it(color_model):
    photo = Example("wide.png", png(COLORS["red"], COLORS["blue"], size=(48, 16)), 0)
    source = Photos(tuple(COLORS), [photo])
    answers = [evaluate.evaluate_keras(color_model, source, "val", SPEC, protocol).y_pred[0]
               for protocol in ("crop", "stretch")]  # fmt: skip
    assert answers == [0, 2]


def test_classes_are_matched_by_name_when_the_data_has_them_in_another_order(color_model):
    source = colored_photos("blue", "green", class_names=("blue", "green"))
    result = evaluate.evaluate_keras(color_model, source, "val", SPEC, labels=("red", "green", "blue"))
    assert result.top1 == 1
    assert result.confusion.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_class_that_the_model_does_not_know_is_named(color_model):
    with pytest.raises(UserError, match="class 'green' that the model does not know: its classes are red, lime, blue"):
        evaluate.evaluate_keras(color_model, colored_photos("red"), "val", SPEC, labels=("red", "lime", "blue"))


def test_photo_that_does_not_decode_is_named(color_model):
    source = Photos(("red", "green", "blue"), [Example("a/broken.jpg", b"no picture", 0)])
    with pytest.raises(UserError, match=r"^a/broken\.jpg: not a picture .*--dry_run"):
        evaluate.evaluate_keras(color_model, source, "val", SPEC)


def test_unknown_split_names_the_known_ones(color_model):
    with pytest.raises(UserError, match="photos has no split 'test': it has val"):
        evaluate.evaluate_keras(color_model, colored_photos("red"), "test", SPEC)


def test_tflite_file_gives_the_scores_of_its_keras_model(color_model, color_tflite):
    source = colored_photos("blue", "red", "green", "green")
    expected = evaluate.evaluate_keras(color_model, source, "val", SPEC)
    result = evaluate.evaluate_tflite(color_tflite, source, "val")
    assert (result.labels, result.ids) == (expected.labels, expected.ids)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-6)


def test_damaged_tflite_is_refused_in_one_sentence(color_tflite, tmp_path):
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(color_tflite.read_bytes()[:200])
    with pytest.raises(UserError, match=r"damaged\.tflite"):
        evaluate.evaluate_tflite(damaged, colored_photos("red"), "val")


def test_tflite_is_evaluated_without_loading_tensorflow(color_tflite):
    script = (
        "import sys\nfrom mobilevit_tf.evaluation import evaluate\nfrom test_evaluate_source import source\n"
        "result = evaluate.evaluate_tflite(sys.argv[1], source, 'val')\n"
        "print(evaluate.format_table(result))\nassert 'tensorflow' not in sys.modules\n"
    )
    stub = (
        "from mobilevit_tf.data.digits import DigitsSource\n"
        "source = DigitsSource(0.2)\nsource.class_names = ('red',) * 10\n"
    )
    (color_tflite.parent / "test_evaluate_source.py").write_text(stub)
    command = [sys.executable, "-c", script, str(color_tflite)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=color_tflite.parent)
    assert done.returncode == 0, done.stderr
    assert "photos: top-1" in done.stdout
