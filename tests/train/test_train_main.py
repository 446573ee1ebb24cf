"""`python train_main.py` as a user runs it, on tiny settings."""

import json
import signal
import time

import pytest
from support.commands import TINY_RUN, run, start, train

from mobilevit_tf.models import model_file


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("run")
    result = train(f"--model_dir={run_dir}")
    assert result.returncode == 0, result.stdout
    return run_dir, result.stdout


def test_a_run_leaves_model_metrics_report_card_and_checkpoints(finished):
    run_dir, output = finished
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert metrics["steps"] == 2 * 12
    assert (metrics["train_images"], metrics["val_images"]) == (1438, 359)
    assert 0 <= metrics["final_top1"] <= metrics["best_top1"] <= 1
    assert metrics["images_per_second"] > 0
    assert metrics["versions"]["tensorflow"] == "2.19.1"
    assert {path.name for path in run_dir.iterdir()} >= {
        "best.safetensors", "checkpoints", "config.json", "history.json", "model_card.md", "report.html", "tensorboard",
    }  # fmt: skip
    assert len(list((run_dir / "checkpoints").iterdir())) == 2
    assert f"python quantize/export.py --run={run_dir}" in output


def test_a_run_with_a_recipe_says_how_long_it_takes_and_gets_no_other_proposed(finished):
    _, output = finished
    assert "2 epochs of 12 steps: about" in output and "--input_size=" in " ".join(TINY_RUN)
    assert "for this many photos" not in output


def test_the_model_file_holds_the_ema_weights_that_the_metrics_name(finished):
    run_dir, _ = finished
    model = model_file.load(run_dir)
    assert model.labels == tuple("0123456789")
    assert model.spec.size == (32, 32)
    assert model.run_id == run_dir.name
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert model_file.weights_sha256(model.weights) == metrics["ema_sha256"]


def test_a_finished_run_started_again_says_so(finished):
    run_dir, _ = finished
    result = train(f"--model_dir={run_dir}")
    assert result.returncode == 0
    assert result.stdout == f"{run_dir} is finished: its results are in {run_dir / 'metrics.json'}\n"


def test_a_finished_run_does_not_swallow_other_settings(finished):
    run_dir, _ = finished
    result = train("--epochs=3", f"--model_dir={run_dir}")
    assert result.returncode == 1
    assert "train.epochs (was 2, now 3)" in result.stdout


def test_evaluate_only_repeats_the_runs_own_accuracy(finished):
    run_dir, _ = finished
    result = run("train_main.py", f"--evaluate_only={run_dir}")
    assert result.returncode == 0, result.stdout
    evaluation = json.loads((run_dir / "evaluation_val.json").read_text())
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert evaluation["top1"] == pytest.approx(metrics["final_top1"], abs=1e-9)
    assert len(evaluation["per_class"]) == 10


def test_init_from_starts_at_the_other_runs_accuracy(finished, tmp_path):
    run_dir, _ = finished
    flags = (f"--init_from={run_dir}", "--freeze_epochs=1", "--epochs=1", "--learning_rate=2e-4", "--augment=none")
    result = train(*flags, f"--model_dir={tmp_path}")
    assert result.returncode == 0, result.stdout
    before, after = model_file.load(run_dir).weights, model_file.load(tmp_path).weights
    changed = {name for name in before if not (before[name] == after[name]).all()}
    assert changed == {"classifier/kernel", "classifier/bias"}


def test_sigterm_saves_and_the_same_command_goes_on(tmp_path):
    process = start("train_main.py", *TINY_RUN, "--epochs=200", "--checkpoint_steps=2", f"--model_dir={tmp_path}")
    while not list(tmp_path.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"go on with the same command and --model_dir={tmp_path}" in output
    changed = train("--epochs=200", "--checkpoint_steps=2", "--seed=1", f"--model_dir={tmp_path}")
    assert changed.returncode == 1
    assert "train.seed (was 0, now 1)" in changed.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--varient=xxs"], "Unknown command line flag 'varient'"),
        (["--variant=xxl"], "error: variant 'xxl' is not known"),
        (["--data=tf_flower"], "did you mean tf_flowers"),
        (["--data=/no/such/folder"], "error: there is no folder /no/such/folder"),
        (["--label_smoothing=1"], "error: label_smoothing is 1.0"),
        (["--multiscale=24,x"], "error: --multiscale=24,x: expected whole numbers separated by commas"),
        (["--strategy=multi_worker"], "error: strategy multi_worker needs --model_dir"),
        (["--evaluate_only=/no/run"], "error: there is no /no/run"),
        (["extra"], "unexpected argument 'extra'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_before_tensorflow_loads(flags, sentence, tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise SystemExit('TensorFlow was loaded')")
    result = run("train_main.py", *flags, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert sentence in result.stdout
    assert "TensorFlow was loaded" not in result.stdout
    assert "Traceback" not in result.stdout


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    result = train(f"--model_dir={blocker}/run")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in result.stdout


def test_a_nan_loss_stops_the_run_and_names_step_rate_and_photos(tmp_path):
    result = train("--learning_rate=1e30", "--warmup_steps=3", "--checkpoint_steps=1", f"--model_dir={tmp_path}")
    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith("error: the loss became ")
    assert "learning rate" in last and "digit_" in last and "--on_nan=rollback" in last
    assert list(tmp_path.glob("checkpoints/step-*"))
    assert not (tmp_path / "metrics.json").exists()
