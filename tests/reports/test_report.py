"""The report and the model card: complete, self-contained, and harmless whatever classes and files are called."""

import base64
import dataclasses
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from reports.html_page import Page
from support.colored_photos import Photos, png

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data.source import Example
from mobilevit_tf.evaluation import confidence
from mobilevit_tf.evaluation.evaluate import Evaluation, format_table
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.reports import classes, model_card, plots, training

NASTY = ("rose & <b>thorn</b>", '"><script>alert(1)</script>', "cost $5_$6", "日々草|x")
IDS = tuple(f"{label}/photo '{index}'.png" for index, label in enumerate(NASTY))
HISTORY = [
    {"epoch": 1, "train_loss": 1.5, "learning_rate": 2e-3, "images_per_second": 81.4, "seconds": 35.2,
     "val_loss": 1.25, "val_top1": 0.5},
    {"epoch": 2, "train_loss": 0.75, "learning_rate": 1e-3, "images_per_second": 83.0, "seconds": 34.9,
     "val_loss": 0.5, "val_top1": 0.75},
]  # fmt: skip
METRICS = {"top1": 0.5, "train_seconds": 7384.2, "dataset_sha256": "cd" * 32, "versions": {"numpy": "2.1.3"},
           "command": "python train_main.py --data='<my photos>'", "hardware": "Z80, 1 core"}  # fmt: skip


@pytest.fixture
def source() -> Photos:
    return Photos(NASTY, [Example(name, png((90 * i, 20, 0)), i) for i, name in enumerate(IDS)])


@pytest.fixture
def evaluation() -> Evaluation:
    """Photo 0 is right; 1 and 2 are taken for class 0, 2 more surely; 3 is right."""
    scores = np.array([[0.7, 0.1, 0.1, 0.1], [0.4, 0.3, 0.2, 0.1], [0.9, 0.05, 0.03, 0.02], [0, 0, 0, 1]], np.float32)
    return Evaluation(NASTY, np.arange(4), scores, IDS)


def _report(folder, evaluation, source, history=HISTORY) -> str:
    path = training.write_report(folder, "MobileViT-XXS, <flowers>", history, METRICS, evaluation, source)
    assert path == folder / "report.html"
    return path.read_text("utf-8")


def test_page_is_well_formed_and_fetches_and_runs_nothing(tmp_path, evaluation, source):
    text = _report(tmp_path, evaluation, source)
    page = Page(text)
    assert page.tags.count("svg") == 6
    assert not {"script", "link", "iframe", "object", "form", "b>"} & set(page.tags)
    assert page.handlers == []
    assert page.links
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    assert "default-src 'none'" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_class_and_file_names_are_shown_as_text(tmp_path, evaluation, source):
    text = _report(tmp_path, evaluation, source)
    seen = Page(text).text
    for name in (*NASTY, IDS[1], IDS[2], "MobileViT-XXS, <flowers>", METRICS["command"]):
        assert name in seen
    assert "<script" not in text
    assert "<b>thorn" not in text


def test_numbers_of_the_run_are_on_the_page(tmp_path, evaluation, source):
    seen = Page(_report(tmp_path, evaluation, source)).text
    for number in ("50.00%", "2 h 3 min", "cd" * 32, "versions.numpy", "2.1.3", "Z80, 1 core", "0.7500", "2.00e-03"):
        assert number in seen


def test_surest_mistake_comes_first_with_its_photo(tmp_path, evaluation, source):
    text = _report(tmp_path, evaluation, source)
    seen = Page(text).text
    assert 0 < seen.index("90.0%") < seen.index("40.0%")
    images = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', text)
    assert len(images) == 2
    pixels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))[50, 50] for image in images]
    np.testing.assert_allclose(pixels, [[180, 20, 0], [90, 20, 0]], atol=4)  # photos 2 and 1


def test_mistakes_come_with_what_the_model_sees_in_them(tmp_path, evaluation, source):
    asked = []

    def look(data: bytes, label: int) -> np.ndarray:
        asked.append((data, label))
        return np.full((8, 8, 3), (255, 120, 0), np.uint8)

    training.write_report(tmp_path, "XXS", HISTORY, METRICS, evaluation, source, look=look)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert asked == [(png((180, 20, 0)), 0), (png((90, 20, 0)), 0)]  # photos 2 and 1, taken for class 0
    assert text.count('src="data:image/jpeg') == 4
    assert text.count(f'alt="where the model sees {html.escape(NASTY[0])} in it"') == 2
    assert "orange where the wrong answer loses most" in Page(text).text


