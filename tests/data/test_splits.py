"""Splits of a stranger's folder: classes that are short of photos, groups that stay together, photos on both sides."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.photo_files import folder_of_classes, photo, write

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets, similar, splits
from mobilevit_tf.data.folder_layout import Photo
from mobilevit_tf.data.scan import scan_folder
from mobilevit_tf.data.scan_text import format_report
from mobilevit_tf.errors import UserError


def scene(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """A picture with light and dark places of its own, as photos have and flat colours have not."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def lopsided(tmp_path: Path) -> Path:
    """train, val and test that do not know the same classes; "empty" holds no photo at all."""
    counts = {
        "train": {"full": 4, "no val": 3, "single": 1, "empty": 0},
        "val": {"full": 2, "only val": 2, "empty": 0},
        "test": {"full": 1, "only test": 2},
    }
    for index, (split, classes) in enumerate(counts.items()):
        folder_of_classes(tmp_path / split, classes, first_seed=20 * index)
    return tmp_path


def test_classes_that_are_short_of_photos_are_a_line_each_kind_and_stop_nothing(lopsided):
    report = scan_folder(lopsided, progress=False)
    report.require_usable()
    assert report.class_names == ("full", "no val", "only test", "only val", "single")
    assert report.class_notes == (
        "1 class with no usable photo, left out: 'empty'",
        "1 class with a single photo: 'single'",
        "2 classes with no photo to train on, never answered: 'only test', 'only val'",
        "3 classes with no photo in val, not judged: 'no val', 'only test', 'single'",
        "3 classes with no photo in test, not judged: 'no val', 'only val', 'single'",
    )
    text = format_report(report)
    assert all(f"  {note}" in text for note in report.class_notes)


def test_strict_refuses_such_classes(lopsided):
    with pytest.raises(UserError, match=r"1 class with no usable photo.*or leave out --strict"):
        scan_folder(lopsided, progress=False).require_usable(strict=True)


def test_a_class_with_one_photo_trains_on_it(tmp_path):
    root = folder_of_classes(tmp_path, {"many": 5, "one": 1})
    write(root / "one" / "copy.jpg", (root / "one" / "one_0.jpg").read_bytes())
    report = scan_folder(root, progress=False)
    assert {photo.split for photo in report.photos if photo.class_name == "one"} == {"train"}
    assert "1 class with a single photo: 'one'" in report.class_notes
    weights = datasets.class_weights(datasets.open_source(DataConfig(str(root)), progress=False))
    np.testing.assert_allclose(weights, [6 / (2 * 4), 6 / (2 * 2)])


def test_a_class_without_training_photos_has_weight_0(lopsided):
    source = datasets.open_source(DataConfig(str(lopsided)), progress=False)
    np.testing.assert_allclose(datasets.class_weights(source), [8 / (3 * 4), 8 / (3 * 3), 0, 0, 8 / (3 * 1)])


