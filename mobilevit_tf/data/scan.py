"""Decodes every photo of a folder or table once and says what is wrong with it, before anything trains on it."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import ExifTags, Image

from mobilevit_tf.data import similar, splits
from mobilevit_tf.data.folder_layout import Finding, Photo, Place, list_photos
from mobilevit_tf.data.similar import Twin, find_twins
from mobilevit_tf.data.source import natural_key
from mobilevit_tf.data.table import read_table
from mobilevit_tf.errors import BadImage, UserError, printable
from mobilevit_tf.files import read_regular
from mobilevit_tf.image import pixels
from mobilevit_tf.progress import ProgressBar

MAX_FILE_BYTES = 256 * 2**20
_USUAL_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "HEIF": (".heic", ".heif", ".hif"),
}
_MODE_NOTES = {
    "CMYK": "CMYK, converted to RGB",
    "L": "grey, three equal channels",
    "1": "black and white, three equal channels",
    "LA": "grey with transparency, composed on white",
    "RGBA": "transparency, composed on white",
}


@dataclasses.dataclass(frozen=True)
class ScanReport:
    """What a folder, or a table of files, holds.

    Attributes:
      origin: the folder or table.
      root: the folder that paths are relative to.
      class_names: those with a usable photo, in natural order.
      splits: "train", "val", and "test" where there is one.
      photos: the usable ones.
      findings: remarks on single files, bad ones with `left_out`.
      problems: sentences about what keeps the data from being used at all.
      class_notes: lines about classes that cannot be trained or judged as they should.
      twins: photos that are the same or nearly the same on both sides of a split.
    """

    origin: Path
    root: Path
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    photos: tuple[Photo, ...]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    class_notes: tuple[str, ...]
    twins: tuple[Twin, ...]

    @property
    def left_out(self) -> tuple[Finding, ...]:
        """The bad files."""
        return tuple(finding for finding in self.findings if finding.left_out)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line per remark: classes that are short of photos, and how many photos both sides of a split share."""
        sizes = collections.Counter(photo.split for photo in self.photos)
        return (*self.class_notes, *similar.notes(self.twins, sizes))

    def require_usable(self, strict: bool = False) -> None:
        """Raises UserError where the data cannot be used, or with `strict` where any file or class is bad."""
        if self.problems:
            raise UserError("; ".join(self.problems))
        if strict and self.left_out:
            first = self.left_out[0]
            raise UserError(
                f"{len(self.left_out)} of the files in {self.root} cannot be used, the first is {first.path}: "
                f"{first.reason}; mend or remove them (--dry_run lists all), or leave out --strict"
            )
        if strict and self.class_notes:
            raise UserError(f"{self.origin}: {'; '.join(self.class_notes)}; add photos, or leave out --strict")


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))  # n_frames would read all of them
    except pixels.DAMAGE:
        return True  # in a frame after the first, which counts alone


def _notes(image: Image.Image, data: bytes, suffix: str) -> list[str]:
    """What is unusual about a file that decodes; `image` is opened, its pixels untouched."""
    notes: list[str] = []
    kind = image.format or ""  # Pillow names it for every file that it opened
    if suffix.lower() not in _USUAL_SUFFIXES.get(kind, (f".{kind.lower()}",)):
        notes.append(f"named {suffix or 'without ending'}, is {kind}")
    elif kind in ("WEBP", "GIF"):
        notes.append(kind)
    if kind != "MPO" and _is_animated(image):
        notes.append("several frames, only the first counts")
    if image.mode.startswith("I") or (image.format == "PNG" and data[24] == 16):
        notes.append("16 bits a channel, reduced to 8")
    if image.mode in _MODE_NOTES:
        notes.append(_MODE_NOTES[image.mode])
    elif "transparency" in image.info:
        notes.append(_MODE_NOTES["RGBA"])
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        notes.append("rotated by EXIF, turned upright")
    return notes


