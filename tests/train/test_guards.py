"""What keeps a run whole: settings that must not change, checkpoints that must not be bad, signals, rollback."""

import dataclasses
import math
import os
import signal

import pytest

from mobilevit_tf import tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf

from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data.digits import DigitsSource
from mobilevit_tf.distribution import make_strategy
from mobilevit_tf.errors import INTERRUPTED, UserError, run_cli
from mobilevit_tf.families import mobilevit
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.reports.tensorboard_log import TensorBoardLog
from mobilevit_tf.train import checkpoint, run_dir, session
from mobilevit_tf.train.checkpoint import NonFiniteError, Progress
from mobilevit_tf.train.guards import readable_data_errors, stop_signals
from mobilevit_tf.train.run import Run
from mobilevit_tf.train.run_dir import RunConfig
from mobilevit_tf.train.trainer import Trainer

CONFIG = RunConfig(
    ModelConfig("tiny", 10), DataConfig(), AugmentConfig(flip=False),
    TrainConfig(epochs=2, batch_size=128, input_size=32, checkpoint_steps=5, on_nan="rollback"),
)  # fmt: skip
LOST_PHOTO = """Graph execution error:

Error in user-defined function passed to a transformation with iterator: Iterator::Root::Map: /a.jpg; No such file
\t [[{{node ReadFile}}]]
\t [[IteratorGetNext]] [Op:__inference_f_69]"""


def changed(**train) -> RunConfig:
    return dataclasses.replace(CONFIG, train=dataclasses.replace(CONFIG.train, **train))


def make_trainer(config: RunConfig = CONFIG) -> Trainer:
    spec, strategy = ImageSpec(32, 32), make_strategy("one_device")
    return Trainer(lambda: mobilevit.build(config.model, 32, 32), config.train, spec, None, strategy)


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    return make_trainer()


@pytest.fixture
def begun(tmp_path):
    """A run directory that holds a checkpoint."""
    run_dir.open_run(tmp_path, CONFIG)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-00000005.safetensors").write_bytes(b"")
    return tmp_path


def test_a_begun_run_takes_what_does_not_change_its_result_and_nothing_else(begun):
    run_dir.open_run(begun, changed(on_nan="stop", keep_checkpoints=5))
    assert run_dir.load_config(begun)["train"]["keep_checkpoints"] == 5
    with pytest.raises(UserError, match=r"train\.epochs \(was 2, now 3\)"):
        run_dir.open_run(begun, changed(epochs=3))


def test_a_run_without_a_checkpoint_may_begin_again_with_other_settings(tmp_path):
    run_dir.open_run(tmp_path, CONFIG)
    run_dir.open_run(tmp_path, changed(epochs=3))
    assert run_dir.load_config(tmp_path)["train"]["epochs"] == 3


def test_a_directory_with_somebody_elses_model_is_not_trained_over(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"published weights")
    with pytest.raises(UserError, match="holds a model but no checkpoint"):
        run_dir.open_run(tmp_path, CONFIG)


@pytest.mark.parametrize(
    "bad", [{"multiscale": (0, 32)}, {"seed": -1}, {"seed": 2**31}, {"warmup_steps": -1}, {"warmup_learning_rate": -1}]
)
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        TrainConfig(**bad)
    with pytest.raises(UserError, match="dropout is 1"):
        ModelConfig(dropout=1.0)


