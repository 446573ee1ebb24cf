"""The page of an exported file: pictures, curves, a bar; harmless whatever classes, files and layers are called."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from reports.html_page import Page
from support.colored_photos import Photos, png

from mobilevit_tf.data.source import Example
from mobilevit_tf.evaluation.evaluate import Evaluation
from quantize.checks import figures, page, scores
from quantize.checks.figures import Evidence
from quantize.checks.report import LayerError, Operator, Report, Saturation

NASTY = ("rose & <b>thorn</b>", '"><script>alert(1)</script>')
IDS = tuple(f"{label}/photo '{index}'.png" for index in range(30) for label in NASTY)  # 60 photos
Y_TRUE = np.arange(60) % 2


def evidence(changed: int) -> tuple[Report, Evidence]:
    """The baseline answers class 0 for every photo; the file answers the first photos otherwise."""
    before = np.tile(np.float32([[0.75, 0.25]]), (60, 1))
    after = before.copy()
    after[:changed] = np.stack([0.4 - np.arange(changed) / 200, 0.6 + np.arange(changed) / 200], 1)
    baseline, candidate = (Evaluation(NASTY, Y_TRUE, answers, IDS) for answers in (before, after))
    report = Report(
        file="<i>.tflite", mode="int8", variant="tiny", input_size=[8, 16], run="<run>", photos=60, float_top1=0.5,
        tflite_top1=candidate.top1, agreement=scores.agreement(baseline, candidate), score_distance=0.1,
        stretch_float_top1=0.5, stretch_tflite_top1=0.5, stretch_agreement=1.0, calibration_error=0.1,
        temperature=1.5, unsure_below=0.7, size_bytes=2048, baseline_size_bytes=4096, median_ms=1.0,
        baseline_median_ms=2.0, latency_ratio=0.5, threads=2, threads_median_ms=1.0, baseline_threads_median_ms=1.0,
        preprocess_ms=1.0, load_ms=1.0, memory_bytes=2**20, partitions=1, operators={"CONV_2D": 47, "<op>": 3},
        not_delegated=[Operator("<op>", "int8", "<tensor>", "unknown")], **scores.changes(baseline, candidate),
        layers=[LayerError("<layer>", 0.5)], saturation=[Saturation("<layer>", -1, 1, 0.1)],
        seconds={"calibrate": 12.3},
    )  # fmt: skip
    photos = Photos(NASTY, [Example(name, png((4 * i, 20, 0)), i % 2) for i, name in enumerate(IDS)])
    return report, Evidence(candidate, photos)


def test_the_page_is_well_formed_fetches_and_runs_nothing_and_shows_names_as_text():
    text = page.render(*evidence(3))
    seen = Page(text)
    assert not {"script", "link", "iframe", "object", "form", "i>", "op>"} & set(seen.tags)
    assert seen.handlers == [] and all(link.startswith(("data:image/", "#")) for link in seen.links)
    assert "default-src 'none'" in text and "://" not in text
    for name in (*NASTY, *IDS[:3], "<i>.tflite", "<run>", "<op>", "<tensor>", "<layer>"):
        assert name in seen.text
    assert "12.3 s" in seen.text


@pytest.mark.parametrize(("changed", "pictures"), [(0, 0), (3, 3), (24, 24), (40, 24)])
def test_photos_whose_answer_changed_are_pictures_the_largest_change_first_and_not_too_many(changed, pictures):
    report, held = evidence(changed)
    text = figures.changed(report, held)
    assert text.count('src="data:image/jpeg') == text.count("<figure") == text.count(' alt="') == pictures
    if not changed:
        assert "None." in text
        return
    assert len(text) < pictures * 8_000
    first = Page(text[: text.index("</figure>")] + "</figure></div>").text
    assert IDS[changed - 1] in first and f"{0.6 + (changed - 1) / 200:.1%}" in first and "75.0%" in first
    assert text.count("<tr>") == changed + 1
    told = f"24 of {changed}" if changed > 24 else f"{changed}, "
    assert told in text


def test_curves_mark_the_threshold_and_show_the_scores_with_and_without_the_temperature():
    report, held = evidence(3)
    text = figures.sure(report, held)
    assert text.count("<svg") == text.count('role="img"') == 2
    assert '"unsure" below 0.70: 95% answered, 49.1% of them right' in text  # 57 of 60, 28 of them class 0
    assert "without the temperature" in text and "with it (1.50), as in this file" in text and "the 60 photos" in text
    measured = dataclasses.replace(held, measured=slice(1, None, 2))
    assert "the 30 photos" in figures.sure(report, measured)
    plain = figures.sure(dataclasses.replace(report, temperature=1.0), held)
    assert "without the temperature" not in plain and plain.count("<svg") == 2


def test_the_bar_of_operators_has_a_part_for_those_inside_and_one_for_those_outside():
    report, _ = evidence(0)
    text = figures.operators(report)
    assert re.findall(r"flex-grow:(\d+)", text) == ["49", "1"]
    assert 'aria-label="49 operators inside one partition of the delegate, 1 outside"' in text
    whole = figures.operators(dataclasses.replace(report, not_delegated=[], partitions=2))
    assert re.findall(r'class="(inside|outside) nothing"', whole) == ["outside"] and "inside 2 partitions" in whole
