"""benchmarks/wild.py: every data set ends in a row, a failure too."""

import sys

import pytest
from support.commands import ROOT, run

sys.path.insert(0, str(ROOT / "benchmarks"))
import wild

METRICS = {"classes": ["a", "b"], "train_images": 80, "val_images": 20}
REPORT = {"float_top1": 0.70, "tflite_top1": 0.69, "agreement": 0.98, "score_distance": 0.0041, "partitions": 1}
TINY = ("--variant=tiny", "--input_size=32", "--batch_size=256", "--noflip")


def test_table_has_a_line_for_each_and_the_means_of_those_that_ended_in_a_file():
    good = wild.Row("photos", "0", METRICS, REPORT, (2.0, 0.5), "a file")
    better = wild.Row("photos", "1", METRICS, {**REPORT, "tflite_top1": 0.71, "agreement": 1.0}, (2.0, 0.5), "a file")
    refused = wild.Row("other", "0", METRICS, {**REPORT, "agreement": 0.5}, (2.0, 0.5), "export: error: a | b")
    failed = wild.Row("none", "0", None, None, (0.0, 0.0), "training: error: no such folder")
    text = wild.table([good, better, refused, failed])
    assert "| photos | 0 | 2 | 100 | 70.00 | 69.00 | 98.00 | 0.0041 | 1 | 2.0 + 0.5 | a file |" in text
    assert "| other | 0 | 2 | 100 | 70.00 | 69.00 | 50.00 | 0.0041 | 1 | 2.0 + 0.5 | export: error: a / b |" in text
    assert "| none | 0 | - | - | - | - | - | - | - | 0.0 + 0.0 | training: error: no such folder |" in text
    assert text.endswith("2 of 4 ended in a file. Mean: +0.00 points below float, agreement 99.00%, distance 0.0041.")


def test_table_without_a_file_has_no_means():
    assert "Mean" not in wild.table([wild.Row("none", "0", None, None, (0.0, 0.0), "training: killed")])


def test_missing_data_and_half_named_splits_are_refused():
    for flags, words in (((), "--data is missing"), (("--data=tf_flowers:train",), "nor NAME:TRAIN:VAL")):
        answer = run("benchmarks/wild.py", *flags)
        assert answer.returncode == 1
        assert words in answer.stdout


@pytest.mark.slow
def test_command_trains_exports_and_goes_on_after_a_failure(tmp_path):
    missing = tmp_path / "nothing.csv"
    command = ("benchmarks/wild.py", f"--data={missing},digits", "--epochs=1", "--mode=float32",
               f"--output_dir={tmp_path / 'wild'}", f"--output={tmp_path / 'RESULTS.md'}", "--", *TINY)  # fmt: skip
    answer = run(*command)
    assert answer.returncode == 0, answer.stdout
    written = (tmp_path / "RESULTS.md").read_text()
    assert "| nothing | 0 | - | - |" in written and "training: error:" in written
    assert "| digits | 0 | 10 | 1797 |" in written and "1 of 2 ended in a file." in written
    assert (tmp_path / "wild" / "digits_seed0_float32.tflite").exists()
