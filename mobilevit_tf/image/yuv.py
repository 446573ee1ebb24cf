"""Camera frames (YUV 4:2:0 planes) -> pixels: the rule that the phone's live screen follows to the last bit.

1. Each pixel takes the chroma sample at (row // 2, column // 2): the nearest one, nothing is interpolated.
2. Full-range BT.601, as JPEG has it (ITU-T T.871, section 7), in Pillow's fixed point of six fraction bits.
3. The frame is turned upright; crop and resize by the ImageSpec follow, as for a photo.

Planes come as Android's Image.Plane gives them: rows of `row_stride` bytes, a sample at every `pixel_stride`-th of
them, the last row possibly ending behind its last sample.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from mobilevit_tf.image.pixels import UPRIGHT


@dataclasses.dataclass(frozen=True)
class Plane:
    """One plane of a frame: `data` with a sample every `pixel_stride` bytes, a row every `row_stride` bytes."""

    data: bytes
    row_stride: int
    pixel_stride: int

    def samples(self, height: int, width: int) -> np.ndarray:
        """The plane as uint8 [height, width].

        Raises:
          ValueError: where the strides do not fit the size, or the data ends too early.
        """
        row = (width - 1) * self.pixel_stride + 1  # bytes from a row's first to its last sample
        needed = (height - 1) * self.row_stride + row
        if min(height, width, self.pixel_stride) < 1 or self.row_stride < row or len(self.data) < needed:
            raise ValueError(
                f"a plane of {len(self.data)} bytes, strides {self.row_stride} and {self.pixel_stride}, "
                f"holds no {width} x {height} samples: {needed} bytes expected"
            )
        whole = np.frombuffer(self.data, np.uint8)
        return np.lib.stride_tricks.as_strided(whole, (height, width), (self.row_stride, self.pixel_stride)).copy()


def decode_frame(height: int, width: int, y: Plane, u: Plane, v: Plane, orientation: int = 1) -> Image.Image:
    """A camera frame as an upright RGB image, which `pixels.resize` makes the model's input of.

    Args:
      height, width: of the frame as the sensor gives it, in pixels; u and v have half of each, rounded up.
      y, u, v: its planes.
      orientation: EXIF's 1 to 8, how the frame must be turned.

    Raises:
      ValueError: where a plane does not fit the size.
    """
    chroma = (height + 1) // 2, (width + 1) // 2
    luma = y.samples(height, width)
    blue, red = (plane.samples(*chroma).repeat(2, 0)[:height].repeat(2, 1)[:, :width] for plane in (u, v))
    frame = Image.merge("YCbCr", [Image.fromarray(channel) for channel in (luma, blue, red)]).convert("RGB")
    return frame.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else frame
