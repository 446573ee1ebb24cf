"""Decodes every file of a folder of photos once and says what is wrong with it, before anything trains on it."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import os
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import ExifTags, Image

from mobilevit_tf.data.folder_layout import UNSPLIT, Finding, Layout, Place, list_photos
from mobilevit_tf.data.source import held_out, natural_key
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import pixels
from mobilevit_tf.progress import ProgressBar

MAX_FILE_BYTES = 256 * 2**20
PROBLEMS_SHOWN = 3
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


@dataclasses.dataclass(frozen=True, slots=True)
class Photo:
    """One usable file: path relative to the root, class, split, SHA-256 of its content, and its size."""

    path: str
    class_name: str
    split: str
    sha256: str
    width: int
    height: int
    num_bytes: int


@dataclasses.dataclass(frozen=True)
class ScanReport:
    """What a folder holds.

    Attributes:
      root: the folder.
      class_names: in natural order, also those without a photo.
      splits: "train", "val", and "test" where the folder has one.
      photos: the usable ones.
      findings: remarks on single files, bad ones with `left_out`.
      problems: sentences about what keeps the folder from being used at all.
    """

    root: Path
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    photos: tuple[Photo, ...]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]

    @property
    def left_out(self) -> tuple[Finding, ...]:
        """The bad files."""
        return tuple(finding for finding in self.findings if finding.left_out)

    def require_usable(self, strict: bool = False) -> None:
        """Raises UserError where the folder cannot be used, or with `strict` where any file is bad."""
        if self.problems:
            more = len(self.problems) - PROBLEMS_SHOWN
            raise UserError("; ".join(self.problems[:PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else ""))
        if strict and self.left_out:
            first = self.left_out[0]
            raise UserError(
                f"{len(self.left_out)} of the files in {self.root} cannot be used, the first is {first.path}: "
                f"{first.reason}; mend or remove them (--dry_run lists all), or leave out --strict"
            )


def _is_animated(image: Image.Image) -> bool:
    try:
        return getattr(image, "n_frames", 1) > 1
    except pixels.DAMAGE:
        return True  # in a frame after the first, which counts alone


def _notes(image: Image.Image, data: bytes, suffix: str) -> list[str]:
    """What is unusual about a file that decodes; `image` is opened, its pixels untouched."""
    notes = []
    if suffix.lower() not in _USUAL_SUFFIXES.get(image.format, (f".{image.format.lower()}",)):
        notes.append(f"named {suffix or 'without ending'}, is {image.format}")
    elif image.format in ("WEBP", "GIF"):
        notes.append(image.format)
    if image.format != "MPO" and _is_animated(image):
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
        if path.exists() and not path.is_file():
            return bad("not a regular file")
        num_bytes = path.stat().st_size
        if num_bytes > MAX_FILE_BYTES:
            return bad(f"larger than {MAX_FILE_BYTES // 2**20} MiB")
        data = path.read_bytes()
        pixels.decode_image(data, max_pixels=1)  # a JPEG at 1/8 of its size: all of it is parsed, in a third the time
    except BadImage as error:
        return bad(str(error))
    except OSError as error:
        return bad(f"cannot be read: {error.strerror or error}")
    with Image.open(io.BytesIO(data)) as image:
        notes = [Finding(place.path, note) for note in _notes(image, data, path.suffix)]
        digest = hashlib.sha256(data).hexdigest()
        return Photo(place.path, place.class_name, place.split, digest, *image.size, num_bytes), notes


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


def _assign_splits(photos: list[Photo], val_fraction: float, seed: int) -> list[Photo]:
    """Gives every photo without a split, or in "train", its place; equal contents of a class stay together."""
    by_class = collections.defaultdict(list)
    for photo in photos:
        if photo.split in (UNSPLIT, "train"):
            by_class[photo.class_name].append(photo.sha256)
    held = {name: held_out(digests, val_fraction, seed) for name, digests in by_class.items()}

    def split_of(photo: Photo) -> str:
        if photo.split == "test":
            return "test"
        return "val" if photo.sha256 in held[photo.class_name] else "train"

    return [dataclasses.replace(photo, split=split_of(photo)) for photo in photos]


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


def _problems(layout: Layout, root: Path, photos: list[Photo], own_val: bool, val_fraction: float) -> list[str]:
    """What keeps the folder from being used, a sentence each."""
    problems = []
    if len(layout.class_names) < 2:
        problems.append(f"{root} has the one class {layout.class_names[0]!r}: a classifier needs at least 2 classes")
    contents = collections.defaultdict(set)
    for photo in photos:
        if photo.split != "test":
            contents[photo.class_name, photo.split if own_val else UNSPLIT].add(photo.sha256)
    for name in layout.class_names:
        count = len(contents[name, "train" if own_val else UNSPLIT])
        where = f"class {name!r} in {root} has {count or 'no'} usable photo{'' if count == 1 else 's'}"
        if own_val and not count:
            problems.append(f"{where} in train: add photos or remove the class")
        elif not own_val and count < (1 if val_fraction == 1 else 2):
            needed = "expected at least 2 different ones, to train and to validate" if count else "expected at least 2"
            problems.append(f"{where}, {needed}: add photos or remove the class")
        elif own_val and not contents[name, "val"]:
            problems.append(f"class {name!r} in {root} has no usable photo in val: add photos or remove the class")
    return problems


def scan_folder(root: str | Path, val_fraction: float = 0.2, seed: int = 0, progress: bool = True) -> ScanReport:
    """Reads every file once, on all cores, and splits the usable ones.

    Args:
      root: `root/class/*`, or `root/{train,val,test}/class/*`; without a "val" folder it is taken from the rest.
      val_fraction: share of each class held out where the folder has no "val"; 1 puts all photos there, to evaluate.
      seed: of that split, which depends on the photos' contents and the seed alone.
      progress: shows a bar with the remaining time.

    Raises:
      UserError: `root` is not a folder or holds no folder of a class; for all else see `ScanReport.problems`.
    """
    root = Path(root).expanduser()
    layout = list_photos(root)
    own_val = "val" in layout.splits
    photos, findings = _inspect_all(root, layout.places, progress)
    problems = _problems(layout, root, photos, own_val, val_fraction)
    if not own_val:
        photos = _assign_splits(photos, val_fraction, seed)
    findings = [*layout.findings, *findings, *_duplicates(photos)]
    findings.sort(key=lambda finding: natural_key(finding.path))
    splits = ("train", "val", "test") if "test" in layout.splits else ("train", "val")
    return ScanReport(root, layout.class_names, splits, tuple(photos), tuple(findings), tuple(problems))
