"""The open models: probed, kept apart, replaced without harm."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.photo_files import encode
from support.preview_server import ROOT

from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from preview import answers, settings
from preview.open_models import ModelStore
from preview.settings import PreviewConfig

PHOTO = (ROOT / "examples" / "dahlia.jpg").read_bytes()


@pytest.fixture
def store(tiny_tflite, tmp_path) -> ModelStore:
    store = ModelStore(tmp_path / "models", workers=2)
    store.open(tiny_tflite / "float.tflite")
    return store


def test_the_page_opens_on_the_model_of_the_repository():
    assert PreviewConfig().models == (ROOT / "models" / "flowers_xxs_int8.tflite",)
    assert PreviewConfig().share is False


def test_a_file_is_opened_once_and_found_by_its_key(store, tiny_tflite):
    again = store.open(tiny_tflite / "float.tflite", "renamed.tflite", added=True)
    assert store.choices() == [("Tiny flowers float32 (float.tflite)", again.key)]
    assert store.get(again.key) is store.get("") is again
    assert again.path.read_bytes() == (tiny_tflite / "float.tflite").read_bytes()
    assert again.partitions == 1
    assert again.operators["CONV_2D"] > 0


def test_mutated_files_open_or_end_in_one_sentence_while_the_old_model_answers(store, tiny_tflite, tmp_path):
    before = answers.classify(store.get(""), PHOTO, "crop").scores
    good = (tiny_tflite / "int8.tflite").read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for number in range(6):
        data = bytearray(good)
        for position in random.integers(0, len(data), 40):
            data[position] ^= int(random.integers(1, 256))
        path = tmp_path / f"upload_{number}.tflite"
        path.write_bytes(data)
        try:
            store.open(path, "mine.tflite", added=True)
        except UserError as error:
            refused += 1
            assert str(error).startswith(("mine.tflite", "image spec: "))
            assert str(path) not in str(error)
            assert "\n" not in str(error)
    assert refused > 0
    assert np.array_equal(answers.classify(store.get(""), PHOTO, "crop").scores, before)


def test_the_oldest_added_model_is_closed_and_the_first_stays(store, tiny_tflite, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "MAX_ADDED_MODELS", 1)
    first = store.get("")
    older = store.open(tiny_tflite / "int8.tflite", "int8.tflite", added=True)
    newer = store.open(tiny_tflite / "other.tflite", "other.tflite", added=True)
    assert [key for _, key in store.choices()] == [first.key, newer.key]
    assert not older.path.exists()
    with pytest.raises(UserError, match="is not open any more"):
        store.get(older.key)
    assert store.position(older.key) == 2


def test_a_file_too_large_for_a_model_is_not_even_probed(store, tiny_tflite, monkeypatch):
    monkeypatch.setattr(settings, "MAX_MODEL_BYTES", 1_000)
    with pytest.raises(UserError, match=r"^big\.tflite is larger than 0 MB"):
        store.open(tiny_tflite / "int8.tflite", "big.tflite", added=True)


def test_one_interpreter_is_lent_to_one_worker_at_a_time(store):
    model = store.get("")
    lent, clash, lock = set(), [], threading.Lock()

    def use(_: int) -> None:
        with model.borrow() as interpreter:
            with lock:
                clash.append(id(interpreter) in lent)
                lent.add(id(interpreter))
            interpreter.scores(np.zeros((64, 64, 3), np.uint8))
            with lock:
                lent.remove(id(interpreter))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(64)))
    assert clash == [False] * 64


def test_the_answer_is_unsure_below_the_files_own_threshold(store, tiny_tflite):
    unsure = store.open(tiny_tflite / "other.tflite")  # its threshold is 1
    assert answers.classify(store.get(""), PHOTO, "crop").unsure is False
    assert answers.classify(unsure, PHOTO, "crop").unsure is True


def test_compare_finds_the_different_answer_and_the_largest_difference(store, tiny_tflite):
    models = [store.get(""), store.open(tiny_tflite / "other.tflite")]
    comparison = answers.compare(models, PHOTO, "stretch")
    direct = [TFLiteModel(model.path).classify(PHOTO, "stretch").scores.astype(float) for model in models]
    by_label = [dict(zip(model.labels, scores, strict=True)) for model, scores in zip(models, direct, strict=True)]
    assert comparison.agree is False
    assert comparison.largest_difference == (
        0.0,
        max(abs(by_label[0][label] - by_label[1][label]) for label in models[0].labels),
    )
    assert answers.compare([models[0], models[0]], PHOTO, "crop").agree is True


def test_the_protocols_differ_only_where_the_crop_takes_something_away(store, tiny_tflite):
    uncropped = store.open(tiny_tflite / "uncropped.tflite")
    square = (np.indices((24, 24)).sum(0)[..., None] * np.array([5, 3, 1])).astype(np.uint8)
    data = encode(square, "PNG")
    assert answers.classify(uncropped, data, "crop").protocols_differ is False
    assert answers.classify(uncropped, PHOTO, "crop").protocols_differ is True
    assert answers.classify(store.get(""), data, "crop").protocols_differ is True
