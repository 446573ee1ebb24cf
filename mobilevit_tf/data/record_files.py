"""TFRecord files that cannot be read to their end: which record of which file it is.

TensorFlow names only the byte at which a record began, and not the file. A record is 8 bytes of length, 4 of their
checksum, the data, and 4 of its checksum (the TFRecord format of the TensorFlow guide).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

_HEADER, _FOOTER = 12, 4


def broken_record(paths: Iterable[str], message: str) -> str | None:
    """ "record N of FILE", counted from 0, for what TensorFlow says of a record; None where no file fits.

    Args:
      paths: the files that were read.
      message: of TensorFlow's DataLossError.
    """
    named = re.search(r"record at (\d+)", message)
    if named is None:
        return None
    for path in paths:
        number = _number_at(Path(path), int(named[1]))
        if number is not None and not _readable(path, number):
            return f"record {number} of {path}"
    return None


def _number_at(path: Path, offset: int) -> int | None:
    """The number of the record that begins at `offset`; None where none begins there."""
    number, position = 0, 0
    with path.open("rb") as file:
        while position < offset:
            file.seek(position)
            header = file.read(_HEADER)
            if len(header) < _HEADER:
                return None
            position += _HEADER + struct.unpack("<Q", header[:8])[0] + _FOOTER
            number += 1
    return number if position == offset and offset < path.stat().st_size else None


def _readable(path: str, number: int) -> bool:
    try:
        return len(list(tf.data.TFRecordDataset(path).skip(number).take(1))) == 1
    except tf.errors.OpError:
        return False
