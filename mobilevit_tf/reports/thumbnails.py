"""Photos of a split as small pictures inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection

from PIL import Image

from mobilevit_tf.data.source import Source
from mobilevit_tf.image import pixels

SIDE = 224  # pixels, twice the shown size: sharp on a phone


def read(source: Source, split: str, ids: Collection[str]) -> dict[str, bytes]:
    """The files of the photos of these names; the split is read up to the last of them."""
    wanted, found = set(ids), {}
    if not wanted:
        return {}
    for example in source.examples(split):
        if example.id in wanted:
            found[example.id] = example.data
            if len(found) == len(wanted):
                break
    return found


def data_url(data: bytes) -> str:
    """Photo bytes -> data URL of a small JPEG, upright, in sRGB; tiny pictures are enlarged without smoothing."""
    image = pixels.decode_image(data)
    if max(image.size) < SIDE // 4:
        factor = SIDE // max(image.size)
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE))
    return jpeg_url(image)


def jpeg_url(image: Image.Image) -> str:
    """An RGB picture as a data URL."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
