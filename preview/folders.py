"""Many photos at once: dropped files and ZIPs, read one entry at a time and never unpacked to disk."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np

from mobilevit_tf.data import imagenet
from mobilevit_tf.errors import BadImage, UserError
from preview import answers, settings, shutdown
from preview.open_models import OpenModel
from preview.uploads import read_photo

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".avif")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A photo to be read: its shown name, the folder it lies in ("" for none), and how to get its bytes."""

    name: str
    folder: str
    read: Callable[[], bytes]


@dataclasses.dataclass(frozen=True)
class Row:
    """One photo's outcome: a label and score, or the error that it gave. `truth` is "" where no class is known."""

    name: str
    truth: str
    label: str = ""
    score: float = 0.0
    unsure: bool = False
    error: str = ""


@dataclasses.dataclass(frozen=True)
class FolderResult:
    """All rows, with accuracy and confusion [truth, answer] over `labels` where the folders are classes.

    `none_of_these`: an unsure answer means that the photo shows none of the classes.
    """

    labels: tuple[str, ...]
    rows: tuple[Row, ...]
    none_of_these: bool = False

    @property
    def answered(self) -> list[Row]:
        return [row for row in self.rows if not row.error]

    @property
    def judged(self) -> list[Row]:
        return [row for row in self.answered if row.truth]

    @property
    def accuracy(self) -> float | None:
        """Share of right answers among photos whose folder names a class; None without such photos."""
        judged = self.judged
        return sum(row.label == row.truth for row in judged) / len(judged) if judged else None

    @property
    def confusion(self) -> np.ndarray:
        """int [N, N]: photos of class row answered as class column."""
        index = {label: number for number, label in enumerate(self.labels)}
        matrix = np.zeros((len(self.labels), len(self.labels)), np.int64)
        for row in self.judged:
            matrix[index[row.truth], index[row.label]] += 1
        return matrix

    def to_csv(self) -> str:
        """name, truth, label, score, unsure, error; a cell that a spreadsheet would run is quoted with '."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Row)])
        for row in self.rows:
            writer.writerow(_spreadsheet_safe(cell) for cell in dataclasses.astuple(row))
        return stream.getvalue()


def _spreadsheet_safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


@contextlib.contextmanager
def collect(paths: Sequence[Path]) -> Iterator[list[Entry]]:
    """The photos in dropped files, readable inside the `with`; a ZIP counts as the photos inside it.

    Raises:
      UserError: nothing to read, too much of it, or a ZIP that is damaged.
    """
    if not paths:
        raise UserError("no photos yet: drop some, or one ZIP")
    zips = [path for path in paths if path.suffix.lower() == ".zip"]
    if len(zips) > settings.MAX_ZIPS:
        raise UserError(f"{len(zips):,} ZIPs at once: send at most {settings.MAX_ZIPS}")
    entries: list[Entry] = []
    with contextlib.ExitStack() as archives:
        room = settings.MAX_ZIP_DIRECTORY_BYTES
        for path in paths:
            if path.suffix.lower() == ".zip":
                room -= _directory_bytes(path)
                if room < 0:
                    raise UserError(f"{path.name} lists more files than are read at once: send a smaller ZIP")
                entries += _zip_entries(archives.enter_context(_open_zip(path)))
            else:
                entries.append(Entry(path.name, "", functools.partial(read_photo, path)))
        if not entries:
            raise UserError(f"no photos in there: files ending in {', '.join(PHOTO_SUFFIXES)} are read")
        if len(entries) > settings.MAX_FOLDER_PHOTOS:
            raise UserError(f"{len(entries):,} photos at once: send at most {settings.MAX_FOLDER_PHOTOS:,}")
        yield entries


# What ZipFile goes by, before it loads a directory of any size. Private: the stubs leave it out.
_end_of_directory, _DIRECTORY_SIZE = zipfile._EndRecData, zipfile._ECD_SIZE  # type: ignore[attr-defined]


_UNREADABLE = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError)


def _directory_bytes(path: Path) -> int:
    """What a ZIP's list of contents takes; 0 where there is none."""
    try:
        with open(path, "rb") as file:
            record = _end_of_directory(file)
    except _UNREADABLE as error:
        raise UserError(f"{path.name} is not a readable ZIP: pack it again") from error
    return int(record[_DIRECTORY_SIZE]) if record else 0


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise UserError(f"{path.name} is not a readable ZIP: pack it again") from error
    if sum(member.compress_size for member in archive.infolist()) > path.stat().st_size:
        archive.close()  # a bomb: entries that share their bytes
        raise UserError(f"{path.name} lists more bytes than it holds: pack it again")
    return archive


def _zip_entries(archive: zipfile.ZipFile) -> Iterator[Entry]:
    for member in archive.infolist():
        parts = [part for part in PurePosixPath(member.filename.replace("\\", "/")).parts if part not in ("/", "..")]
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        if parts and not hidden and not member.is_dir() and parts[-1].lower().endswith(PHOTO_SUFFIXES):
            folder = parts[-2] if len(parts) > 1 else ""
            yield Entry("/".join(parts), folder, functools.partial(_read_member, archive, member))


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """At most MAX_PHOTO_BYTES of one entry, whatever its header claims."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # bzip2 and LZMA do not bound a read
        raise BadImage("packed in a way that is not read: pack the ZIP again as usual (deflate)")
    try:
        with archive.open(member) as file:
            data = file.read(settings.MAX_PHOTO_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError, ValueError) as error:
        raise BadImage("encrypted in the ZIP" if member.flag_bits & 1 else "damaged in the ZIP") from error
    if len(data) > settings.MAX_PHOTO_BYTES:
        raise BadImage(f"unpacks to more than the {settings.MAX_PHOTO_BYTES // 2**20} MB a photo may have")
    return data


def classify_all(
    model: OpenModel,
    entries: Sequence[Entry],
    protocol: str,
    workers: int,
    progress: Callable[[int, int], None],
) -> FolderResult:
    """Every entry through the model, `workers` at a time; a photo that fails is a row with its reason.

    Args:
      progress: called with (done, all) after each photo.
    """
    known = set(model.labels)

    def one(entry: Entry) -> Row:
        if shutdown.STARTED.is_set():
            raise UserError("the preview is being closed")
        (name,) = imagenet.readable([entry.folder])
        truth = name if name in known else ""
        try:
            answer = answers.classify(model, entry.read(), protocol)
        except UserError as error:
            return Row(entry.name, truth, error=str(error))
        return Row(entry.name, truth, answer.labels[0], float(answer.scores[0]), answer.unsure)

    rows = []
    with ThreadPoolExecutor(workers) as pool:
        for row in pool.map(one, entries):
            rows.append(row)
            progress(len(rows), len(entries))
    return FolderResult(model.labels, tuple(rows), model.info.none_of_these)
