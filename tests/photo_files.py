"""Makes photo files of every kind that folders hold in life, for the tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

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


def write(path: Path, data: bytes) -> Path:
    """Writes a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def folder_of_classes(root: Path, counts: dict[str, int], first_seed: int = 0) -> Path:
    """`root/class/class_0.jpg` and so on: as many different photos a class as `counts` says."""
    seed = first_seed
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            write(root / name / f"{name}_{index}.jpg", photo(seed))
            seed += 1
    return root
