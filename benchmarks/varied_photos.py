"""Many different photos out of a few: random crops, mirrored, brighter or darker. NumPy and Pillow only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def varied_photos(count: int, size: tuple[int, int] | None = None, seed: int = 0) -> list[Image.Image]:
    """`count` RGB photos made of the examples.

    Args:
      count: how many.
      size: (height, width) of all of them; None gives each a shape of its own, 1:2 to 2:1.
      seed: of all choices.
    """
    sources = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.glob("*.jpg"))]
    generator = np.random.default_rng(seed)
    photos = []
    for number in range(count):
        source = sources[number % len(sources)]
        ratio = size[1] / size[0] if size else 2 ** generator.uniform(-1, 1)
        height = generator.uniform(0.4, 1) * min(source.height, source.width / ratio)
        width = height * ratio
        top, left = generator.uniform(0, source.height - height), generator.uniform(0, source.width - width)
        crop = source.crop(tuple(round(value) for value in (left, top, left + width, top + height)))
        if generator.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        crop = ImageEnhance.Brightness(crop).enhance(generator.uniform(0.6, 1.4))
        photos.append(crop.resize((size[1], size[0]), Image.Resampling.BICUBIC) if size else crop)
    return photos
