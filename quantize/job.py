"""The export from a run directory to a checked file with its report."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import evaluate
from mobilevit_tf.files import write_atomic, write_json
from mobilevit_tf.models import model_file
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.train import run_dir
from quantize.checks import comparison, report, scores
from quantize.checks.comparison import Answers
from quantize.exporter import Exporter, modes
from quantize.settings import CalibrationConfig, FineTuneConfig

KERAS_AGREEMENT, KERAS_DISTANCE = 0.99, 0.01  # between the fake-quantised model and its file


@dataclasses.dataclass(frozen=True)
class Job:
    """What to export.

    Attributes:
      run: run directory, or a model file.
      output: the .tflite; with mode "all" each file gets its mode in its name.
      mode: of `settings.MODES`, or "all".
      output_type: of the scores of int8 files.
      calibrate, tune: settings of the quantised modes.
      min_agreement, max_drop: thresholds past which no file is written; None for none.
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
    """Exports, compares the finished files with the float model, writes files and reports, prints a table.

    Raises:
      UserError: for an unusable run, unusable data, an unwritable place, or a threshold that is missed.
    """
    model = model_file.load(job.run)
    _check_writable(job.output)
    source = datasets.open_source(_data_config(job.run, data, data_dir))
    _check_classes(model, source)
    exporter = Exporter(model, source, job.calibrate, job.tune)
    facts = _fit_scores(exporter, source)
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        baseline = _answers(exporter.export("float32"), Path(folder) / "float32.tflite", source)
        for mode in modes(model.config.variant) if job.mode == "all" else (job.mode,):
            print(f"exporting {mode}", flush=True)
            reports.append(_export_one(exporter, mode, baseline, Path(folder), facts, job))
    print("\n".join([comparison.TABLE_HEAD, *map(comparison.table_row, reports)]))
    return reports


def _export_one(exporter: Exporter, mode: str, baseline: Answers, folder: Path, facts: dict, job: Job) -> dict:
    output = job.output.with_name(f"{job.output.stem}_{mode}.tflite") if job.mode == "all" else job.output
    data = exporter.export(mode, job.output_type)
    candidate = _answers(data, folder / output.name, exporter.source)
    try:
        conversion = _check_conversion(exporter, candidate) if exporter.quantized_model is not None else {}
        result = comparison.compare(baseline, candidate, exporter.source) | facts | conversion
        comparison.check(result, job.min_agreement, job.max_drop)
    except UserError as error:
        raise UserError(f"{mode}: {error}: {output} was not written") from error
    if conversion:
        result |= exporter.departure()
    write_atomic(output, data)
    write_json(output.with_suffix(".report.json"), result)
    write_atomic(output.with_suffix(".report.html"), report.render(result).encode())
    print(f"{output}: {len(data) / 1024:.0f} KB, report in {output.with_suffix('.report.html').name}", flush=True)
    return result


def _answers(data: bytes, path: Path, source: Source) -> Answers:
    path.write_bytes(data)
    return comparison.answers(path, source)


def _fit_scores(exporter: Exporter, source: Source) -> dict:
    """Fits temperature and "unsure", folds them into the export, and says how they were fitted."""
    plain = evaluate.evaluate_keras(exporter.float_model, source, "val", exporter.spec, labels=exporter.model.labels)
    fit = scores.fit(*exporter.held_out_answers(), plain.scores, plain.y_true)
    if fit is None:
        return {}
    exporter.set_temperature(fit.temperature, fit.unsure_below)
    return {
        "temperature_photos": fit.photos,
        "calibration_error_before": fit.error_before,
        "calibration_error_after": fit.error_after,
    }


def _check_conversion(exporter: Exporter, candidate: Answers) -> dict:
    """The fake-quantised Keras model must answer as its file does, otherwise the conversion is wrong.

    Raises:
      UserError: where they differ.
    """
    keras = evaluate.evaluate_keras(
        exporter.quantized_model, exporter.source, "val", exporter.spec, labels=exporter.model.labels
    )
    agreement = scores.agreement(keras, candidate.crop)
    distance = scores.distance(keras.scores, candidate.crop.scores)
    photos = len(keras.ids)
    changed, allowed = round((1 - agreement) * photos), may_change(photos)
    if changed > allowed or distance > KERAS_DISTANCE:
        raise UserError(f"the file answers {changed} of {photos} photos unlike the fake-quantised model (expected at "
                        f"most {allowed}), score distance {distance:.4f} (at most {KERAS_DISTANCE}): the conversion is "
                        "wrong")  # fmt: skip
    return {"keras_agreement": agreement, "keras_distance": distance}


def may_change(photos: int) -> int:
    """How many answers of a right conversion may change: 1 %, at least one."""
    return max(1, int(photos * (1 - KERAS_AGREEMENT)))


def _check_classes(model: ModelFile, source: Source) -> None:
    if set(source.class_names) - set(model.labels):
        raise UserError(f"the model's classes ({', '.join(model.labels[:5])}, ...) are not those of {source.name} "
                        f"({', '.join(source.class_names[:5])}, ...): pass the --data it was trained on")  # fmt: skip


def _data_config(run: Path, data: str | None, data_dir: str | None) -> DataConfig:
    """The run's own data, with what the flags change."""
    folder = run if run.is_dir() else run.parent
    has_config = data is None or (folder / run_dir.CONFIG).exists()
    config = run_dir.load_data_config(folder) if has_config else DataConfig()
    changes = {key: value for key, value in (("data", data), ("data_dir", data_dir)) if value is not None}
    if data is not None and data != config.data:
        changes |= {"train_split": None, "val_split": None}
    return dataclasses.replace(config, **changes)


def _check_writable(output: Path) -> None:
    """Finds out before the work, not after it, that a place cannot be written."""
    if output.is_dir():
        raise UserError(f"{output} is a directory: expected the name of a .tflite")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output.parent):
        pass
