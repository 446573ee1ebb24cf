"""Photo bytes -> pixels: the one decoder and the one exact resize, on Pillow and NumPy alone.

The decoding rule, in order, for every format and everywhere:
1. The first frame is decoded to 8 bits per channel as Pillow does it; 16-bit grey keeps its high byte.
2. A JPEG of more than `max_pixels` pixels is decoded at 1/2, 1/4 or 1/8 of its size by libjpeg's scaled DCT: the
   first of these that fits (the phone does the same with inSampleSize).
3. An embedded colour profile is converted to sRGB (relative colorimetric); CMYK without one by Pillow's formula.
4. Transparency is composed on white; grey becomes three equal channels.
5. The EXIF orientation is applied.
"""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from mobilevit_tf.errors import BadImage
from mobilevit_tf.image.image_spec import ImageSpec

FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "HEIF", "AVIF")
MAX_PHOTO_PIXELS = 100_000_000  # refused before decoding: a decompression bomb
MAX_JPEG_PIXELS = 2**28  # of a baseline JPEG, which libjpeg brings to 2**22 without holding the whole
MAX_DECODED_PIXELS = 2**22  # 16 MiB as the phone holds it; still 8 times the pixels of a 720 x 720 crop
MAX_HEADER_BYTES, MAX_HEADER_READS = 2**24, 4_096  # before the pixels; a JPEG's header repeats 64 KB segments
MAX_EXIF_BYTES = 2**20  # before it is parsed; a JPEG's standard ends at 64 KB
LARGE_PIXELS = 2**24  # more than these are decoded one photo at a time, whatever the number of threads
_STRIP_PIXELS = 2**22  # converted at once
PROTOCOLS = ("crop", "stretch")  # crop: the training protocol; stretch: what Android's stock readers do

