"""A training photo by Pillow, one call of Python for each: what the input benchmark compares with.

Crop, flip and RandAugment are those of mobilevit_tf/image/augment.py as they were before they moved into the graph.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from mobilevit_tf.image import pixels

_MAX_PIXELS, _FILL = 2**20, (128, 128, 128)
_STRENGTH = 9 / 30


def _crop(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    for _ in range(10):
        area, aspect = width * height * rng.uniform(0.08, 1), math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            left, top = int(rng.integers(width - columns + 1)), int(rng.integers(height - rows + 1))
            return left, top, left + columns, top + rows
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    method, filter = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    return image.transform(image.size, method, matrix, resample=filter, fillcolor=_FILL)


_OPERATIONS = (
    lambda image, v: _affine(image, 1, 0.3 * v, 0, 0, 1, 0),
    lambda image, v: _affine(image, 1, 0, 0, 0.3 * v, 1, 0),
    lambda image, v: _affine(image, 1, 0, 150 / 331 * v * image.width, 0, 1, 0),
    lambda image, v: _affine(image, 1, 0, 0, 0, 1, 150 / 331 * v * image.height),
    lambda image, v: image.rotate(30 * v, Image.Resampling.BILINEAR, fillcolor=_FILL),
    lambda image, v: ImageEnhance.Brightness(image).enhance(1 + 0.9 * v),
    lambda image, v: ImageEnhance.Color(image).enhance(1 + 0.9 * v),
    lambda image, v: ImageEnhance.Contrast(image).enhance(1 + 0.9 * v),
    lambda image, v: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * v),
    lambda image, v: image,
    lambda image, v: ImageOps.posterize(image, 8 - round(4 * abs(v))),
    lambda image, v: ImageOps.solarize(image, round(256 * (1 - abs(v)))),
    lambda image, v: ImageOps.autocontrast(image),
    lambda image, v: ImageOps.equalize(image),
)


def training_image(data: bytes, size: int, seed: tuple[int, int], mode: str) -> np.ndarray:
    """Photo bytes -> uint8 [size, size, 3] RGB: crop and flip, in mode "advanced" RandAugment."""
    rng = np.random.default_rng(seed)
    image = pixels.decode_image(data, _MAX_PIXELS)
    box = _crop(image.width, image.height, rng)
    image = image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if mode == "advanced":
        for index in rng.integers(len(_OPERATIONS), size=2):
            image = _OPERATIONS[index](image, _STRENGTH if rng.random() < 0.5 else -_STRENGTH)
    return np.asarray(image)
