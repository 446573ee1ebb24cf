"""scikit-learn's embedded digits as a source: 1,797 real handwritten 8x8 images, no download."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mobilevit_tf.data.source import Example, Source, held_out, record_order

if TYPE_CHECKING:
    import tensorflow as tf


def _png(digit: np.ndarray) -> bytes:
    """8x8 values 0..16 -> lossless grey PNG, 0..255."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(digit * (255 / 16)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


class DigitsSource(Source):
    """The digits, split by class; the split depends on `val_fraction` alone, so that runs can be compared."""

    name = "digits"
    class_names = tuple("0123456789")
    splits = ("train", "val")
    twins = ()  # of 64 pixels many are alike that are not the same

    def __init__(self, val_fraction: float) -> None:
        from sklearn.datasets import load_digits  # takes a second: only when the digits are used

        digits = load_digits()
        ids = [f"digit_{index:04d}" for index in range(len(digits.target))]
        held: set[str] = set()
        for label in range(10):
            held |= held_out([ids[index] for index in np.flatnonzero(digits.target == label)], val_fraction, seed=0)
        self._examples: dict[str, list[Example]] = {"train": [], "val": []}
        for name, image, label in zip(ids, digits.images, digits.target, strict=True):
            self._examples["val" if name in held else "train"].append(Example(name, _png(image), int(label)))

    def size(self, split: str) -> int:
        self.require_split(split)
        return len(self._examples[split])

    def examples(self, split: str, limit: int | None = None) -> Iterator[Example]:
        self.require_split(split)
        yield from self._examples[split][:limit]

    def records(
        self,
        split: str,
        *,
        shuffle_seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        start: int = 0,
        remote: bool = False,
    ) -> tf.data.Dataset:
        from mobilevit_tf import tf_setup  # noqa: F401, I001
        import tensorflow as tf

        chosen = [self._examples[split][index] for index in record_order(self.size(split), shuffle_seed, shard, start)]
        return tf.data.Dataset.from_tensor_slices(
            {
                "id": tf.constant([example.id for example in chosen], tf.string),
                "image": tf.constant([example.data for example in chosen], tf.string),
                "label": tf.constant([example.label for example in chosen], tf.int64),
            }
        )
