"""Sources: the same photos, splits and order at every run, shards that partition, and refusals in one sentence."""

from __future__ import annotations

import io
import itertools
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.photo_files import folder_of_classes, photo, write

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.data.source import Source, held_out, natural_key
from mobilevit_tf.errors import UserError


@pytest.fixture(scope="module")
def digits() -> Source:
    return datasets.open_source(DataConfig("digits"))


@pytest.fixture(scope="module")
def folder_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_classes(tmp_path_factory.mktemp("folder"), {"10": 5, "2": 10, "Ä b": 5})


@pytest.fixture(scope="module")
def folder(folder_path: Path) -> Source:
    return datasets.open_source(DataConfig(str(folder_path)), progress=False)


def read_ids(source: Source, split: str = "train", **options: object) -> list[str]:
    return [record["id"].decode() for record in source.records(split, **options).as_numpy_iterator()]


def test_digits_are_the_1797_of_scikit_learn_split_by_class(digits):
    assert digits.class_names == tuple("0123456789")
    assert digits.splits == ("train", "val")
    assert (digits.size("train"), digits.size("val")) == (1438, 359)
    assert np.bincount(digits.labels("val")).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


def test_digits_are_lossless_and_reach_from_0_to_255(digits):
    from sklearn.datasets import load_digits

    original = load_digits()
    for example in digits.examples("train", limit=50):
        index = int(example.id.removeprefix("digit_"))
        image = np.asarray(Image.open(io.BytesIO(example.data)))
        np.testing.assert_array_equal(image, np.round(original.images[index] * 255 / 16))
        assert example.label == original.target[index]


def test_a_folder_is_split_by_class_in_natural_order(folder):
    assert folder.class_names == ("2", "10", "Ä b")
    assert np.bincount(folder.labels("train")).tolist() == [8, 4, 4]
    assert np.bincount(folder.labels("val")).tolist() == [2, 1, 1]


def test_a_folders_split_follows_seed_and_fraction_alone(folder, folder_path):
    again = datasets.open_source(DataConfig(str(folder_path)), progress=False)
    assert list(again.examples("val")) == list(folder.examples("val"))
    other = datasets.open_source(DataConfig(str(folder_path), seed=1), progress=False)
    assert {example.id for example in other.examples("val")} != {example.id for example in folder.examples("val")}
    half = datasets.open_source(DataConfig(str(folder_path), val_fraction=0.5), progress=False)
    assert np.bincount(half.labels("val")).tolist() == [5, 2, 2]


def test_all_photos_can_be_held_out_to_evaluate_a_folder(tmp_path):
    root = folder_of_classes(tmp_path, {"a": 1, "b": 3})
    source = datasets.open_source(DataConfig(str(root), val_fraction=1.0), progress=False)
    assert (source.size("train"), source.size("val")) == (0, 4)


@pytest.mark.parametrize("val_name", ["val", "valid", "validation"])
def test_a_folder_that_brings_its_splits_keeps_them(tmp_path, val_name):
    for index, (split, count) in enumerate({"train": 3, val_name: 2, "test": 1}.items()):
        folder_of_classes(tmp_path / split, {"a": count, "b": count}, first_seed=10 * index)
    source = datasets.open_source(DataConfig(str(tmp_path)), progress=False)
    assert source.splits == ("train", "val", "test")
    assert [source.size(split) for split in source.splits] == [6, 4, 2]
    assert {example.id.split("/")[0] for example in source.examples("val")} == {val_name}


def test_a_folder_without_val_takes_it_from_train_and_leaves_test_alone(tmp_path):
    folder_of_classes(tmp_path / "train", {"a": 10, "b": 5})
    folder_of_classes(tmp_path / "test", {"a": 2, "b": 2}, first_seed=50)
    source = datasets.open_source(DataConfig(str(tmp_path)), progress=False)
    assert [source.size(split) for split in source.splits] == [12, 3, 4]


def test_a_class_called_train_is_a_class(tmp_path):
    root = folder_of_classes(tmp_path, {"train": 3, "bus": 3})
    assert datasets.open_source(DataConfig(str(root)), progress=False).class_names == ("bus", "train")


def test_bad_files_are_logged_and_left_out_or_refused_by_strict(tmp_path, caplog):
    root = folder_of_classes(tmp_path, {"a": 3, "b": 3})
    write(root / "a" / "text.jpg", b"text")
    with caplog.at_level(logging.WARNING):
        source = datasets.open_source(DataConfig(str(root)), progress=False)
    assert "left out: a/text.jpg: not a picture" in caplog.text
    assert source.size("train") + source.size("val") == 6
    assert [finding.path for finding in source.report.left_out] == ["a/text.jpg"]
    with pytest.raises(UserError, match=r"a/text\.jpg: not a picture"):
        datasets.open_source(DataConfig(str(root)), strict=True, progress=False)


def test_a_photo_that_goes_away_after_the_scan_is_named(tmp_path):
    root = folder_of_classes(tmp_path, {"a": 3, "b": 3})
    source = datasets.open_source(DataConfig(str(root)), progress=False)
    gone = next(source.examples("train")).id
    (root / gone).unlink()
    with pytest.raises(UserError, match=gone):
        next(source.examples("train"))


