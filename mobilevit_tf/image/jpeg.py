"""JPEG photos inside the TensorFlow graph: which of them TensorFlow decodes as `pixels` does, and a crop of one.

`pixels` stays the rule for every format. A photo comes through here only where the rule asks for nothing but the
decoder: three channels or grey, upright, no colour profile, no decompression bomb. All of that stands in the header.
"""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.image.pixels import MAX_PHOTO_PIXELS

_ORIENTATIONS = r"[\x02-\x08]"  # all but 1, which is upright
_LONG_HEADER, _SHORT_HEADER = 2**18, 2**12  # bytes to look at: an EXIF or profile block has at most 64 KB
# SOI, a JFIF block of 16 bytes, and at once the quantisation tables: the header of most photos. What may still follow
# them before the scan, tables aside, begins within _SHORT_HEADER bytes.
_SHORT_START = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", b"\xff\xdb"
# A colour profile, or an orientation: in EXIF of either byte order (tag 0x0112, type, count, value), or in XMP. It may
# match where nothing of the kind is, in a thumbnail say: that photo takes the slower way and arrives as well.
_NEEDS_PILLOW = (
    r"(?s)\C*(ICC_PROFILE\x00"
    rf"|\x12\x01[\x01-\x0d]\x00\C\C\C\C{_ORIENTATIONS}"
    rf"|\x01\x12\x00[\x01-\x0d]\C\C\C\C(\x00|\x00\x00\x00|){_ORIENTATIONS}"
    r"|tiff:Orientation(=\"|>)[2-8])\C*"
)


def decodable_shape(data: tf.Tensor) -> tf.Tensor:
    """int32 [3], (height, width, channels) of a JPEG that `decode_crop` may take; zeros for any other bytes.

    Args:
      data: scalar string, a photo's bytes.

    Raises:
      InvalidArgumentError: a JPEG whose header is damaged.
    """
    first = tf.io.decode_raw(tf.strings.substr(data, 0, 22), tf.uint8, fixed_length=22)  # zeros where it is shorter
    starts_as_jpeg = tf.reduce_all(first[:3] == tf.constant(list(b"\xff\xd8\xff"), tf.uint8))
    short = tf.reduce_all(tf.concat([first[:11], first[20:]], 0) == tf.constant(list(b"".join(_SHORT_START)), tf.uint8))
    header = tf.strings.substr(data, 0, tf.where(short, _SHORT_HEADER, _LONG_HEADER))
    special = tf.strings.regex_full_match(header, _NEEDS_PILLOW)
    nothing = tf.zeros([3], tf.int32)

    def shape() -> tf.Tensor:
        found = tf.io.extract_jpeg_shape(data)
        pixels = tf.cast(found[0], tf.int64) * tf.cast(found[1], tf.int64)
        plain = (found[2] == 1) | (found[2] == 3)
        return tf.where(plain & (pixels > 0) & (pixels <= MAX_PHOTO_PIXELS), found, nothing)

    return tf.cond(starts_as_jpeg & ~special, shape, lambda: nothing)


def decode_crop(data: tf.Tensor, box: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """A box of a JPEG photo as uint8 [rows, columns, 3] RGB, no more of it decoded than needed.

    Where the box has several times `size`, libjpeg's scaled DCT halves it as often as leaves it at least `size`.

    Args:
      data: scalar string for which `decodable_shape` is not zero.
      box: int32 [4], (top, left, rows, columns) in pixels of the whole photo.
      size: int32 scalar, the side that the crop will be resized to.
    """

    def decode(ratio: int) -> tf.Tensor:
        window = tf.concat([box[:2] // ratio, tf.maximum(box[2:] // ratio, 1)], 0)
        return tf.io.decode_and_crop_jpeg(data, window, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    halvings = tf.reduce_sum(tf.cast(tf.reduce_min(box[2:]) // [2, 4, 8] >= size, tf.int32))
    return tf.switch_case(halvings, [lambda ratio=ratio: decode(ratio) for ratio in (1, 2, 4, 8)])
