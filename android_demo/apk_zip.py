"""Writes ZIP files whose stored contents lie where Android can map them. Debian's zipalign knows 4 KB pages alone."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

EPOCH = (1981, 1, 1, 1, 1, 2)  # of every entry, so that the same inputs give the same bytes
PAGE = 16384  # bytes: the largest memory page of Android's devices


def write_zip(path: Path, entries: list[tuple[str, bytes, int]]) -> None:
    """Writes (name, content, compression) entries with fixed dates.

    The content of a stored entry begins at a multiple of 4 bytes, that of a stored .so at one of `PAGE`, since Android
    maps both from inside the APK. The padding is an extra field, as Android's own zipalign makes it.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, compression in entries:
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = compression
            if compression == zipfile.ZIP_STORED:
                start = archive.fp.tell() + zipfile.sizeFileHeader + len(name.encode())
                info.extra = padding(start, PAGE if name.endswith(".so") else 4)
            archive.writestr(info, content)


def padding(start: int, alignment: int) -> bytes:
    """An extra field 0xD935 of the least size that moves a content from offset `start` to a multiple of `alignment`."""
    header = struct.calcsize("<HHH")
    zeros = -(start + header) % alignment
    return struct.pack("<HHH", 0xD935, 2 + zeros, alignment) + bytes(zeros)