def inspect(root: Path, place: Place) -> tuple[Photo | None, list[Finding]]:
    """Reads and decodes one file: the photo, or None with the reason, and remarks."""

    def bad(reason: str) -> tuple[None, list[Finding]]:
        return None, [Finding(place.path, reason, left_out=True)]

    path = root / place.path
    try:
        data = read_regular(path, MAX_FILE_BYTES)
        fingerprint = similar.fingerprint(pixels.decode_image(data, max_pixels=similar.HASH_PIXELS))
    except BadImage as error:
        return bad(str(error))
    except UserError as error:
        return bad(str(error).removeprefix(f"{printable(str(path))} is "))
    except OSError as error:
        return bad(f"cannot be read: {error.strerror or error}")
    with pixels.open_image(data) as image:
        notes = [Finding(place.path, note) for note in _notes(image, data, path.suffix)]
        digest = hashlib.sha256(data).hexdigest()
        return Photo(place.path, place.class_name, place.split, digest, *image.size, len(data), fingerprint), notes


def _inspect_all(root: Path, places: tuple[Place, ...], progress: bool) -> tuple[list[Photo], list[Finding]]:
    photos: list[Photo] = []
    findings: list[Finding] = []
    with ThreadPool(os.cpu_count() or 1) as pool:
        results = pool.imap(lambda place: inspect(root, place), places, chunksize=8)
        for photo, remarks in ProgressBar(
            results, total=len(places), desc="scan", unit="photo", disable=not progress, leave=False
        ):
            photos += [photo] if photo else []
            findings += remarks
    return photos, findings


def _duplicates(photos: list[Photo]) -> list[Finding]:
    """Remarks on files whose bytes equal those of an earlier file."""
    first: dict[str, Photo] = {}
    findings = []
    for photo in photos:
        other = first.setdefault(photo.sha256, photo)
        if other is photo:
            continue
        reason = "exact duplicate"
        if other.class_name != photo.class_name:
            reason += " in another class"
        if other.split != photo.split:
            reason += f" across splits ({' and '.join(sorted((other.split, photo.split)))})"
        findings.append(Finding(photo.path, reason, detail=f"equals {other.path}"))
    return findings


def scan_folder(
    data: str | Path, val_fraction: float = 0.2, seed: int = 0, progress: bool = True, val_groups: str | None = None
) -> ScanReport:
    """Reads every file of a folder or table once, on all cores, and splits the usable ones.

    Args:
      data: `root/class/*`, or `root/{train,val,test}/class/*`, or a table (`table`); without a "val" of its own it is
        taken from the rest.
      val_fraction: share of each class held out where the data has no "val"; 1 puts all photos there, to evaluate.
      seed: of that split, which otherwise depends on the photos' contents (or groups) alone.
      progress: shows a bar with the remaining time.
      val_groups: regular expression for a photo's path; photos of one group stay on one side (`splits.hold_out`).

    Raises:
      UserError: nothing there that could be data, or bad `val_groups`; for all else see `ScanReport.problems`.
    """
    origin, groups = Path(data).expanduser(), splits.group_pattern(val_groups)
    layout = list_photos(origin) if origin.is_dir() else read_table(origin)
    own_val = "val" in layout.splits
    photos, findings = _inspect_all(layout.root, layout.places, progress)
    if not own_val:
        photos = splits.hold_out(photos, val_fraction, seed, groups)
    elif groups is not None:
        raise UserError(f"{origin} brings its own val: val_groups, which splits photos, is of no use there")
    findings = [*layout.findings, *findings, *_duplicates(photos)]
    twins = find_twins(photos)
    findings.sort(key=lambda finding: natural_key(finding.path))
    names = ("train", "val", "test") if "test" in layout.splits else ("train", "val")
    counts, only_val = splits.class_counts(photos), not own_val and val_fraction == 1
    usable = {photo.class_name for photo in photos}
    return ScanReport(
        origin=origin,
        root=layout.root,
        class_names=tuple(name for name in layout.class_names if name in usable),
        splits=names,
        photos=tuple(photos),
        findings=tuple(findings),
        problems=tuple(splits.problems(origin, counts, only_val)),
        class_notes=tuple(splits.class_notes(layout.class_names, counts, names, only_val)),
        twins=twins,
    )
