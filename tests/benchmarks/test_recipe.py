"""The paper's recipe: every number of configs/imagenet_*.flags, the learning rate, and the multi-scale sampler."""

import json
import math
import subprocess
import sys

import pytest
from support.commands import ROOT

from mobilevit_tf.config import ModelConfig, TrainConfig
from mobilevit_tf.errors import UserError
from mobilevit_tf.train.multiscale import plan_epoch, scaled_batch
from mobilevit_tf.train.schedule import learning_rate

READ_FLAGS = """
import json, sys, dataclasses
import train_main
train_main.FLAGS(["train_main.py", "--flagfile=" + sys.argv[1]])
config = train_main.configs_from_flags(1000)
print(json.dumps({"rates": config.model.rates} | config.to_dict()))
"""


def read_flags(name: str) -> dict:

    command = [sys.executable, "-c", READ_FLAGS, f"configs/{name}.flags"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(("variant", "dropout"), [("xxs", 0.05), ("xs", 0.1), ("s", 0.1)])
def test_imagenet_flags_hold_the_published_recipe(variant, dropout):
    config = read_flags(f"imagenet_{variant}")
    assert config["data"]["data"] == "imagenet2012"
    assert (config["data"]["train_split"], config["data"]["val_split"]) == ("train", "validation")
    assert config["model"]["variant"] == variant
    assert config["model"]["patch_sizes"] == [2, 2, 2]
    assert config["rates"] == [dropout, 0.1]
    assert (config["augment"]["mode"], config["augment"]["flip"]) == ("basic", True)
    assert config["augment"]["scale"] == [0.08, 1.0]
    assert config["augment"]["ratio"] == [3 / 4, 4 / 3]
    train = config["train"]
    assert (train["batch_size"] * 8, train["epochs"], train["input_size"]) == (1024, 300, 256)
    assert train["multiscale"] == [160, 192, 256, 288, 320]
    assert (train["learning_rate"], train["warmup_learning_rate"], train["min_learning_rate"]) == (2e-3, 2e-4, 2e-4)
    assert train["warmup_steps"] == 3000
    assert (train["weight_decay"], train["decay_norm_and_bias"]) == (0.01, True)
    assert (train["label_smoothing"], train["clip_norm"]) == (0.1, 0)
    assert (train["ema_decay"], train["ema_warmup"]) == (0.9995, False)


@pytest.mark.parametrize(
    ("variant", "peak", "decay"), [("v2_050", 9e-3, 0.004), ("v2_075", 9e-3, 0.008), ("v2_100", 7.5e-3, 0.013)]
)
def test_imagenet_flags_of_the_second_family_hold_apples_recipe(variant, peak, decay):
    config = read_flags(f"imagenet_{variant}")
    data, augment, train = config["data"], config["augment"], config["train"]
    assert (data["data"], data["train_split"], data["val_split"]) == ("imagenet2012", "train", "validation")
    assert (config["model"]["variant"], config["rates"]) == (variant, [0.0, 0.0])
    assert (augment["mode"], augment["flip"], augment["random_erasing"]) == ("advanced", True, 0.25)
    assert (augment["mixup_alpha"], augment["cutmix_alpha"]) == (0.2, 1.0)
    assert (augment["randaugment_ops"], augment["randaugment_magnitude"]) == (2, 9)
    assert (train["batch_size"] * 8, train["epochs"], train["input_size"]) == (1024, 300, 256)
    assert train["multiscale"] == []
    rates = (train["learning_rate"], train["warmup_learning_rate"], train["min_learning_rate"])
    assert rates == pytest.approx((peak, 1e-6, peak / 10))
    assert train["warmup_steps"] == 20000
    assert (train["weight_decay"], train["decay_norm_and_bias"], train["clip_norm"]) == (decay, False, 10)
    assert (train["label_smoothing"], train["ema_decay"], train["ema_warmup"]) == (0.1, 0.9995, False)


PAPER = TrainConfig(epochs=300, learning_rate=2e-3, warmup_learning_rate=2e-4, min_learning_rate=2e-4)


@pytest.mark.parametrize(("step", "rate"), [(0, 2e-4), (1500, 1.1e-3), (2999, 2e-3 - 6e-7), (3000, 2e-3)])
def test_warm_up_rises_by_step_to_the_peak(step, rate):
    assert learning_rate(PAPER, step, 0, warmup_steps=3000) == pytest.approx(rate, rel=1e-9)


def test_cosine_moves_once_an_epoch_from_the_peak_to_the_floor():
    def rate(epoch):
        return learning_rate(PAPER, 10**6, epoch, warmup_steps=3000)

    assert rate(0) == pytest.approx(2e-3)
    assert rate(150) == pytest.approx(1.1e-3)
    assert rate(299) == pytest.approx(2e-4 + 1.8e-3 * (1 + math.cos(math.pi * 299 / 300)) / 2)
    assert rate(299) < 2.001e-4


def test_batches_scale_as_the_paper_says():
    assert [scaled_batch(128, 256, size) for size in (160, 192, 256, 288, 320)] == [327, 227, 128, 101, 81]
    assert scaled_batch(1, 32, 320) == 1


@pytest.mark.parametrize(("images", "replicas"), [(1000, 1), (1001, 2), (1283, 8), (17, 8)])
def test_an_epoch_takes_every_image_once_and_no_replica_is_left_without(images, replicas):
    plan = plan_epoch(images, batch_size=16, replicas=replicas, base_size=64, sizes=(32, 64, 96), seed=3, epoch=5)
    assert sum(step.images for step in plan) == images
    assert all(len(step.counts) == replicas and min(step.counts) >= 1 for step in plan)


def test_the_plan_depends_on_seed_and_epoch_alone():
    def plan(seed, epoch):
        return plan_epoch(5000, batch_size=8, replicas=1, base_size=64, sizes=(32, 64, 96), seed=seed, epoch=epoch)

    assert plan(1, 2) == plan(1, 2)
    assert len({tuple(plan(*pair)) for pair in [(1, 2), (1, 3), (2, 2)]}) == 3
    assert {step.size for step in plan(1, 2)} == {32, 64, 96}


def test_one_size_gives_equal_batches_and_an_uneven_last_one():
    plan = plan_epoch(100, batch_size=16, replicas=2, base_size=64, sizes=(), seed=0, epoch=0)
    assert [step.counts for step in plan] == [(16, 16), (16, 16), (16, 16), (2, 2)]


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"label_smoothing": 1.0}, {"strategy": "tpu"}, {"on_nan": "ignore"}, {"freeze_epochs": 1}]
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(UserError):
        TrainConfig(**bad)


def test_an_unknown_variant_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="did you mean xxs or xs"):
        ModelConfig("xxl")