def test_many_classes_make_no_endless_line():
    counts = {"train": {f"class {index}": 2 for index in range(81)}, "val": {"class 3": 1}}
    (note,) = splits.class_notes([f"class {index}" for index in range(81)], counts, ("train", "val"), only_val=False)
    assert note.startswith("80 classes with no photo in val, not judged: 'class 0', ") and note.endswith("and 70 more")


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Six scenes to train; val holds one of them smaller, one brighter in another class, one byte for byte, one new."""
    for seed in range(6):
        write(tmp_path / "train" / "ab"[seed % 2] / f"{seed}.jpg", jpeg(scene(seed)))
    write(tmp_path / "val" / "a" / "small.jpg", jpeg(scene(0).resize((100, 75)), 60))
    write(tmp_path / "val" / "b" / "brighter.png", _brighter(scene(2)))
    write(tmp_path / "val" / "b" / "copy.jpg", jpeg(scene(3)))
    write(tmp_path / "val" / "a" / "new.jpg", jpeg(scene(99)))
    return tmp_path


def _brighter(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(image).astype(int) + 10, 0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_photos_that_are_nearly_the_same_on_both_sides_are_counted_and_listed(leaking):
    report = scan_folder(leaking, progress=False)
    assert {(twin.path, twin.other, twin.exact) for twin in report.twins} == {
        ("val/a/small.jpg", "train/a/0.jpg", False),
        ("val/b/brighter.png", "train/a/2.jpg", False),
        ("val/b/copy.jpg", "train/b/3.jpg", True),
    }
    text = format_report(report)
    assert "3 of 4 photos in val are the same or nearly the same as others outside val" in text
    assert "  val/a/small.jpg is like train/a/0.jpg" in text and "  val/b/copy.jpg equals train/b/3.jpg" in text
    assert datasets.open_source(DataConfig(str(leaking)), progress=False).notes == report.notes


def test_any_other_source_is_looked_through_too(leaking):
    source = datasets.open_source(DataConfig(str(leaking)), progress=False)
    twins = similar.twins_of(source, progress=False)
    assert {(twin.path, twin.other, twin.exact) for twin in twins} == {
        ("val: val/a/small.jpg", "train: train/a/0.jpg", False),
        ("val: val/b/brighter.png", "train: train/a/2.jpg", False),
        ("val: val/b/copy.jpg", "train: train/b/3.jpg", True),
    }
    (note,) = similar.notes(twins, {"train": 6, "val": 4})
    assert note.startswith("3 of 4 photos in val are the same or nearly the same")


def test_other_photos_of_the_same_look_are_not_counted(tmp_path):
    for seed in range(40):
        write(tmp_path / ("train" if seed % 2 else "val") / "ab"[seed // 20] / f"{seed}.jpg", jpeg(scene(seed)))
    assert scan_folder(tmp_path, progress=False).twins == ()


def _photos(count: int, hashes: np.ndarray, colors: np.ndarray) -> list[Photo]:
    return [
        Photo(f"{index}.jpg", "a", "val" if index % 5 == 0 else "train", str(index), 9, 9, 9,
              hashes[index].tobytes() + colors[index].tobytes())
        for index in range(count)
    ]  # fmt: skip


def test_the_search_finds_what_comparing_every_pair_finds():
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 400, np.uint64)
    for index in range(0, 400, 5):  # every held-out photo: a training photo with 0 to 9 bits changed
        flips = sum((1 << int(bit) for bit in random.choice(64, index // 5 % 10, replace=False)), 0)
        hashes[index] = hashes[index + 1] ^ np.uint64(flips)
    colors = np.full((400, 12), 100, np.uint8)
    found = {twin.path for twin in similar.find_twins(_photos(400, hashes, colors))}
    distance = np.bitwise_count(hashes[::5, None] ^ hashes[None])
    others = np.arange(400) % 5 != 0
    near = (distance[:, others] <= similar.MAX_BITS).any(axis=1)
    assert found == {f"{index}.jpg" for index in np.arange(0, 400, 5)[near]}
    assert len(found) == 56  # 0 to 6 changed bits, eight photos each
    colors[::5] += similar.MAX_COLOR + 1
    assert similar.find_twins(_photos(400, hashes, colors)) == ()


@pytest.mark.parametrize("kind", ["all different", "all equal"])
def test_a_hundred_thousand_photos_take_seconds_to_search(kind):
    count = 100_000
    hashes = np.random.default_rng(1).integers(0, 2**64, count, np.uint64)
    hashes = np.zeros_like(hashes) if kind == "all equal" else hashes
    photos = _photos(count, hashes, np.full((count, 12), 7, np.uint8))
    start = time.process_time()
    assert len(similar.find_twins(photos)) == (20_000 if kind == "all equal" else 0)
    assert time.process_time() - start < 10


def test_photos_of_one_group_stay_on_one_side(tmp_path):
    for person in range(10):
        for shot in range(person % 3 + 1):
            for name in ("glad", "sad"):
                seed = 100 * person + 10 * shot + len(name)
                write(tmp_path / name / f"p{person}_{shot}.jpg", photo(seed))
    report = scan_folder(tmp_path, 0.3, progress=False, val_groups=r"/p(\d+)_")
    sides = {}
    for found in report.photos:
        sides.setdefault(found.path.split("/p")[1].split("_")[0], set()).add(found.split)
    assert all(len(side) == 1 for side in sides.values())
    held = [found for found in report.photos if found.split == "val"]
    assert 0.15 < len(held) / len(report.photos) < 0.45
    assert {found.class_name for found in held} == {"glad", "sad"}
    again = scan_folder(tmp_path, 0.3, progress=False, val_groups=r"/p(\d+)_")
    assert again.photos == report.photos
    other = scan_folder(tmp_path, 0.3, seed=1, progress=False, val_groups=r"/p(\d+)_")
    assert [found.split for found in other.photos] != [found.split for found in report.photos]


def test_a_group_that_is_all_of_a_class_stays_in_training(tmp_path):
    for index in range(6):
        write(tmp_path / "one burst" / f"x_{index}.jpg", photo(index))
        write(tmp_path / "many" / f"y{index}_0.jpg", photo(50 + index))
    report = scan_folder(tmp_path, progress=False, val_groups=r"^.*_")
    report.require_usable()
    assert {found.split for found in report.photos if found.class_name == "one burst"} == {"train"}
    assert report.class_notes == ("1 class with no photo in val, not judged: 'one burst'",)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [("(", r"val_groups '\(' is not a regular expression"), ("zebra", r"'zebra' is found in none of the 6 paths")],
)
def test_a_pattern_that_groups_nothing_is_refused(tmp_path, groups, sentence):
    root = folder_of_classes(tmp_path, {"a": 3, "b": 3})
    with pytest.raises(UserError, match=sentence):
        datasets.open_source(DataConfig(str(root), val_groups=groups), progress=False)


def test_groups_are_refused_where_they_have_no_effect(tmp_path):
    with pytest.raises(UserError, match="val_groups is for a folder or a table"):
        datasets.check(DataConfig("digits", val_groups="x"))
    for split in ("train", "val"):
        folder_of_classes(tmp_path / split, {"a": 2, "b": 2}, first_seed=10 * len(split))
    with pytest.raises(UserError, match="brings its own val"):
        datasets.open_source(DataConfig(str(tmp_path), val_groups="a"), progress=False)
