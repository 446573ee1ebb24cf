"""Defaults of the export, frozen; `export.py` fills them from flags. No TensorFlow."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.errors import UserError

MODES = ("int8", "int8_ptq", "int8_strict", "float16", "dynamic", "float32")
CALIBRATIONS = ("random", "stratified", "all")
OUTPUT_TYPES = ("float32", "uint8")


@dataclasses.dataclass(frozen=True)
class CalibrationConfig:
    """Which training photos set the activation ranges.

    Attributes:
      choice: "random", "stratified" (the same number of each class, as far as there are) or "all".
      images: how many photos; not used by "all".
      seed: of the choice.
    """

    choice: str = "stratified"
    images: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.choice not in CALIBRATIONS:
            raise UserError(f"calibration is {self.choice!r}, expected one of {', '.join(CALIBRATIONS)}")
        if self.images < 1:
            raise UserError(f"calibration with {self.images} images, expected at least 1")


@dataclasses.dataclass(frozen=True)
class FineTuneConfig:
    """Quantisation-aware fine-tuning.

    Attributes:
      epochs: passes over the photos; 0 leaves the weights as they are.
      learning_rate: peak, at batch_size; cosine to 0.
      batch_size: photos a step.
      images: at most so many training photos are used, held in memory as the model's pixels.
      ema_decay: of the average of the weights, which is what is exported; follows faster at first.
      frozen_ranges: keep the calibrated activation ranges instead of following them.
      flip: mirror half of the photos.
      seed: of order and mirroring.
    """

    epochs: int = 2
    learning_rate: float = 2e-5
    batch_size: int = 32
    images: int = 8192
    ema_decay: float = 0.99
    frozen_ranges: bool = True
    flip: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise UserError(f"{self.epochs} epochs of fine-tuning, expected 0 or more")
        if not self.learning_rate > 0:
            raise UserError(f"learning rate {self.learning_rate}, expected a positive number")
