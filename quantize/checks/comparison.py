"""One .tflite against another on the same photos and the same machine: everything a report needs. No TensorFlow."""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path
from typing import Any

from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import confidence, evaluate, probe, scorers, strangers
from mobilevit_tf.evaluation.evaluate import Evaluation
from mobilevit_tf.evaluation.photos import MOST_BYTES, Photos
from mobilevit_tf.evaluation.strangers import Rejection
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.image import pixels
from quantize.checks import runtime, scores
from quantize.checks.report import Report
from quantize.checks.scores import Fit


@dataclasses.dataclass(frozen=True)
class Answers:
    """A file, its answers under both protocols, and what its threshold turns away where there are photos of none."""

    path: Path
    crop: Evaluation
    stretch: Evaluation
    rejection: Rejection | None = None


def answers(path: str | Path, source: Source, photos: Photos | None = None) -> Answers:
    """Evaluates a file under the training protocol and under the device protocol.

    Args:
      path: a .tflite; a damaged one raises UserError.
      source: its validation photos answer.
      photos: the same ones where they are decoded already, as the file's ImageSpec says.
    """
    probe.probe(path)
    model, score = scorers.tflite(path)
    if photos is None:
        photos = Photos(source, "val", model.spec, pixels.PROTOCOLS, most_bytes=MOST_BYTES)
    if photos.spec != model.spec:
        raise ValueError(f"{path} is for other pixels: {model.spec}, not {photos.spec}")
    crop, stretch = (evaluate.answer(score, photos, model.labels, way) for way in photos.protocols)
    _, measuring = strangers.halves(source.strangers)
    rejection = strangers.measure(score, measuring, model.spec, crop.scores, model.info.unsure_below)
    return Answers(Path(path), crop, stretch, rejection)


def compare(baseline: Answers, candidate: Answers, source: Source, fit: Fit | None = None) -> Report:
    """The report of `candidate` against `baseline`; `fit` says how an export came to the scores.

    Raises:
      UserError: where the two do not have the same classes.
    """
    if baseline.crop.labels != candidate.crop.labels:
        raise UserError(f"{baseline.path.name} and {candidate.path.name} do not have the same classes: "
                        "they cannot be compared")  # fmt: skip
    model, crop, stretch = TFLiteModel(candidate.path), candidate.crop, candidate.stretch
    single = runtime.latency([baseline.path, candidate.path], 1)
    several = runtime.latency([baseline.path, candidate.path], runtime.all_threads())
    return Report(
        file=candidate.path.name,
        mode=model.info.mode,
        variant=model.info.variant,
        input_size=list(model.spec.size),
        run=model.info.run_id,
        photos=len(crop.ids),
        float_top1=baseline.crop.top1,
        tflite_top1=crop.top1,
        agreement=scores.agreement(baseline.crop, crop),
        score_distance=scores.distance(baseline.crop.scores, crop.scores),
        stretch_float_top1=baseline.stretch.top1,
        stretch_tflite_top1=stretch.top1,
        stretch_agreement=scores.agreement(baseline.stretch, stretch),
        calibration_error=confidence.calibration_error(crop.scores, crop.y_true),
        temperature=model.info.temperature,
        **_threshold(model, candidate),
        size_bytes=candidate.path.stat().st_size,
        baseline_size_bytes=baseline.path.stat().st_size,
        median_ms=single[1],
        baseline_median_ms=single[0],
        latency_ratio=single[1] / single[0],
        threads=runtime.all_threads(),
        threads_median_ms=several[1],
        baseline_threads_median_ms=several[0],
        preprocess_ms=_preprocess_ms(model, source),
        **runtime.footprint(candidate.path),
        **runtime.operators(candidate.path),
        **scores.changes(baseline.crop, crop),
        temperature_photos=fit.photos if fit else None,
        calibration_error_before=fit.error_before if fit else None,
        calibration_error_after=fit.error_after if fit else None,
    )


def _threshold(model: TFLiteModel, candidate: Answers) -> dict[str, Any]:
    info = model.info
    return {
        "unsure_below": info.unsure_below, "none_of_these": info.none_of_these, "rejection": candidate.rejection,
    }  # fmt: skip


def rejection_line(found: Rejection) -> str:
    """What a file's threshold turns away, for the terminal."""
    return (f"{found.strangers} photos of none of the classes: {found.strangers_turned_away:.1%} turned away, and "
            f"{found.own_turned_away:.1%} of the own photos; AUROC {found.auroc:.3f}")  # fmt: skip


def check(report: Report, min_agreement: float | None, max_drop: float | None) -> None:
    """The gate.

    Raises:
      UserError: naming the threshold that is missed.
    """
    drop = report.float_top1 - report.tflite_top1
    if min_agreement is not None and report.agreement < min_agreement:
        raise UserError(f"agreement {report.agreement:.2%} is below --min_agreement={min_agreement:.2%}")
    if max_drop is not None and drop > max_drop:
        raise UserError(f"top-1 falls by {drop:.2%}, more than --max_drop={max_drop:.2%}")


def _preprocess_ms(model: TFLiteModel, source: Source) -> float:
    times = []
    for example in source.examples("val", limit=20):
        start = time.perf_counter()
        pixels.model_input(example.data, model.spec)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


TABLE_HEAD = f"{'mode':12} {'float':>8} {'tflite':>8} {'agree':>8} {'parts':>6} {'KB':>8} {'ms':>8} {'of float32':>10}"


def table_row(report: Report) -> str:
    """One line of the table under TABLE_HEAD."""
    return (
        f"{report.mode:12} {report.float_top1:8.2%} {report.tflite_top1:8.2%} {report.agreement:8.2%} "
        f"{report.partitions:6} {report.size_bytes / 1024:8.0f} {report.median_ms:8.2f} "
        f"{report.latency_ratio:9.2f}x"
    )
