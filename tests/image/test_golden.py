"""The committed golden vectors are what Python gives today; android_demo/jvm_tests checks them in Kotlin."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from support import make_golden

from mobilevit_tf.errors import BadImage
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.files import sha256
from mobilevit_tf.image import pixels

COMMITTED = json.loads((make_golden.GOLDEN / "vectors.json").read_text())


@pytest.fixture(scope="module")
def vectors() -> dict:
    return json.loads(json.dumps(make_golden.vectors()))


@pytest.mark.parametrize("key", sorted(COMMITTED))
def test_committed_vectors_equal_todays(vectors: dict, key: str):
    assert vectors[key] == COMMITTED[key], "run `python tests/support/make_golden.py` and look at what changed"


def test_no_vector_is_missing(vectors: dict):
    assert set(vectors) == set(COMMITTED)
    assert len(COMMITTED["resize"]) == 110
    assert len(COMMITTED["crop"]) == 300


@pytest.mark.parametrize("name, data", make_golden.all_files().items())
def test_committed_photo_equals_todays(name: str, data: bytes):
    assert (make_golden.GOLDEN / "photos" / name).read_bytes() == data


def test_formula_draws_the_known_pixels():
    assert make_golden.synthetic(2, 1, "ramp").tolist() == [[[0, 70, 140], [3, 73, 143]]]
    noise = make_golden.synthetic(64, 64, "noise")
    assert 100 < noise.mean() < 156 and len(np.unique(noise)) == 256
    grey = make_golden.synthetic(5, 4, "grey")
    assert (grey[..., 0] == grey[..., 2]).all()


def test_large_jpeg_is_decoded_at_half_its_sides():
    sizes = {case["file"]: (case["width"], case["height"]) for case in COMMITTED["photos"]}
    assert sizes["large_4000x3000.jpg"] == (2000, 1500)
    assert sizes["large_2501x1999.jpg"] == (1251, 1000)


def test_orientations_turn_the_photo():
    sizes = {case["file"]: (case["width"], case["height"]) for case in COMMITTED["photos"]}
    for turn in range(1, 9):
        assert sizes[f"exif_{turn}.jpg"] == ((48, 32) if turn < 5 else (32, 48))


@pytest.mark.parametrize("name", COMMITTED["bad_photos"])
def test_bad_photo_is_refused(name: str):
    with pytest.raises(BadImage):
        pixels.decode((make_golden.GOLDEN / "photos" / name).read_bytes())


@pytest.mark.parametrize("name", ["float_input", "uint8_output"])
def test_small_model_gives_its_committed_scores(name: str):
    folder = make_golden.GOLDEN / "models"
    committed = json.loads((folder / "scores.json").read_text())
    model = TFLiteModel(folder / f"{name}.tflite")
    for picture, expected in zip(committed["pictures"], committed["scores"][name], strict=True):
        image = pixels.resize(Image.fromarray(make_golden.synthetic(*picture)), model.spec)
        np.testing.assert_allclose(model.scores(image), expected, atol=0.005)


def test_committed_scores_are_the_shipped_models():
    committed = json.loads((make_golden.GOLDEN / "scores.json").read_text())
    assert committed["model_sha256"] == sha256(make_golden.MODEL), "run `python tests/support/make_golden.py`"
    today = make_golden.score_cases(make_golden.MODEL, make_golden.EXAMPLES)
    assert len(committed["photos"]) >= 3
    for before, now in zip(committed["photos"], today["photos"], strict=True):
        assert (now["file"], now["top1"], now["input_sha256"]) == (
            before["file"], before["top1"], before["input_sha256"],
        )  # fmt: skip
        np.testing.assert_allclose(now["scores"], before["scores"], atol=0.03)
