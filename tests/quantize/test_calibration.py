"""Choice of calibration photos, and the numbers about scores."""

from __future__ import annotations

import numpy as np
import pytest

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import confidence
from mobilevit_tf.evaluation.evaluate import Evaluation
from quantize.checks import scores
from quantize.checks.report import ClassRecall
from quantize.settings import CalibrationConfig, FineTuneConfig
from quantize.steps import attention, photos

LABELS = np.array([0] * 90 + [1] * 8 + [2] * 2)


def test_stratified_choice_takes_the_same_number_of_each_class_as_far_as_there_are():
    chosen = photos.choose(LABELS, CalibrationConfig("stratified", 12, seed=3))
    assert np.bincount(LABELS[chosen]).tolist() == [5, 5, 2]


def test_random_choice_is_the_same_for_a_seed_and_another_for_another():
    first, again, other = (photos.choose(LABELS, CalibrationConfig("random", 20, seed)) for seed in (1, 1, 2))
    assert len(set(first.tolist())) == 20
    assert first.tolist() == again.tolist() != other.tolist()


def test_all_takes_every_photo():
    assert photos.choose(LABELS, CalibrationConfig("all", 1)).tolist() == list(range(100))


def test_an_empty_training_split_is_refused():
    with pytest.raises(UserError, match="no calibration photos"):
        photos.choose(np.array([], np.int64), CalibrationConfig())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CalibrationConfig("some"), "'some', expected one of random, stratified, all"),
        (lambda: CalibrationConfig(images=0), "0 images, expected at least 1"),
        (lambda: FineTuneConfig(epochs=-1), "-1 epochs"),
        (lambda: FineTuneConfig(learning_rate=0.0), "expected a positive number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_calibration_error_of_a_model_that_is_right_as_often_as_it_says_is_0():
    given = np.array([[0.75, 0.25]] * 4)
    assert confidence.calibration_error(given, np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert confidence.calibration_error(given, np.array([1, 1, 1, 1])) == pytest.approx(0.75)


def test_temperature_of_scores_that_were_sharpened_is_found_again():
    generator = np.random.default_rng(0)
    true_scores = generator.dirichlet(np.ones(4), 4000)
    y_true = np.array([generator.choice(4, p=row) for row in true_scores])
    sharpened = scores.with_temperature(true_scores, 0.5)
    assert scores.fit_temperature(sharpened, y_true) == pytest.approx(2.0, rel=0.1)
    assert confidence.calibration_error(scores.with_temperature(sharpened, 2.0), y_true) < 0.03
    assert confidence.calibration_error(sharpened, y_true) > 0.1


def test_answers_above_the_unsure_threshold_are_right_at_least_95_times_in_100():
    generator = np.random.default_rng(0)
    given = generator.dirichlet(np.full(3, 0.5), 5000)
    y_true = np.array([generator.choice(3, p=row) for row in given])
    threshold = confidence.fit_unsure(given, y_true)
    sure = given.max(1) >= threshold
    assert 0.5 < threshold < 1
    assert (given.argmax(1) == y_true)[sure].mean() >= 0.95


def test_a_model_that_is_always_right_is_never_unsure():
    assert confidence.fit_unsure(np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([0, 1])) == 0


def test_changes_name_the_photos_whose_answer_changed_largest_first():
    ids, y_true = ("a", "b", "c"), np.array([0, 1, 0])
    before = Evaluation(("x", "y"), y_true, np.float32([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]), ids)
    after = Evaluation(("x", "y"), y_true, np.float32([[0.9, 0.1], [0.55, 0.45], [0.1, 0.9]]), ids)
    result = scores.changes(before, after)
    assert [row.photo for row in result["changed"]] == ["c", "b"]
    assert result["classes"][0] == ClassRecall("x", 1.0, 0.5)
    assert scores.agreement(before, after) == pytest.approx(1 / 3)


def answers(accuracy: float, sureness: float, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """(scores, classes) of a model of two classes that always is as sure, and right as often as said."""
    y_true = np.arange(count) % 2
    right = np.arange(count) < accuracy * count
    return np.where(right[:, None] == (y_true == np.arange(2)[:, None]).T, sureness, 1 - sureness), y_true


def test_temperature_is_fitted_on_training_photos_and_measured_on_all_validation_photos():
    fit = scores.fit(*answers(0.82, 0.95), *answers(0.80, 0.95))
    assert fit.photos == "400 of train" and fit.temperature > 1
    assert fit.error_before == pytest.approx(0.15) and fit.error_after == pytest.approx(0.02, abs=0.002)


def test_training_photos_known_by_heart_are_not_fitted_on():
    fit = scores.fit(*answers(0.99, 0.95), *answers(0.80, 0.95))
    assert fit.photos == "200 of val" and fit.error_after < 0.5 * fit.error_before


def test_too_few_photos_give_no_temperature():
    assert scores.fit(*answers(1, 0.9, 4), *answers(1, 0.9, 2)) is None


def test_every_fourth_training_photo_is_held_out_of_what_fine_tuning_looks_at():
    usable, held_out = photos.hold_out(20, tuning_images=9)
    assert held_out.tolist() == [3, 7, 11]
    assert usable.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19]
    assert photos.hold_out(3, tuning_images=9)[1].tolist() == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-5, 40, 0.0), (-60, 60, 0.0), (-11, 87, 38.0), (70, 90, 80.0), (-71, 112, None), (-np.inf, np.inf, None)],
)
def test_scores_far_from_0_are_shifted_by_a_constant_where_one_is_enough(low, high, expected):
    assert attention.constant_shift(low, high) == expected
