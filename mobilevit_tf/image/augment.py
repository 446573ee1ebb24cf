"""Training crops inside the TensorFlow graph: every function is a pure function of its inputs and of a seed.

Photos are cropped, mirrored and varied one by one. Training needs no exact resize: `pixels` and `ImageSpec` define the
pixels of evaluation, preview and phone.
"""

from __future__ import annotations

import math

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.image import jpeg
from mobilevit_tf.image.randaugment import randaugment

MAX_TRAINING_PIXELS = 2**20  # of photos that Pillow decodes: a crop of 8 % of it still has 290 x 290 pixels
_TRIES = 10
_CROP_DRAWS = 2 * _TRIES + 2  # an area and an aspect for each try, and a place


def draws_of(seed: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """float32 [22 + 1 + 2 * operations] in [0, 1): all that is random about one photo, of a seed int64 [2]."""
    operations = config.randaugment_ops if config.mode == "advanced" else 0
    return tf.random.stateless_uniform([_CROP_DRAWS + 1 + 2 * operations], seed, alg="philox")


def random_resized_crop(
    height: tf.Tensor, width: tf.Tensor, draws: tf.Tensor, scale: tuple[float, float], ratio: tuple[float, float]
) -> tf.Tensor:
    """int32 [4]: the box (top, left, rows, columns) of a random crop.

    The algorithm of Inception's crop as torchvision has it: ten tries of an area drawn from `scale` and an aspect
    ratio drawn log-uniformly from `ratio`, then the largest centred box whose ratio is allowed.

    Args:
      height, width: int32 scalars, of the photo in pixels.
      draws: float32 [22] in [0, 1).
      scale: share of the photo's area.
      ratio: width over height.
    """
    high, wide = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
    low, top_ratio = math.log(ratio[0]), math.log(ratio[1])
    areas = high * wide * (scale[0] + (scale[1] - scale[0]) * draws[:_TRIES])
    aspects = tf.exp(low + (top_ratio - low) * draws[_TRIES : 2 * _TRIES])
    columns, rows = tf.round(tf.sqrt(areas * aspects)), tf.round(tf.sqrt(areas / aspects))
    fits = (columns > 0) & (columns <= wide) & (rows > 0) & (rows <= high)
    first = tf.argmax(fits)
    largest = tf.stack([
        tf.minimum(high, tf.maximum(1.0, tf.round(wide / ratio[0]))),
        tf.minimum(wide, tf.maximum(1.0, tf.round(high * ratio[1]))),
    ])  # fmt: skip
    sides = tf.where(fits[first], tf.stack([rows[first], columns[first]]), largest)
    room = tf.stack([high, wide]) - sides
    places = tf.where(fits[first], tf.floor(draws[2 * _TRIES : _CROP_DRAWS] * (room + 1)), tf.floor(room / 2))
    return tf.cast(tf.concat([tf.minimum(places, room), sides], 0), tf.int32)


def crop_box(height: tf.Tensor, width: tf.Tensor, draws: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """int32 [4], (top, left, rows, columns): the crop of a photo; in mode "none" the largest centred square."""
    if config.mode == "none":
        side = tf.minimum(height, width)
        return tf.stack([(height - side) // 2, (width - side) // 2, side, side])
    return random_resized_crop(height, width, draws[:_CROP_DRAWS], config.scale, config.ratio)


def resized(crop: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """uint8 [rows, columns, 3] -> uint8 [size, size, 3]: pixels are averaged by area, and interpolated to enlarge."""
    shape, sides = tf.shape(crop), tf.stack([size, size])
    batch = crop[None]  # [1, rows, columns, 3]
    values = tf.cond(
        tf.reduce_min(shape[:2]) >= size,
        lambda: tf.raw_ops.ResizeArea(images=batch, size=sides),
        lambda: tf.raw_ops.ResizeBilinear(images=batch, size=sides, half_pixel_centers=True),
    )
    return tf.cast(values[0] + 0.5, tf.uint8)


def varied(image: tf.Tensor, draws: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """Mirrors a crop, uint8 [size, size, 3], with a chance of one half where `config` says so, and RandAugments it."""
    if config.mode == "none":
        return image
    if config.flip:
        image = tf.cond(draws[_CROP_DRAWS] < 0.5, lambda: tf.reverse(image, [1]), lambda: image)
    if config.mode == "advanced":
        image = randaugment(image, draws[_CROP_DRAWS + 1 :], config.randaugment_ops, config.randaugment_magnitude)
    return image


def crop_of_jpeg(data: tf.Tensor, size: tf.Tensor, draws: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """JPEG bytes for which `jpeg.decodable_shape` is not zero -> their crop, uint8 [size, size, 3] RGB."""
    shape = tf.io.extract_jpeg_shape(data)
    return resized(jpeg.decode_crop(data, crop_box(shape[0], shape[1], draws, config), size), size)


def crop_of_pixels(image: tf.Tensor, size: tf.Tensor, draws: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """A decoded photo, uint8 [height, width, 3] RGB -> its crop, uint8 [size, size, 3]."""
    shape = tf.shape(image)
    box = crop_box(shape[0], shape[1], draws, config)
    return resized(tf.slice(image, [box[0], box[1], 0], [box[2], box[3], 3]), size)


def from_jpeg(data: tf.Tensor, size: tf.Tensor, seed: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """`crop_of_jpeg` as training sees it, mirrored and varied; all of it drawn from `seed`, int64 [2]."""
    draws = draws_of(seed, config)
    return varied(crop_of_jpeg(data, size, draws, config), draws, config)


def from_pixels(image: tf.Tensor, size: tf.Tensor, seed: tf.Tensor, config: AugmentConfig) -> tf.Tensor:
    """`crop_of_pixels` as training sees it, mirrored and varied; all of it drawn from `seed`, int64 [2]."""
    draws = draws_of(seed, config)
    return varied(crop_of_pixels(image, size, draws, config), draws, config)
