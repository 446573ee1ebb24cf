"""Makes tests/golden/frames.json, camera frames and their pixels: `cd tests && python -m support.make_golden_frames`.

The planes are noise from `make_golden.synthetic`'s formula, which Kotlin repeats; results are SHA-256 of their bytes.
"""

from __future__ import annotations

from mobilevit_tf.files import write_json
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.image.yuv import Plane, decode_frame
from support.make_golden import GOLDEN, digest, synthetic

SPECS = (ImageSpec(64, 64), ImageSpec(48, 80, "bicubic", 0.8, color_order="BGR"), ImageSpec(192, 192, "bilinear", 1.0))
# (width, height, bytes of a luma row, of a chroma row, chroma's pixel stride)
LAYOUTS = (
    (640, 480, 640, 320, 1), (640, 480, 704, 640, 2), (352, 288, 352, 384, 2), (61, 43, 64, 31, 1), (61, 43, 61, 64, 2),
    (2, 2, 16, 2, 1), (1, 1, 1, 1, 1), (7, 5, 8, 9, 2),
)  # fmt: skip


def noise_bytes(count: int) -> bytes:
    """The first `count` values of the noise picture's formula."""
    return synthetic(-(-count // 3), 1, "noise").tobytes()[:count]


def plane(height: int, width: int, row_stride: int, pixel_stride: int, skip: int) -> Plane:
    """A plane of noise that ends behind its last sample; `skip` values of the formula come before it."""
    count = (height - 1) * row_stride + (width - 1) * pixel_stride + 1
    return Plane(noise_bytes(skip + count)[skip:], row_stride, pixel_stride)


def frame_cases() -> list[dict]:
    """Every layout in every orientation, the specs by turns: the hashes of the upright frame and of the input."""
    cases = []
    for width, height, luma_row, chroma_row, pixel_stride in LAYOUTS:
        chroma = (height + 1) // 2, (width + 1) // 2
        planes = (plane(height, width, luma_row, 1, 0),
                  plane(*chroma, chroma_row, pixel_stride, 1), plane(*chroma, chroma_row, pixel_stride, 2))  # fmt: skip
        for orientation in range(1, 9):
            upright, spec = decode_frame(height, width, *planes, orientation), SPECS[len(cases) % len(SPECS)]
            cases.append(
                {"width": width, "height": height, "luma_row": luma_row, "chroma_row": chroma_row,
                 "pixel_stride": pixel_stride, "orientation": orientation, "spec": spec.to_json(),
                 "upright_sha256": digest(upright), "input_sha256": digest(pixels.resize(upright, spec))}
            )  # fmt: skip
    return cases


def frames() -> dict:
    return {"limits": {"jpeg_pixels": pixels.MAX_JPEG_PIXELS}, "frames": frame_cases()}


if __name__ == "__main__":
    write_json(GOLDEN / "frames.json", frames())
