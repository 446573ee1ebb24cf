"""Which photos the graph decodes: those alone that it decodes as `pixels` does."""

from __future__ import annotations

import struct
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.photo_files import display_p3, encode, exif, photo, pixels_of, png_of

from mobilevit_tf.image import jpeg, pixels

GOLDEN = sorted(
    path
    for path in (Path(__file__).parents[1] / "golden" / "photos").glob("*")
    if not path.name.startswith(("bad_", "one_pixel"))
)
IMAGE = Image.fromarray(pixels_of(40, 30))


def shape_of(data: bytes) -> list[int]:
    return jpeg.decodable_shape(tf.constant(data)).numpy().tolist()


def block(marker: int, body: bytes) -> bytes:
    """One segment of a JPEG header."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_exif(order: str, orientation: int, kind: int = 3, filler: int = 0) -> bytes:
    """A JPEG whose EXIF block, of byte order "<" or ">", holds an orientation of type `kind` and a long comment."""
    tiff = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    tiff += struct.pack(order + "HHI", 0x0112, kind, 1) + value + struct.pack(order + "I", 0)
    plain = encode(IMAGE)
    return plain[:2] + block(0xFE, b"x" * filler) * bool(filler) + block(0xE1, b"Exif\0\0" + tiff) + plain[2:]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_what_the_graph_decodes_is_what_pixels_decodes(path):
    data = path.read_bytes()
    height, width, _ = shape_of(data)
    if not height:
        return
    box = tf.constant([height // 5, width // 5, height // 2, width // 2])
    ours = jpeg.decode_crop(tf.constant(data), box, tf.constant(max(height, width))).numpy()
    top, left, rows, columns = box.numpy()
    whole = pixels.decode(data, max_pixels=pixels.MAX_PHOTO_PIXELS)
    assert whole.shape == (height, width, 3)
    difference = np.abs(ours.astype(int) - whole[top : top + rows, left : left + columns])
    assert difference[2:-2, 2:-2].mean() < 0.5  # a crop's edge has no neighbour to interpolate colours from


def test_plain_jpegs_stay_in_the_graph():
    assert shape_of(encode(IMAGE)) == [30, 40, 3]
    assert shape_of(encode(IMAGE.convert("L"))) == [30, 40, 1]
    assert shape_of(encode(IMAGE, progressive=True)) == [30, 40, 3]
    assert shape_of(encode(IMAGE, subsampling=0, comment=b"words")) == [30, 40, 3]
    assert shape_of(encode(IMAGE, exif=exif(1))) == [30, 40, 3]
    for order in "<>":
        assert shape_of(with_exif(order, 1)) == shape_of(with_exif(order, 1, kind=4)) == [30, 40, 3]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_photos_that_have_to_be_turned_are_left_to_pillow(orientation):
    assert shape_of(encode(IMAGE, exif=exif(orientation))) == [0, 0, 0]
    for order in "<>":
        for kind in (3, 4):
            for filler in (0, 60_000):
                data = with_exif(order, orientation, kind, filler)
                assert pixels.decode(data).shape == ((30, 40, 3) if orientation < 5 else (40, 30, 3))
                assert shape_of(data) == [0, 0, 0]
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="%d"/>' % orientation
    plain = encode(IMAGE)
    assert shape_of(plain[:2] + block(0xE1, xmp) + plain[2:]) == [0, 0, 0]


def test_everything_else_is_left_to_pillow():
    profile = display_p3()
    deep = png_of(2, 2, 16, 2, (b"\0" + bytes(12)) * 2)
    others = [encode(IMAGE, icc_profile=profile), encode(IMAGE.convert("CMYK")), photo(format="PNG"), deep,
              photo(format="WEBP"), photo(format="HEIF"), photo(format="GIF"), photo(format="BMP"), b"", b"a text",
              b"\xff\xd8"]  # fmt: skip
    for data in others:
        assert shape_of(data) == [0, 0, 0]
    plain = encode(IMAGE)
    late = plain[:20] + block(0xE2, b"MPF\0" + bytes(60_000)) + block(0xE2, b"ICC_PROFILE\0\1\1" + profile) + plain[20:]
    assert pixels.decode(late).shape == (30, 40, 3)
    assert shape_of(late) == [0, 0, 0]
    tables = plain.index(b"\xff\xc0")  # a profile between the tables and the frame, where no program writes one
    assert shape_of(plain[:tables] + block(0xE2, b"ICC_PROFILE\0\1\1" + profile) + plain[tables:]) == [0, 0, 0]


def test_a_decompression_bomb_is_left_to_pillow_which_refuses_it():
    data = bytearray(encode(IMAGE))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    assert shape_of(bytes(data)) == [0, 0, 0]
