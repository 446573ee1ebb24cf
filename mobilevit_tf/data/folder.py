"""A folder or table of photos as a source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobilevit_tf.data.folder_layout import Photo
from mobilevit_tf.data.scan import MAX_FILE_BYTES, ScanReport
from mobilevit_tf.data.source import Example, Source, hash_order, record_order
from mobilevit_tf.errors import UserError, describe_os_error, printable
from mobilevit_tf.files import read_regular

if TYPE_CHECKING:
    import tensorflow as tf


class FolderSource(Source):
    """The usable photos of a scanned folder or table; ids are paths relative to its root.

    Attributes:
      report: what the scan found.
    """

    def __init__(self, report: ScanReport) -> None:
        report.require_usable()
        self.report = report
        origin = report.origin.resolve()  # its name goes into reports and shipped files: no path of this machine
        self.name = origin.name if origin.is_dir() else origin.stem
        self.class_names = report.class_names
        self.splits = report.splits
        self.notes = report.notes
        self.twins = tuple((twin.path, twin.other) for twin in report.twins)
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
            yield printable(photo.path), self._class_index[photo.class_name], photo.sha256

    def examples(self, split: str, limit: int | None = None) -> Iterator[Example]:
        for photo in self._of(split)[:limit]:
            data = _read(self.report.root / photo.path)
            yield Example(printable(photo.path), data, self._class_index[photo.class_name])

    def records(
        self, split: str, *, shuffle_seed: int | None = None, shard: tuple[int, int] = (0, 1), start: int = 0
    ) -> tf.data.Dataset:
        from mobilevit_tf import tf_setup  # noqa: F401, I001
        import tensorflow as tf

        order = record_order(self.size(split), shuffle_seed, shard, start)
        paths = [os.fsencode(self._photos[split][index].path) for index in order]
        root = os.fsencode(os.path.join(os.path.abspath(self.report.root), ""))  # noqa: PTH100, PTH118 - with its separator
        labels = self.labels(split)[order]

        def read(name: tf.Tensor, path: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
            data = tf.numpy_function(_read, (root + path,), tf.string, stateful=False)
            return {"id": name, "image": tf.ensure_shape(data, ()), "label": label}

        names = [printable(self._photos[split][index].path) for index in order]
        slices = (tf.constant(names, tf.string), tf.constant(paths, tf.string), tf.constant(labels, tf.int64))
        return tf.data.Dataset.from_tensor_slices(slices).map(read, num_parallel_calls=tf.data.AUTOTUNE)


def _read(path: bytes | Path) -> bytes:
    """A photo that the scan found, as it is now. Raises UserError where it went away or became something else."""
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except (UserError, OSError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise UserError(f"the data cannot be read any more ({reason}); what was saved is intact: run the same command "
                        "again once it can") from error  # fmt: skip
