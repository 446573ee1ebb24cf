"""Photos that are nearly the same on both sides of a split, such as one photo in two sizes: they flatter the accuracy.

Two photos count as nearly the same where their perceptual hashes (imagehash.phash, 64 bits) differ in at most
MAX_BITS bits and their quarters in at most MAX_COLOR levels of colour on average. Of the 4.8 million pairs among 3,100
photos of ten ImageNet classes none does; a photo saved again, in a third of its size or 12 levels brighter, does.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.pool import ThreadPool

import numpy as np
from PIL import Image

from mobilevit_tf.data.folder_layout import Photo
from mobilevit_tf.data.source import Example, Source
from mobilevit_tf.errors import BadImage
from mobilevit_tf.image import pixels
from mobilevit_tf.progress import ProgressBar

HASH_PIXELS = 2**14  # a JPEG is decoded at the scale that fits: all of it is parsed, in a third of the time
MAX_BITS, MAX_COLOR = 6, 16
_BANDS, _BAND_BITS = 7, 9  # of 7 parts of a hash, 6 changed bits leave one as it is
_ENOUGH = 128  # pixels of the short side, four times what the hash looks at
_HASH_BYTES, _COLOR_BYTES = 8, 12
_BLOCK = 512  # photos of each side that are compared at a time


@dataclasses.dataclass(frozen=True, slots=True)
class Twin:
    """A held-out photo, its split, and one of another split that is `exact`ly or nearly the same."""

    path: str
    split: str
    other: str
    other_split: str
    exact: bool


def fingerprint(image: Image.Image) -> bytes:
    """20 bytes: the perceptual hash of an RGB picture, and the mean colour of its four quarters."""
    import imagehash  # loads SciPy: only where photos are scanned

    factor = min(image.size) // _ENOUGH
    if factor > 1:  # of a large PNG the exact filters would take longer than its decoding
        image = image.reduce(factor)
    colors = np.asarray(image.resize((2, 2), Image.Resampling.BOX))  # [2, 2, 3]
    return np.packbits(imagehash.phash(image).hash).tobytes() + colors.tobytes()


def twins_of(source: Source, progress: bool = True) -> tuple[Twin, ...]:
    """`find_twins` for any source: its photos are decoded by threads; one that cannot be decoded is passed over."""
    total = sum(source.size(split) for split in source.splits)
    bar = ProgressBar(total=total, desc="photos on both sides", unit="photo", leave=False, disable=not progress)
    photos = []
    with ThreadPool(os.cpu_count() or 1) as pool, bar:
        for split in source.splits:
            for photo in pool.imap(functools.partial(_look, split=split), source.examples(split), 8):
                photos += [photo] if photo else []
                bar.update()
    return find_twins(photos)


def _look(example: Example, split: str) -> Photo | None:
    try:
        image = pixels.decode_image(example.data, max_pixels=HASH_PIXELS)
    except BadImage:
        return None
    digest = hashlib.sha256(example.data).hexdigest()
    size = (*image.size, len(example.data))
    return Photo(f"{split}: {example.id}", str(example.label), split, digest, *size, fingerprint(image))


def notes(twins: Sequence[Twin], sizes: Mapping[str, int]) -> list[str]:
    """One line per split that shares photos with another; `sizes` are the photos of each split."""
    lines = []
    for split in ("val", "test"):
        if shared := sum(twin.split == split for twin in twins):
            lines.append(f"{shared} of {sizes[split]} photos in {split} are the same or nearly the same as others "
                         f"outside {split}: they flatter the accuracy (--dry_run lists them)")  # fmt: skip
    return lines


def find_twins(photos: Sequence[Photo]) -> tuple[Twin, ...]:
    """For each photo of "val" and "test" one that is nearly the same: of "train", or for "test" also of "val".

    The hashes are compared only where one of seven parts is equal, so that the time grows far slower than the number of
    pairs: 100,000 photos take some seconds.
    """
    by_split = {split: [photo for photo in photos if photo.split == split] for split in ("train", "val", "test")}
    twins: dict[str, Twin] = {}
    for split, other_split in (("val", "train"), ("test", "train"), ("test", "val")):
        held, others = by_split[split], by_split[other_split]
        for index, other in _matches(held, others):
            photo, twin = held[index], others[other]
            exact = photo.sha256 == twin.sha256
            if photo.path not in twins or (exact and not twins[photo.path].exact):
                twins[photo.path] = Twin(photo.path, split, twin.path, other_split, exact)
    return tuple(twins[photo.path] for photo in photos if photo.path in twins)


def _parts(photos: Sequence[Photo]) -> tuple[np.ndarray, np.ndarray]:
    """(uint64 [n] hashes, int16 [n, 12] colours)."""
    table = np.frombuffer(b"".join(photo.fingerprint for photo in photos), np.uint8)
    table = table.reshape(len(photos), _HASH_BYTES + _COLOR_BYTES)
    hashes = np.ascontiguousarray(table[:, :_HASH_BYTES]).view(np.uint64)[:, 0]
    return hashes, table[:, _HASH_BYTES:].astype(np.int16)


def _matches(held: Sequence[Photo], others: Sequence[Photo]) -> Iterator[tuple[int, int]]:
    """(index in held, index in others): one pair for each held-out photo that has any."""
    if not held or not others:
        return
    (hashes, colors), (other_hashes, other_colors) = _parts(held), _parts(others)
    waiting = np.full(len(held), True)
    for mine, theirs in _candidates(hashes, other_hashes):
        for start, other_start in itertools.product(range(0, len(mine), _BLOCK), range(0, len(theirs), _BLOCK)):
            block, others_there = mine[start : start + _BLOCK], theirs[other_start : other_start + _BLOCK]
            block = block[waiting[block]]
            row, column = np.nonzero(np.bitwise_count(hashes[block, None] ^ other_hashes[others_there]) <= MAX_BITS)
            far = np.abs(colors[block[row]] - other_colors[others_there[column]]).mean(axis=1) > MAX_COLOR
            found, first = np.unique(block[row[~far]], return_index=True)
            waiting[found] = False
            yield from zip(found.tolist(), others_there[column[~far][first]].tolist(), strict=True)


def _candidates(hashes: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of hashes, and of others, that share one part of their bits."""
    for band in range(_BANDS):
        shift, mask = np.uint64(band * _BAND_BITS), np.uint64(2**_BAND_BITS - 1)
        keys, other_keys = (hashes >> shift) & mask, (others >> shift) & mask
        order, other_order = np.argsort(keys, kind="stable"), np.argsort(other_keys, kind="stable")
        shared = np.intersect1d(keys, other_keys)
        starts, ends = (np.searchsorted(keys[order], shared, side) for side in ("left", "right"))
        other_starts, other_ends = (
            np.searchsorted(other_keys[other_order], shared, side) for side in ("left", "right")
        )
        for start, end, other_start, other_end in zip(starts, ends, other_starts, other_ends, strict=True):
            yield order[start:end], other_order[other_start:other_end]
