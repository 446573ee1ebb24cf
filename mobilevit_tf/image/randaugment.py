"""RandAugment (arXiv 1909.13719) inside the TensorFlow graph, on one uint8 image at a time.

The fourteen operations and their ranges are torchvision's, and so is taking the nearest pixel where an image is
turned or sheared. Brightness, colour, contrast and sharpness are Pillow's `ImageEnhance`, the histogram operations
its `ImageOps`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

RANDAUGMENT_LEVELS = 30
_FILL = 128  # where an affine operation looks outside the image
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow's conversion to grey

_Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _affine(image: tf.Tensor, matrix: list[tf.Tensor | float]) -> tf.Tensor:
    """Output pixel (x, y) is input pixel (a x + b y + c, d x + e y + f), the nearest one."""
    # One 32-bit number for each pixel: [h, w, 3] -> [h, w, 4] -> [1, h, w, 1]; moving them costs a third of the time
    packed = tf.bitcast(tf.pad(image, [[0, 0], [0, 0], [0, 1]]), tf.int32)[None, ..., None]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=packed + 1, output_shape=tf.shape(image)[:2], fill_value=0.0, interpolation="NEAREST",
        transforms=tf.stack([*map(tf.convert_to_tensor, matrix), 0.0, 0.0])[None], fill_mode="CONSTANT",
    )  # fmt: skip
    # No pixel is 0 after the 1 was added: 0 is outside
    grey = int.from_bytes(bytes([_FILL] * 3), "little") + 1
    filled = moved + tf.cast(tf.equal(moved, 0), tf.int32) * grey - 1
    return tf.bitcast(filled[0, ..., 0], tf.uint8)[..., :3]


def _shifted(image: tf.Tensor, pixels: tf.Tensor, axis: int) -> tf.Tensor:
    """Output pixel x is input pixel x + pixels, rounded to whole ones."""
    length = tf.shape(image)[axis]
    shift = tf.clip_by_value(tf.cast(tf.round(pixels), tf.int32), -length, length)
    room = [[0, 0], [0, 0], [0, 0]]
    room[axis] = [tf.maximum(-shift, 0), tf.maximum(shift, 0)]
    padded = tf.pad(image, room, constant_values=_FILL)
    begin = [0, 0, 0]
    begin[axis] = tf.maximum(shift, 0)
    return tf.slice(padded, begin, tf.shape(image))


def _side(image: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.cast(tf.shape(image)[axis], tf.float32)


def _rotated(image: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """By 30 degrees times v, counter-clockwise about the centre."""
    angle = v * (30 * math.pi / 180)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x, y = (_side(image, 1) - 1) / 2, (_side(image, 0) - 1) / 2
    return _affine(image, [cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y])


def _enhanced(image: tf.Tensor, degenerate: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """The image moved away from `degenerate` (or to it) by the factor 1 + 0.9 * strength."""
    values = degenerate + (1 + 0.9 * strength) * (tf.cast(image, tf.float32) - degenerate)
    return tf.cast(tf.clip_by_value(values + 0.5, 0, 255), tf.uint8)


def _grey(image: tf.Tensor) -> tf.Tensor:
    """float32 [h, w]."""
    return tf.linalg.matvec(tf.cast(image, tf.float32), tf.constant(_LUMA))


def _smooth(image: tf.Tensor) -> tf.Tensor:
    """float32 [h, w, 3]: Pillow's SMOOTH, the weights 1 and 5 (in the middle) over 13; the border stays."""
    values = tf.cast(image, tf.float32)
    padded = tf.pad(values, [[1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * values) / 13


def _autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Every channel stretched to 0 to 255; one of a single level stays."""
    low = tf.cast(tf.reduce_min(image, [0, 1]), tf.float32)
    high = tf.cast(tf.reduce_max(image, [0, 1]), tf.float32)
    scale = tf.where(high > low, 255 / tf.maximum(high - low, 1), 1.0)
    return tf.cast((tf.cast(image, tf.float32) - tf.where(high > low, low, 0.0)) * scale + 0.001, tf.uint8)


def _equalized(image: tf.Tensor) -> tf.Tensor:
    """Every channel's histogram flattened, by the table of Pillow's `ImageOps.equalize`."""
    levels = tf.cast(image, tf.int32) + tf.constant([0, 256, 512])  # every channel counts in bins of its own
    counts = tf.reshape(tf.math.bincount(tf.reshape(levels, [-1]), minlength=768, maxlength=768), [3, 256])
    highest = 255 - tf.argmax(tf.reverse(counts, [1]) > 0, 1, tf.int32)  # [3]: the brightest level that occurs
    step = (tf.reduce_sum(counts, 1) - tf.gather(counts, highest, batch_dims=1)) // 255
    step = step[:, None]
    table = (step // 2 + tf.cumsum(counts, axis=1, exclusive=True)) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256)[None])
    return tf.gather(tf.reshape(tf.cast(table, tf.uint8), [-1]), levels)


def _solarized(image: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Levels of at least 256 (1 - v) inverted."""
    threshold = tf.cast(tf.round(256 * (1 - v)), tf.int32)
    bright = tf.cast(tf.cast(image, tf.int32) >= threshold, tf.uint8)
    return tf.bitwise.bitwise_xor(image, bright * 255)


def _posterized(image: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """The 8 - round(4 v) highest bits of every level."""
    dropped = tf.cast(tf.round(4 * v), tf.uint8)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, dropped), dropped)


# Each takes the image and a signed strength in [-1, 1], 1 being level 30
_SIGNED: dict[str, _Operation] = {
    "shear_x": lambda image, v: _affine(image, [1.0, 0.3 * v, 0.0, 0.0, 1.0, 0.0]),
    "shear_y": lambda image, v: _affine(image, [1.0, 0.0, 0.0, 0.3 * v, 1.0, 0.0]),
    "translate_x": lambda image, v: _shifted(image, 150 / 331 * v * _side(image, 1), 1),
    "translate_y": lambda image, v: _shifted(image, 150 / 331 * v * _side(image, 0), 0),
    "rotate": _rotated,
    "brightness": lambda image, v: _enhanced(image, tf.constant(0.0), v),
    "color": lambda image, v: _enhanced(image, _grey(image)[..., None], v),
    "contrast": lambda image, v: _enhanced(image, tf.round(tf.reduce_mean(_grey(image))), v),
    "sharpness": lambda image, v: _enhanced(image, _smooth(image), v),
}
# Strength in [0, 1]
_UNSIGNED: dict[str, _Operation] = {
    "identity": lambda image, v: image,
    "posterize": _posterized,
    "solarize": _solarized,
    "autocontrast": lambda image, v: _autocontrast(image),
    "equalize": lambda image, v: _equalized(image),
}
RANDAUGMENT_OPS = (*_SIGNED, *_UNSIGNED)


def apply_operation(image: tf.Tensor, name: str, strength: tf.Tensor | float) -> tf.Tensor:
    """One of RANDAUGMENT_OPS on uint8 [h, w, 3]; strength in [-1, 1], its sign counts where the operation has one."""
    strength = tf.convert_to_tensor(strength, tf.float32)
    changed = _SIGNED[name](image, strength) if name in _SIGNED else _UNSIGNED[name](image, tf.abs(strength))
    return tf.ensure_shape(changed, [None, None, 3])


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)
    ],
    autograph=False,
)  # fmt: skip
def _apply_drawn(image: tf.Tensor, index: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """`apply_operation` by index, traced once in a process."""
    return tf.switch_case(index, [lambda name=name: apply_operation(image, name, strength) for name in RANDAUGMENT_OPS])


def randaugment(image: tf.Tensor, draws: tf.Tensor, operations: int, magnitude: int) -> tf.Tensor:
    """RandAugment: `operations` drawn with replacement, all at level `magnitude` of 30.

    Args:
      image: uint8 [h, w, 3].
      draws: float32 [2 * operations] in [0, 1): for each operation which, and its sign.
      operations, magnitude: see `AugmentConfig`.
    """
    choices = tf.minimum(tf.cast(draws[::2] * len(RANDAUGMENT_OPS), tf.int32), len(RANDAUGMENT_OPS) - 1)
    strengths = tf.where(draws[1::2] < 0.5, 1.0, -1.0) * (magnitude / RANDAUGMENT_LEVELS)
    return tf.while_loop(  # one copy of the operations in the graph instead of one for each
        lambda number, _: number < operations,
        lambda number, varied: (number + 1, _apply_drawn(varied, choices[number], strengths[number])),
        (tf.constant(0), image),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None, 3])),
        parallel_iterations=1,
    )[1]
