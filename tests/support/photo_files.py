"""Makes photo files of every kind that folders hold in life, for the tests."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()  # so that Pillow writes HEIC here; the package registers its reader by itself


def pixels_of(width: int, height: int, seed: int = 0) -> np.ndarray:
    """uint8 [height, width, 3]: a smooth colour gradient with a tint of its own, so that JPEG keeps it."""
    rows, columns = np.mgrid[0:height, 0:width]
    tint = np.random.default_rng(seed).integers(0, 120, 3)
    red = 120 * columns / max(1, width - 1)
    green = 120 * rows / max(1, height - 1)
    return np.stack([red + tint[0], green + tint[1], 0 * red + tint[2]], axis=-1).astype(np.uint8)


def encode(image: Image.Image | np.ndarray, format: str = "JPEG", **options: object) -> bytes:
    """A Pillow image or an array of pixels as the bytes of a file."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, format, **options)
    return buffer.getvalue()


def photo(seed: int = 0, width: int = 40, height: int = 30, format: str = "JPEG", **options: object) -> bytes:
    """A colour photo that differs from those of other seeds."""
    return encode(pixels_of(width, height, seed), format, **options)


def exif(orientation: int) -> Image.Exif:
    """An EXIF block that holds an orientation alone."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, depth: int, color: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG file written by hand: Pillow writes neither 16-bit colour nor sizes without pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body


def display_p3() -> bytes:
    """A colour profile with the primaries of Display P3, as phones embed it: sRGB's with its matrix replaced."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    colorants = {  # XYZ of Display P3's primaries, adapted to D50
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for index in range(struct.unpack(">I", profile[128:132])[0]):
        tag, offset, _ = struct.unpack(">4sII", profile[132 + 12 * index : 144 + 12 * index])
        if tag in colorants:
            profile[offset + 8 : offset + 20] = struct.pack(">3i", *(round(65536 * v) for v in colorants[tag]))
    name = "sRGB built-in".encode("utf-16-be")
    assert name in profile
    return bytes(profile.replace(name, "P3-D65 test  ".encode("utf-16-be")))


def write(path: Path, data: bytes) -> Path:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def folder_of_classes(root: Path, counts: dict[str, int], first_seed: int = 0) -> Path:
    """`root/class/class_0.jpg` and so on: as many different photos per class as `counts` says."""
    seed = first_seed
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            write(root / name / f"{name}_{index}.jpg", photo(seed))
            seed += 1
    return root
