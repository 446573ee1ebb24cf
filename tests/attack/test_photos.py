"""Photos that were made to harm end within seconds and little memory, in pixels or in one sentence."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.photo_files import encode

from attack import forked
from attack.cases import photo as photo_cases
from mobilevit_tf.image import pixels

SECONDS, MEGABYTES = 10, 1024


@pytest.mark.parametrize(("name", "data"), [pytest.param(*case, id=case[0]) for case in photo_cases.bombs()])
def test_a_bomb_ends_within_seconds_and_bounded_memory(name, data):
    outcome = forked.run(functools.partial(pixels.decode_image, data), SECONDS, MEGABYTES)
    outcome.require_safe()
    if "exif 2.4 MB" in name or "behind the pixels" in name:
        assert outcome.text == "holds 2.3 MB of EXIF, more than 1 MB: save it without"
        assert outcome.seconds < 2


def test_damaged_photos_of_every_format_give_pixels_or_a_sentence():
    generator = np.random.default_rng(0)
    cases = list(photo_cases.damaged(generator, 160))

    def decode_all() -> dict[str, int]:
        counts = {"pixels": 0, "refused": 0}
        for _, data in cases:
            try:
                assert pixels.decode(data).ndim == 3
                counts["pixels"] += 1
            except pixels.BadImage as error:
                assert str(error)
                counts["refused"] += 1
        return counts

    outcome = forked.run(decode_all, 60, MEGABYTES)
    assert outcome.kind == "result", outcome.text
    counts = eval(outcome.text)
    assert min(counts.values()) > 20 and sum(counts.values()) == 160


def test_the_strips_of_a_large_photo_give_what_the_whole_gives(monkeypatch):
    colors = np.random.default_rng(0).integers(0, 256, (50, 40, 4), np.uint8)
    data = encode(colors, "PNG")
    whole = pixels.decode(data)
    monkeypatch.setattr(pixels, "_STRIP_PIXELS", 120)
    assert np.array_equal(pixels.decode(data), whole)


def test_large_photos_are_decoded_one_at_a_time(monkeypatch):
    monkeypatch.setattr(pixels, "LARGE_PIXELS", 100)
    under_way, most = [], []
    strip = pixels._strip_to_rgb

    def slow(image):
        under_way.append(1)
        most.append(len(under_way))
        time.sleep(0.05)
        under_way.pop()
        return strip(image)

    monkeypatch.setattr(pixels, "_strip_to_rgb", slow)
    data = encode(np.zeros((30, 40, 4), np.uint8), "PNG")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pixels.decode_image, [data] * 4))
    assert most == [1, 1, 1, 1]
    monkeypatch.setattr(pixels, "LARGE_PIXELS", 2000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pixels.decode_image, [data] * 4))
    assert max(most) > 1
