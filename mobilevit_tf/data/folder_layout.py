"""Which files of a folder are photos of which class and split, by their place alone; nothing is opened here.

Two layouts: `root/class/*`, split later, and `root/{train,val,test}/class/*`. A folder `_none` beside the classes, or
beside the splits, is no class: it holds photos of none of them (`evaluation.strangers`).
"""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from pathlib import Path

from mobilevit_tf.data.source import natural_key
from mobilevit_tf.errors import UserError
from mobilevit_tf.labels import check_labels

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
UNSPLIT = ""
NONE_OF_THESE = "_none"
_LITTER = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}  # left behind by Windows, macOS and Synology


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One remark about a file or folder.

    Attributes:
      path: relative to the root, with "/".
      reason: the same words for the same kind of remark.
      left_out: the file cannot be used; otherwise this is a note.
      detail: which other file it is about.
    """

    path: str
    reason: str
    left_out: bool = False
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """One file: `path` relative to the root with "/", its class, and its split (UNSPLIT where the layout has none)."""

    path: str
    class_name: str
    split: str


@dataclasses.dataclass(frozen=True, slots=True)
class Photo:
    """One usable file.

    Attributes:
      path, class_name, split: as in `Place`.
      sha256: of its content.
      width, height, num_bytes: its size.
      fingerprint: what it looks like (`similar.fingerprint`).
    """

    path: str
    class_name: str
    split: str
    sha256: str
    width: int
    height: int
    num_bytes: int
    fingerprint: bytes


@dataclasses.dataclass(frozen=True)
class Layout:
    """All files in natural order, below `root`, the classes (also empty ones), the splits, and remarks about places."""

    root: Path
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    places: tuple[Place, ...]
    findings: tuple[Finding, ...]


def is_hidden(name: str) -> bool:
    """True for dot files (`._x.jpg`, `.DS_Store`) and what operating systems leave behind."""
    return name.startswith(".") or name.lower() in _LITTER


def _folders(folder: Path) -> list[Path]:
    inside = (child for child in folder.iterdir() if child.is_dir() and not is_hidden(child.name))
    inside = (child for child in inside if child.name != NONE_OF_THESE)
    return sorted(inside, key=lambda child: natural_key(child.name))


def strangers(root: Path) -> tuple[Path, ...]:
    """The folders of photos of none of the classes."""
    places = (root, *_split_folders(root))
    return tuple(place / NONE_OF_THESE for place in places if (place / NONE_OF_THESE).is_dir())


def _split_folders(root: Path) -> dict[Path, str]:
    """Folder -> split where every folder of the root is named as a split and "train" holds folders; else empty."""
    folders = {folder: SPLIT_FOLDERS.get(folder.name.lower(), UNSPLIT) for folder in _folders(root)}
    if UNSPLIT in folders.values() or "train" not in folders.values():
        return {}
    if not any(_folders(folder) for folder, split in folders.items() if split == "train"):
        return {}
    return folders


def _walk_class(root: Path, folder: Path, split: str) -> tuple[list[Place], list[Finding]]:
    """Every file below one class folder, whatever its depth."""
    places, findings = [], []
    class_name = unicodedata.normalize("NFC", folder.name)

    def relative(path: str | Path) -> str:
        return Path(path).relative_to(root).as_posix()

    def unreadable(error: OSError) -> None:
        findings.append(Finding(relative(error.filename), f"cannot be read: {error.strerror}", left_out=True))

    for parent, subfolders, files in os.walk(folder, onerror=unreadable):
        nested = Path(parent) != folder
        for name in list(subfolders):
            path = relative(Path(parent) / name)
            if is_hidden(name):
                subfolders.remove(name)
                findings.append(Finding(path, "hidden folder, ignored"))
            elif os.path.islink(root / path):  # noqa: PTH114 - False, not an error, for an over-long path
                findings.append(Finding(path, "a link to a folder, not followed", left_out=True))
        for name in files:
            path = relative(Path(parent) / name)
            if is_hidden(name):
                findings.append(Finding(path, "hidden file, ignored"))
                continue
            places.append(Place(path, class_name, split))
            if nested:
                findings.append(Finding(path, "in a nested folder, counted to the class"))
    return places, findings


def _stray(root: Path, folder: Path) -> list[Finding]:
    """Files beside the class folders."""
    findings = []
    for child in folder.iterdir():
        path = child.relative_to(root).as_posix()
        if is_hidden(child.name):
            findings.append(Finding(path, f"hidden {'folder' if child.is_dir() else 'file'}, ignored"))
        elif not child.is_dir():
            findings.append(Finding(path, "lies in no class folder", left_out=True))
    return findings


def list_photos(root: str | Path) -> Layout:
    """Lists a folder.

    Raises:
      UserError: not a folder, no folder of a class in it, or one whose name cannot be a line of a label file.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise UserError(f"{root} is not a folder: expected a folder that holds one folder of photos per class")
    by_split = _split_folders(root)
    places: list[Place] = []
    findings = _stray(root, root)
    classes: set[str] = set()
    for parent, split in (by_split or {root: UNSPLIT}).items():
        findings += _stray(root, parent) if by_split else []
        for folder in _folders(parent):
            classes.add(unicodedata.normalize("NFC", folder.name))
            new_places, new_findings = _walk_class(root, folder, split)
            places += new_places
            findings += new_findings
    if not classes:
        raise UserError(f"{root} holds no folder of a class: expected {root}/CLASS/*.jpg or {root}/train/CLASS/*.jpg")
    class_names = tuple(sorted(classes, key=natural_key))
    check_labels(class_names)
    splits = tuple(split for split in ("train", "val", "test") if split in by_split.values())
    return Layout(
        root,
        class_names,
        splits,
        tuple(sorted(places, key=lambda place: natural_key(place.path))),
        tuple(sorted(findings, key=lambda finding: natural_key(finding.path))),
    )
