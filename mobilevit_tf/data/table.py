"""A table instead of folders: a CSV file with the columns file, label and optionally split.

Paths are relative to the table's folder and stay inside it: a table from elsewhere cannot bring other files of this
machine into a model or a report. Commas, semicolons or tabs separate the columns; the text is UTF-8.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mobilevit_tf.data.folder_layout import SPLIT_FOLDERS, UNSPLIT, Finding, Layout, Place
from mobilevit_tf.data.source import natural_key
from mobilevit_tf.errors import UserError, shortened
from mobilevit_tf.labels import check_labels

SUFFIX = ".csv"
MAX_TABLE_BYTES = 256 * 2**20
_REQUIRED, _OPTIONAL = ("file", "label"), ("split",)
_NAMED = 5  # unknown columns in one message


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: dict[str, str]


def read_table(path: str | Path) -> Layout:
    """The files that a table names; none of them is opened.

    Raises:
      UserError: naming the table and the line, for what is no table of this kind: unknown or missing columns, a row
        without a file or label, a split that is none, a label that cannot be one.
    """
    path = Path(path).expanduser()
    places: dict[str, Place] = {}
    findings: list[Finding] = []
    for row in _rows(path):
        place, finding = _place(path, row)
        earlier = places.get(place.path)
        if earlier is not None:
            same = earlier.class_name == place.class_name
            finding = Finding(place.path, "listed again" if same else "listed again with another label", not same,
                              f"line {row.line}")  # fmt: skip
        if finding is not None:
            findings.append(finding)
        if finding is None and earlier is None:
            places[place.path] = place
    if places and not any(os.path.exists(path.parent / place) for place in places):  # noqa: PTH110  False for any error
        first = shortened(next(iter(places)))
        raise UserError(f"{path}: none of its {len(places):,} files is there, the first is {first}: expected paths "
                        f"relative to {path.parent}")  # fmt: skip
    class_names = tuple(sorted({place.class_name for place in places.values()}, key=natural_key))
    check_labels(class_names)
    named = {place.split for place in places.values()}
    splits = tuple(split for split in ("train", "val", "test") if split in named)
    return Layout(
        path.parent, class_names, splits,
        tuple(sorted(places.values(), key=lambda place: natural_key(place.path))), tuple(findings),
    )  # fmt: skip


def _rows(path: Path) -> Iterator[_Row]:
    """Every row with its line number; cells without the spaces around them."""
    reader = csv.reader(io.StringIO(text := _text(path), newline=""), delimiter=_delimiter(text), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_columns(path, header)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise UserError(f"{path}, line {reader.line_num}: {len(cells)} cells for {len(header)} columns")
            yield _Row(reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not a table: {error}") from error


def _text(path: Path) -> str:
    if not path.is_file():
        raise UserError(f"{path} is not a regular file: expected a table ending in {SUFFIX}")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise UserError(f"{path} is larger than {MAX_TABLE_BYTES // 2**20} MiB: split it into several")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save the table as UTF-8") from error


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _check_columns(path: Path, header: list[str]) -> None:
    known = (*_REQUIRED, *_OPTIONAL)
    unknown = [name for name in header if name not in known]
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    missing = [name for name in _REQUIRED if name not in header]
    if unknown or missing or len(set(header)) != len(header):
        named = [
            *(f"no column {name!r}" for name in missing),
            *(f"an unknown column {shortened(name)}" for name in unknown[:_NAMED]),
        ]
        raise UserError(f"{path} has {', '.join(named) or 'a column twice'}{more}: expected the columns file, label "
                        "and, where the split is given, split")  # fmt: skip


def _place(path: Path, row: _Row) -> tuple[Place, Finding | None]:
    """Where a row's file lies, and what keeps it from being used."""
    where, file, label = f"{path}, line {row.line}", row.cells["file"], row.cells["label"]
    if not file or not label:
        raise UserError(f"{where}: no {'label' if file else 'file'}: expected one in every line")
    split = UNSPLIT
    if "split" in row.cells:
        split = SPLIT_FOLDERS.get(row.cells["split"].lower(), UNSPLIT)
        if not split:
            raise UserError(f"{where}: split {shortened(row.cells['split'])}: expected train, val or test in every "
                            "line, or no column split")  # fmt: skip
    parts = PurePosixPath(file)
    place = Place(parts.as_posix(), unicodedata.normalize("NFC", label), split)
    if parts.is_absolute() or ".." in parts.parts or "\0" in file:
        return place, Finding(file.replace("\0", "\\0"), "not inside the table's folder", True, f"line {row.line}")
    return place, None
