"""A folder of photos as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mobilevit_tf.data.scan import Photo, ScanReport
from mobilevit_tf.data.source import Example, Source, hash_order, record_order
from mobilevit_tf.errors import UserError, describe_os_error

if TYPE_CHECKING:
    import tensorflow as tf


class FolderSource(Source):
    """The usable photos of a scanned folder; ids are paths relative to it.

    Attributes:
      report: what the scan found.
    """

    def __init__(self, report: ScanReport) -> None:
        report.require_usable()
        self.report = report
        self.name = report.root.resolve().name  # it goes into reports and shipped files: no path of this machine
        self.class_names = report.class_names
        self.splits = report.splits
        by_path = {photo.path: photo for photo in report.photos}
        order = [by_path[path] for path in hash_order(list(by_path), seed=0)]  # mixes the classes
        self._photos = {split: [photo for photo in order if photo.split == split] for split in self.splits}
        self._class_index = {name: index for index, name in enumerate(self.class_names)}

    def _of(self, split: str) -> list[Photo]:
        self.require_split(split)
        return self._photos[split]

    def size(self, split: str) -> int:
        return len(self._of(split))

    def labels(self, split: str) -> np.ndarray:
        return np.array([self._class_index[photo.class_name] for photo in self._of(split)], np.int64)

    def digests(self, split: str) -> Iterator[tuple[str, int, str]]:
        for photo in self._of(split):
            yield photo.path, self._class_index[photo.class_name], photo.sha256

    def examples(self, split: str, limit: int | None = None) -> Iterator[Example]:
        for photo in self._of(split)[:limit]:
            try:
                data = (self.report.root / photo.path).read_bytes()
            except OSError as error:
                raise UserError(f"a photo went away after the scan: {describe_os_error(error)}") from error
            yield Example(photo.path, data, self._class_index[photo.class_name])

    def records(
        self, split: str, *, shuffle_seed: int | None = None, shard: tuple[int, int] = (0, 1), start: int = 0
    ) -> tf.data.Dataset:
        from mobilevit_tf import tf_setup  # noqa: F401, I001
        import tensorflow as tf

        order = record_order(self.size(split), shuffle_seed, shard, start)
        paths = [os.fsencode(self._photos[split][index].path) for index in order]
        root = os.fsencode(os.path.join(os.path.abspath(self.report.root), ""))  # noqa: PTH100, PTH118 - with its separator
        labels = self.labels(split)[order]

        def read(path: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"id": path, "image": tf.io.read_file(root + path), "label": label}

        slices = (tf.constant(paths, tf.string), tf.constant(labels, tf.int64))
        return tf.data.Dataset.from_tensor_slices(slices).map(read, num_parallel_calls=tf.data.AUTOTUNE)
