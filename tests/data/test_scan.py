"""The scan of a folder of photos: every bad kind is named with its reason, and nothing is dropped silently."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.messy_folder import messy_folder
from support.photo_files import folder_of_classes, photo, write

from mobilevit_tf.data import scan
from mobilevit_tf.data.folder_layout import Finding, list_photos
from mobilevit_tf.data.scan import ScanReport, scan_folder
from mobilevit_tf.data.scan_text import format_report
from mobilevit_tf.errors import UserError


def reasons(report: ScanReport, path: str) -> list[str]:
    return [finding.reason for finding in report.findings if finding.path == path]


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return messy_folder(tmp_path_factory.mktemp("messy"))


@pytest.fixture(scope="module")
def report(messy: Path) -> ScanReport:
    return scan_folder(messy, progress=False)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("cat/truncated.jpg", "truncated or damaged"),
        ("cat/empty.jpg", "the file is empty"),
        ("cat/text.jpg", "not a picture (JPEG, PNG, WebP, GIF, BMP, HEIC or AVIF expected)"),
        ("cat/notes.txt", "not a picture (JPEG, PNG, WebP, GIF, BMP, HEIC or AVIF expected)"),
        ("cat/bomb.png", "more than 100,000,000 pixels"),
        ("beside.jpg", "lies in no class folder"),
    ],
)
def test_a_file_that_cannot_be_used_is_left_out_with_its_reason(report, path, reason):
    assert Finding(path, reason, left_out=True) in report.left_out
    assert path not in {photo.path for photo in report.photos}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("cat/webp.webp", "WEBP"),
        ("cat/webp_named.jpg", "named .jpg, is WEBP"),
        ("cat/cmyk.jpg", "CMYK, converted to RGB"),
        ("cat/deep_grey.png", "16 bits a channel, reduced to 8"),
        ("cat/deep_rgb.png", "16 bits a channel, reduced to 8"),
        ("cat/grey.jpg", "grey, three equal channels"),
        ("cat/bits.png", "black and white, three equal channels"),
        ("cat/alpha.png", "transparency, composed on white"),
        ("cat/grey_alpha.png", "grey with transparency, composed on white"),
        ("cat/one_frame.gif", "GIF"),
        ("cat/animated.gif", "several frames, only the first counts"),
        ("cat/cut_animation.gif", "several frames, only the first counts"),
        ("cat/rotated.jpg", "rotated by EXIF, turned upright"),
        ("cat/no_ending", "named without ending, is JPEG"),
        ("cat/2019/may/deep.jpg", "in a nested folder, counted to the class"),
    ],
)
def test_an_unusual_photo_is_used_and_noted(report, path, reason):
    assert reason in reasons(report, path)
    assert not any(finding.left_out for finding in report.findings if finding.path == path)
    assert path in {photo.path for photo in report.photos}


def test_hidden_files_and_folders_are_named_and_ignored(report):
    for path in ("cat/._cat_0.jpg", "cat/.DS_Store", "cat/Thumbs.db"):
        assert reasons(report, path) == ["hidden file, ignored"]
    for path in ("cat/.thumbnails", ".hidden", "__MACOSX"):
        assert reasons(report, path) == ["hidden folder, ignored"]
    assert report.class_names == ("cat", "dog")
    assert not any("hidden" in finding.reason for finding in report.left_out)


def test_plain_photos_and_heic_get_no_remark(report):
    assert reasons(report, "cat/iphone.HEIC") == reasons(report, "dog/dog_1.jpg") == []


def test_exact_duplicates_are_named_with_their_twin(report):
    assert Finding("cat/copy.jpg", "exact duplicate", detail="equals cat/cat_0.jpg") in report.findings
    assert any(reason.startswith("exact duplicate in another class") for reason in reasons(report, "dog/copy.jpg"))


def test_copies_of_one_photo_stay_in_one_split(tmp_path):
    for copy in range(3):
        for index in range(5):
            write(tmp_path / "a" / f"{index}_{copy}.jpg", photo(index))
            write(tmp_path / "b" / f"{index}_{copy}.jpg", photo(10 + index))
    report = scan_folder(tmp_path, progress=False)
    split_of = {(photo.class_name, photo.path.split("_")[0]): photo.split for photo in report.photos}
    assert all(split_of[photo.class_name, photo.path.split("_")[0]] == photo.split for photo in report.photos)
    assert sorted(photo.split for photo in report.photos) == ["train"] * 24 + ["val"] * 6


def test_the_report_counts_every_file_once(messy, report):
    files = {path.relative_to(messy).as_posix() for path in messy.rglob("*") if path.is_file()}
    ignored = {finding.path for finding in report.findings if "hidden" in finding.reason}
    seen = {photo.path for photo in report.photos} | {finding.path for finding in report.left_out}
    assert len(seen) == len(report.photos) + len(report.left_out)
    assert files == seen | {path for path in files if any(path.startswith(name) for name in ignored)}


def test_format_report_names_every_file_left_out_and_counts_by_class(report):
    text = format_report(report)
    for finding in report.left_out:
        assert f"  {finding.path}: {finding.reason}" in text
    cats = [photo.split for photo in report.photos if photo.class_name == "cat"]
    row = next(line for line in text.splitlines() if line.startswith("  cat "))
    assert row.split() == ["cat", str(cats.count("train")), str(cats.count("val")), str(len(cats))]
    assert "left out (6):" in text
    assert "3 x hidden file, ignored" in text
    assert "sizes: 1x1 to 40x30" in text


def test_each_file_is_read_once(messy, monkeypatch):
    opened = []
    read = scan.read_regular
    monkeypatch.setattr(scan, "read_regular", lambda path, most: (opened.append(path), read(path, most))[1])
    scan_folder(messy, progress=False)
    assert len(opened) == len(set(opened)) == len(list_photos(messy).places)


def test_strict_refuses_a_folder_with_a_bad_file_and_names_it(report, tmp_path):
    with pytest.raises(UserError, match=r"6 of the files in .* the first is beside\.jpg: lies in no class folder"):
        report.require_usable(strict=True)
    report.require_usable()
    clean = scan_folder(folder_of_classes(tmp_path / "clean", {"a": 2, "b": 2}), progress=False)
    clean.require_usable(strict=True)


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"none": 0, "many": 5}, "has photos of the one class 'many': a classifier needs at least 2 classes"),
        ({"only": 5}, "has photos of the one class 'only': a classifier needs at least 2 classes"),
        ({"a": 1, "b": 1}, "has no usable photo to validate on"),
        ({"a": 0, "b": 0}, "has no usable photo to train on"),
    ],
)
def test_what_cannot_be_trained_on_at_all_is_one_clear_sentence(tmp_path, counts, problem):
    report = scan_folder(folder_of_classes(tmp_path / "photos", counts), progress=False)
    with pytest.raises(UserError, match=problem):
        report.require_usable()
    assert "cannot be trained on:" in format_report(report)


def test_a_file_too_large_or_gone_is_left_out_with_the_reason(tmp_path, monkeypatch):
    root = folder_of_classes(tmp_path, {"a": 3, "b": 3})
    (root / "a" / "link.jpg").symlink_to(root / "gone.jpg")
    monkeypatch.setattr(scan, "MAX_FILE_BYTES", 2**20)
    write(root / "b" / "film.jpg", bytes(2**20 + 1))
    found = {finding.path: finding.reason for finding in scan_folder(root, progress=False).left_out}
    assert found == {"a/link.jpg": "cannot be read: No such file or directory", "b/film.jpg": "larger than 1 MiB"}


def test_a_duplicate_between_train_and_val_folders_is_noted_across_splits(tmp_path):
    folder_of_classes(tmp_path / "train", {"a": 2, "b": 2})
    folder_of_classes(tmp_path / "val", {"a": 1, "b": 1}, first_seed=10)
    write(tmp_path / "val" / "a" / "leak.jpg", (tmp_path / "train" / "a" / "a_0.jpg").read_bytes())
    report = scan_folder(tmp_path, progress=False)
    leak = Finding("val/a/leak.jpg", "exact duplicate across splits (train and val)", detail="equals train/a/a_0.jpg")
    assert leak in report.findings
    assert "exact duplicate across splits (train and val): val/a/leak.jpg (equals" in format_report(report)


def test_a_folder_that_cannot_be_entered_and_a_link_to_one_are_named(tmp_path, monkeypatch):
    root = folder_of_classes(tmp_path / "photos", {"a": 3, "b": 3})
    folder_of_classes(root / "a", {"closed": 1}, first_seed=20)
    (root / "b" / "link").symlink_to(folder_of_classes(tmp_path / "elsewhere", {"x": 1}))
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = {finding.path: finding.reason for finding in scan_folder(root, progress=False).left_out}
    assert found == {"a/closed": "cannot be read: Permission denied", "b/link": "a link to a folder, not followed"}


def test_a_pipe_in_a_class_folder_does_not_stop_the_scan(tmp_path):
    root = folder_of_classes(tmp_path, {"a": 3, "b": 3})
    os.mkfifo(root / "a" / "pipe.jpg")
    assert scan_folder(root, progress=False).left_out == (Finding("a/pipe.jpg", "not a regular file", left_out=True),)
