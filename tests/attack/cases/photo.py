"""Photos that were made to harm: bombs of every format, and random damage to photos of every format."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from support.photo_files import encode, photo, png_chunk, png_of

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "HEIF", "AVIF", "MPO")
_ROWS = (b"\0" + bytes(120)) * 30  # of a black RGB PNG of 40 x 30
_GREEN = Image.new("RGB", (40, 30), (20, 120, 40))


def _flat_png(width: int, height: int, color: int, depth: int = 8) -> bytes:
    """A PNG of one colour that packs a thousand times; color 6 is RGBA, 2 RGB, 0 grey."""
    channels = {0: 1, 2: 3, 6: 4}[color]
    row, packer = b"\0" + bytes(width * channels * depth // 8), zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


def _after_start(data: bytes, extra: bytes) -> bytes:
    """A JPEG with segments put in behind its first two bytes."""
    return data[:2] + extra + data[2:]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([255, marker]) + struct.pack(">H", len(body) + 2) + body


def _ifd(entries: int, size: int) -> bytes:
    """EXIF whose every entry claims the same large block."""
    table = b"".join(struct.pack("<HHII", 1000 + index % 60_000, 7, size // 2, 10) for index in range(entries))
    return (b"II*\0" + struct.pack("<IH", 8, entries % 65_536) + table + bytes(4)).ljust(size, b"x")


def bombs() -> Iterator[tuple[str, bytes]]:
    """(name, photo): small files that ask for much time or memory."""
    jpeg, gif = encode(_GREEN), encode(_GREEN.convert("P"), "GIF")
    yield "png exif 2.4 MB", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"eXIf", b"Exif\0\0" * 400_000))
    yield "png exif behind the pixels", png_of(40, 30, 8, 2, _ROWS)[:-12] + png_chunk(b"eXIf", b"Exif\0\0" * 400_000)
    yield "png exif below the cap", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"eXIf", b"Exif\0\0" * 170_000))
    yield "png exif of shared blocks", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"eXIf", _ifd(60_000, 1_000_000)))
    yield "png 2,000,000 empty IDAT", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"IDAT", b"") * 2_000_000)
    yield "png 1,000,000 texts", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"tEXt", b"a\0b") * 1_000_000)
    packed = zlib.compress(bytes(50_000_000), 9)
    yield "png text bomb", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"zTXt", b"a\0\0" + packed) * 10)
    yield "png profile bomb", png_of(40, 30, 8, 2, _ROWS, png_chunk(b"iCCP", b"a\0\0" + packed))
    yield "png 9,999 x 9,999 RGBA", _flat_png(9_999, 9_999, 6)
    yield "png 9,999 x 9,999 grey of 16 bits", _flat_png(9_999, 9_999, 0, 16)
    yield "png 100,000,000 x 1", _flat_png(100_000_000, 1, 0)
    yield "png of a huge claim", png_of(2**31 - 1, 2**31 - 1, 8, 6, b"")
    webp = "2f0ea7c319075081540820000a1a02495bbced8f8f88e87f0000"  # all of one colour, lossless
    yield "webp 9,999 x 9,999 in 46 bytes", b"RIFF&\0\0\0WEBPVP8L\x19\0\0\0" + bytes.fromhex(webp)
    yield "jpeg 4,000,000 comments", _after_start(jpeg, _segment(0xFE, b"") * 4_000_000)
    yield "jpeg exif in 250 segments", _after_start(jpeg, _segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 250)
    yield "jpeg exif of shared blocks", _after_start(jpeg, _segment(0xE1, b"Exif\0\0" + _ifd(5_400, 65_000)))
    yield "jpeg 500 profiles", _after_start(jpeg, _segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65_000)) * 250)
    yield "jpeg of a huge claim", jpeg.replace(struct.pack(">HH", 30, 40), b"\xff\xff\xff\xff", 1)
    yield "gif 4,000,000 comments", gif[:-1] + b"\x21\xfe\x01a\0" * 4_000_000 + b";"
    yield "gif comments before the picture", gif[:13] + b"\x21\xfe\x01a\0" * 2_000_000 + gif[13:]
    yield "gif of a huge claim", gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    yield "bmp of a huge claim", encode(_GREEN, "BMP")[:18] + struct.pack("<ii", 2**30, 2**30) + bytes(40)
    yield "bmp rle", _rle_bmp(30_000, 3_000)


def _rle_bmp(width: int, height: int) -> bytes:
    """A run-length BMP that claims many pixels and holds a few bytes."""
    body = b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 1078 + len(body), 0, 0, 1078) + header + bytes(1024) + body


def whole(format: str) -> bytes:
    """A small photo of one format, with EXIF where the format has it."""
    if format == "MPO":
        return encode(_GREEN, "MPO", save_all=True, append_images=[_GREEN])
    options = (
        {} if format in ("GIF", "BMP") else {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"}
    )
    return photo(3, 64, 48, format=format, **options)


def damaged(generator: np.random.Generator, count: int) -> Iterator[tuple[str, bytes]]:
    """(name, photo) `count` times: bytes changed, blocks cut out, doubled, zeroed or swapped, ends cut off."""
    originals = {name: whole(name) for name in FORMATS}
    for number in range(count):
        name = FORMATS[number % len(FORMATS)]
        yield f"{name} {number}", damage(originals[name], generator)


def damage(data: bytes, generator: np.random.Generator) -> bytes:
    """One random damage, the header more often than the rest."""
    changed = bytearray(data)
    end = len(changed) if generator.integers(2) else min(len(changed), 200)
    kind, start = generator.integers(6), int(generator.integers(end))
    length = int(generator.integers(1, 64))
    if kind == 0:
        return bytes(changed[: max(8, start)])
    if kind == 1:
        del changed[start : start + length]
    elif kind == 2:
        changed[start:start] = changed[start : start + length] * int(generator.integers(1, 50))
    elif kind == 3:
        changed[start : start + length] = bytes([generator.choice([0, 255])]) * len(changed[start : start + length])
    elif kind == 4:
        changed[start : start + 4] = int(generator.integers(2**32)).to_bytes(4, "big")
    for place in generator.integers(0, end, int(generator.integers(1, 20))) if kind == 5 else ():
        changed[min(place, len(changed) - 1)] = generator.integers(256)
    return bytes(changed)


def zip_of(method: int, entries: dict[str, bytes]) -> bytes:
    """A ZIP of one packing method."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return stream.getvalue()
