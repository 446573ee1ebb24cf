"""The export from a run directory to a checked file with its report."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tf_keras

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import evaluate, scorers
from mobilevit_tf.evaluation.photos import MOST_BYTES, Photos
from mobilevit_tf.files import write_atomic, write_json
from mobilevit_tf.image import pixels
from mobilevit_tf.models import model_file
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.train import run_dir
from quantize import exporter
from quantize.checks import comparison, conversion, page, scores
from quantize.checks.comparison import Answers
from quantize.checks.figures import Evidence
from quantize.checks.report import Report
from quantize.checks.scores import Fit
from quantize.clock import Clock
from quantize.exporter import Calibrated, Prepared
from quantize.settings import CalibrationConfig, FineTuneConfig

CHECKED_PHOTOS = 2  # that the file and its Keras model compute layer by layer


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


@dataclasses.dataclass(frozen=True, eq=False)
class _Judge:
    """What the files of every mode are judged by.

    Attributes:
      photos: the validation photos.
      data: the float32 file, whose size and speed are the baseline's.
      answers: the float model's own, with the path of that file.
      fit: of the scores; None where there were too few photos.
      folder: where files lie before they are written.
    """

    photos: Photos
    data: bytes
    answers: Answers
    fit: Fit | None
    folder: Path

    @property
    def measured(self) -> slice:
        """The validation photos on which the temperature was not fitted."""
        return self.fit.measured if self.fit else slice(None)


def run(
    job: Job, data: str | None = None, data_dir: str | None = None, none_of_these: str | None = None
) -> list[Report]:
    """Exports, compares the finished files with the float model, writes files and reports, prints a table.

    Raises:
      UserError: for an unusable run, unusable data, an unwritable place, or a threshold that is missed.
    """
    clock = Clock()
    model = model_file.load(job.run)
    _check_writable(job.output)
    wanted = exporter.check_mode(model.config.variant, job.mode)
    source = datasets.open_source(_data_config(job.run, data, data_dir, none_of_these))
    _check_classes(model, source)
    with clock.step("calibrate"):
        prepared = exporter.prepare(model, source, job.calibrate, job.tune)
        calibrated = exporter.calibrate(prepared, exporter.lower(prepared))
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        calibrated, judge = _with_scores(prepared, calibrated, Path(folder), clock)
        for mode in wanted:
            print(f"exporting {mode}", flush=True)
            reports.append(_export_one(prepared, calibrated, mode, judge, job, Clock(clock.seconds)))
    print("\n".join([comparison.TABLE_HEAD, *map(comparison.table_row, reports)]))
    for report in reports:
        if report.rejection:
            print(f"{report.mode}: {comparison.rejection_line(report.rejection)}")
    return reports


def _export_one(prepared: Prepared, calibrated: Calibrated, mode: str, judge: _Judge, job: Job, clock: Clock) -> Report:
    output = job.output.with_name(f"{job.output.stem}_{mode}.tflite") if job.mode == "all" else job.output
    epochs = {"int8": job.tune.epochs, "int8_ptq": 0}.get(mode)
    quantised: tf_keras.Model | None = None
    if epochs is not None:
        with clock.step("fine-tune" if epochs else "quantise"):
            quantised = exporter.quantise(prepared, calibrated, epochs)
    data = judge.data
    if mode != "float32":
        with clock.step("convert"):
            data = exporter.to_file(prepared, calibrated, mode, quantised, job.output_type)
    report: Report | None = None
    evidence: Evidence | None = None
    try:
        with clock.step("compare"):
            candidate = _answers(data, judge.folder / output.name, judge.photos)
            evidence = Evidence(candidate.crop, prepared.source, measured=judge.measured)
            report = comparison.compare(judge.answers, candidate, prepared.source, judge.fit)
        if quantised is not None:
            with clock.step("check"):
                layers, saturation = exporter.departure(prepared, calibrated, quantised)
                report = dataclasses.replace(report, layers=layers, saturation=saturation)
                report = _check_conversion(prepared, quantised, candidate, judge.photos, report)
        comparison.check(report, job.min_agreement, job.max_drop)
    except UserError as error:
        kept = output.with_name(f"{output.stem}.refused.tflite")
        _write(kept, data, report, evidence)
        raise UserError(f"{mode}: {error}: {output} was not written; what was made is kept as {kept}") from error
    report = dataclasses.replace(report, seconds=clock.seconds)
    _write(output, data, report, evidence)
    told = f"{output}: {len(data) / 1024:.0f} KB, report in {output.with_suffix('.report.html').name}"
    print(f"{told}\n{clock}", flush=True)
    return report


def _check_conversion(
    prepared: Prepared, quantised: tf_keras.Model, file: Answers, photos: Photos, report: Report
) -> Report:
    """The report with how near the file is to its fake-quantised model; raises UserError where the two differ."""
    spec = prepared.spec
    images = prepared.calibration_images[:CHECKED_PHOTOS]
    conversion.check_layers(conversion.layer_gaps(quantised, file.path, images, spec.normalize(images)))
    keras = evaluate.answer(scorers.keras(quantised, spec), photos, prepared.model.labels)
    return conversion.check_scores(report, keras, file.crop)


def _write(output: Path, data: bytes, report: Report | None, evidence: Evidence | None) -> None:
    """The file, and its report beside it where there is one."""
    write_atomic(output, data)
    if report is None or evidence is None:
        return
    write_json(output.with_suffix(".report.json"), report.to_dict())
    write_atomic(output.with_suffix(".report.html"), page.render(report, evidence).encode())


def _answers(data: bytes, path: Path, photos: Photos) -> Answers:
    path.write_bytes(data)
    return comparison.answers(path, photos.source, photos)


def _with_scores(prepared: Prepared, calibrated: Calibrated, folder: Path, clock: Clock) -> tuple[Calibrated, _Judge]:
    """Fits temperature and "unsure" (or "none of these"), folds them into the graph, and makes the baseline of it."""
    with clock.step("float answers"):
        photos = Photos(prepared.source, "val", prepared.spec, pixels.PROTOCOLS, most_bytes=MOST_BYTES)
        score = scorers.keras(calibrated.float_model, prepared.spec)
        crop, stretch = (evaluate.answer(score, photos, prepared.model.labels, way) for way in photos.protocols)
        others = exporter.stranger_answers(prepared, score) if prepared.source.strangers else None
        fit = scores.fit(*exporter.held_out_answers(prepared, score), crop.scores, crop.y_true, others)
        if fit:
            calibrated = exporter.with_fit(calibrated, fit)
            crop, stretch = (scores.tempered(one, fit.temperature) for one in (crop, stretch))
    with clock.step("convert"):
        path = folder / "float32.tflite"
        data = exporter.to_file(prepared, calibrated, "float32", None, "float32")
        path.write_bytes(data)
    return calibrated, _Judge(photos, data, Answers(path, crop, stretch), fit, folder)


def _check_classes(model: ModelFile, source: Source) -> None:
    if set(source.class_names) - set(model.labels):
        raise UserError(f"the model's classes ({', '.join(model.labels[:5])}, ...) are not those of {source.name} "
                        f"({', '.join(source.class_names[:5])}, ...): pass the --data it was trained on")  # fmt: skip


def _data_config(
    run: Path, data: str | None, data_dir: str | None = None, none_of_these: str | None = None
) -> DataConfig:
    """The run's own data, with what the flags change."""
    folder = run if run.is_dir() else run.parent
    has_config = data is None or (folder / run_dir.CONFIG).exists()
    config = run_dir.load_data_config(folder) if has_config else DataConfig()
    if data is not None and data != config.data:
        config = dataclasses.replace(config, data=data, train_split=None, val_split=None, none_of_these=None)
    if none_of_these is not None:
        config = dataclasses.replace(config, none_of_these=none_of_these)
    return config if data_dir is None else dataclasses.replace(config, data_dir=data_dir)


def _check_writable(output: Path) -> None:
    """Finds out before the work, not after it, that a place cannot be written."""
    if output.is_dir():
        raise UserError(f"{output} is a directory: expected the name of a .tflite")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=output.parent):
        pass
