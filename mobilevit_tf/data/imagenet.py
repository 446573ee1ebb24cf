"""ImageNet-1k's class names, and the accuracy of a model on ImageNet-style photos."""

from __future__ import annotations

import copy
import re
from pathlib import Path

from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError

_FOLDER = Path(__file__).parent
_WORDNET_ID = re.compile(r"n\d{8}")


def labels() -> tuple[str, ...]:
    """The 1,000 class names in the order of published logits (sorted WordNet ids), each one unique."""
    return tuple((_FOLDER / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines())


def wordnet_ids() -> tuple[str, ...]:
    """The 1,000 WordNet ids, such as n01440764, in the same order."""
    return tuple((_FOLDER / "imagenet_wordnet_ids.txt").read_text(encoding="utf-8").splitlines())


def with_class_names(source: Source) -> Source:
    """The source with ImageNet's names for classes that are called by WordNet ids; any other source as it is.

    A part of ImageNet, such as the ten folders of Imagenette, keeps its place among the 1,000 classes.

    Raises:
      UserError: for a WordNet id that is not one of the 1,000.
    """
    if not all(_WORDNET_ID.fullmatch(name) for name in source.class_names):
        return source
    known = dict(zip(wordnet_ids(), labels(), strict=True))
    for name in source.class_names:
        if name not in known:
            raise UserError(f"{source.name} has a class {name}, which is not one of ImageNet-1k's 1,000 WordNet ids")
    named = copy.copy(source)
    named.class_names = tuple(known[name] for name in source.class_names)
    return named
