"""TFDS data sets as sources, on tiny ones prepared here; what is not prepared is refused at once without a network."""

from __future__ import annotations

import io
import itertools
import threading
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow_datasets as tfds
from support.photo_files import photo

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets, tfds_names
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError

PHOTOS = [photo(index, format="PNG") for index in range(23)]
FEATURES = {
    "image": tfds.features.Image(encoding_format="png"),
    "label": tfds.features.ClassLabel(names=["no", "yes"]),
    "second_image": tfds.features.Image(encoding_format="png"),
}


def prepare(folder: Path, name: str, sizes: dict[str, int], supervised: bool = True, **features: object) -> None:
    """Prepares a data set: photo i of every split is PHOTOS[i] and of class i % 2, in the key's order."""

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            keys = ("image", "label") if supervised else None
            wanted = tfds.features.FeaturesDict(features or FEATURES)
            return tfds.core.DatasetInfo(builder=self, features=wanted, supervised_keys=keys, disable_shuffling=True)

        def _split_generators(self, manager):
            return {split: self._generate_examples(size) for split, size in sizes.items()}

        def _generate_examples(self, size):
            for index in range(size):
                example = {"image": io.BytesIO(PHOTOS[index]), "label": index % 2}
                example["second_image"] = io.BytesIO(PHOTOS[0])
                yield index, {key: example[key] for key in features or FEATURES}

    Tiny.name = name
    Tiny(data_dir=folder).download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=3, try_download_gcs=False)
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    prepare(folder, "train_alone", {"train": 20})
    prepare(folder, "all_three", {"train": 23, "validation": 4, "test": 3})
    prepare(folder, "with_test", {"train": 6, "test": 3}, False, image=FEATURES["image"], label=FEATURES["label"])
    prepare(folder, "no_labels", {"train": 6, "test": 3}, False, image=FEATURES["image"])
    return folder


def open_tfds(data_dir: Path, name: str, **options: object) -> Source:
    return datasets.open_source(DataConfig(name, data_dir=str(data_dir), **options))


def read_ids(source: Source, **options: object) -> list[str]:
    return [record["id"].decode() for record in source.records("train", **options).as_numpy_iterator()]


def test_images_arrive_as_the_files_bytes(data_dir):
    source = open_tfds(data_dir, "all_three")
    assert [(example.data, example.label) for example in source.examples("train")] == [
        (data, index % 2) for index, data in enumerate(PHOTOS)
    ]
    records = list(source.records("train").as_numpy_iterator())
    assert [record["image"] for record in records] == PHOTOS
    assert set(records[0]) == {"id", "image", "label"}
    assert records[0]["label"].dtype == np.int64
    assert [example.id for example in source.examples("train")] == read_ids(source)
    assert source.labels("train").tolist() == [index % 2 for index in range(23)]


def test_the_data_sets_own_validation_and_test_splits_are_taken(data_dir):
    source = open_tfds(data_dir, "all_three")
    assert source.class_names == ("no", "yes")
    assert [(split, source.size(split)) for split in source.splits] == [("train", 23), ("val", 4), ("test", 3)]


def test_test_stands_in_for_a_missing_validation_split(data_dir):
    source = open_tfds(data_dir, "with_test")  # it names no supervised pair either
    assert [(split, source.size(split)) for split in source.splits] == [("train", 6), ("val", 3)]


def test_without_both_the_end_of_train_is_held_out(data_dir):
    source = open_tfds(data_dir, "train_alone")
    assert [example.data for example in source.examples("train")] == PHOTOS[:16]
    assert [example.data for example in source.examples("val")] == PHOTOS[16:20]
    assert open_tfds(data_dir, "train_alone", val_fraction=0.5).size("val") == 10


