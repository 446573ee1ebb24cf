"""The gate between two files."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mobilevit_tf.config import DataConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.image.image_spec import ImageSpec
from quantize import verify
from quantize.checks import runtime

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = 12


def gate(baseline: Path, candidate: Path, *flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "quantize.verify", f"--baseline={baseline}", f"--candidate={candidate}"]
    return subprocess.run([*command, "--data=digits", *flags], capture_output=True, text=True, cwd=ROOT, check=False)


def test_two_files_pass_and_leave_a_report(float32, int8_ptq, tmp_path):
    made = gate(float32, int8_ptq, "--min_agreement=0.9", "--max_drop=0.1", f"--report={tmp_path / 'r'}")
    assert made.returncode == 0, made.stderr
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["agreement"] >= 0.975 and found["mode"] == "int8_ptq"
    assert found["stretch_tflite_top1"] > 0.9 and found["memory_bytes"] > 0
    assert "int8_ptq" in made.stdout and (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")


def looking_at_the_centre(data: bytes) -> bytes:
    """The same .tflite with metadata that shows it the middle quarter of a photo alone."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
        graph = data[: min(entry.header_offset for entry in archive.infolist())]
    spec = ImageSpec.from_json(parts["image_spec.json"].decode())
    parts["image_spec.json"] = dataclasses.replace(spec, crop_fraction=0.25).to_json().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return graph + buffer.getvalue()


def test_past_the_threshold_the_gate_fails_with_one_sentence(float32, tmp_path):
    worse = tmp_path / "worse.tflite"
    worse.write_bytes(looking_at_the_centre(float32.read_bytes()))
    made = gate(float32, worse, "--min_agreement=0.9")
    assert made.returncode == 1
    assert "is below --min_agreement=90.00%" in made.stderr.splitlines()[-1] and "Traceback" not in made.stderr


def test_a_missing_file_is_named(float32, tmp_path):
    made = gate(float32, tmp_path / "none.tflite")
    assert made.returncode == 1 and "none.tflite: expected a .tflite" in made.stderr.splitlines()[-1]


def test_mutated_files_give_a_sentence_or_a_result(float32, int8_ptq, tmp_path):
    generator = np.random.default_rng(0)
    for _ in range(MUTATIONS):
        data = bytearray(int8_ptq.read_bytes())
        for place in generator.integers(0, len(data), 30):
            data[place] = generator.integers(256)
        mutated = tmp_path / "mutated.tflite"
        mutated.write_bytes(data[: generator.integers(8, len(data))] if generator.random() < 0.3 else data)
        try:
            report, page = verify.verify_in_child(float32, mutated, DataConfig("digits"))
            assert 0 <= report.agreement <= 1 and page.startswith("<!DOCTYPE html>")
        except UserError as error:
            assert str(error)


@pytest.mark.parametrize("name", ["int8_ptq", "float32"])
def test_operators_of_a_file_are_counted(name, request):
    found = runtime.operators(request.getfixturevalue(name))
    assert found["operators"]["CONV_2D"] == 47 and found["operators"]["BATCH_MATMUL"] == 6
