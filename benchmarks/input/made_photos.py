"""Photos for the input benchmark, made from examples/: crops at many scales, with grain until they are large enough."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# name -> (longer side, shorter side, bytes): ImageNet's are 500 x 375 and 105 KB on average
KINDS = {"small": (340, 256, 20_000), "imagenet": (500, 375, 105_000)}
_GRAIN = 8.0  # standard deviation of the brightness noise, in levels
_QUALITIES = range(60, 98, 2)


def _jpeg(image: Image.Image, size: int) -> bytes:
    """The JPEG of the lowest quality that has at least `size` bytes, or of the highest; found by halving."""
    low, high = 0, len(_QUALITIES) - 1
    data: dict[int, bytes] = {}
    while True:
        middle = (low + high) // 2
        if middle not in data:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=_QUALITIES[middle])
            data[middle] = buffer.getvalue()
        if low == high:
            return data[middle]
        low, high = (low, middle) if len(data[middle]) >= size else (middle + 1, high)


def make(folder: Path, kind: str, count: int) -> float:
    """Writes `count` photos of two classes, a third of them upright, and returns their mean size in bytes."""
    longer, shorter, size = KINDS[kind]
    rng = np.random.default_rng(0)
    originals = [Image.open(path).convert("RGB") for path in sorted(EXAMPLES.glob("*.jpg"))]
    total = 0
    for index, original in zip(range(count), itertools.cycle(originals), strict=False):
        width, height = (shorter, longer) if index % 3 == 0 else (longer, shorter)
        scale = rng.uniform(0.4, 1.0) * min(original.width / width, original.height / height)
        left = rng.uniform(0, original.width - scale * width)
        top = rng.uniform(0, original.height - scale * height)
        box = (left, top, left + scale * width, top + scale * height)
        crop = original.resize((width, height), Image.Resampling.BICUBIC, box=box)
        noisy = np.asarray(crop) + rng.normal(0, _GRAIN, (height, width, 1))
        data = _jpeg(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), size)
        path = folder / str(index % 2) / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        total += len(data)
    return total / count
