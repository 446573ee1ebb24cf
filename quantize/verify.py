"""Compares two .tflite files: `python -m quantize.verify --baseline=shipped.tflite --candidate=new.tflite --data=...`.

Prints a table, can write the report, and exits with status 1 past a threshold: a gate for continuous integration.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from absl import app, flags

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.files import write_atomic, write_json
from quantize.checks import comparison, page
from quantize.checks.figures import Evidence
from quantize.checks.report import Report

_DATA = DataConfig()
flags.DEFINE_string("baseline", None, "The .tflite to compare with.", required=True)
flags.DEFINE_string("candidate", None, "The .tflite to judge.", required=True)
flags.DEFINE_string("data", None, "Photos: digits, a folder, or the name of a TFDS data set.", required=True)
flags.DEFINE_string("data_dir", _DATA.data_dir, "Where TFDS data sets are prepared.")
flags.DEFINE_string("train_split", _DATA.train_split, "TFDS split that is not judged on.")
flags.DEFINE_string("val_split", _DATA.val_split, "TFDS split to judge on.")
flags.DEFINE_string("none_of_these", _DATA.none_of_these, "Folder of photos of none of the classes; unset: _none "
                    "beside the classes.")  # fmt: skip
flags.DEFINE_string("report", None, "Where to write NAME.json and NAME.html; unset: nowhere.")
flags.DEFINE_float("min_agreement", None, "Fail below this share of equal answers.", lower_bound=0, upper_bound=1)
flags.DEFINE_float("max_drop", None, "Fail if top-1 falls by more than this, in [0, 1].", lower_bound=0, upper_bound=1)
FLAGS = flags.FLAGS


def verify(baseline: Path, candidate: Path, data: DataConfig) -> tuple[Report, str]:
    """The comparison of two files on the validation photos of `data`, and its page as HTML.

    Raises:
      UserError: for a file or photos that cannot be used.
    """
    for path in (baseline, candidate):
        if not path.is_file():
            raise UserError(f"no file {path}: expected a .tflite")
    source = datasets.open_source(data)
    before, after = (comparison.answers(path, source) for path in (baseline, candidate))
    report = comparison.compare(before, after, source)
    return report, page.render(report, Evidence(after.crop, source))


def verify_in_child(baseline: Path, candidate: Path, data: DataConfig) -> tuple[Report, str]:
    """`verify` in a process of its own: a damaged file can crash the runtime, which then hurts nobody.

    Raises:
      UserError: also where the child died.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(verify, baseline, candidate, data).result()
        except BrokenProcessPool as error:
            raise UserError(f"{baseline} or {candidate} crashes the runtime: it is damaged") from error


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    data = DataConfig(FLAGS.data, FLAGS.data_dir, FLAGS.train_split, FLAGS.val_split, none_of_these=FLAGS.none_of_these)
    result, html = verify_in_child(Path(FLAGS.baseline), Path(FLAGS.candidate), data)
    print(f"{comparison.TABLE_HEAD}\n{comparison.table_row(result)}")
    if result.rejection:
        print(comparison.rejection_line(result.rejection))
    if FLAGS.report:
        write_json(Path(FLAGS.report).with_suffix(".json"), result.to_dict())
        write_atomic(Path(FLAGS.report).with_suffix(".html"), html.encode())
    comparison.check(result, FLAGS.min_agreement, FLAGS.max_drop)


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
