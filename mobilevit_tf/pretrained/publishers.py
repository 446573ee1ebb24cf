"""Which families are published, and which of them a file holds."""

from __future__ import annotations

from collections.abc import Iterable

from mobilevit_tf import catalog
from mobilevit_tf.pretrained import names_mobilevit, names_mobilevit_v2
from mobilevit_tf.pretrained.layouts import Family

FAMILIES = (names_mobilevit.FAMILY, names_mobilevit_v2.FAMILY)


def anchors() -> list[tuple[str, str]]:
    """(publisher, name of the first convolution's weight), each once: families of one publisher may share it."""
    found = [(publisher, naming.anchor) for family in FAMILIES for publisher, naming in family.namings.items()]
    return list(dict.fromkeys(found))


def family_of(publisher: str, names: Iterable[str]) -> Family:
    """The family whose mark most of a file's weight names have."""
    names = list(names)
    return max(FAMILIES, key=lambda family: sum(family.namings[publisher].mark in name for name in names))


def family_with(variant: str) -> Family:
    """The family that a variant belongs to."""
    return next(family for family in FAMILIES if family.module == catalog.find(variant).module)