def test_a_threshold_above_every_score_answers_no_photo(evaluation):
    assert '"unsure" below 1.00: no photo is answered' in plots.answered(evaluation.scores[:3], np.arange(3), 1.0)


def test_a_reliability_diagram_has_a_line_for_each_set_of_scores(evaluation):
    given = evaluation.scores
    svg = plots.reliability({"cost $5_$6 <b>": given, "after": given**2}, evaluation.y_true)
    assert svg.startswith("<svg ") and 'role="img" aria-label="Right answers against their score"' in svg
    assert "cost $5_$6 &lt;b&gt;" in svg and ">after<" in svg and "<b>" not in svg
    means, shares, photos = confidence.reliability(given, evaluation.y_true)
    np.testing.assert_allclose(means, [0.4, 0.7, 0.9, 1])
    np.testing.assert_allclose(shares, [0, 1, 0, 1])
    assert photos.tolist() == [1, 1, 1, 1]


def test_report_of_a_perfect_run_says_that_nothing_is_wrong(tmp_path, source):
    perfect = Evaluation(NASTY, np.arange(4), np.eye(4, dtype=np.float32), IDS)
    seen = Page(_report(tmp_path, perfect, source)).text
    assert "Every photo is classified right." in seen
    assert "No photo is misclassified." in seen


def test_classes_come_with_bars_and_roc_auc_the_weakest_first(tmp_path, evaluation, source):
    text = _report(tmp_path, evaluation, source)
    table = text[text.index("The lowest F1 first") :]
    shown = [table.index(html.escape(name)) for name in (NASTY[1], NASTY[2], NASTY[0], NASTY[3])]
    assert shown == sorted(shown)  # F1 0, 0, 0.5 and 1
    assert [f"width:{share}%" in table for share in (0, 50, 100)] == [True] * 3
    # class 0: its photo scores 0.7, the others 0.4, 0.9, 0: two of three below; class 2: 0.03 against 0.1, 0.2, 0
    assert classes.roc_auc(evaluation) == pytest.approx([2 / 3, 1, 1 / 3, 1])
    assert "<b>0.750</b><span>mean ROC AUC, one against the rest</span>" in text


def test_classes_without_photos_could_not_be_judged_anywhere(tmp_path, source):
    scores = np.eye(4, dtype=np.float32)[[0, 1, 3]]
    evaluation = Evaluation(NASTY, np.array([0, 1, 1]), scores, IDS[:3])
    assert [row.f1 for row in evaluation.per_class[2:]] == [None, None]
    assert classes.roc_auc(evaluation)[2:] == [None, None]
    text = _report(tmp_path, evaluation, source)
    assert text.count("could not be judged") == 2
    values = json.loads(evaluation.to_json(), parse_constant=pytest.fail)
    assert [row["recall"] for row in values["per_class"]] == [1.0, 0.5, None, None]
    assert format_table(evaluation).count("could not be judged") == 2
    recipe = model_card.Recipe(ModelConfig("xxs", 4), ImageSpec(), DataConfig("p"), AugmentConfig(), TrainConfig())
    card = model_card.write_model_card(tmp_path, recipe, source, "val", evaluation, METRICS).read_text("utf-8")
    assert card.count("could not be judged") == 2


def test_notes_and_photos_on_both_sides_are_on_the_page_as_text(tmp_path, evaluation, source):
    assert "To know of the data" not in _report(tmp_path, evaluation, source)
    source.notes, source.twins = ("1 class with <b>: 'x'",), (("val/<i>.jpg", "train/&.jpg"),) * 150
    text = _report(tmp_path, evaluation, source)
    page = Page(text)
    assert "1 class with <b>: 'x'" in page.text and "val/<i>.jpg" in page.text and "train/&.jpg" in page.text
    assert text.count("val/&lt;i&gt;.jpg") == 100 and "The first 100 of 150." in page.text


def test_what_the_data_calls_a_class_stands_beside_its_name(tmp_path, evaluation, source):
    source.class_ids = ("n01440764", *NASTY[1:])
    text = _report(tmp_path, evaluation, source)
    assert f"{html.escape(NASTY[0])} <small>n01440764</small>" in text and text.count("<small>n0") == 1


