"""What a class may be called: what is good enough to train on is exported, and WordNet ids become names everywhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from support.commands import SMALL, run
from support.photo_files import folder_of_classes

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.labels import check_labels
from mobilevit_tf.models import model_file

IDS, NAMES = ("n01440764", "n02102040", "n03445777"), ("tench", "English Springer Spaniel", "golf ball")
ODD = (
    "con", "0", "a, b", "two words", " space before", "日々草", "قطة \u200fسوداء", "می\u200cخواهم",  # noqa: RUF001
    "👩\u200d🌾", "a\u00a0b", "<b>&\"'`$|", "-rf", "%s {0}", "é" * 120,
)  # fmt: skip


def train(data: Path, run_dir: Path) -> None:
    done = run("train_main.py", *SMALL, "--epochs=1", f"--data={data}", f"--model_dir={run_dir}")
    assert done.returncode == 0, done.stdout


def export(run_dir: Path, output: Path) -> TFLiteModel:
    done = run("quantize/export.py", f"--run={run_dir}", f"--output={output}", "--mode=float32")
    assert done.returncode == 0, done.stdout
    return TFLiteModel(output)


@pytest.fixture(scope="module")
def ids_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_classes(tmp_path_factory.mktemp("ids"), dict.fromkeys(IDS, 5))


@pytest.fixture(scope="module")
def ids_run(ids_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("runs") / "ids"
    train(ids_folder, run_dir)
    return run_dir


def test_a_folder_of_wordnet_ids_has_names_and_remembers_the_ids(ids_folder):
    source = datasets.open_source(DataConfig(str(ids_folder)), progress=False)
    assert (source.class_names, source.class_ids) == (NAMES, IDS)
    assert {example.id.split("/")[0] for example in source.examples("train") if example.label == 2} == {IDS[2]}


def test_training_stores_names_and_reports_both(ids_run):
    assert model_file.load(ids_run).labels == NAMES
    metrics = json.loads((ids_run / "metrics.json").read_text())
    assert (metrics["classes"], metrics["class_ids"]) == (list(NAMES), list(IDS))
    report = (ids_run / "report.html").read_text("utf-8")
    assert all(name in report and wordnet_id in report for name, wordnet_id in zip(NAMES, IDS, strict=True))


def test_a_run_that_was_trained_on_ids_still_exports_and_verifies(ids_run, ids_folder, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text((ids_run / "config.json").read_text())
    model_file.save(old, dataclasses.replace(model_file.load(ids_run), labels=IDS))
    exported = export(old, tmp_path / "old.tflite")
    assert exported.labels == NAMES
    verified = run("-m", "quantize.verify", f"--baseline={exported.path}", f"--candidate={exported.path}",
                   f"--data={ids_folder}")  # fmt: skip
    assert verified.returncode == 0, verified.stdout


def test_any_name_that_trains_is_exported_as_it_is(tmp_path):
    folder_of_classes(tmp_path / "photos", dict.fromkeys(ODD, 3))
    train(tmp_path / "photos", tmp_path / "run")
    exported = export(tmp_path / "run", tmp_path / "odd.tflite")
    assert set(exported.labels) == set(ODD)
    assert exported.labels == model_file.load(tmp_path / "run").labels


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", " ", "caf\udce9", "\ufeffa"])
def test_what_is_no_line_of_text_is_refused_before_training(tmp_path, name):
    with pytest.raises(UserError, match="label"):
        check_labels(["first", name])
    folder_of_classes(tmp_path, {name: 2, "z": 2})
    with pytest.raises(UserError, match="label"):
        datasets.check(DataConfig(str(tmp_path)))
