"""Writing files so that a crash or a full disk never leaves half of one; reading those of strangers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from pathlib import Path

from mobilevit_tf.errors import UserError, printable


def write_atomic(path: str | Path, data: bytes) -> Path:
    """Writes to a temporary name beside `path`, flushes, then renames; an older file stays until the last moment.

    Raises:
      OSError: as the file system raised it, after the temporary file was removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # where nothing may be written there is nothing to remove
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # what the caller asked for, not the temporary name (write() names none at all)
        raise
    return path


def read_regular(path: str | bytes | Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes; a pipe or device is not waited for.

    Raises:
      UserError: not a regular file, or too large.
      OSError: it cannot be read.
    """
    shown = printable(os.fsdecode(path))
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UserError(f"{shown} is not a regular file")
    with open(descriptor, "rb") as file:
        try:
            data = b"" if status.st_size > most else file.read(status.st_size + 1)  # so much memory is taken at once
            if len(data) > status.st_size:  # it grows
                data += file.read(most + 1 - len(data))
        except OSError as error:
            error.filename = shown  # a descriptor has no name
            raise
    if max(status.st_size, len(data)) > most:
        raise UserError(f"{shown} is larger than {most // 2**20} MiB")
    return data


def write_json(path: str | Path, value: object) -> Path:
    """`write_atomic` of indented JSON with a final newline."""
    return write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())


def sha256(path: str | Path) -> str:
    """Hex digest of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
