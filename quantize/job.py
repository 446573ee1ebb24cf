"""The export from a run directory to a checked file with its report."""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
import time
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np

from mobilevit_tf import datasets, evaluate, imagenet, model_file, pretrained, run_dir
from mobilevit_tf.config import DataConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluate import Evaluation
from mobilevit_tf.files import write_atomic, write_json
from mobilevit_tf.source import Source
from mobilevit_tf.tflite_model import TFLiteModel
from quantize import pipeline
from quantize.settings import MODES, CalibrationConfig, FineTuneConfig


@dataclasses.dataclass(frozen=True)
class Job:
    """What to export.

    Attributes:
      run: run directory, or a model file.
      output: the .tflite; with mode "all" each file gets its mode in its name.
      mode: of `settings.MODES`, or "all".
      output_type: of the scores of int8 files.
      calibrate, tune: settings of the quantised modes.
      min_agreement, max_drop: thresholds under which no file is written; None for none.
    """

    run: Path
    output: Path
    mode: str
    output_type: str
    calibrate: CalibrationConfig
    tune: FineTuneConfig
    min_agreement: float | None = None
    max_drop: float | None = None


def run(job: Job, data: str | None = None, data_dir: str | None = None) -> list[dict]:
    """Exports, checks the finished files against the float model, writes files and reports, prints a table.

    Raises:
      UserError: for an unusable run, unusable data, an unwritable place, or a threshold that is missed.
    """
    model = pretrained.in_order(model_file.load(job.run), "RGB")  # published weights may expect BGR, no reader does
    _check_writable(job.output)
    source = imagenet.with_class_names(datasets.open_source(_data_config(job.run, data, data_dir)))
    if not set(source.class_names) <= set(model.labels):  # some of its classes suffice: no mode learns from labels
        raise UserError(f"the model's classes ({', '.join(model.labels[:5])}, ...) are not those of {source.name} "
                        f"({', '.join(source.class_names[:5])}, ...): pass the --data it was trained on")  # fmt: skip
    exporter = pipeline.Exporter(model, source, job.calibrate, pipeline.tune_for(source.name, job.tune))
    reference = evaluate.evaluate_keras(exporter.float_model, source, "val", model.spec, labels=model.labels)
    modes = MODES if job.mode == "all" else (job.mode,)
    reports = []
    for mode in modes:
        output = job.output.with_name(f"{job.output.stem}_{mode}.tflite") if job.mode == "all" else job.output
        reports.append(_export_one(exporter, reference, source, mode, output, job))
    print_table(reports)
    return reports


def _export_one(
    exporter: pipeline.Exporter, reference: Evaluation, source: Source, mode: str, output: Path, job: Job
) -> dict:
    data = exporter.export(mode, job.output_type)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / output.name
        path.write_bytes(data)
        report = {"file": output.name, "mode": mode, "run": exporter.model.run_id, **_measure(path, reference, source)}
    _check_thresholds(report, job)
    write_atomic(output, data)
    write_json(output.with_suffix(".report.json"), report)
    return report


def _measure(path: Path, reference: Evaluation, source: Source) -> dict:
    answers = evaluate.evaluate_tflite(path, source, "val")
    model = TFLiteModel(path)
    return {
        "float_top1": reference.top1,
        "tflite_top1": answers.top1,
        "agreement": float((answers.y_pred == reference.y_pred).mean()),
        "photos": len(answers.ids),
        "partitions": model.partitions,
        "size_bytes": path.stat().st_size,
        "median_ms": _median_ms(model),
    }


def _median_ms(model: TFLiteModel, repeats: int = 30) -> float:
    image = np.zeros((*model.spec.size, 3), np.uint8)
    times = []
    for index in range(repeats + 5):
        start = time.perf_counter()
        model.scores(image)
        if index >= 5:
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def _check_thresholds(report: dict, job: Job) -> None:
    drop = report["float_top1"] - report["tflite_top1"]
    if job.min_agreement is not None and report["agreement"] < job.min_agreement:
        raise UserError(f"agreement {report['agreement']:.2%} is below --min_agreement={job.min_agreement:.2%}: "
                        "nothing was written")  # fmt: skip
    if job.max_drop is not None and drop > job.max_drop:
        raise UserError(f"top-1 falls by {drop:.2%}, more than --max_drop={job.max_drop:.2%}: nothing was written")


def _data_config(run: Path, data: str | None, data_dir: str | None) -> DataConfig:
    """The run's own data, with what the flags change."""
    folder = run if run.is_dir() else run.parent
    has_config = data is None or (folder / run_dir.CONFIG).exists()
    config = run_dir.load_data_config(folder) if has_config else DataConfig()
    changes = {key: value for key, value in (("data", data), ("data_dir", data_dir)) if value is not None}
    return dataclasses.replace(config, **changes)


def _check_writable(output: Path) -> None:
    """Finds out before the work, not after it, that a place cannot be written."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output.parent):
        pass
    if output.is_dir():
        raise UserError(f"{output} is a directory: expected the name of a .tflite")
    if not os.access(output.parent, os.W_OK):
        raise PermissionError(13, "no permission", str(output))


def print_table(reports: list[dict]) -> None:
    """One line a file."""
    print(f"{'mode':12} {'float':>8} {'tflite':>8} {'agree':>8} {'parts':>6} {'KB':>8} {'ms':>7}")
    for row in reports:
        print(
            f"{row['mode']:12} {row['float_top1']:8.2%} {row['tflite_top1']:8.2%} {row['agreement']:8.2%} "
            f"{row['partitions']:6} {row['size_bytes'] / 1024:8.0f} {row['median_ms']:7.2f}"
        )
