"""A run that is killed again and again ends with the weights of one that never was."""

import random
import time

import pytest
from support.commands import TINY_RUN, start, train

from mobilevit_tf.models import model_file

# Everything random at once: dropout, RandAugment, Mixup and CutMix, multi-scale.
FLAGS = ("--augment=advanced", "--multiscale=24,32,40", "--dropout=0.1", "--checkpoint_steps=3", "--epochs=3")


def kill_after_a_checkpoint(run_dir, delay):
    process = start("train_main.py", *TINY_RUN, *FLAGS, f"--model_dir={run_dir}")
    before = set(run_dir.glob("checkpoints/step-*"))
    while not set(run_dir.glob("checkpoints/step-*")) - before:
        if process.poll() is not None:
            return process.communicate()[0]
        time.sleep(0.05)
    time.sleep(delay)
    process.kill()
    return process.communicate()[0]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("undisturbed")
    result = train(*FLAGS, f"--model_dir={run_dir}")
    assert result.returncode == 0, result.stdout
    return model_file.weights_sha256(model_file.load(run_dir).weights)


def test_killed_runs_end_bit_identical(undisturbed, tmp_path):
    delays = random.Random(7)
    outputs = [kill_after_a_checkpoint(tmp_path, delays.uniform(0, 0.8)) for _ in range(2)]
    assert "resumed at step " in outputs[-1]
    newest = max(tmp_path.glob("checkpoints/step-*"))
    newest.write_bytes(newest.read_bytes()[:-100])  # and the newest checkpoint was cut short
    result = train(*FLAGS, f"--model_dir={tmp_path}")
    assert result.returncode == 0, result.stdout
    assert "is damaged" in result.stdout and "resumed at step " in result.stdout
    assert model_file.weights_sha256(model_file.load(tmp_path).weights) == undisturbed


def test_another_seed_gives_other_weights(undisturbed, tmp_path):
    result = train(*FLAGS, "--seed=1", f"--model_dir={tmp_path}")
    assert result.returncode == 0, result.stdout
    assert model_file.weights_sha256(model_file.load(tmp_path).weights) != undisturbed