Image.MAX_IMAGE_PIXELS = MAX_JPEG_PIXELS // 2  # Pillow itself refuses from twice that on
Image.init()  # registers Pillow's readers now: it would at the first photo, where two threads trip over each other

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
UPRIGHT = {  # EXIF orientation -> what turns the photo
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HIGH_BYTE_MODES = ("I;16", "I;16B", "I;16L", "I")
# What Pillow's readers raise on damaged files
DAMAGE = (OSError, SyntaxError, ValueError, IndexError, EOFError, RuntimeError, MemoryError, struct.error)

# Once and for all: `warnings.catch_warnings` around each photo is not safe in the threads that call this module
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # a damaged EXIF block


_large_photo = threading.Lock()


class _Photo(io.BytesIO):
    """A photo's bytes for Pillow's readers, which parse headers in Python, piece by piece.

    A file of many tiny pieces would cost them seconds a megabyte: more reads than `allow` says end in an OSError.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.allow(MAX_HEADER_READS, MAX_HEADER_BYTES)

    def allow(self, reads: int, num_bytes: int) -> None:
        """So many more reads, of so many bytes together; one that asks for everything does not count."""
        self._reads, self._bytes = reads, num_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if size is not None and size >= 0:
            self._reads, self._bytes = self._reads - 1, self._bytes - len(piece)
            if min(self._reads, self._bytes) < 0:
                raise OSError("more, smaller pieces than a photo has")
        return piece


def _register_heif() -> None:
    import pillow_heif  # costs 30 ms and a shared library: only when a HEIF header is met

    pillow_heif.register_heif_opener()


def open_image(data: bytes) -> Image.Image:
    """Photo bytes -> a Pillow image whose header is parsed and whose pixels are not. Raises BadImage."""
    if not data:
        raise BadImage("the file is empty")
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis"):
        _register_heif()
    formats = [name for name in FORMATS if name in Image.OPEN]  # HEIF is there once registered
    try:
        photo = _Photo(data)
        image = Image.open(photo, formats=formats)
    except Image.DecompressionBombError as error:
        raise BadImage(f"more than {MAX_PHOTO_PIXELS:,} pixels") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, RuntimeError) as error:
        raise BadImage("not a picture (JPEG, PNG, WebP, GIF, BMP, HEIC or AVIF expected)") from error
    baseline = image.format in ("JPEG", "MPO") and "progressive" not in image.info
    limit = MAX_JPEG_PIXELS if baseline else MAX_PHOTO_PIXELS
    if image.width * image.height > limit:
        raise BadImage(f"{image.width} x {image.height} is more than {limit:,} pixels")
    photo.allow(10_000 + len(data) // 64, 2 * len(data) + 2**20)  # a PNG's chunks; a stretch may be read twice
    _check_exif_size(image)
    return image


def _check_exif_size(image: Image.Image) -> None:
    """Raises BadImage for EXIF that no camera writes, before any of it is parsed."""
    size = max(len(image.info.get(key) or b"") for key in ("exif", "Raw profile type exif"))
    if size > MAX_EXIF_BYTES:
        raise BadImage(f"holds {size / 2**20:.1f} MB of EXIF, more than {MAX_EXIF_BYTES // 2**20} MB: save it without")


def _draft(image: Image.Image, max_pixels: int) -> None:
    """Sets libjpeg's scaled DCT to the first of 1, 1/2, 1/4, 1/8 that brings the photo under max_pixels."""
    if image.format not in ("JPEG", "MPO"):
        return
    for divisor in (1, 2, 4, 8):
        width, height = -(-image.width // divisor), -(-image.height // divisor)  # libjpeg rounds up
        if width * height <= max_pixels or divisor == 8:
            break
    if divisor > 1:
        image.draft(None, (max(1, image.width // divisor), max(1, image.height // divisor)))


def _to_srgb(image: Image.Image) -> Image.Image:
    """Converts by the embedded ICC profile; a broken profile is ignored, as browsers do."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower().replace(" ", ""):
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), intent, mode)
        assert converted is not None, "only in place there is nothing to return"
        return converted
    except (ImageCms.PyCMSError, OSError):
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """sRGB on white. A large photo goes strip by strip, so that no second copy of all its pixels is held."""
    rows = max(1, _STRIP_PIXELS // image.width)
    if rows >= image.height or (image.mode == "RGB" and not {"transparency", "icc_profile"} & image.info.keys()):
        return _strip_to_rgb(image)
    rgb = Image.new("RGB", image.size)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(image.height, top + rows))
        rgb.paste(_strip_to_rgb(image.crop(box)), box)
    return rgb


def _strip_to_rgb(image: Image.Image) -> Image.Image:
    image = _to_srgb(image)
    if image.mode in _HIGH_BYTE_MODES:
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _decoding(image: Image.Image, full_size: tuple[int, int]) -> contextlib.AbstractContextManager[object]:
    """Waits while another large photo is decoded, so that the memory does not grow with the threads."""
    progressive = image.info.get("progressive") and image.format in ("JPEG", "MPO")
    width, height = full_size if progressive else image.size  # a draft's; libjpeg holds a progressive one in full
    return _large_photo if width * height > LARGE_PIXELS else contextlib.nullcontext()


def decode_image(data: bytes, max_pixels: int = MAX_DECODED_PIXELS) -> Image.Image:
    """Decodes a photo's bytes to an upright 8-bit sRGB Pillow image.

    Args:
      data: the file as it is; the format is found from its content, never from a name.
      max_pixels: from this size on a JPEG is decoded subsampled.

    Raises:
      BadImage: with the reason, in words for the person who sent the file.
    """
    image = open_image(data)
    full_size = image.size
    try:
        _draft(image, max_pixels)
        with _decoding(image, full_size):
            image.load()
            _check_exif_size(image)  # a PNG may have it behind the pixels
            turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
            rgb = _to_rgb(image)
            del image
            return rgb if turn is None else rgb.transpose(turn)
    except BadImage:
        raise
    except DAMAGE as error:
        raise BadImage("truncated or damaged") from error


def decode(data: bytes, max_pixels: int = MAX_DECODED_PIXELS) -> np.ndarray:
    """`decode_image` as uint8 [height, width, 3]."""
    return np.asarray(decode_image(data, max_pixels))


def resize(image: Image.Image, spec: ImageSpec, protocol: str = "crop") -> np.ndarray:
    """Upright RGB image -> uint8 [spec.height, spec.width, 3] in spec.color_order.

    Args:
      image: from `decode_image`.
      spec: the model's contract.
      protocol: "crop" takes `spec.crop_box`; "stretch" the whole photo, as Android's stock readers do.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r}, expected one of {PROTOCOLS}")
    box = spec.crop_box(image.height, image.width) if protocol == "crop" else (0, 0, image.width, image.height)
    left, top, right, bottom = box
    # One direction at a time: from Pillow 13 on a call for both may begin with the rows, and rounds otherwise
    columns = image.resize((spec.width, image.height), _FILTERS[spec.resize], box=(left, 0, right, image.height))
    rows = columns.resize((spec.width, spec.height), _FILTERS[spec.resize], box=(0, top, spec.width, bottom))
    resized = np.asarray(rows)
    return resized if spec.color_order == "RGB" else resized[..., ::-1]


def model_input(data: bytes, spec: ImageSpec, protocol: str = "crop") -> np.ndarray:
    """Photo bytes -> the exact uint8 [height, width, 3] pixels that the model sees, on every machine."""
    return resize(decode_image(data), spec, protocol)
