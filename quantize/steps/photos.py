"""Training photos as the model's pixels in memory, for calibration and fine-tuning. No TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import BadImage, UserError
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.progress import ProgressBar
from quantize.settings import CalibrationConfig


def hold_out(size: int, tuning_images: int) -> tuple[np.ndarray, np.ndarray]:
    """(indices for fine-tuning and calibration, indices held out from both), of a training split of `size` photos.

    Every fourth photo of as many as fine-tuning would look at is held out: the scores are calibrated on them.
    """
    pool = np.arange(size)
    held_out = pool[3 : 4 * tuning_images // 3 : 4]
    return np.setdiff1d(pool, held_out), held_out


def choose(labels: np.ndarray, config: CalibrationConfig) -> np.ndarray:
    """Indices of the calibration photos, sorted.

    Args:
      labels: int64 [n], class of every training photo.
      config: choice, number and seed.

    Raises:
      UserError: where there is no photo.
    """
    if not len(labels):
        raise UserError("no calibration photos: the training split is empty, choose other --data")
    order = np.random.default_rng(config.seed).permutation(len(labels))
    if config.choice == "all" or config.images >= len(labels):
        return np.arange(len(labels))
    if config.choice == "stratified":  # first the first photo of each class, then the second, ...
        shuffled = labels[order]
        rank = np.empty(len(labels), np.int64)
        for label in np.unique(labels):
            rank[shuffled == label] = np.arange((shuffled == label).sum())
        order = order[np.argsort(rank, kind="stable")]
    return np.sort(order[: config.images])


def load(source: Source, split: str, indices: Sequence[int] | np.ndarray, spec: ImageSpec) -> np.ndarray:
    """uint8 [len(indices), height, width, 3]: evaluation preprocessing of the photos at these places of the split.

    Raises:
      UserError: for a photo that cannot be read, by name.
    """

    def decode(example: Any) -> Any:
        try:
            return pixels.model_input(example.data, spec)
        except BadImage as error:
            raise UserError(f"{example.id}: {error}") from error

    wanted = {int(index) for index in indices}
    examples = (e for index, e in enumerate(source.examples(split, limit=max(wanted) + 1)) if index in wanted)
    images = np.empty((len(wanted), *spec.size, 3), np.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool, ProgressBar(total=len(wanted), desc="photos", unit="photo") as bar:
        pending = []
        for place, example in enumerate(examples):
            pending.append((place, pool.submit(decode, example)))
            if len(pending) >= 64:
                _drain(pending, images, bar)
        _drain(pending, images, bar)
    return images


def _drain(pending: list, images: np.ndarray, bar: ProgressBar) -> None:
    for place, future in pending:
        images[place] = future.result()
        bar.update()
    pending.clear()
