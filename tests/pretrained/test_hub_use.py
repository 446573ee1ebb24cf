"""Weights by name in the commands that take them, from a hub on loopback with files in the publishers' layouts."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pretrained.loopback_hub import COMMIT, environment_of, serve
from safetensors.numpy import save
from support.commands import ROOT
from support.published import reference, tiny, torch_zip

from mobilevit_tf import catalog
from mobilevit_tf.models import model_file

TIMM, APPLE = "timm/mobilevit_xxs.cvnets_in1k", "apple/mobilevit-xx-small"
LICENSE = catalog.find("xxs").weights_license


@pytest.fixture
def run(tmp_path):
    """`run(files, *command)` with a hub that serves `files`."""

    def run(files, *command):
        with serve(files) as hub:
            variables = environment_of(hub, tmp_path / "home")
            command = [sys.executable, *map(str, command)]
            return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=ROOT, check=False)

    return run


def test_a_name_makes_a_run_like_a_file_does(run, tmp_path):
    state, _ = reference("huggingface", "xxs")
    done = run({f"{APPLE}/pytorch_model.bin": torch_zip(state)}, "-m", "mobilevit_tf.pretrained",
               f"--source={APPLE}", f"--output={tmp_path / 'run'}", "--rgb")  # fmt: skip
    assert done.returncode == 0, done.stderr
    origin = f"{APPLE}@{COMMIT} (69.00 % top-1 on ImageNet-1k as published)"
    assert done.stdout.splitlines()[:2] == [
        f"weights: MobileViT-XXS from {origin}",
        f"licence of these weights and of every model that is trained from them: {LICENSE}",
    ]
    model = model_file.load(tmp_path / "run")
    assert (model.origin, model.license, model.spec.color_order) == (origin, LICENSE, "RGB")
    np.testing.assert_array_equal(model.weights["classifier/bias"], state["classifier.bias"])
    details = json.loads((tmp_path / "run" / "config.json").read_text())["published"]
    assert (details["publisher"], details["source"]) == ("huggingface", f"{APPLE}@{COMMIT}")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (save({"fc.weight": np.zeros((2, 2), np.float32)}), "holds no MobileViT of timm, Hugging Face or Apple"),
        (save(tiny("huggingface")), "holds weights as huggingface names them, expected timm"),
        (b"<html>Sign in</html>", "is a web page, not weights"),
        (b"\x80\x02cos\nsystem\n(U\x04trueatR.", "neither a tensor nor a plain container, and was not opened"),
    ],
)
def test_a_hub_that_serves_something_else_gets_one_sentence(run, tmp_path, content, part):
    done = run({f"{TIMM}/model.safetensors": content}, "-m", "mobilevit_tf.pretrained", f"--source={TIMM}",
               f"--output={tmp_path / 'run'}")  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert part in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_name_that_cannot_be_meant_ends_training_before_the_photos_are_read(run, tmp_path):
    flags = ("--data=digits", f"--model_dir={tmp_path / 'run'}", "--variant=xs")
    for given, part in (
        (TIMM, f"{TIMM} are weights of MobileViT-XXS: pass --variant=xxs"),
        ("timm/mobilevit_xxs", f"did you mean {TIMM}"),
    ):
        done = run({}, "train_main.py", *flags, f"--init_from={given}")
        assert done.returncode == 1
        assert part in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_run_that_starts_from_imagenet_says_so_in_log_card_and_model(run, tmp_path):
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(8):
            photo = Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8))
            photo.save(tmp_path / "photos" / name / f"{index}.png")
    state, _ = reference("timm", "xxs")
    done = run({f"{TIMM}/model.safetensors": save(state)}, "train_main.py", "--flagfile=configs/finetune_xxs.flags",
               f"--data={tmp_path / 'photos'}", "--input_size=64", "--epochs=1", "--freeze_epochs=1", "--batch_size=4",
               "--ema_decay=0", f"--model_dir={tmp_path / 'run'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    origin = f"{TIMM}@{COMMIT} (68.94 % top-1 on ImageNet-1k as published)"
    lines = done.stderr.splitlines()
    at = lines.index(f"weights: MobileViT-XXS from {origin}")
    assert lines[at + 1].endswith(LICENSE)
    assert "fewer than 1,000" not in done.stdout
    model = model_file.load(tmp_path / "run")
    assert (model.origin, model.license, model.labels) == (origin, LICENSE, ("cat", "dog"))
    kernel = state["stem.conv.weight"].transpose(2, 3, 1, 0)  # [out, in, rows, columns] -> [rows, columns, in, out]
    np.testing.assert_array_equal(model.weights["stem_conv/kernel"], kernel)
    assert f"Training started from {TIMM}@{COMMIT}" in (tmp_path / "run" / "model_card.md").read_text().replace(
        "\\", ""
    )
