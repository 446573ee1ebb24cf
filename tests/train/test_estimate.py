"""What a run says before its first epoch, and that measuring it changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.commands import run

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.distribution import make_strategy
from mobilevit_tf.train import checkpoint, estimate, session
from mobilevit_tf.train.run import Run
from mobilevit_tf.train.run_dir import RunConfig
from mobilevit_tf.train.trainer import Trainer


def tiny_run(folder: Path, **options: object) -> Run:
    settings = TrainConfig(input_size=32, batch_size=128, strategy="one_device", **options)
    config = RunConfig(ModelConfig("tiny", num_classes=10), DataConfig("digits"), AugmentConfig(flip=False), settings)
    source, spec = datasets.open_source(config.data), session.image_spec(config, None)
    trainer = Trainer(lambda: session.build_model(config), settings, spec, None, make_strategy("one_device"))
    return Run(config, source, spec, trainer, folder)


@pytest.mark.parametrize("precision", ["", "float16"])
def test_measuring_leaves_every_variable_as_it_was(tmp_path, precision):
    made = tiny_run(tmp_path, epochs=3, mixed_precision=precision)

    def state() -> list[np.ndarray]:
        saved = checkpoint._variables(made.trainer)
        return [np.array(variable.numpy()) for variable in (*saved.values(), *made.trainer.vectors)]

    before = state()
    assert estimate.time_a_step(made) > 0
    assert all(np.array_equal(one, other) for one, other in zip(before, state(), strict=True))
    with checkpoint.unchanged(made.trainer):
        iterator = iter(made.training_data())
        made.trainer.train_steps(iterator, [1e-2], [128], 0)
        moved = [np.array(variable.numpy()) for variable in made.trainer.model.weights]
        assert not all(np.array_equal(one, other) for one, other in zip(before, moved, strict=False))
    assert all(np.array_equal(one, other) for one, other in zip(before, state(), strict=True))


def test_a_run_stopped_after_the_last_step_of_an_epoch_is_not_timed(tmp_path, capsys):
    made = tiny_run(tmp_path, epochs=3)
    made.progress.epoch_step = len(made.epochs.plan(0, made.progress.offset))
    assert estimate.time_a_step(made) is None
    estimate.announce(made)
    assert capsys.readouterr().out.endswith("359 to validate, 3 epochs of 12 steps\n")


def test_the_remaining_time_counts_steps_and_validations(tmp_path):
    made = tiny_run(tmp_path, epochs=4, validate_every=2)
    assert len(made.epochs.plan(0, made.progress.offset)) == 12
    validation = 359 / 1438 * 12 / 3
    assert estimate.remaining(made, 0.5) == pytest.approx(0.5 * (4 * 12 + 2 * validation))
    made.progress.epoch, made.progress.epoch_step = 2, 3
    assert estimate.remaining(made, 0.5) == pytest.approx(0.5 * (2 * 12 - 3 + validation))


@pytest.mark.parametrize(
    ("photos", "photo_seconds", "proposal"),
    [
        (2936, 1 / 50, (192, 100)),  # 300,000 photos take 1.6 hours at 256 px and 56 minutes at 192
        (2936, 1 / 5000, (256, 100)),
        (200, 1 / 50, (256, 300)),  # the paper's epochs at most
        (1_281_167, 1 / 50, (128, 30)),
    ],
)
def test_a_proposal_takes_at_most_an_hour_where_a_size_allows_it(photos, photo_seconds, proposal):
    assert estimate.propose(photos, photo_seconds, 256) == proposal


def test_a_run_without_a_recipe_is_described_and_a_better_one_proposed(tmp_path):
    process = run("-c", STOPPED, "--data=digits", "--variant=tiny", "--seed=3", f"--model_dir={tmp_path / 'my run'}")
    assert re.search(r"MobileViT-TINY, [\d,]+ weights, 256 px, 10 classes, 1,438 photos to train on, 359 to validate, "
                     r"60 epochs of 45 steps: about [\d hmins]+ on this machine \([\d.e-]+ s a step, measured\)",
                     process.stdout), process.stdout  # fmt: skip
    proposal = re.search(r"for this many photos on this machine, about [\d hmins]+: python (.*)", process.stdout)[1]
    assert proposal.startswith("train_main.py --data=digits --variant=tiny --seed=3")
    assert f"'--model_dir={tmp_path / 'my run'}_proposed'" in proposal
    assert re.search(r"--input_size=(128|192|256) --epochs=210$", proposal)


# train_main.py, but for the training itself
STOPPED = """
import sys
sys.argv[0] = "train_main.py"
sys.path.insert(0, ".")
from mobilevit_tf.train.run import Run
Run.fit = lambda run: sys.exit(0)
exec(compile(open("train_main.py").read(), "train_main.py", "exec"))
"""