def test_weights_that_are_not_finite_are_never_written(trainer, tmp_path):
    checkpoint.save(tmp_path, trainer, Progress(step=1), keep=2)
    kernel = trainer.model.trainable_variables[0]
    before = kernel.numpy()
    kernel.assign(np.full_like(before, np.nan))
    with pytest.raises(NonFiniteError, match="before step 2"):
        checkpoint.save(tmp_path, trainer, Progress(step=2), keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.safetensors"]
    checkpoint.restore(tmp_path, trainer)
    assert (kernel.numpy() == before).all()


def test_a_write_that_was_killed_leaves_nothing_behind(trainer, tmp_path):
    (tmp_path / ".step-00000003.safetensors.17.tmp").write_bytes(b"half of a checkpoint")
    assert checkpoint.restore(tmp_path, trainer) is None
    assert not list(tmp_path.iterdir())


def test_the_loss_scale_of_float16_survives_a_restart(tmp_path):
    config = changed(mixed_precision="float16")
    made = make_trainer(config)
    made.optimizer._loss_scale._current_loss_scale.assign(512.0)
    checkpoint.save(tmp_path, made, Progress(step=1), keep=1)
    again = make_trainer(config)
    tf.keras.mixed_precision.set_global_policy("float32")
    assert float(again.optimizer.loss_scale) != 512.0
    checkpoint.restore(tmp_path, again)
    assert float(again.optimizer.loss_scale) == 512.0


def run_with(trainer, folder, monkeypatch, losses) -> Run:
    """A run whose step n has the loss losses(n, learning rate), without computing anything."""
    rates = []

    def steps(iterator, of_steps, images, first, frozen=False):
        rates.extend(enumerate(of_steps, first))
        return [losses(number, rate) for number, rate in enumerate(of_steps, first)]

    monkeypatch.setattr(trainer, "train_steps", steps)
    monkeypatch.setattr(Run, "evaluate", lambda self, split: (0.5, 1.0))
    (folder / run_dir.LOCK).write_text(f"{os.getpid()} on this computer")
    run = Run(CONFIG, DigitsSource(0.2), session.image_spec(CONFIG, None), trainer, folder)
    run.rates = rates
    return run


def test_rollback_goes_behind_the_checkpoint_that_gave_the_nan_and_halves_the_rate(trainer, tmp_path, monkeypatch):
    broken = iter([math.nan])
    run = run_with(trainer, tmp_path, monkeypatch, lambda step, rate: next(broken, 1.0) if step == 10 else 1.0)
    run.fit()
    steps = [step for step, _ in run.rates]
    assert steps == [*range(11), *range(5, 24)]  # step 10 gave the NaN from the checkpoint of step 10: back to 5
    first, again = (rate for step, rate in run.rates if step == 7)
    assert again == first / 2
    assert (run.progress.rollbacks, run.progress.epoch) == (1, 2)


def test_a_nan_before_the_first_checkpoint_rolls_back_to_the_start_and_three_times_at_most(
    trainer, tmp_path, monkeypatch
):
    run = run_with(trainer, tmp_path, monkeypatch, lambda step, rate: math.nan if step == 1 else 1.0)
    with pytest.raises(NonFiniteError, match="the loss became nan at step 1"):
        run.fit()
    assert [step for step, _ in run.rates] == [0, 1] * 4


def test_best_safetensors_is_the_epoch_that_the_metrics_name(trainer, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Run, "save_model", lambda self, name: saved.append(self.progress.epoch))
    run_with(trainer, tmp_path, monkeypatch, lambda step, rate: 1.0).fit()  # every epoch is as good as the first
    assert saved == [1]


@pytest.mark.parametrize(("every", "validated"), [(1, [1, 2, 3]), (2, [2, 3]), (100, [3])])
def test_epochs_are_validated_where_it_is_due_and_the_last_always(trainer, tmp_path, monkeypatch, every, validated):
    run = run_with(trainer, tmp_path, monkeypatch, lambda step, rate: 1.0)
    run.config = changed(epochs=3, validate_every=every)
    run.fit()
    history = run.progress.history
    assert [row["epoch"] for row in history if "val_top1" in row] == validated
    assert [row["epoch"] for row in history] == [1, 2, 3] and history[-1]["val_loss"] == 1.0
    assert (tmp_path / "best.safetensors").exists()


def test_a_run_does_not_go_on_with_another_number_of_photos(trainer, tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "checkpoints", trainer, Progress(step=3, train_images=1000), keep=1)
    with pytest.raises(UserError, match="begun on 1000 training photos, now there are 1438"):
        run_with(trainer, tmp_path, monkeypatch, lambda step, rate: 1.0)


def test_a_tensorboard_log_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "tensorboard").write_bytes(b"")
    with pytest.raises(UserError, match=r"TensorBoard log in .* cannot be written"):
        TensorBoardLog(tmp_path / "tensorboard")


@pytest.fixture
def interruptible():
    """Ctrl-C's own handler, which a process started in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_signal_is_no_longer_caught(interruptible):
    class Stuck:
        stop_signal = None

    run = Stuck()
    with stop_signals(run):
        os.kill(os.getpid(), signal.SIGINT)
        assert run.stop_signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_a_command_without_a_traceback(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        run_cli(interrupted)
    assert end.value.code == INTERRUPTED
    assert capsys.readouterr().err == "\ninterrupted\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore"), "smaller --batch_size"),
        (tf.errors.UnavailableError(None, None, "peer"), "another worker is gone"),
        (
            tf.errors.NotFoundError(None, None, LOST_PHOTO),
            r"cannot be read any more \(Root::Map: /a.jpg; No such file\)",
        ),
    ],
)
def test_tensorflows_errors_become_one_sentence(error, sentence):
    with pytest.raises(UserError, match=sentence), readable_data_errors(7):
        raise error


def test_several_steps_a_call_stop_where_a_checkpoint_is_due(trainer, tmp_path, monkeypatch):
    calls = []

    def steps(iterator, rates, images, first, frozen=False):
        calls.append((first, len(rates)))
        return [1.0] * len(rates)

    monkeypatch.setattr(trainer, "train_steps", steps)
    monkeypatch.setattr(Run, "evaluate", lambda self, split: (0.5, 1.0))
    config = changed(steps_per_call=4, epochs=1)
    with run_dir.locked(tmp_path):
        Run(config, DigitsSource(0.2), session.image_spec(config, None), trainer, tmp_path).fit()
    assert calls == [(0, 4), (4, 1), (5, 4), (9, 1), (10, 2)]  # a checkpoint is due after every fifth of twelve steps
