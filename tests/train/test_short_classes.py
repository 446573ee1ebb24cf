"""A folder whose classes are short of photos: trained on, evaluated and exported, with what cannot be judged said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import SMALL, run
from support.photo_files import folder_of_classes

FOLDERS = {
    "train": {"full": 6, "no val": 4, "single": 1, "empty": 0},
    "val": {"full": 3, "only val": 2},
    "test": {"full": 1, "only test": 2},
}
CLASSES = ["full", "no val", "only test", "only val", "single"]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("short")
    for index, (split, classes) in enumerate(FOLDERS.items()):
        folder_of_classes(root / split, classes, first_seed=20 * index)
    return root


def strict_json(path: Path) -> dict:
    """A file that holds no NaN or infinity, which JSON does not know."""
    return json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)


def test_such_a_folder_trains_evaluates_and_exports(short, tmp_path):
    run_dir = tmp_path / "run"
    done = run("train_main.py", *SMALL, "--epochs=1", "--class_weights", f"--data={short}", f"--model_dir={run_dir}")
    assert done.returncode == 0, done.stdout
    assert "3 classes with no photo in val, not judged: 'no val', 'only test', 'single'" in done.stdout.splitlines()
    assert strict_json(run_dir / "metrics.json")["classes"] == CLASSES
    assert (run_dir / "report.html").read_text("utf-8").count("could not be judged") == 3
    assert "could not be judged" in (run_dir / "model_card.md").read_text("utf-8")

    judged = run("train_main.py", f"--evaluate_only={run_dir}", "--split=test")
    assert judged.returncode == 0 and judged.stdout.count("could not be judged") == 3
    recalls = {row["label"]: row["recall"] for row in strict_json(run_dir / "evaluation_test.json")["per_class"]}
    assert [recalls[name] is None for name in CLASSES] == [False, True, False, True, True]

    exported = run("quantize/export.py", f"--run={run_dir}", f"--output={tmp_path / 'short.tflite'}", "--mode=float32")
    assert exported.returncode == 0, exported.stdout
    report = strict_json(tmp_path / "short.report.json")
    assert {row["class"] for row in report["classes"] if row["baseline"] is None} == {"no val", "only test", "single"}
    assert (tmp_path / "short.report.html").read_text("utf-8").count("could not be judged") == 6


def test_strict_stops_before_training(short, tmp_path):
    done = run("train_main.py", *SMALL, f"--data={short}", "--strict", f"--model_dir={tmp_path / 'run'}")
    assert done.returncode == 1 and "1 class with no usable photo, left out: 'empty'" in done.stdout
    assert not (tmp_path / "run").exists()