def test_split_expressions_are_tfds_own(data_dir):
    source = open_tfds(data_dir, "train_alone", train_split="train[:5]+train[10:12]", val_split="train[75%:80%]")
    assert [example.data for example in source.examples("train")] == PHOTOS[:5] + PHOTOS[10:12]
    with pytest.raises(UserError, match="share 1 photos"):
        open_tfds(data_dir, "train_alone", train_split="train[:11]", val_split="train[50%:]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_split": "dev", "train_split": "train"}, "has no split 'dev': it has train"),
        ({"train_split": "train[:80"}, "give --val_split beside --train_split"),
        ({"train_split": "train[:80", "val_split": "train[90%:]"}, r"has no split 'train\[:80': it has train"),
        ({"train_split": "train[3:3]", "val_split": "train[90%:]"}, r"split 'train\[3:3\]' .* is empty"),
    ],
)
def test_a_split_that_does_not_exist_is_named(data_dir, options, message):
    with pytest.raises(UserError, match=message):
        open_tfds(data_dir, "train_alone", **options)


def test_the_order_is_a_function_of_the_seed_and_start_resumes_it(data_dir):
    source = open_tfds(data_dir, "all_three")
    first = read_ids(source, shuffle_seed=1)
    assert first == read_ids(open_tfds(data_dir, "all_three"), shuffle_seed=1)
    assert first != read_ids(source, shuffle_seed=2) != read_ids(source)
    assert read_ids(source, shuffle_seed=1, start=7) == first[7:]
    assert len(set(first)) == 23


@pytest.mark.parametrize("seed", [None, 5])
def test_shards_are_the_split_without_overlap_and_read_only_their_files(data_dir, seed):
    source = open_tfds(data_dir, "all_three")
    shards = [read_ids(source, shuffle_seed=seed, shard=(index, 3)) for index in range(3)]
    assert sorted(itertools.chain(*shards)) == sorted(read_ids(source))
    assert sorted(map(len, shards)) == [7, 8, 8]
    files = [{identity.split("__")[0] for identity in shard} for shard in shards]
    assert [len(names) for names in files] == [1, 2, 1]


def test_a_data_set_without_labels_is_refused(data_dir):
    with pytest.raises(UserError, match="'no_labels' is not one of images with one class each"):
        open_tfds(data_dir, "no_labels")


def test_a_prepared_data_set_is_found_but_not_a_version_of_it_that_is_not_there(data_dir, monkeypatch):
    monkeypatch.setattr(tfds_names, "is_online", lambda: False)
    datasets.check(DataConfig("train_alone", data_dir=str(data_dir)))
    assert open_tfds(data_dir, "train_alone:1.0.0").size("val") == 4
    with pytest.raises(UserError, match="no prepared version or configuration of that name"):
        open_tfds(data_dir, "train_alone:2.0.0")


def test_not_prepared_and_no_network_is_one_sentence_and_tfds_is_not_asked(tmp_path, monkeypatch):
    def offline(*args: object, **options: object) -> None:
        raise OSError("no route to host")

    def never(*args: object, **options: object) -> None:
        raise AssertionError("TFDS would retry for minutes")

    monkeypatch.setattr(tfds_names.urllib.request, "urlopen", offline)
    monkeypatch.setattr(tfds, "builder", never)
    with pytest.raises(UserError, match=r"'mnist' is not prepared in .* no network .* set --data_dir"):
        open_tfds(tmp_path, "mnist")


def test_a_network_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    released = threading.Event()

    def wait(*args: object, **options: object) -> None:
        released.wait(60)
        raise OSError

    monkeypatch.setattr(tfds_names, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(tfds_names.urllib.request, "urlopen", wait)
    with pytest.raises(UserError, match="there is no network"):
        open_tfds(tmp_path, "mnist")
    released.set()


def test_a_download_that_fails_is_one_sentence(tmp_path, monkeypatch):
    def fails(*args: object, **options: object) -> None:
        raise AssertionError("Manual directory does not exist.\nDownload it by hand.")

    monkeypatch.setattr(tfds_names, "is_online", lambda: True)
    monkeypatch.setattr(tfds, "builder", fails)
    with pytest.raises(UserError, match=r"^TFDS could not prepare 'mnist': Manual directory does not exist\.$"):
        open_tfds(tmp_path, "mnist")
