"""ImageSpec: the one preprocessing contract of training, calibration, preview and phone.

It is stored in the model file, packed into the .tflite as ``image_spec.json`` and read back by everything that feeds
the model. No TensorFlow here: the preview and the tests of the phone's code read it too.
"""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np

from mobilevit_tf import strict_json
from mobilevit_tf.errors import UserError

SCHEMA_VERSION = 1
RESIZE_FILTERS = ("bilinear", "bicubic")
COLOR_ORDERS = ("RGB", "BGR")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(values: tuple[object, ...], count: int) -> bool:
    """True for `count` finite numbers."""
    numbers = [value for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    return len(values) == len(numbers) == count


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """How the bytes of a photo become the model's input.

    The rule, in order: decode to 8-bit sRGB (`pixels.decode`), take the box that `crop_box` names, resize that box to
    height x width with Pillow's antialiased 8-bit fixed-point `resize` filter (horizontal, then vertical), put the
    channels in `color_order`, and for a float input apply `normalize`. A uint8 input takes the pixels as they are.

    Attributes:
      height, width: input size of the model in pixels.
      resize: Pillow's filter, "bilinear" or "bicubic".
      crop_fraction: side of the centred evaluation crop over the largest box of the input's aspect ratio, in (0, 1].
        Apple evaluates MobileViT at 256 out of 288.
      color_order: order of the three channels, "RGB" or "BGR".
      range: values that the pixels 0 and 255 map to, before mean and std.
      mean, std: per channel in color_order, in the units of `range`; value = (scaled - mean) / std.
      schema_version: readers refuse a newer one.
    """

    height: int = 256
    width: int = 256
    resize: str = "bilinear"
    crop_fraction: float = 256 / 288
    color_order: str = "RGB"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        def refuse(key: str, expected: str) -> None:
            raise UserError(f"image spec: {key} is {getattr(self, key)!r}, expected {expected}")

        if not _is_whole(self.schema_version) or not 1 <= self.schema_version <= SCHEMA_VERSION:
            raise UserError(
                f"image spec: schema version {self.schema_version!r} is not known to this reader "
                f"(it knows up to {SCHEMA_VERSION}): update the reader"
            )
        for key in ("height", "width"):
            if not _is_whole(getattr(self, key)) or not 1 <= getattr(self, key) <= 4096:
                refuse(key, "a whole number of pixels from 1 to 4096")
        if self.resize not in RESIZE_FILTERS:
            refuse("resize", f"one of {', '.join(RESIZE_FILTERS)}")
        if not _are_numbers((self.crop_fraction,), 1) or not 0 < self.crop_fraction <= 1:
            refuse("crop_fraction", "a number in (0, 1]")
        if self.color_order not in COLOR_ORDERS:
            refuse("color_order", f"one of {', '.join(COLOR_ORDERS)}")
        if not _are_numbers(self.range, 2) or not self.range[0] < self.range[1]:
            refuse("range", "two increasing numbers")
        if not _are_numbers(self.mean, 3):
            refuse("mean", "three numbers")
        if not _are_numbers(self.std, 3) or min(self.std) <= 0:
            refuse("std", "three positive numbers")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def is_plain(self) -> bool:
        """True where the model takes RGB in [0, 1]: the only form a uint8 input can carry without a float step."""
        return self == dataclasses.replace(self.plain(), schema_version=self.schema_version)

    def plain(self) -> ImageSpec:
        """The same geometry for a model that takes RGB in [0, 1] (normalisation moved into the graph)."""
        return ImageSpec(self.height, self.width, self.resize, self.crop_fraction)

    def crop_box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The centred evaluation box (left, top, right, bottom) in whole pixels of a height x width photo.

        The largest box of the input's aspect ratio, times crop_fraction, each side rounded half up and at least 1.
        Only IEEE double arithmetic in this order, so that the phone repeats it exactly.
        """
        box_height = min(float(height), width * self.height / self.width)
        box_width = min(float(width), height * self.width / self.height)
        rows = min(height, max(1, math.floor(box_height * self.crop_fraction + 0.5)))
        columns = min(width, max(1, math.floor(box_width * self.crop_fraction + 0.5)))
        left, top = (width - columns) // 2, (height - rows) // 2
        return left, top, left + columns, top + rows

    def normalize(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [..., 3] in color_order -> float32 of the same shape, as a float input takes it."""
        low, high = self.range
        scaled = pixels.astype(np.float32) * np.float32((high - low) / 255.0) + np.float32(low)
        return (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)

    def to_json(self) -> str:
        """One JSON object with every attribute by name, keys sorted."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ImageSpec:
        """Reads `to_json`'s text; a newer schema, an unknown or a missing key raises UserError."""
        values = strict_json.parse_object(text, "image spec")
        version = values.get("schema_version", 0)
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise UserError(
                f"image spec: schema version is newer than this reader's {SCHEMA_VERSION}: update the reader"
            )
        known = {field.name for field in dataclasses.fields(cls)}
        if missing := sorted(known - values.keys()):
            raise UserError(f"image spec: missing keys: {', '.join(missing)}")
        return strict_json.build(cls, values, "image spec")
