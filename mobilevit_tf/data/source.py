"""What every source of photos offers: encoded bytes and labels by split, in an order that a seed repeats.

No TensorFlow is loaded before `Source.records` is called.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mobilevit_tf.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One photo: a name that is unique within its split, the file's bytes as they are, and the class index."""

    id: str
    data: bytes
    label: int


class Source(abc.ABC):
    """Photos by split.

    Attributes:
      name: for messages and reports.
      class_names: by class index; folders in natural order ("2" before "10").
      splits: "train", "val", and "test" where there is one.
      class_ids: what the data itself calls the classes where that is not their name: WordNet ids; else ().
      notes: lines about what the reader of an accuracy must know of the data.
      strangers: folders of photos of none of the classes.
      twins: (photo, the other) for photos that are the same or nearly the same on both sides of a split; None where
        they were not looked for yet.
    """

    name: str
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    class_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    strangers: tuple[Path, ...] = ()
    twins: tuple[tuple[str, str], ...] | None = None

    @abc.abstractmethod
    def size(self, split: str) -> int:
        """Number of photos in a split."""

    @abc.abstractmethod
    def examples(self, split: str, limit: int | None = None) -> Iterator[Example]:
        """The first `limit` photos (all with None) of a fixed order that mixes the classes, as plain Python."""

    @abc.abstractmethod
    def records(
        self,
        split: str,
        *,
        shuffle_seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        start: int = 0,
        remote: bool = False,
    ) -> tf.data.Dataset:
        """One pass over a split, undecoded.

        Args:
          split: one of `splits`.
          shuffle_seed: the order is a pure function of it; None is the order of `examples`.
          shard: (index, count). The shards of one count do not overlap and together are the split; their sizes
            differ by one at most.
          start: how many records of the shard to pass over; unlike `.skip` it opens no photo of a folder.
          remote: another process will run it, where no function of this one can be called.

        Returns:
          Dicts of scalars {"id": string, "image": string (the file's bytes), "label": int64}.
        """

    def labels(self, split: str) -> np.ndarray:
        """int64 [size]: class indices in the order of `examples`."""
        return np.array([example.label for example in self.examples(split)], np.int64)

    def digests(self, split: str) -> Iterator[tuple[str, int, str]]:
        """(id, label, SHA-256 of the bytes as hex) in the order of `examples`."""
        for example in self.examples(split):
            yield example.id, example.label, hashlib.sha256(example.data).hexdigest()

    def broken_record(self, split: str, message: str) -> str | None:
        """Which record of a split TensorFlow could not read, from its message; None where the source has no records."""
        return None

    def require_split(self, split: str) -> None:
        """Raises UserError where there is no such split."""
        if split not in self.splits:
            raise UserError(f"{self.name} has no split {split!r}: it has {', '.join(self.splits)}")


def record_order(size: int, shuffle_seed: int | None, shard: tuple[int, int], start: int) -> np.ndarray:
    """int64 indices of one shard, from its `start`-th on, of a split that can be addressed by index."""
    index, count = shard
    if not 0 <= index < count:
        raise ValueError(f"shard {shard}, expected (index, count) with 0 <= index < count")
    order = np.arange(size) if shuffle_seed is None else np.random.default_rng(shuffle_seed).permutation(size)
    return order[index::count][start:]


def hash_order(keys: Sequence[str], seed: int) -> list[str]:
    """The different keys in an order that depends on nothing but the keys and the seed, on every machine."""
    return sorted(set(keys), key=lambda key: hashlib.sha256(os.fsencode(f"{seed}:{key}")).digest())


def held_out(keys: Sequence[str], fraction: float, seed: int) -> set[str]:
    """The keys of one class that go to validation: round(fraction * n), where possible at least one for each side."""
    if not 0 < fraction <= 1:
        raise UserError(f"the share held out for validation is {fraction}, expected a number in (0, 1]")
    order = hash_order(keys, seed)
    if fraction == 1:
        return set(order)
    return set(order[: min(max(1, round(len(order) * fraction)), len(order) - 1)])


def natural_key(text: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sorts "2" before "10" and ignores case."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [_number_key(part) if index % 2 else part for index, part in enumerate(parts)], text


def _number_key(digits: str) -> tuple[int, str]:
    """Sorts as the number does; Python makes no number of some thousand digits."""
    digits = digits.lstrip("0")
    return len(digits), digits
