"""Opens the photos that `DataConfig` names: embedded digits, a folder, or a TFDS data set.

This module and `check` load no TensorFlow; a TFDS source does when it is opened.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
from pathlib import Path

import numpy as np

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import imagenet, tfds_names
from mobilevit_tf.data.folder_layout import list_photos
from mobilevit_tf.data.source import Example, Source, check_labels
from mobilevit_tf.errors import UserError
from mobilevit_tf.progress import ProgressBar

__all__ = ["Example", "Source", "check", "class_weights", "dataset_sha256", "open_source"]

_LOGGER = logging.getLogger(__name__)


def is_folder(config: DataConfig) -> bool:
    """True where the data is a folder of photos rather than a name."""
    return config.data != "digits" and Path(config.data).expanduser().is_dir()


def check(config: DataConfig) -> None:
    """The quick look before anything loads: is there such a folder, or a data set of that name, on disk or online?

    Raises:
      UserError: nothing of that name, with names that come close; or not prepared while there is no network.
    """
    data = config.data
    if data == "digits":
        return
    if is_folder(config):
        list_photos(data)
        return
    if Path(data).expanduser().exists():
        raise UserError(f"{data} is a file: expected a folder that holds one folder of photos per class")
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
      strict: a folder with a file that cannot be used is refused; otherwise such files are logged and left out.
      progress: a bar while a folder is scanned.

    Raises:
      UserError: unknown name or folder, a data set that is not prepared while there is no network, a class without
        enough photos.
    """
    check(config)
    source = _open(config, strict, progress)
    names = imagenet.readable(source.class_names)
    if names != source.class_names:
        source.class_ids, source.class_names = source.class_names, names
    check_labels(names)
    return source


def _open(config: DataConfig, strict: bool, progress: bool) -> Source:
    if config.data == "digits":
        from mobilevit_tf.data.digits import DigitsSource

        return DigitsSource(config.val_fraction)
    if not is_folder(config):
        from mobilevit_tf.data.tfds_source import TfdsSource  # loads TensorFlow

        return TfdsSource(config)
    from mobilevit_tf.data.folder import FolderSource
    from mobilevit_tf.data.scan import scan_folder

    report = scan_folder(config.data, config.val_fraction, config.seed, progress)
    for finding in report.left_out:
        _LOGGER.warning("left out: %s: %s", finding.path, finding.reason)
    report.require_usable(strict)
    return FolderSource(report)


def class_weights(source: Source) -> np.ndarray:
    """float32 [classes]: n / (classes * n_c) over the training split, so that every class weighs the same in sum."""
    counts = np.bincount(source.labels("train"), minlength=len(source.class_names))
    if not counts.all():
        missing = source.class_names[int(np.argmin(counts))]
        raise UserError(f"class weights: class {missing!r} has no photo in the training split")
    return (counts.sum() / (len(counts) * counts)).astype(np.float32)


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
