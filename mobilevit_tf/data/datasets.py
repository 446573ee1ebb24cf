"""Opens the photos that `DataConfig` names: embedded digits, a folder, a table of files, or a TFDS data set.

This module and `check` load no TensorFlow; a TFDS source does when it is opened.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
from pathlib import Path

import numpy as np

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import imagenet, splits, table, tfds_names
from mobilevit_tf.data.folder_layout import list_photos, strangers
from mobilevit_tf.data.scan import ScanReport, scan_folder
from mobilevit_tf.data.source import Example, Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.labels import check_labels
from mobilevit_tf.progress import ProgressBar

__all__ = ["Example", "Source", "check", "class_weights", "dataset_sha256", "open_source"]

_LOGGER = logging.getLogger(__name__)
LEFT_OUT_SHOWN = 20


def is_folder(config: DataConfig) -> bool:
    """True where the data is a folder of photos rather than a name."""
    return config.data != "digits" and Path(config.data).expanduser().is_dir()


def is_table(config: DataConfig) -> bool:
    """True where the data is a table of files."""
    path = Path(config.data).expanduser()
    return path.suffix.lower() == table.SUFFIX and path.exists() and not path.is_dir()


def check(config: DataConfig) -> None:
    """The quick look before anything loads: is there such a folder, or a data set of that name, on disk or online?

    Raises:
      UserError: nothing of that name, with names that come close; or not prepared while there is no network.
    """
    data, on_disk = config.data, is_folder(config) or is_table(config)
    strange = config.none_of_these
    if strange is not None and not (strange and Path(strange).expanduser().is_dir()):
        raise UserError(f"there is no folder {strange or repr('')}: expected photos of none of the classes")
    splits.group_pattern(config.val_groups)
    if config.val_groups is not None and not on_disk:
        raise UserError(f"val_groups is for a folder or a table of photos: {data} has no paths")
    if data == "digits":
        return
    if on_disk:
        list_photos(data) if is_folder(config) else table.read_table(data)
        return
    if Path(data).expanduser().exists():
        raise UserError(f"{data} is a file: expected a folder that holds one folder of photos per class, or a table "
                        f"ending in {table.SUFFIX}")  # fmt: skip
    if data.startswith((".", "/", "~")):
        raise UserError(f"there is no folder {data}")
    known = tfds_names.known_names()
    if tfds_names.base_name(data) in known or tfds_names.is_on_disk(data, config.data_dir):
        tfds_names.require_available(data, config.data_dir)
        return
    close = difflib.get_close_matches(data, ["digits", *sorted(known)], n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise UserError(f"{data!r} is neither digits, nor a folder, nor an image classification data set of TFDS{hint}")


def open_source(config: DataConfig, *, strict: bool = False, progress: bool = True) -> Source:
    """Opens the photos.

    Args:
      config: which, and how they are split.
      strict: a folder with a file that cannot be used, or a class that cannot be trained or judged as it should, is
        refused; otherwise such files are left out, and both are logged.
      progress: a bar while a folder is scanned.

    Raises:
      UserError: unknown name or folder, a data set that is not prepared while there is no network, photos of
        fewer than two classes.
    """
    check(config)
    source = _open(config, strict, progress)
    names = imagenet.readable(source.class_names)
    if names != source.class_names:
        source.class_ids, source.class_names = source.class_names, names
    check_labels(names)
    source.strangers = _strangers(config)
    return source


def _strangers(config: DataConfig) -> tuple[Path, ...]:
    """The folders of photos of none of the classes."""
    if config.none_of_these is not None:
        return (Path(config.none_of_these).expanduser(),)
    return strangers(Path(config.data).expanduser()) if is_folder(config) else ()


def _open(config: DataConfig, strict: bool, progress: bool) -> Source:
    if config.data == "digits":
        from mobilevit_tf.data.digits import DigitsSource

        return DigitsSource(config.val_fraction)
    if not (is_folder(config) or is_table(config)):
        from mobilevit_tf.data.tfds_source import TfdsSource  # loads TensorFlow

        return TfdsSource(config)
    from mobilevit_tf.data.folder import FolderSource

    report = scan(config, progress)
    for finding in report.left_out[:LEFT_OUT_SHOWN]:
        _LOGGER.warning("left out: %s: %s", finding.path, finding.reason)
    if len(report.left_out) > LEFT_OUT_SHOWN:
        _LOGGER.warning("left out: %d more, which --dry_run lists", len(report.left_out) - LEFT_OUT_SHOWN)
    report.require_usable(strict)
    for note in report.notes:
        _LOGGER.warning("%s", note)
    return FolderSource(report)


def scan(config: DataConfig, progress: bool = True) -> ScanReport:
    """What the folder or table that `config` names holds, and how it is split."""
    return scan_folder(config.data, config.val_fraction, config.seed, progress, config.val_groups)


def class_weights(source: Source) -> np.ndarray:
    """float32 [classes]: n / (classes * n_c) over the training split, so that every class weighs the same in sum.

    A class without a photo there counts for nothing and has weight 0.
    """
    counts = np.bincount(source.labels("train"), minlength=len(source.class_names))
    classes = np.count_nonzero(counts)
    return (counts.sum() / (classes * np.maximum(counts, 1)) * (counts > 0)).astype(np.float32)


def dataset_sha256(source: Source, progress: bool = True) -> str:
    """Hex digest over every split's names, classes and contents, in fixed order."""
    digest = hashlib.sha256("\n".join(source.class_ids or source.class_names).encode())
    total = sum(source.size(split) for split in source.splits)
    with ProgressBar(total=total, desc="hash of the data", unit="photo", disable=not progress, leave=False) as bar:
        for split in source.splits:
            for identity, label, content in source.digests(split):
                digest.update(f"{split}\0{identity}\0{label}\0{content}\n".encode("utf-8", "surrogateescape"))
                bar.update()
    return digest.hexdigest()
