"""Training augmentation: every function is a pure function of its inputs and of the NumPy generator it is given.

Photos are varied one by one with Pillow: its resize with a box, its affine transform, `ImageOps` and `ImageEnhance`
are what torchvision's and timm's RandAugment run on PIL images too. Batches are mixed with NumPy.
Training needs no exact resize: `pixels` and `ImageSpec` define the pixels of evaluation, preview and phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from mobilevit_tf.config import AugmentConfig
from mobilevit_tf.image import pixels

MAX_TRAINING_PIXELS = 2**20  # a crop of 8 % of it still has 290 x 290 pixels
RANDAUGMENT_LEVELS = 30

_FILL = (128, 128, 128)  # where an affine operation looks outside the image
_Box = tuple[float, float, float, float]


def random_resized_crop(
    width: int, height: int, rng: np.random.Generator, scale: tuple[float, float], ratio: tuple[float, float]
) -> _Box:
    """The box (left, top, right, bottom) of a random crop.

    The algorithm of Inception's crop as torchvision has it: ten tries of an area drawn from `scale` and an aspect
    ratio drawn log-uniformly from `ratio`, then the largest centred box whose ratio is allowed.
    """
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            left, top = int(rng.integers(width - columns + 1)), int(rng.integers(height - rows + 1))
            return left, top, left + columns, top + rows
    columns = min(width, max(1, round(height * ratio[1])))
    rows = min(height, max(1, round(width / ratio[0])))
    left, top = (width - columns) // 2, (height - rows) // 2
    return left, top, left + columns, top + rows


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR, fillcolor=_FILL
    )


def _enhance(kind: type) -> Callable[[Image.Image, float], Image.Image]:
    """Brightness, colour, contrast or sharpness times 1 + 0.9 * strength."""
    return lambda image, strength: kind(image).enhance(1 + 0.9 * strength)


# Each takes the image and a signed strength in [-1, 1], 1 being level 30; ranges as in torchvision's RandAugment.
_SIGNED: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "shear_x": lambda image, v: _affine(image, (1, 0.3 * v, 0, 0, 1, 0)),
    "shear_y": lambda image, v: _affine(image, (1, 0, 0, 0.3 * v, 1, 0)),
    "translate_x": lambda image, v: _affine(image, (1, 0, 150 / 331 * v * image.width, 0, 1, 0)),
    "translate_y": lambda image, v: _affine(image, (1, 0, 0, 0, 1, 150 / 331 * v * image.height)),
    "rotate": lambda image, v: image.rotate(30 * v, Image.Resampling.BILINEAR, fillcolor=_FILL),
    "brightness": _enhance(ImageEnhance.Brightness),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "sharpness": _enhance(ImageEnhance.Sharpness),
}
# Strength in [0, 1]
_UNSIGNED: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, v: image,
    "posterize": lambda image, v: ImageOps.posterize(image, 8 - round(4 * v)),
    "solarize": lambda image, v: ImageOps.solarize(image, round(256 * (1 - v))),
    "autocontrast": lambda image, v: ImageOps.autocontrast(image),
    "equalize": lambda image, v: ImageOps.equalize(image),
}
RANDAUGMENT_OPS = (*_SIGNED, *_UNSIGNED)


def apply_operation(image: Image.Image, name: str, strength: float) -> Image.Image:
    """One of RANDAUGMENT_OPS on an RGB image; strength in [-1, 1], its sign counts where the operation has one."""
    return _SIGNED[name](image, strength) if name in _SIGNED else _UNSIGNED[name](image, abs(strength))


def randaugment(image: Image.Image, rng: np.random.Generator, operations: int, magnitude: int) -> Image.Image:
    """RandAugment (arXiv 1909.13719): `operations` drawn with replacement, all at level `magnitude` of 30."""
    for index in rng.integers(len(RANDAUGMENT_OPS), size=operations):
        sign = 1 if rng.random() < 0.5 else -1
        image = apply_operation(image, RANDAUGMENT_OPS[index], sign * magnitude / RANDAUGMENT_LEVELS)
    return image


def training_image(data: bytes, size: int, rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """Photo bytes -> uint8 [size, size, 3] RGB as training sees it: crop, flip, RandAugment.

    Raises:
      BadImage: as `pixels.decode_image`.
    """
    image = pixels.decode_image(data, MAX_TRAINING_PIXELS)
    if config.mode == "none":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box: _Box = (left, top, left + side, top + side)
    else:
        box = random_resized_crop(image.width, image.height, rng, config.scale, config.ratio)
    image = image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    if config.mode != "none" and config.flip and rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if config.mode == "advanced":
        image = randaugment(image, rng, config.randaugment_ops, config.randaugment_magnitude)
    return np.asarray(image)


def mixup(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mixup (arXiv 1710.09412): every image blended with another of the batch, one share per batch.

    The share is Beta(alpha, alpha) in steps of 1/256, so that pixels and labels carry exactly the same one.

    Args:
      images: uint8 [B, H, W, 3].
      labels: float32 [B, N], rows that sum to 1.

    Returns:
      The same shapes and types.
    """
    share = round(256 * rng.beta(alpha, alpha))
    other = rng.permutation(len(images))
    mixed = images * np.uint16(share) + images[other] * np.uint16(256 - share)  # at most 255 * 256: fits 16 bits
    weight = np.float32(share / 256)
    return ((mixed + 128) >> 8).astype(np.uint8), weight * labels + (1 - weight) * labels[other]


def cutmix(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """CutMix (arXiv 1905.04899): one box of every image taken from another of the batch; labels by the box's area.

    Args and returns as `mixup`.
    """
    height, width = images.shape[1:3]
    half = math.sqrt(1 - rng.beta(alpha, alpha)) / 2
    row, column = rng.integers(height), rng.integers(width)
    top, bottom = (round(min(max(row + sign * half * height, 0), height)) for sign in (-1, 1))
    left, right = (round(min(max(column + sign * half * width, 0), width)) for sign in (-1, 1))
    other = rng.permutation(len(images))
    mixed = images.copy()
    mixed[:, top:bottom, left:right] = images[other, top:bottom, left:right]
    weight = np.float32(1 - (bottom - top) * (right - left) / (height * width))
    return mixed, weight * labels + (1 - weight) * labels[other]


def mix_batch(
    images: np.ndarray, labels: np.ndarray, rng: np.random.Generator, config: AugmentConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Mixup or CutMix, each for half of the batches, or the one whose alpha is not 0; args and returns as `mixup`."""
    if not config.mixes:
        return images, labels
    use_mixup = config.mixup_alpha > 0 and (config.cutmix_alpha == 0 or rng.random() < 0.5)
    if use_mixup:
        return mixup(images, labels, rng, config.mixup_alpha)
    return cutmix(images, labels, rng, config.cutmix_alpha)
