"""Photos are decoded once where they fit into memory, and answer the same as those that are decoded again."""

from __future__ import annotations

import numpy as np
import pytest
from support.colored_photos import COLORS, colored_photos, png
from support.colored_photos import Photos as Source

from mobilevit_tf.data.source import Example
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import evaluate
from mobilevit_tf.evaluation.photos import Photos
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec

SPEC = ImageSpec(8, 8)
NAMES = ("red", "green", "blue", "red", "green")
ALL_BYTES = 5 * 2 * 8 * 8 * 3


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    """Everything that is decoded, in the order of the calls."""
    seen, decode = [], pixels.decode_image

    def counting(data: bytes) -> object:
        seen.append(data)
        return decode(data)

    monkeypatch.setattr(pixels, "decode_image", counting)
    return seen


@pytest.mark.parametrize(("most_bytes", "times"), [(ALL_BYTES, 1), (ALL_BYTES - 1, 4)])
def test_photos_that_fit_are_decoded_once_for_both_protocols_and_every_model(decoded, most_bytes, times):
    source = colored_photos(*NAMES)
    photos = Photos(source, "val", SPEC, pixels.PROTOCOLS, most_bytes=most_bytes)
    for _ in range(2):
        for protocol in pixels.PROTOCOLS:
            batches = list(photos.batches(protocol, 2))
            assert [len(batch) for batch in batches] == [2, 2, 1] and len(photos) == 5
            shown = [photo for batch in batches for photo in batch]
            for photo, example, name in zip(shown, source.examples("val"), NAMES, strict=True):
                assert (photo.id, photo.label) == (example.id, example.label)
                assert (photo.pixels[protocol] == COLORS[name]).all() and photo.pixels[protocol].shape == (8, 8, 3)
    assert len(decoded) == 5 * times


def test_a_pass_that_was_broken_off_is_not_taken_for_the_whole(decoded):
    photos = Photos(colored_photos(*NAMES), "val", SPEC, most_bytes=ALL_BYTES)
    next(photos.batches("crop", 2))
    assert [photo.id for batch in photos.batches("crop", 2) for photo in batch] == [
        "0_red.png", "1_green.png", "2_blue.png", "3_red.png", "4_green.png",
    ]  # fmt: skip


def test_kept_photos_give_the_same_answers_for_any_model():
    photos = Photos(colored_photos(*NAMES), "val", SPEC, pixels.PROTOCOLS, most_bytes=ALL_BYTES)

    def score(images: np.ndarray) -> np.ndarray:
        return (images.mean((1, 2)) / 255).astype(np.float32)

    for protocol in pixels.PROTOCOLS:
        for batch_size in (2, 64):
            answers = evaluate.answer(score, photos, ("red", "green", "blue"), protocol, batch_size)
            assert answers.top1 == 1 and answers.y_true.tolist() == [0, 1, 2, 0, 1]


def test_a_photo_that_cannot_be_read_is_named():
    examples = [Example("good.png", png((9, 9, 9)), 0), Example("bad.png", b"no picture", 0)]
    photos = Photos(Source(("x",), examples), "val", SPEC, most_bytes=ALL_BYTES)
    with pytest.raises(UserError, match=r"bad\.png: .*--dry_run"):
        list(photos.batches("crop", 1))
