"""Photos of none of the classes through an export, a comparison and the preview."""

import json

import numpy as np
from PIL import Image
from support.commands import run

from mobilevit_tf.evaluation import strangers
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from preview import answers, render
from preview.open_models import OpenModel


def test_strangers_fit_the_threshold_of_the_file_and_measure_it(trained_run, tmp_path):
    folder, random = tmp_path / "others", np.random.default_rng(0)
    folder.mkdir()
    for index in range(60):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{index}.png")
    flags = (f"--none_of_these={folder}", f"--run={trained_run}", "--mode=float32", "--calibration_images=64")
    made = run("quantize/export.py", *flags, f"--output={tmp_path / 'm.tflite'}")
    assert made.returncode == 0, made.stdout
    found = json.loads((tmp_path / "m.report.json").read_text())
    model, rejection = TFLiteModel(tmp_path / "m.tflite"), found["rejection"]
    assert found["none_of_these"] and model.info.none_of_these
    assert rejection["strangers"] == 30 and rejection["auroc"] > 0.7
    assert rejection["own_turned_away"] < 0.15 and rejection["strangers_turned_away"] > 0.2
    line = f"30 photos of none of the classes: {rejection['strangers_turned_away']:.1%} turned away"
    assert f"float32: {line}" in made.stdout
    assert "none of these below" in (tmp_path / "m.report.html").read_text()

    _, measuring = strangers.halves((folder,))
    top = [model.scores(image).max() for image in strangers.load(measuring, model.spec)]
    assert np.mean(np.array(top) < model.info.unsure_below) == rejection["strangers_turned_away"]

    pair = (f"--baseline={tmp_path / 'm.tflite'}", f"--candidate={tmp_path / 'm.tflite'}")
    verified = run("-m", "quantize.verify", *pair, "--data=digits", f"--none_of_these={folder}")
    assert verified.returncode == 0 and line in verified.stdout

    opened = OpenModel(tmp_path / "m.tflite", "key", threads=1, workers=1)
    turned_away = measuring[int(np.argmin(top))]
    answer = answers.classify(opened, turned_away.read_bytes(), "crop")
    assert answer.unsure and answer.none_of_these and answer.to_json()["none_of_these"]
    assert '<p class="pv-top pv-unsure">none of these <small>' in render.answer(answer)