def test_the_threshold_curve_ends_with_every_photo_answered(evaluation):
    thresholds, shares, right = confidence.answered(evaluation.scores, evaluation.y_true)
    np.testing.assert_allclose(thresholds, [1, 0.9, 0.7, 0.4])
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(right, [1, 1 / 2, 2 / 3, 1 / 2])
    ties = confidence.answered(np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]]), np.array([0, 1, 0]))
    np.testing.assert_allclose(np.stack(ties), [[0.9, 0.5], [1 / 3, 1], [1, 2 / 3]])
    assert '"unsure" below 1.00: 25% answered' in plots.answered(evaluation.scores, evaluation.y_true, 1.0)
    assert '"none of these" below 1.00' in plots.answered(evaluation.scores, evaluation.y_true, 1.0, "none of these")


@pytest.mark.parametrize("history", [[], HISTORY[:1], [{"epoch": 1, "train_loss": float("nan"), "learning_rate": 0.1}]])
def test_short_histories_make_a_page_too(tmp_path, evaluation, source, history):
    page = Page(_report(tmp_path, evaluation, source, history))
    assert page.tags.count("svg") == (6 if history else 3)


def test_many_classes_make_a_matrix_without_names_and_a_table_with_all(tmp_path):
    labels = tuple(f"class {index}" for index in range(120))
    scores = np.random.default_rng(0).dirichlet(np.ones(120), 240).astype(np.float32)
    evaluation = Evaluation(labels, np.arange(240) % 120, scores, tuple(f"{i}.png" for i in range(240)))
    source = Photos(labels, [Example(f"{i}.png", png((i, 0, 0)), i % 120) for i in range(240)])
    text = _report(tmp_path, evaluation, source)
    assert len(text) < 1_000_000
    assert all(f'<th scope="row">{label}</th>' in text for label in labels)
    assert "class 7" not in plots.confusion(evaluation.confusion, labels)


def test_figures_are_the_same_bytes_every_time(evaluation):
    assert plots.confusion(evaluation.confusion, NASTY) == plots.confusion(evaluation.confusion, NASTY)
    assert plots.curves(HISTORY) == plots.curves(HISTORY)


def test_curves_show_what_was_validated_where_not_every_epoch_was():
    history = [HISTORY[0] | {"epoch": epoch, "val_top1": 0.5} for epoch in range(1, 31)]
    never = [{key: value for key, value in row.items() if "val" not in key} for row in history]
    marker = r'<g clip-path="[^"]*">\s*<use'
    drawn = [plots.curves(rows)["Validation accuracy (top-1)"] for rows in (history, never, [*never[:-1], history[-1]])]
    assert [len(re.findall(marker, svg)) for svg in drawn] == [0, 0, 1]  # thirty are a line, one epoch is a marker


@pytest.mark.parametrize(
    ("seconds", "text"), [(7384.2, "2 h 3 min"), (61, "1 min 1 s"), (3599.9, "1 h 0 min"), (0.4, "0 s")]
)
def test_duration_is_in_words(seconds, text):
    assert training.duration(seconds) == text


def test_interval_of_an_accuracy_is_wilsons():
    assert model_card.accuracy_interval(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert model_card.accuracy_interval(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert model_card.accuracy_interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_model_card_has_every_part_and_no_name_breaks_its_tables(tmp_path, evaluation, source):
    train = TrainConfig(init_from="runs/before", freeze_epochs=2)
    recipe = model_card.Recipe(ModelConfig("xxs", 4), ImageSpec(), DataConfig("photos"), AugmentConfig(), train)
    text = model_card.write_model_card(tmp_path, recipe, source, "val", evaluation, METRICS).read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    assert headings == [
        "MobileViT-XXS for photos", "Intended use", "Data", "Results", "Limits", "Recipe", "Licence",
    ]  # fmt: skip
    assert "**top-1 50.00%** (95 % confidence 15.0% to 85.0%)" in text
    assert "cd" * 32 in text
    assert "the weights that training started from" in text
    assert not re.search(r"(?<!\\)[<>]", text)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for label in NASTY:
        shown = [row for row in rows if row.startswith("| ") and row.replace("\\", "").startswith(f"| {label} |")]
        assert len(shown) == 1
        assert len(re.findall(r"(?<!\\)\|", shown[0])) == 6  # five columns
    settings = {field.name for field in dataclasses.fields(TrainConfig)}
    assert settings <= {row.split(" | ")[0].removeprefix("| ").replace("\\", "") for row in rows}
