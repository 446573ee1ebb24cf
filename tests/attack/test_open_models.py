"""Models opened in the page: once each, under a name that is plain, with commands that are safe to copy."""

import threading
from pathlib import Path

import pytest

from preview import settings
from preview.open_models import ModelStore, plain_name
from preview.tabs import model as tab_model


def test_one_file_that_is_opened_many_times_at_once_is_one_model(tiny_tflite, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "MAX_ADDED_MODELS", 1)
    store = ModelStore(tmp_path / "models")
    store.open(tiny_tflite / "float.tflite")
    opened = []
    threads = [
        threading.Thread(target=lambda: opened.append(store.open(tiny_tflite / "int8.tflite", "a.tflite", added=True)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4 and len(set(map(id, opened))) == 1
    assert len(store.choices()) == 2
    for name in ("other.tflite", "uncropped.tflite"):  # each closes the one before
        store.open(tiny_tflite / name, added=True)
    assert [title for title, _ in store.choices()][1:] == ["Tiny flowers float32 uncropped (uncropped.tflite)"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("flowers_xxs.tflite", "flowers_xxs.tflite"),
        ("a;( ).tflite", "a.tflite"),
        ("$(touch owned) `x`.tflite", "touch_owned_x.tflite"),
        ("-rf.tflite", "rf.tflite"),
        ("..tflite", "model.tflite"),
        ("Größe\n\x1b[31m.tflite", "Gr_e_31m.tflite"),
        ("x" * 300, "x" * 80 + ".tflite"),
        ("", "model.tflite"),
    ],
)
def test_a_copys_name_is_plain_in_every_shell(name, plain):
    assert plain_name(name) == plain


def test_the_commands_for_the_phone_are_quoted(tiny_tflite, tmp_path):
    model = ModelStore(tmp_path).open(tiny_tflite / "float.tflite")
    model.path = Path("it's mine; x.tflite")
    assert "adb push 'it'\"'\"'s mine; x.tflite' /sdcard/Download/\n" in tab_model.phone_commands(model)
