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


_READ_AT_ONCE = 16  # photos that one call of Python reads
_READERS = 8  # such calls at the same time: a network's disk answers late


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
        self,
        split: str,
        *,
        shuffle_seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        start: int = 0,
        remote: bool = False,
    ) -> tf.data.Dataset:
        from mobilevit_tf import tf_setup  # noqa: F401, I001
        import tensorflow as tf

        order = record_order(self.size(split), shuffle_seed, shard, start)
        paths = [os.fsencode(self._photos[split][index].path) for index in order]
        root = os.fsencode(os.path.join(os.path.abspath(self.report.root), ""))  # noqa: PTH100, PTH118 - with its separator
        labels = self.labels(split)[order]

        names = [printable(self._photos[split][index].path) for index in order]
        slices = (tf.constant(names, tf.string), tf.constant(paths, tf.string), tf.constant(labels, tf.int64))
        entries = tf.data.Dataset.from_tensor_slices(slices)
        if remote:
            photos = entries.map(lambda name, path, label: (name, tf.io.read_file(root + path), label), _READERS)
        else:
            photos = (
                entries.batch(_READ_AT_ONCE)
                .map(lambda names, paths, labels: (names, _read_all(root + paths), labels), _READERS)
                .unbatch()
            )
        return photos.map(lambda name, data, label: {"id": name, "image": data, "label": label})


def _read_all(paths: tf.Tensor) -> tf.Tensor:
    """The files' bytes, string [n] of string [n]: one call of Python for many photos."""
    import tensorflow as tf

    data = tf.numpy_function(
        lambda paths: np.array([_read(path) for path in paths], object), (paths,), tf.string, False
    )
    return tf.ensure_shape(data, paths.shape)


def _read(path: bytes | Path) -> bytes:
    """A photo that the scan found, as it is now. Raises UserError where it went away or became something else."""
    try:
        return read_regular(path, MAX_FILE_BYTES)
    except (UserError, OSError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise UserError(f"the data cannot be read any more ({reason}); what was saved is intact: run the same command "
                        "again once it can") from error  # fmt: skip
