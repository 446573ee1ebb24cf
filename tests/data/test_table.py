"""A table of files instead of folders: what it may say, and one sentence for what it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import SMALL, run
from support.photo_files import folder_of_classes, photo, write

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.data.source import Source
from mobilevit_tf.data.table import read_table
from mobilevit_tf.errors import UserError
from mobilevit_tf.models import model_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photos in one flat folder, a file beside it."""
    for index in range(6):
        write(tmp_path / "here" / "photos" / f"{index}.jpg", photo(index))
    write(tmp_path / "beside.jpg", photo(50))
    return tmp_path / "here"


def table(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "photos.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def opened(path: Path) -> Source:
    return datasets.open_source(DataConfig(str(path)), progress=False)


ROWS = [f"photos/{index}.jpg,{'cat' if index % 2 else 'dog'}" for index in range(6)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_names_files_and_labels(folder, encoding):
    path = table(folder, "file,label", *ROWS, "", encoding=encoding)
    datasets.check(DataConfig(str(path)))
    source = opened(path)
    assert (source.name, source.class_names, source.splits) == ("photos", ("cat", "dog"), ("train", "val"))
    assert (source.size("train"), source.size("val")) == (4, 2)
    example = next(example for example in source.examples("train"))
    assert example.data == (folder / example.id).read_bytes()
    assert source.class_names[example.label] == ("cat" if int(example.id[-5]) % 2 else "dog")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_spreadsheets_other_delimiters_capitals_and_spaces_will_do(folder, mark):
    lines = [mark.join(("Label ", "SPLIT", " File"))]
    lines += [mark.join((f" {row.split(',')[1]} ", split, row.split(",")[0]))
              for row, split in zip(ROWS, ("train",) * 3 + ("Validation", "val", "test"), strict=True)]  # fmt: skip
    source = opened(table(folder, *lines))
    assert [source.size(split) for split in source.splits] == [3, 2, 1]
    assert [example.id for example in source.examples("test")] == ["photos/5.jpg"]


def test_a_label_may_hold_commas_quotes_and_300_letters(folder):
    long, quoted = "x" * 300, '"a, ""b"""'
    rows = [f"photos/{index}.jpg,{quoted if index % 2 else long}" for index in range(6)]
    assert opened(table(folder, "file,label", *rows)).class_names == ('a, "b"', long)


def test_files_that_are_missing_outside_or_listed_twice_are_named(folder, tmp_path, caplog):
    os.mkfifo(folder / "photos" / "pipe.jpg")
    bad = [
        "photos/gone.jpg,cat", "../beside.jpg,cat", f"{tmp_path}/beside.jpg,cat", "photos/../../beside.jpg,cat",
        "photos/pipe.jpg,cat", "photos,cat", f"{'x' * 5000}.jpg,cat", "a\0b.jpg,cat", "photos/1.jpg,cat",
        "./photos/1.jpg,dog",
    ]  # fmt: skip
    source = opened(table(folder, "file,label", *ROWS, *bad))
    found = {(finding.path[:40], finding.reason) for finding in source.report.left_out}
    outside = "not inside the table's folder"
    assert found == {
        ("photos/gone.jpg", "cannot be read: No such file or directory"),
        ("../beside.jpg", outside), (f"{tmp_path}/beside.jpg"[:40], outside),
        ("photos/../../beside.jpg", outside), ("a\\0b.jpg", outside),
        ("photos/pipe.jpg", "not a regular file"), ("photos", "not a regular file"),
        ("x" * 40, "cannot be read: File name too long"), ("photos/1.jpg", "listed again with another label"),
    }  # fmt: skip
    assert source.size("train") + source.size("val") == 6
    assert "left out: photos/gone.jpg: cannot be read" in caplog.text
    with pytest.raises(UserError, match="9 of the files in"):
        datasets.open_source(DataConfig(str(folder / "photos.csv")), strict=True, progress=False)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], r"photos\.csv has no column 'file', no column 'label'"),
        (["file,labels", *ROWS], r"no column 'label', an unknown column 'labels': expected the columns file, label"),
        (["file,label,weight", "photos/1.jpg,a,3"], "an unknown column 'weight'"),
        (["file,file,label", "photos/1.jpg,a,b"], "a column twice"),
        (["file,label," + ",".join(map(str, range(10**5)))], "unknown column '4' and 99995 more: expected the columns"),
        (["file,label,split", "photos/1.jpg,a,dev"], r"line 2: split 'dev': expected train, val or test"),
        (["file,label,split", "photos/1.jpg,a,train", "photos/2.jpg,a,"], "line 3: split '': expected"),
        (["file,label", "photos/1.jpg,a,b"], "line 2: 3 cells for 2 columns"),
        (["file,label", "photos/1.jpg,"], "line 2: no label"),
        (["file,label", ",a"], "line 2: no file"),
        (["file,label", '"photos/1.jpg,a'], "not a table"),
        (["file,label", f"{'x' * 200_000},a"], "line 2: not a table: field larger"),
        (["file,label", 'photos/1.jpg,"a\nb"'], r"label 'a\\nb' holds a line break"),
        (["file,label,split", f"photos/1.jpg,a,{'x' * 10_000}"], r"split 'x{80}'\.\.\.: expected train, val or test"),
        (
            ["file,label", f"{'9' * 10_000},a"],
            r"none of its 1 files is there, the first is '9{80}'\.\.\.: expected paths",
        ),
        (["file,label", "a.jpg,a", "b.jpg,b"], "none of its 2 files is there, the first is 'a.jpg'"),
        (["file,label"], "has no usable photo to train on"),
        (["file,label", *(row.replace("dog", "cat") for row in ROWS)], "of the one class 'cat'"),
    ],
)
def test_what_is_no_such_table_is_one_sentence(folder, lines, sentence):
    with pytest.raises(UserError, match=sentence):
        opened(table(folder, *lines))


def test_what_is_no_text_or_no_file_is_one_sentence(folder):
    with pytest.raises(UserError, match=r"is not UTF-8 \(byte 27\): save the table as UTF-8"):
        opened(table(folder, "file,label", "photos/1.jpg,café", encoding="latin-1"))
    os.mkfifo(folder / "pipe.csv")
    with pytest.raises(UserError, match="is not a regular file"):
        datasets.check(DataConfig(str(folder / "pipe.csv")))
    (folder / "wide.csv").write_text("file,label\n", encoding="utf-16")
    with pytest.raises(UserError, match="is not UTF-8"):
        read_table(folder / "wide.csv")


def test_a_table_is_looked_at_trained_on_and_its_groups_stay_together(tmp_path):
    folder_of_classes(tmp_path / "photos", {"a": 8, "b": 8})
    rows = [f"photos/{name}/{name}_{index}.jpg,label {name}" for name in "ab" for index in range(8)]
    path = table(tmp_path, "file,label", *rows, "photos/none.jpg,label a")
    seen = run("train_main.py", f"--data={path}", "--dry_run")
    assert seen.returncode == 0, seen.stdout
    assert f"{path}: 16 usable photos of 17 files, 2 classes" in seen.stdout
    assert "photos/none.jpg: cannot be read: No such file or directory" in seen.stdout
    done = run("train_main.py", *SMALL, "--epochs=1", f"--data={path}", r"--val_groups=_[0-3]\.", "--val_fraction=0.3",
               f"--model_dir={tmp_path / 'run'}")  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert model_file.load(tmp_path / "run").labels == ("label a", "label b")
    again = run("train_main.py", f"--evaluate_only={tmp_path / 'run'}")
    assert again.returncode == 0 and "photos: top-1" in again.stdout
