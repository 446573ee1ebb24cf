"""configs/imagenet_xxs.flags as it is, on a small data set of ImageNet's layout: steps, checkpoint, resume, export."""

from __future__ import annotations

import io
import json
import signal
import time
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow_datasets as tfds
from support.commands import run, start
from support.photo_files import photo

from mobilevit_tf.data import imagenet
from mobilevit_tf.train.multiscale import plan_epoch

TRAIN, VALIDATION, BATCH = 32, 8, 2
SIZES = (160, 192, 256, 288, 320)  # of the recipe


def prepare(folder: Path) -> None:
    """imagenet2012 5.1.0 as TFDS stores it: file_name, image, label of 1,000 names, several shards of each split."""

    names = imagenet.wordnet_ids()

    class Imagenet2012(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("5.1.0")

        def _info(self):
            features = tfds.features.FeaturesDict({
                "image": tfds.features.Image(encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=list(names)),
                "file_name": tfds.features.Text(),
            })  # fmt: skip
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

        def _split_generators(self, manager):
            return {"train": self._generate_examples(TRAIN), "validation": self._generate_examples(VALIDATION)}

        def _generate_examples(self, size):
            for index in range(size):
                key = f"{names[index * 30]}_{index}.JPEG"
                options = {"format": "PNG"} if index == 3 else {}  # ImageNet has one such file
                image = io.BytesIO(photo(index, 500, 375, **options))
                yield key, {"image": image, "label": index * 30, "file_name": key}

    config = tfds.download.DownloadConfig(num_shards=4, try_download_gcs=False)
    Imagenet2012(data_dir=folder).download_and_prepare(download_config=config)


@pytest.mark.slow
def test_the_recipe_trains_stops_resumes_and_exports(tmp_path):
    prepare(tmp_path / "tfds")
    run_dir = tmp_path / "run"
    flags = ("train_main.py", "--flagfile=configs/imagenet_xxs.flags", f"--data_dir={tmp_path / 'tfds'}",
             f"--model_dir={run_dir}", "--epochs=1", f"--batch_size={BATCH}", "--checkpoint_steps=2")  # fmt: skip
    process = start(*flags)
    while not list(run_dir.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=600)[0]
    assert "all is saved" in output or (run_dir / "metrics.json").exists(), output
    if not (run_dir / "metrics.json").exists():
        resumed = run(*flags)
        assert resumed.returncode == 0 and "resumed at step " in resumed.stdout, resumed.stdout
    metrics = json.loads((run_dir / "metrics.json").read_text())
    steps = plan_epoch(TRAIN, batch_size=BATCH, replicas=1, base_size=256, sizes=SIZES, seed=0, epoch=0)
    assert len(steps) >= 10
    assert (metrics["steps"], metrics["train_images"], metrics["val_images"]) == (len(steps), TRAIN, VALIDATION)
    assert len(metrics["classes"]) == 1000 and np.isfinite(metrics["final_val_loss"])
    exported = run("quantize/export.py", f"--run={run_dir}", f"--output={tmp_path / 'x.tflite'}", "--mode=float32")
    assert exported.returncode == 0, exported.stdout
    assert (tmp_path / "x.tflite").stat().st_size > 4_000_000
