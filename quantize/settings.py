"""Defaults of the export, frozen; `export.py` fills them from flags. No TensorFlow."""

from __future__ import annotations

import dataclasses

from mobilevit_tf.errors import UserError

MODES = ("int8", "int8_ptq", "int8_strict", "float16", "dynamic", "float32")
FLOAT_MODES = ("float16", "dynamic", "float32")  # whose scores are always float32
CALIBRATIONS = ("random", "stratified", "all")
OUTPUT_TYPES = ("float32", "uint8")
TUNING_PHOTOS = 8192  # training photos that fine-tuning uses at most: they lie in memory as the model's pixels


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
      learning_rate: peak; cosine to 0.
      frozen_ranges: keep the calibrated activation ranges instead of following them.
      seed: of order and mirroring.
    """

    epochs: int = 2
    learning_rate: float = 2e-5
    frozen_ranges: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise UserError(f"{self.epochs} epochs of fine-tuning, expected 0 or more")
        if not self.learning_rate > 0:
            raise UserError(f"learning rate {self.learning_rate}, expected a positive number")
