"""Turns a trained run into a .tflite: `python quantize/export.py`. Flags become frozen settings, nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from absl import app, flags

from mobilevit_tf.console import plain_messages
from mobilevit_tf.errors import UserError, run_cli
from quantize.settings import CALIBRATIONS, FLOAT_MODES, MODES, OUTPUT_TYPES, CalibrationConfig, FineTuneConfig

_TUNE, _CALIBRATE = FineTuneConfig(), CalibrationConfig()

flags.DEFINE_string("run", None, "Run directory of train_main.py, or a model.safetensors; unset: the newest in runs/.")
flags.DEFINE_enum("mode", "int8", [*MODES, "all"], "int8: fine-tuned; int8_ptq: not; int8_strict: integers only; all: "
                  "every mode, and one table of them.")  # fmt: skip
flags.DEFINE_string("output", None, "The .tflite; its report goes beside it. Unset: model.tflite in the run directory.")
flags.DEFINE_string("data", None, "Other photos than the run's own: digits, a folder, or the name of a TFDS data set.")
flags.DEFINE_string("data_dir", None, "Where TFDS data sets are prepared; unset: as in training.")
flags.DEFINE_string("none_of_these", None, "Folder of photos of none of the classes, whose half fits the threshold of "
                    "\"none of these\"; unset: as in training, or _none beside the classes.")  # fmt: skip
flags.DEFINE_integer("epochs", _TUNE.epochs, "Passes of quantisation-aware fine-tuning.")
flags.DEFINE_float("learning_rate", _TUNE.learning_rate, "Peak learning rate of fine-tuning.")
flags.DEFINE_bool("frozen_ranges", _TUNE.frozen_ranges, "Fine-tuning keeps the calibrated activation ranges.")
flags.DEFINE_enum("calibration", _CALIBRATE.choice, CALIBRATIONS, "How calibration photos are chosen.")
flags.DEFINE_integer("calibration_images", _CALIBRATE.images, "How many calibration photos.")
flags.DEFINE_enum("output_type", "float32", OUTPUT_TYPES, "Type of the scores of int8 and int8_ptq files; "
                  "int8_strict always gives uint8, and float modes float32.")  # fmt: skip
flags.DEFINE_float("min_agreement", None, "Fail, and leave an older file in place, below this share of equal answers.",
                   lower_bound=0, upper_bound=1)  # fmt: skip
flags.DEFINE_float("max_drop", None, "Fail, and leave an older file in place, if top-1 falls by more, in [0, 1].",
                   lower_bound=0, upper_bound=1)  # fmt: skip
flags.DEFINE_integer("seed", _TUNE.seed, "Of calibration and fine-tuning.")

FLAGS = flags.FLAGS


def _configs() -> tuple[CalibrationConfig, FineTuneConfig]:
    calibrate = CalibrationConfig(FLAGS.calibration, FLAGS.calibration_images, FLAGS.seed)
    tune = dataclasses.replace(
        _TUNE,
        epochs=FLAGS.epochs,
        learning_rate=FLAGS.learning_rate,
        frozen_ranges=FLAGS.frozen_ranges,
        seed=FLAGS.seed,
    )
    return calibrate, tune


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    plain_messages()
    if FLAGS.output_type == "uint8" and FLAGS.mode in FLOAT_MODES:
        raise UserError(f"--output_type=uint8 is for 8-bit files, and {FLAGS.mode} always gives float32 scores: leave "
                        "it out, or choose --mode=int8")  # fmt: skip
    calibrate, tune = _configs()
    from mobilevit_tf.train import run_dir

    run = Path(FLAGS.run) if FLAGS.run else run_dir.newest_run()
    output = Path(FLAGS.output) if FLAGS.output else (run if run.is_dir() else run.parent) / "model.tflite"
    if output.suffix != ".tflite":
        raise UserError(f"--output={output}: expected a name that ends in .tflite")
    from quantize import job  # loads TensorFlow

    job.run(
        job.Job(run, output, FLAGS.mode, FLAGS.output_type, calibrate, tune, FLAGS.min_agreement, FLAGS.max_drop),
        data=FLAGS.data,
        data_dir=FLAGS.data_dir,
        none_of_these=FLAGS.none_of_these,
    )


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
