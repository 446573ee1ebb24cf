"""ImageNet-1k's class names and WordNet ids. No other module of the project is needed here."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

_FOLDER = Path(__file__).parent


@functools.cache
def labels() -> tuple[str, ...]:
    """The 1,000 class names in the order of published logits (sorted WordNet ids), each one unique."""
    return tuple((_FOLDER / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines())


@functools.cache
def wordnet_ids() -> tuple[str, ...]:
    """The 1,000 WordNet ids, such as n01440764, in the same order."""
    return tuple((_FOLDER / "imagenet_wordnet_ids.txt").read_text(encoding="utf-8").splitlines())


@functools.cache
def _names_by_id() -> dict[str, str]:
    return dict(zip(wordnet_ids(), labels(), strict=True))


def readable(class_names: Sequence[str]) -> tuple[str, ...]:
    """Class names as people read them: ImageNet's name in place of each of its WordNet ids, all others as they are.

    Photos (`datasets.open_source`) and trained models (`model_file.load`) both pass through here, so that their classes
    meet by name, also those of a model that was trained on ids.
    """
    return tuple(_names_by_id().get(name, name) for name in class_names)
