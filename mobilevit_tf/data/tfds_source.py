"""Any classification data set of TensorFlow Datasets as a source: the encoded images, read without decoding them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import record_files, tfds_names
from mobilevit_tf.data.source import Example, Source
from mobilevit_tf.errors import UserError

_LOGGER = logging.getLogger(__name__)
SHUFFLE_BUFFER = 10_000  # encoded photos: 1 GB at ImageNet's 110 KB

# TFDS warns of a deprecated property that only TFDS itself uses
logging.getLogger("absl").addFilter(lambda record: "FeatureConnector.dtype" not in record.getMessage())


def _prepared_builder(config: DataConfig) -> tfds.core.DatasetBuilder:
    """The data set from disk, or where it is not prepared there, downloaded by TFDS."""
    if tfds_names.is_on_disk(config.data, config.data_dir):
        try:
            return tfds.core.read_only_builder.builder_from_files(config.data, data_dir=config.data_dir)
        except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
            if not tfds_names.is_online():
                missing = "no prepared version or configuration of that name, and no network to download it"
                raise UserError(
                    f"{config.data!r} in {config.data_dir or tfds_names.default_data_dir()}: {missing}"
                ) from error
    if not sys.stderr.isatty():  # its bars are carriage returns by the thousand in a log
        tfds.disable_progress_bar()
        _LOGGER.info("TFDS downloads and prepares %s: this can take long", config.data)
    try:
        builder = tfds.builder(config.data, data_dir=config.data_dir)
        builder.download_and_prepare()
    except Exception as error:  # TFDS raises whatever its downloads, checksums and generators raise
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise UserError(f"TFDS could not prepare {config.data!r}: {reason}") from error
    return builder


def _keys(builder: tfds.core.DatasetBuilder, name: str) -> tuple[str, str]:
    """(image key, label key): the supervised pair, or where none is named the only image and the only class label."""
    features = dict(builder.info.features.items())
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    supervised = builder.info.supervised_keys
    if supervised and len(supervised) == 2 and supervised[0] in images and supervised[1] in labels:
        return supervised
    if len(images) == len(labels) == 1:
        return images[0], labels[0]
    raise UserError(f"the TFDS data set {name!r} is not one of images with one class each")


def _split_expressions(builder: tfds.core.DatasetBuilder, config: DataConfig) -> dict[str, str]:
    """Split name -> TFDS expression, as `DataConfig` says."""
    own = builder.info.splits
    held_out = next((split for split in ("validation", "test") if split in own), None)
    train, val = config.train_split, config.val_split
    if not (train or val) and not held_out:
        percent = round(100 * (1 - config.val_fraction))
        train, val = f"train[:{percent}%]", f"train[{percent}%:]"
    val = val or held_out
    if not val:
        raise UserError(
            f"{config.data!r} has no split of its own to validate on: give --val_split beside --train_split"
        )
    expressions = {"train": train or "train", "val": val}
    if "test" in own and "test" not in expressions["val"]:
        expressions["test"] = "test"
    for expression in expressions.values():
        try:
            count = own[expression].num_examples
        except (KeyError, ValueError, AssertionError) as error:
            names = ", ".join(own)
            raise UserError(f"{config.data!r} has no split {expression!r}: it has {names}") from error
        if not count:
            raise UserError(f"split {expression!r} of {config.data!r} is empty")
    return expressions


def _ranges(split: tfds.core.splits.SubSplitInfo) -> list[tuple[str, int, int]]:
    """(file, first record, one past the last record) of each file that a split expression reads."""
    return [(part.filename, part.skip, part.skip + part.take) for part in split.file_instructions]


def _overlap(one: tfds.core.splits.SubSplitInfo, other: tfds.core.splits.SubSplitInfo) -> int:
    """Number of records that two split expressions share."""
    return sum(
        max(0, min(end, other_end) - max(start, other_start))
        for name, start, end in _ranges(one)
        for other_name, other_start, other_end in _ranges(other)
        if name == other_name
    )


class TfdsSource(Source):
    """A prepared TFDS data set; ids are TFDS' own (file and position)."""

    def __init__(self, config: DataConfig) -> None:
        self._builder = _prepared_builder(config)
        self.name = config.data
        self._image_key, self._label_key = _keys(self._builder, config.data)
        self.class_names = tuple(self._builder.info.features[self._label_key].names)
        self._expressions = _split_expressions(self._builder, config)
        self.splits = tuple(self._expressions)
        own = self._builder.info.splits
        if shared := _overlap(own[self._expressions["train"]], own[self._expressions["val"]]):
            raise UserError(
                f"train split {self._expressions['train']!r} and val split {self._expressions['val']!r} share "
                f"{shared} photos: choose parts that do not overlap"
            )

    def size(self, split: str) -> int:
        self.require_split(split)
        return self._builder.info.splits[self._expressions[split]].num_examples

    def _read(self, split: str, keys: set[str], shuffle_seed: int | None, shard: tuple[int, int]) -> tf.data.Dataset:
        """One pass over some features, images still encoded; only the files that hold the shard are opened."""
        self.require_split(split)
        index, count = shard
        options = tf.data.Options()
        options.deterministic = True
        dataset = self._builder.as_dataset(
            split=tfds.even_splits(self._expressions[split], count)[index],
            shuffle_files=shuffle_seed is not None,
            read_config=tfds.ReadConfig(
                options=options,
                shuffle_seed=shuffle_seed,
                add_tfds_id=True,
                try_autocache=False,
                enable_ordering_guard=False,  # it refuses to shuffle a data set that was stored in order
            ),
            decoders=tfds.decode.PartialDecoding(
                dict.fromkeys(keys, True), {key: tfds.decode.SkipDecoding() for key in keys & {self._image_key}}
            ),
        )
        if shuffle_seed is None:
            return dataset
        return dataset.shuffle(min(self.size(split), SHUFFLE_BUFFER), shuffle_seed, reshuffle_each_iteration=False)

    def records(
        self,
        split: str,
        *,
        shuffle_seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        start: int = 0,
        remote: bool = False,
    ) -> tf.data.Dataset:
        dataset = self._read(split, {self._image_key, self._label_key}, shuffle_seed, shard)
        return dataset.skip(start).map(
            lambda record: {
                "id": record["tfds_id"],
                "image": record[self._image_key],
                "label": tf.cast(record[self._label_key], tf.int64),
            }
        )

    def examples(self, split: str, limit: int | None = None) -> Iterator[Example]:
        for record in self.records(split).take(-1 if limit is None else limit).as_numpy_iterator():
            yield Example(record["id"].decode(), record["image"], int(record["label"]))

    def labels(self, split: str) -> np.ndarray:
        records = self._read(split, {self._label_key}, None, (0, 1)).as_numpy_iterator()
        return np.array([record[self._label_key] for record in records], np.int64)

    def broken_record(self, split: str, message: str) -> str | None:
        files = [name for name, _, _ in _ranges(self._builder.info.splits[self._expressions[split]])]
        return record_files.broken_record(files, message)
