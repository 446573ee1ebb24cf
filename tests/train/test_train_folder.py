"""`python train_main.py` on a folder of photos, as people have them: looked at, trained on, evaluated."""

import json
import shutil

import pytest
from support.commands import ROOT, SMALL, run
from support.messy_folder import messy_folder
from support.photo_files import folder_of_classes

# Another way than the default at every turn that the paper's ablations take, and the precision that GPUs like.
OTHER_WAY = (
    "--class_weights", "--mixed_precision=bfloat16", "--ema_decay=0", "--label_smoothing=0", "--weight_decay=0.1",
    "--nodecay_norm_and_bias", "--patch_sizes=8,4,2", "--epochs=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def messy(tmp_path_factory):
    return messy_folder(tmp_path_factory.mktemp("messy"))


def test_a_dry_run_names_every_bad_file_and_trains_nothing(messy, tmp_path):
    result = run("train_main.py", f"--data={messy}", "--dry_run", f"--model_dir={tmp_path / 'run'}")
    assert result.returncode == 0, result.stdout
    assert "26 usable photos of 32 files, 2 classes" in result.stdout and "left out (6):" in result.stdout
    for line in ("cat/truncated.jpg: truncated or damaged", "cat/empty.jpg: the file is empty"):
        assert line in result.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flags", [["--dry_run"], []])
def test_strict_stops_at_a_bad_file_before_training(messy, tmp_path, flags):
    result = run("train_main.py", *SMALL, f"--data={messy}", "--strict", *flags, f"--model_dir={tmp_path / 'run'}")
    assert result.returncode == 1
    assert "6 of the files in " in result.stdout.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_messy_folder_is_trained_on_without_its_bad_files_whatever_the_recipe(messy, tmp_path):
    result = run("train_main.py", *SMALL, *OTHER_WAY, f"--data={messy}", f"--model_dir={tmp_path}")
    assert result.returncode == 0, result.stdout
    assert "left out: cat/truncated.jpg: truncated or damaged" in result.stdout
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["train_images"] + metrics["val_images"], metrics["classes"]) == (26, ["cat", "dog"])
    assert metrics["final_val_loss"] > 0 and len(metrics["dataset_sha256"]) == 64
    assert metrics["command"].endswith(f"--model_dir={tmp_path}")
    card = (tmp_path / "model_card.md").read_text("utf-8")
    assert card.startswith(f"# MobileViT-TINY for {messy.name}\n")  # by its own name, not by where it lies
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_a_tflite_is_evaluated_on_a_folder_of_some_of_its_classes(tmp_path):
    model = shutil.copy(ROOT / "models" / "flowers_xxs_int8.tflite", tmp_path / "flowers.tflite")
    photos = folder_of_classes(tmp_path / "photos" / "test", {"roses": 3, "tulips": 2}).parent
    folder_of_classes(photos / "train", {"roses": 2, "tulips": 2}, first_seed=30)
    result = run("train_main.py", f"--evaluate_only={model}", f"--data={photos}", "--split=test")
    assert result.returncode == 0, result.stdout
    evaluation = json.loads((tmp_path / "flowers.test.json").read_text())
    assert evaluation["photos"] == 5 and "5 photos: top-1 " in result.stdout
    assert {row["label"]: row["support"] for row in evaluation["per_class"]}["roses"] == 3
    assert "roses" in result.stdout and f"written to {tmp_path / 'flowers.test.json'}" in result.stdout
