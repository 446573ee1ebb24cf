"""What a run of published weights is for: fine-tuning with a frozen backbone, and export to a file that takes RGB."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save
from support.published import tiny

from mobilevit_tf import catalog
from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data import datasets, imagenet
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.families import mobilevit
from mobilevit_tf.models import model_file, weights
from mobilevit_tf.pretrained.__main__ import main
from mobilevit_tf.train import session
from mobilevit_tf.train.run_dir import RunConfig
from quantize import job
from quantize.settings import CalibrationConfig, FineTuneConfig

ORIGIN = "apple/mobilevit-tiny@0123 (12.3 % top-1)"  # what weights that came by name bring along


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A run directory with Hugging Face's tiny, which expects BGR."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "model.safetensors").write_bytes(save(tiny("huggingface", classes=1000)))
    main([f"--source={folder / 'model.safetensors'}", f"--output={folder / 'run'}"])
    model_file.save(folder / "run", dataclasses.replace(model_file.load(folder / "run"), origin=ORIGIN))
    return folder / "run"


def test_a_frozen_epoch_trains_the_classifier_alone_and_the_next_one_everything(published, tmp_path):
    train = TrainConfig(epochs=2, freeze_epochs=1, init_from=str(published), batch_size=256, input_size=32,
                        ema_decay=0.0, learning_rate=1e-3, warmup_steps=0, strategy="one_device")  # fmt: skip
    (tmp_path / "others").mkdir()
    for index in range(24):
        Image.new("RGB", (40, 40), (10 * index, 0, 200)).save(tmp_path / "others" / f"{index}.png")
    data = DataConfig("digits", none_of_these=str(tmp_path / "others"))
    config = RunConfig(ModelConfig("tiny", num_classes=10), data, AugmentConfig("none"), train)
    source = datasets.open_source(config.data)
    session.train_and_evaluate(config, source, tmp_path / "run")
    start = model_file.reheaded(model_file.load(published), source.class_names, train.seed)[0].weights
    tuned = model_file.load(tmp_path / "run")
    assert (tuned.license, tuned.origin) == (catalog.find("tiny").weights_license, ORIGIN)
    card = (tmp_path / "run" / "model_card.md").read_text()
    assert "- 12 photos of none of the classes have lower top scores than the evaluated ones with AUROC 0" in card
    assert f"Training started from {ORIGIN}." in card and f"Licence of the weights: {tuned.license}." in card
    assert (tuned.labels, tuned.spec.color_order, tuned.spec.size) == (source.class_names, "BGR", (32, 32))
    checkpoint = load_file(min((tmp_path / "run" / "checkpoints").iterdir()))  # of the frozen epoch

    def changed(weights) -> set[str]:
        return {name for name, value in start.items() if not np.array_equal(weights[name], value)}

    frozen = {name: checkpoint[f"model/{name}:0"] for name in start}
    assert changed(frozen) == {"classifier/kernel", "classifier/bias"}
    assert changed(tuned.weights) == set(start)


def test_an_exported_bgr_model_takes_rgb_and_gives_the_same_scores(published, tmp_path):
    random = np.random.default_rng(0)
    for name in ("n01440764", "n03445777"):  # tench, golf ball: a part of the classes suffices
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(2):
            photo = Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8))
            photo.save(tmp_path / "photos" / name / f"{index}.png")
    task = job.Job(published, tmp_path / "m.tflite", "float32", "float32", CalibrationConfig(), FineTuneConfig())
    (report,) = job.run(task, data=str(tmp_path / "photos"))
    exported, model = TFLiteModel(tmp_path / "m.tflite"), model_file.load(published)
    assert (report.agreement, exported.labels) == (1.0, imagenet.labels())
    assert (exported.info.license, exported.info.origin) == (catalog.find("tiny").weights_license, ORIGIN)
    assert f"Training started from {ORIGIN}.".encode() in (tmp_path / "m.tflite").read_bytes()
    assert (exported.spec.color_order, exported.spec.resize, exported.spec.crop_fraction) == ("RGB", "bilinear", 8 / 9)
    image = random.integers(0, 256, (256, 256, 3), np.uint8)
    network = mobilevit.build(model.config, 256, 256)
    weights.assign(network, model.weights)
    logits = network(model.spec.normalize(image[np.newaxis, ..., ::-1]), training=False).numpy()[0]
    expected = np.exp(logits - logits.max())
    np.testing.assert_allclose(exported.scores(image), expected / expected.sum(), rtol=0, atol=1e-6)
