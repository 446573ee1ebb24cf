"""What an export or a comparison says of one file against its baseline."""

from __future__ import annotations

import dataclasses
from typing import Any

from mobilevit_tf.evaluation.strangers import Rejection


@dataclasses.dataclass(frozen=True)
class Operator:
    """An operator that the delegate left to the slow kernels: its type, its number type, its tensor, and why."""

    operator: str
    type: str
    name: str
    reason: str


@dataclasses.dataclass(frozen=True)
class ClassRecall:
    """Recall of one class before and after; None where no photo could judge it."""

    label: str
    baseline: float | None
    candidate: float | None


@dataclasses.dataclass(frozen=True)
class Change:
    """A photo whose answer changed: true class, both answers with their scores."""

    photo: str
    true: str
    baseline: str
    candidate: str
    baseline_score: float
    candidate_score: float


@dataclasses.dataclass(frozen=True)
class LayerError:
    """How far a layer of the 8-bit model departs: root mean square of the difference over that of the float output."""

    layer: str
    relative_error: float


@dataclasses.dataclass(frozen=True)
class Saturation:
    """The range of a layer, and the share of its float outputs outside of it."""

    layer: str
    low: float
    high: float
    saturated: float


@dataclasses.dataclass(frozen=True)
class Report:
    """One .tflite against its baseline on the same photos and the same machine.

    Shares and accuracies are in [0, 1], times in milliseconds of one inference, `*_ms` of the baseline in the same
    run. What an export alone can say is None in a comparison of two files, and left out of the JSON.

    Attributes:
      file, mode, variant, input_size, run: which file, from which training run.
      photos: how many were judged.
      float_top1, tflite_top1, agreement, score_distance: baseline, file, and both together, in training's protocol.
      stretch_*: the same where the photo is stretched to the input, as stock Android readers do.
      calibration_error: expected, of the file's scores.
      temperature, unsure_below, none_of_these: what the file carries.
      rejection: what the file's threshold turns away, where photos of none of the classes came with the data.
      size_bytes, median_ms, threads_median_ms, load_ms, memory_bytes, preprocess_ms: cost; baseline_* of the baseline.
      partitions, operators, not_delegated: what XNNPACK took.
      classes, changed: recall by class, and the photos whose answer changed.
      temperature_photos, calibration_error_before, calibration_error_after: how the scores were fitted.
      keras_agreement, keras_distance: the file against its fake-quantised Keras model.
      layers, saturation: where the 8-bit model departs from the float one, the largest first.
      seconds: what the export took, by step.
    """

    file: str
    mode: str
    variant: str
    input_size: list[int]
    run: str
    photos: int
    float_top1: float
    tflite_top1: float
    agreement: float
    score_distance: float
    stretch_float_top1: float
    stretch_tflite_top1: float
    stretch_agreement: float
    calibration_error: float
    temperature: float
    unsure_below: float
    size_bytes: int
    baseline_size_bytes: int
    median_ms: float
    baseline_median_ms: float
    latency_ratio: float
    threads: int
    threads_median_ms: float
    baseline_threads_median_ms: float
    preprocess_ms: float
    load_ms: float
    memory_bytes: int
    partitions: int
    operators: dict[str, int]
    not_delegated: list[Operator]
    classes: list[ClassRecall]
    changed: list[Change]
    none_of_these: bool = False
    rejection: Rejection | None = None
    temperature_photos: str | None = None
    calibration_error_before: float | None = None
    calibration_error_after: float | None = None
    keras_agreement: float | None = None
    keras_distance: float | None = None
    layers: list[LayerError] | None = None
    saturation: list[Saturation] | None = None
    seconds: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values by key, without what is None."""
        values = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        values["classes"] = [{"class" if key == "label" else key: value for key, value in row.items()}
                             for row in values["classes"]]  # fmt: skip
        return values
