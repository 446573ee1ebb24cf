"""The export as a user runs it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import evaluate
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.models import model_file
from quantize import job
from quantize.settings import MODES, CalibrationConfig, FineTuneConfig

ROOT = Path(__file__).resolve().parents[2]


def export(*flags: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "quantize" / "export.py"), *flags]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def report(folder: Path, mode: str) -> dict:
    return json.loads((folder / f"model_{mode}.report.json").read_text())


@pytest.mark.parametrize(("mode", "agreement"), [
    ("int8", 0.98), ("int8_ptq", 0.975), ("int8_strict", 0.5), ("float16", 0.999), ("dynamic", 0.97), ("float32", 1.0)
])  # fmt: skip
def test_every_mode_answers_as_the_float_model_does(exported, mode, agreement):
    found = report(exported, mode)
    assert found["mode"] == mode and found["photos"] == 359
    assert found["float_top1"] > 0.9
    assert found["agreement"] >= agreement
    assert found["size_bytes"] == (exported / f"model_{mode}.tflite").stat().st_size


def test_report_is_what_evaluating_the_file_again_gives(exported):
    source = datasets.open_source(DataConfig("digits"))
    answers = evaluate.evaluate_tflite(exported / "model_int8.tflite", source, "val")
    assert answers.top1 == report(exported, "int8")["tflite_top1"]


@pytest.mark.parametrize("mode", ["int8", "int8_ptq"])
def test_int8_is_one_partition_and_answers_as_its_keras_model(exported, mode):
    found = report(exported, mode)
    assert found["partitions"] == 1
    assert found["keras_agreement"] >= 0.99 and found["keras_distance"] <= 0.01
    assert [op["operator"] for op in found["not_delegated"]] == ["QUANTIZE"]
    assert found["layers"][0]["relative_error"] >= found["layers"][-1]["relative_error"] > 0


def test_strict_file_holds_no_float_tensor_and_names_what_is_slow(exported):
    details = TFLiteModel(exported / "model_int8_strict.tflite", xnnpack=False).interpreter.get_tensor_details()
    assert not [tensor["name"] for tensor in details if tensor["dtype"] == np.float32 and tensor["shape"].size]
    reasons = {op["operator"]: op["reason"] for op in report(exported, "int8_strict")["not_delegated"]}
    assert {"SOFTMAX", "RSQRT", "BATCH_MATMUL"} <= set(reasons)
    assert "unknown" not in reasons.values()


def test_one_table_compares_all_modes_and_each_report_is_a_page(exported):
    table = (exported / "stdout.txt").read_text().splitlines()[-len(MODES) :]
    assert [line.split()[0] for line in table] == list(MODES)
    page = (exported / "model_int8.report.html").read_text()
    assert "Photos whose answer changed" in page and "://" not in page


def test_same_checkpoint_and_seed_give_the_same_bytes_after_fine_tuning(exported, trained_run, tmp_path):
    made = export(
        f"--run={trained_run}", "--epochs=1", "--calibration_images=64", f"--output={tmp_path / 'again.tflite'}"
    )
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "again.tflite").read_bytes() == (exported / "model_int8.tflite").read_bytes()


def test_a_missed_threshold_leaves_the_older_file(trained_run, tmp_path):
    output = tmp_path / "model.tflite"
    output.write_bytes(b"older")
    spoiled = ("--epochs=1", "--learning_rate=1", "--calibration_images=64")  # at such a rate it forgets everything
    made = export(f"--run={trained_run}", *spoiled, "--min_agreement=1", f"--output={output}")
    assert made.returncode == 1 and "is below --min_agreement=100.00%" in made.stderr.splitlines()[-1]
    kept = ["model.refused.report.html", "model.refused.report.json", "model.refused.tflite"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*kept, "model.tflite"]
    assert output.read_bytes() == b"older"


def test_a_kill_in_the_middle_leaves_the_older_file(trained_run, tmp_path):
    output = tmp_path / "model.tflite"
    output.write_bytes(b"older")
    command = [sys.executable, "quantize/export.py", f"--run={trained_run}", f"--output={output}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        while (line := process.stdout.readline()) and line != "exporting int8\n":
            pass
        assert line
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert output.read_bytes() == b"older" and sorted(p.name for p in tmp_path.iterdir()) == ["model.tflite"]


def sentence(made: subprocess.CompletedProcess) -> str:
    assert made.returncode == 1, made.stdout + made.stderr
    assert "Traceback" not in made.stderr
    return made.stderr.splitlines()[-1]


def test_without_a_run_it_names_the_command_that_makes_one(tmp_path):
    assert "train one with `python train_main.py" in sentence(export(cwd=tmp_path))


def test_an_unknown_flag_is_refused_before_anything_loads():
    made = export("--moed=int8")
    assert made.returncode != 0 and "moed" in made.stderr


def test_scores_of_8_bits_are_refused_for_float_files(trained_run):
    said = sentence(export(f"--run={trained_run}", "--mode=float16", "--output_type=uint8"))
    assert said.endswith("--output_type=uint8 is for 8-bit files, and float16 always gives float32 scores: leave it "
                         "out, or choose --mode=int8")  # fmt: skip


def refused(run: Path, output: Path, data: str | None = None) -> str:
    """The sentence of an export in this process; the command around it is the other tests' matter."""
    with pytest.raises(UserError) as said:
        job.run(job.Job(run, output, "int8", "float32", CalibrationConfig(), FineTuneConfig()), data=data)
    return str(said.value)


def test_a_truncated_model_is_refused(trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    path = tmp_path / "run" / model_file.NAME
    path.write_bytes(path.read_bytes()[:1000])
    assert "truncated or not a safetensors file" in refused(tmp_path / "run", tmp_path / "a.tflite")


def test_a_model_of_another_variant_than_its_header_says_is_refused(trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    model = model_file.load(tmp_path / "run")
    weights = {name: value for name, value in model.weights.items() if "layer5" not in name}
    model_file.save(tmp_path / "run", model_file.ModelFile(model.config, model.spec, model.labels, weights, "x"))
    assert "the file belongs to another variant or setting" in refused(tmp_path / "run", tmp_path / "a.tflite")


def test_photos_of_other_classes_are_refused(trained_run, tmp_path):
    from PIL import Image

    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / "photos" / name / f"{index}.png")
    assert "are not those of" in refused(trained_run, tmp_path / "a.tflite", str(tmp_path / "photos"))


def test_an_output_that_cannot_be_written_is_refused_before_the_work(trained_run, tmp_path):
    (tmp_path / "file").write_text("")
    made = export(f"--run={trained_run}", f"--output={tmp_path / 'file' / 'a.tflite'}")
    assert "file" in sentence(made) and len(made.stderr.splitlines()) == 1
