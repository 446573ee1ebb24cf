"""Folders, ZIPs, CSV and what the page shows of them."""

import csv
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.photo_files import photo

from mobilevit_tf.errors import BadImage, UserError
from preview import folders, render, render_folder, settings
from preview.folders import FolderResult, Row
from preview.open_models import ModelStore
from preview.uploads import read_photo

HOSTILE = "<script>alert(1)</script>{{7*7}}${7*7}`"


def zip_of(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_entries_that_would_escape_lose_their_way_up_and_nothing_is_unpacked(tmp_path):
    names = ["../../up.jpg", "/etc/abs.jpg", "..\\..\\win.jpg", "a/../b/mid.jpg", "a/.hidden.jpg", "a/notes.txt"]
    archive = zip_of(tmp_path / "x.zip", dict.fromkeys(names, b"data"))
    with folders.collect([archive]) as entries:
        assert [(entry.name, entry.folder) for entry in entries] == [
            ("up.jpg", ""),
            ("etc/abs.jpg", "etc"),
            ("win.jpg", ""),
            ("a/b/mid.jpg", "b"),
        ]
        assert entries[0].read() == b"data"
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_zip_bomb_stops_at_the_limit_of_one_photo(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "MAX_PHOTO_BYTES", 100_000)
    archive = zip_of(tmp_path / "bomb.zip", {"bomb.jpg": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert archive.stat().st_size < 100_000
    with folders.collect([archive]) as entries, pytest.raises(BadImage, match="unpacks to more than"):
        entries[0].read()


def test_too_many_photos_too_long_a_list_and_none_at_all_get_one_sentence(tmp_path, monkeypatch):
    archive = zip_of(tmp_path / "many.zip", {f"{n}.jpg": b"" for n in range(40)})
    monkeypatch.setattr(settings, "MAX_FOLDER_PHOTOS", 30)
    with pytest.raises(UserError, match="40 photos at once: send at most 30"), folders.collect([archive]):
        pass
    monkeypatch.setattr(settings, "MAX_ZIP_DIRECTORY_BYTES", 1_000)
    with pytest.raises(UserError, match=r"many\.zip lists more files"), folders.collect([archive]):
        pass
    with pytest.raises(UserError, match="no photos in there"), folders.collect([zip_of(tmp_path / "e.zip", {})]):
        pass
    with pytest.raises(UserError, match="no photos yet"), folders.collect([]):
        pass


def test_many_zips_and_entries_that_share_their_bytes_get_one_sentence(tmp_path, monkeypatch):
    archive = zip_of(tmp_path / "a.zip", {"a.png": bytes(60_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="51 ZIPs at once: send at most 50"), folders.collect([archive] * 51):
        pass
    monkeypatch.setattr(settings, "MAX_ZIP_DIRECTORY_BYTES", 130)  # of two such lists, each 51 bytes
    with folders.collect([archive] * 2) as entries:
        assert len(entries) == 2
    with pytest.raises(UserError, match=r"a\.zip lists more files"), folders.collect([archive] * 3):
        pass
    monkeypatch.undo()
    data = archive.read_bytes()
    entry = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 3_000, 3_000, 3_000 * len(entry), data.index(entry), 0)
    (tmp_path / "bomb.zip").write_bytes(data[: data.index(entry)] + 3_000 * entry + end)
    with pytest.raises(UserError, match="lists more bytes than it holds"), folders.collect([tmp_path / "bomb.zip"]):
        pass


def test_damaged_and_encrypted_zips_get_one_sentence(tmp_path):
    (tmp_path / "text.zip").write_bytes(b"no zip")
    with pytest.raises(UserError, match=r"text\.zip is not a readable ZIP"), folders.collect([tmp_path / "text.zip"]):
        pass
    archive = zip_of(tmp_path / "a.zip", {"a.jpg": photo()})
    data = bytearray(archive.read_bytes())
    data[60] ^= 255  # in the photo: its checksum is wrong now
    (tmp_path / "damaged.zip").write_bytes(data)
    with folders.collect([tmp_path / "damaged.zip"]) as entries, pytest.raises(BadImage, match="damaged in the ZIP"):
        entries[0].read()
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with folders.collect([tmp_path / "locked.zip"]) as entries, pytest.raises(BadImage, match="encrypted in the ZIP"):
        entries[0].read()


def test_every_photo_becomes_a_row_in_order_and_progress_reaches_the_end(tiny_tflite, tmp_path):
    model = ModelStore(tmp_path / "models", workers=2).open(tiny_tflite / "float.tflite")
    paths = []
    for seed in range(12):
        paths.append(tmp_path / f"{seed}.jpg")
        paths[-1].write_bytes(photo(seed) if seed != 5 else b"broken")
    seen = []
    with folders.collect(paths) as entries:
        result = folders.classify_all(model, entries, "crop", 2, lambda done, whole: seen.append((done, whole)))
    assert [row.name for row in result.rows] == [path.name for path in paths]
    assert [bool(row.error) for row in result.rows] == [seed == 5 for seed in range(12)]
    assert seen == [(done, 12) for done in range(1, 13)]
    assert result.accuracy is None


def a_result() -> FolderResult:
    return FolderResult(
        ("a", "b", "c"),
        (
            Row("a/1.jpg", "a", "a", 0.9),
            Row("a/2.jpg", "a", "b", 0.35, unsure=True),
            Row("b/3.jpg", "b", "b", 1.0),
            Row("4.jpg", "", "c", 0.5),
            Row("b/5.jpg", "b", error="the file is empty"),
            Row("=cmd|' /C calc'!A0.jpg", "", "c", 0.5),
        ),
    )


def test_accuracy_and_confusion_count_answered_photos_of_class_folders_alone():
    result = a_result()
    assert result.accuracy == 2 / 3
    assert np.array_equal(result.confusion, [[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    shown = render_folder.summary(result)
    assert "accuracy (2 of 3)" in shown
    assert 'data-label="b" data-count="2"' in shown


def test_the_csv_reads_back_and_runs_nothing_in_a_spreadsheet():
    rows = list(csv.DictReader(io.StringIO(a_result().to_csv())))
    assert rows[1] == {
        "name": "a/2.jpg",
        "truth": "a",
        "label": "b",
        "score": "0.35",
        "unsure": "True",
        "error": "",
    }
    assert rows[5]["name"] == "'=cmd|' /C calc'!A0.jpg"


def test_hostile_names_and_labels_are_shown_as_text():
    escaped = render.escape(HOSTILE)
    assert not set("<>{}$`") & set(escaped)
    result = FolderResult((HOSTILE,), (Row(HOSTILE, HOSTILE, HOSTILE, 0.5),))
    for shown in (render.notice(HOSTILE), render_folder.summary(result), render.table([(HOSTILE, HOSTILE)])):
        assert "<script" not in shown
        assert "{{" not in shown
        assert "${" not in shown


def test_a_sentence_starts_with_a_capital_unless_it_starts_with_a_files_name():
    assert ">No photos yet.<" in render.notice("no photos yet")
    assert ">x.jpg: the file is empty.<" in render.notice("x.jpg: the file is empty")


def test_a_photo_too_large_or_gone_gets_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_bytes(bytes(2 * 2**20))
    monkeypatch.setattr(settings, "MAX_PHOTO_BYTES", 2**20)
    with pytest.raises(BadImage, match=r"^2 MB, more than the 1 MB a photo may have$"):
        read_photo(path)
    with pytest.raises(UserError, match=r"^the photo is not kept any longer: choose it again$"):
        read_photo(tmp_path / "gone.jpg")