@pytest.mark.parametrize("kind", ["digits", "folder"])
def test_records_and_examples_agree(kind, request):
    source = request.getfixturevalue(kind)
    for split in source.splits:
        records = list(source.records(split).as_numpy_iterator())
        examples = list(source.examples(split))
        assert [(r["id"].decode(), r["image"], int(r["label"])) for r in records] == [
            (e.id, e.data, e.label) for e in examples
        ]
        assert [example.label for example in examples] == source.labels(split).tolist()
        assert len({example.id for example in examples}) == len(examples) == source.size(split)
        assert list(source.examples(split, limit=3)) == examples[:3]


@pytest.mark.parametrize("kind", ["digits", "folder"])
def test_the_order_is_a_function_of_the_seed_and_start_resumes_it(kind, request):
    source = request.getfixturevalue(kind)
    first = read_ids(source, shuffle_seed=1)
    assert first == read_ids(source, shuffle_seed=1)
    assert first != read_ids(source, shuffle_seed=2) != read_ids(source)
    assert set(first) == set(read_ids(source))
    assert read_ids(source, shuffle_seed=1, start=10) == first[10:]
    assert read_ids(source, shuffle_seed=1, shard=(1, 2), start=5) == first[1::2][5:]


@pytest.mark.parametrize("kind", ["digits", "folder"])
@pytest.mark.parametrize("seed", [None, 4])
def test_shards_are_the_split_without_overlap(kind, seed, request):
    source = request.getfixturevalue(kind)
    shards = [read_ids(source, shuffle_seed=seed, shard=(index, 3)) for index in range(3)]
    assert sorted(itertools.chain(*shards)) == sorted(read_ids(source))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_later_start_reads_no_photo_before_it(tmp_path):
    root = folder_of_classes(tmp_path, {"a": 8, "b": 8})
    source = datasets.open_source(DataConfig(str(root)), progress=False)
    order = read_ids(source)
    for path in order[:-1]:
        (root / path).unlink()
    assert read_ids(source, start=len(order) - 1) == order[-1:]


def test_the_first_examples_hold_every_class(tmp_path):
    root = folder_of_classes(tmp_path, dict.fromkeys("abc", 30))
    source = datasets.open_source(DataConfig(str(root)), progress=False)
    assert {example.label for example in source.examples("train", limit=20)} == {0, 1, 2}


def test_class_weights_give_every_class_the_same_sum(folder, digits):
    np.testing.assert_allclose(datasets.class_weights(folder), [16 / (3 * 8), 16 / (3 * 4), 16 / (3 * 4)])
    sums = datasets.class_weights(digits) * np.bincount(digits.labels("train"))
    np.testing.assert_allclose(sums, 143.8, rtol=1e-6)


def test_the_hash_changes_with_a_name_a_content_or_a_split(tmp_path):
    def digest(**options: object) -> str:
        config = DataConfig(str(tmp_path), **options)
        return datasets.dataset_sha256(datasets.open_source(config, progress=False), progress=False)

    folder_of_classes(tmp_path, {"a": 4, "b": 4})
    first = digest()
    assert first == digest()
    assert first != digest(seed=3)
    (tmp_path / "a" / "a_0.jpg").rename(tmp_path / "a" / "renamed.jpg")
    renamed = digest()
    write(tmp_path / "a" / "renamed.jpg", photo(99))
    assert len({first, renamed, digest()}) == 3


def test_the_hash_of_the_digits_is_known(digits):
    assert datasets.dataset_sha256(digits, progress=False).startswith("ea38f205348ff143")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("minst", r"did you mean mnist"),
        ("tf_flower", r"did you mean tf_flowers"),
        ("digit", r"did you mean digits"),
        ("qqqqqqqq", r"'qqqqqqqq' is neither digits, nor a folder, nor an image classification data set of TFDS$"),
        ("./no_such_folder", r"there is no folder \./no_such_folder"),
        (__file__, r"is a file: expected a folder"),
    ],
)
def test_what_does_not_exist_is_refused_with_names_that_come_close(data, message):
    with pytest.raises(UserError, match=message):
        datasets.check(DataConfig(data))


def test_the_check_and_a_folder_source_load_no_tensorflow(tmp_path):
    root, prepared = folder_of_classes(tmp_path / "photos", {"a": 2, "b": 2}), tmp_path / "tfds"
    for version in ("mnist/3.0.1", "emnist/letters/3.1.0", "of_our_own/1.0.0"):
        write(prepared / version / "features.json", b"{}")
    code = f"""
import sys
from mobilevit_tf.data import datasets
from mobilevit_tf.config import DataConfig
for data in ("digits", "mnist", "emnist/letters:3.1.0", "of_our_own", {str(root)!r}):
    datasets.check(DataConfig(data, data_dir={str(prepared)!r}))
source = datasets.open_source(DataConfig({str(root)!r}), progress=False)
print(len(list(source.examples("train"))), "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_an_unknown_split_or_share_is_refused(digits, tmp_path):
    with pytest.raises(UserError, match="digits has no split 'dev': it has train, val"):
        digits.size("dev")
    for fraction in (0.0, 1.5):
        with pytest.raises(UserError, match="held out for validation"):
            held_out(["a", "b"], fraction, seed=0)


def test_names_sort_as_people_count():
    assert sorted(["10", "2", "b10", "B9", "a"], key=natural_key) == ["2", "10", "a", "B9", "b10"]
