"""A new architecture is one file and one line: a throw-away one goes through every command in a copy of the project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.commands import ROOT, run

from mobilevit_tf.evaluation.tflite_model import TFLiteModel

FAMILY = '''"""Two convolutions and a squeeze."""

import tf_keras
from tf_keras import layers as keras_layers

from mobilevit_tf.layers import blocks, ends


def build(config, height=None, width=None):
    image = ends.image_input(height, width)
    x = keras_layers.ZeroPadding2D(1, name="pad")(ends.standardize(image))
    x = keras_layers.Conv2D(16, 3, 2, use_bias=False, name="stem")(x)
    x = keras_layers.BatchNormalization(momentum=blocks.BATCH_NORM_MOMENTUM, name="stem_bn")(x)
    x = keras_layers.ReLU(6.0, name="stem_relu6")(x)
    y = keras_layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="middle")(x)
    y = keras_layers.BatchNormalization(momentum=blocks.BATCH_NORM_MOMENTUM, name="middle_bn")(y)
    x = keras_layers.Add(name="sum")([x, keras_layers.Activation("swish", name="swish")(y)])
    gate = keras_layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = keras_layers.Conv2D(16, 1, activation="sigmoid", name="gate")(gate)
    x = keras_layers.Multiply(name="excite")([x, gate])
    x = keras_layers.GlobalAveragePooling2D(name="pool")(x)
    return tf_keras.Model(image, ends.classifier(x, config.num_classes, config.rates[1]), name=config.variant)
'''
LINE = '    "throw_away": Model("throw_away", "Throw-away", "A. Nobody, arXiv 0000.00000", (0.0, 0.1), None, 1, 0.0),\n'
FLAGS = (
    "--data=digits", "--variant=throw_away", "--input_size=32", "--batch_size=16", "--noflip", "--learning_rate=1e-2",
    "--ema_decay=0.9", "--epochs=4", "--checkpoint_steps=50",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with one more file and one more line."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("mobilevit_tf", "quantize", "preview"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train_main.py", copy)
    (copy / "mobilevit_tf" / "families" / "throw_away.py").write_text(FAMILY)
    catalog = copy / "mobilevit_tf" / "catalog.py"
    text = catalog.read_text()
    catalog.write_text(text.replace("MODELS: dict[str, Model] = {\n", f"MODELS: dict[str, Model] = {{\n{LINE}"))
    return copy


def command(project: Path, *arguments: str) -> str:
    done = run(*arguments, cwd=project, PYTHONPATH=str(project))
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def trained(project) -> Path:
    command(project, "train_main.py", *FLAGS, "--model_dir=runs/new")
    return project / "runs" / "new"


def test_it_is_listed_trains_and_a_finished_run_is_recognised(project, trained):
    assert "Throw-away (A. Nobody, arXiv 0000.00000)" in command(project, "-m", "mobilevit_tf.mobilevit")
    assert json.loads((trained / "metrics.json").read_text())["final_top1"] > 0.3
    card = (trained / "model_card.md").read_text()
    assert "# Throw-away for digits" in card
    assert "A. Nobody, arXiv 0000.00000" in card
    assert "MobileViT" not in card.split("## Licence")[1]
    assert "is finished" in command(project, "train_main.py", *FLAGS, "--model_dir=runs/new")


def test_a_run_that_lost_its_end_resumes_to_the_same_weights(project, trained):
    other = project / "runs" / "resumed"
    shutil.copytree(trained, other)
    before = json.loads((other / "metrics.json").read_text())["ema_sha256"]
    (other / "metrics.json").unlink()
    newest = max((other / "checkpoints").glob("step-*"))
    shutil.rmtree(newest) if newest.is_dir() else newest.unlink()
    assert "resumed at step" in command(project, "train_main.py", *FLAGS, "--model_dir=runs/resumed")
    assert json.loads((other / "metrics.json").read_text())["ema_sha256"] == before


def test_it_is_exported_in_every_mode_in_one_partition_and_the_preview_opens_it(project, trained):
    output = project / "new.tflite"
    out = command(
        project, "quantize/export.py", "--run=runs/new", f"--output={output}", "--mode=all", "--epochs=1",
        "--calibration_images=32",
    )  # fmt: skip
    rows = {line.split()[0]: line.split() for line in out.splitlines() if "%" in line}
    assert set(rows) == {"int8", "int8_ptq", "int8_strict", "float16", "dynamic", "float32"}
    for mode in ("int8", "int8_ptq", "float16", "dynamic", "float32"):
        assert rows[mode][4] == "1", out
    assert float(rows["int8"][3].rstrip("%")) > 95
    model = TFLiteModel(project / "new_int8.tflite")
    assert (model.info.name, model.info.variant) == ("Throw-away digits int8", "throw_away")
    opened = "from pathlib import Path\nfrom preview.open_models import ModelStore\n"
    opened += "print(ModelStore(Path('copies')).open(Path('new_int8.tflite')).title)"
    assert "Throw-away digits int8" in command(project, "-c", opened)
