"""Which photos are held out where the data brings no split of its own, and which classes a split leaves short."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

from mobilevit_tf.data.folder_layout import UNSPLIT, Photo
from mobilevit_tf.data.source import hash_order, held_out
from mobilevit_tf.errors import UserError

_NAMES_SHOWN = 10


def group_pattern(text: str | None) -> re.Pattern[str] | None:
    """The compiled --val_groups; UserError where it is no regular expression."""
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise UserError(f"val_groups {text!r} is not a regular expression: {error}") from error


def hold_out(photos: Sequence[Photo], fraction: float, seed: int, groups: re.Pattern[str] | None = None) -> list[Photo]:
    """Gives every photo without a split, or in "train", its side; those in "test" stay there.

    Args:
      photos: the usable ones.
      fraction: share of each class that goes to "val"; 1 puts all photos there.
      seed: with the photos' contents (or the groups' names) all that the split depends on.
      groups: found in a photo's path it names the photo's group, by its own groups where it has some; photos of one
        group stay on one side. None splits each class by itself, equal contents together.

    Raises:
      UserError: for a fraction outside (0, 1], or `groups` that is found in no path.
    """
    free = [photo for photo in photos if photo.split in (UNSPLIT, "train")]
    if groups is None:
        by_class = collections.defaultdict(list)
        for photo in free:
            by_class[photo.class_name].append(photo.sha256)
        held = {name: held_out(digests, fraction, seed) for name, digests in by_class.items()}
        chosen = {photo.path for photo in free if photo.sha256 in held[photo.class_name]}
    else:
        keys = _group_keys(free, groups)
        held_groups = _held_groups([(key, photo.class_name) for key, photo in zip(keys, free, strict=True)],
                                   fraction, seed)  # fmt: skip
        chosen = {photo.path for key, photo in zip(keys, free, strict=True) if key in held_groups}
    return [
        photo if photo.split == "test" else dataclasses.replace(photo, split="val" if photo.path in chosen else "train")
        for photo in photos
    ]


def _group_keys(photos: Sequence[Photo], groups: re.Pattern[str]) -> list[str]:
    """The group of each photo; one in which the pattern is not found is a group of its own, with its copies."""
    found = [groups.search(photo.path) for photo in photos]
    if photos and not any(found):
        raise UserError(f"val_groups {groups.pattern!r} is found in none of the {len(photos):,} paths, such as "
                        f"{photos[0].path!r}: expected a pattern that names a photo's group")  # fmt: skip
    return [
        "group " + "\0".join(map(str, match.groups() or [match.group()])) if match else f"photo {photo.sha256}"
        for match, photo in zip(found, photos, strict=True)
    ]


def _held_groups(members: Iterable[tuple[str, str]], fraction: float, seed: int) -> set[str]:
    """The groups that go to validation, out of (group, class) of each photo.

    In an order that the seed decides, a group is taken where most of its photos are still wanted and each of its
    classes keeps a photo to train on; a class that got none this way takes its smallest such group.
    """
    held_out([], fraction, seed)  # refuses a bad fraction
    contents: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for group, name in members:
        contents[group][name] += 1
    order = hash_order(list(contents), seed)
    if fraction == 1:
        return set(order)
    left = sum(contents.values(), collections.Counter())
    wanted = {name: max(1, round(fraction * count)) for name, count in left.items()}
    held: set[str] = set()

    def take(group: str) -> None:
        held.add(group)
        left.subtract(contents[group])
        for name, count in contents[group].items():
            wanted[name] -= count

    def spared(group: str) -> bool:
        return group not in held and all(left[name] > count for name, count in contents[group].items())

    for group in order:
        useful = sum(min(count, max(0, wanted[name])) for name, count in contents[group].items())
        if spared(group) and 2 * useful > contents[group].total():
            take(group)
    for name in sorted(left):
        mine = [group for group in order if name in contents[group] and spared(group)]
        if mine and not any(name in contents[group] for group in held):
            take(min(mine, key=lambda group: contents[group].total()))
    return held


def class_counts(photos: Iterable[Photo]) -> dict[str, collections.Counter[str]]:
    """Split -> class -> number of different photos."""
    contents = collections.defaultdict(set)
    for photo in photos:
        contents[photo.split, photo.class_name].add(photo.sha256)
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for (split, name), digests in contents.items():
        counts[split][name] = len(digests)
    return counts


def problems(origin: object, counts: Mapping[str, Mapping[str, int]], only_val: bool) -> list[str]:
    """What keeps the data from being used at all, a sentence each; `only_val`: nothing is to be trained."""
    side = "val" if only_val else "train"
    classes = [name for name, count in counts.get(side, {}).items() if count]
    found = []
    if not classes:
        found.append(f"{origin} has no usable photo{'' if only_val else ' to train on'}: add photos")
    elif len(classes) == 1:
        found.append(f"{origin} has photos of the one class {classes[0]!r}: a classifier needs at least 2 classes")
    if not counts.get("val") and classes:
        found.append(f"{origin} has no usable photo to validate on: add photos, at least 2 different ones to a class")
    return found


def class_notes(
    names: Sequence[str], counts: Mapping[str, Mapping[str, int]], splits: Sequence[str], only_val: bool
) -> list[str]:
    """One line a kind of class that cannot be trained or judged as it should; none of them stops a run."""
    total = {name: sum(counts.get(split, {}).get(name, 0) for split in splits) for name in names}
    notes = [_note((name for name in names if not total[name]), "no usable photo, left out")]
    known = [name for name in names if total[name]]
    if not only_val:
        train = counts.get("train", {})
        notes.append(_note((name for name in known if total[name] == 1), "a single photo"))
        notes.append(_note((name for name in known if not train.get(name)), "no photo to train on, never answered"))
        for split in splits:
            there = counts.get(split, {})
            if split != "train":
                notes.append(_note((name for name in known if not there.get(name)), f"no photo in {split}, not judged"))
    return [note for note in notes if note]


def _note(concerned: Iterable[str], reason: str) -> str:
    """ "2 classes with REASON: 'a', 'b'", or "" where none is concerned."""
    names = list(concerned)
    if not names:
        return ""
    shown = ", ".join(map(repr, names[:_NAMES_SHOWN]))
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{len(names)} class{'' if len(names) == 1 else 'es'} with {reason}: {shown}{more}"
