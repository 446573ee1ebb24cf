"""Where an open file looks: the map comes from the file itself, whatever its colour order and labels are."""

from __future__ import annotations

import numpy as np
import pytest
from programs.tiny_tflite import LABELS, with_metadata
from support.preview_server import ROOT

from preview import answers, render
from preview.open_models import ModelStore

PHOTO = (ROOT / "examples" / "dandelion.jpg").read_bytes()


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "open")


def test_the_map_has_the_size_of_the_input_and_says_what_a_patch_costs(store, tiny_tflite):
    model = store.open(tiny_tflite / "int8.tflite")
    answer = answers.classify(model, PHOTO, "crop")
    found = answers.where(model, answer)
    assert found.label == answer.labels[0] and found.picture.shape == (64, 64, 3) and found.picture.dtype == np.uint8
    assert -1 <= found.largest <= 1 and found.took_ms > 0
    shown = render.where(found)
    assert 'width="64" height="64"' in shown and f"matter most to the answer {found.label}." in shown
    assert f"at most {100 * max(found.largest, 0):.1f} points" in shown
    again = answers.where(model, answer)
    assert (again.picture == found.picture).all() and again.largest == found.largest


def test_a_file_of_another_colour_order_gets_its_own_order_and_names_are_shown_as_text(store, tiny_tflite, tmp_path):
    data = (tiny_tflite / "float.tflite").read_bytes()
    graph = data[: data.index(b"PK\x03\x04")]
    names = ["<script>alert(1)</script>", *LABELS[1:]]
    path = tmp_path / "bgr.tflite"
    path.write_bytes(with_metadata(graph, "float32", names, color_order="BGR"))
    model = store.open(path)
    answer = answers.classify(model, PHOTO, "crop")
    found = answers.where(model, answer)
    assert found.label == answer.labels[0]  # the same pixels gave the same answer
    found = answers.Where(names[0], found.picture, 0.5, 1.0)
    assert "<script>" not in render.where(found) and "&lt;script&gt;" in render.where(found)
