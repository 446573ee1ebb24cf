"""Any number of replicas computes what one computes, and goes on where another number stopped."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest
from support.commands import run, start

BATCH = 480  # photos of a step over all replicas: three steps per epoch


@pytest.mark.parametrize("replicas", [2, 8])
def test_replicas_with_an_uneven_batch_give_the_loss_and_gradients_of_one(replicas):
    result = run("tests/programs/replicas.py", str(replicas))
    assert result.returncode == 0, result.stdout
    _, loss, gradient, *_, largest = result.stdout.splitlines()[-1].split()
    assert float(loss) < 1e-5
    assert float(gradient) < 1e-5
    assert float(largest) > 1e-3  # the gradients compared are not all zero


def losses_of(folder: Path, host: int = 0) -> list[float]:
    history = json.loads((folder / f"history-{host}.json").read_text())
    return [row[key] for row in history for key in ("train_loss", "val_loss")]


def run_on(folder: Path, replicas: int, steps_per_call: int = 1) -> list[float]:
    """Losses of the run on so many replicas; what the folder holds of it already is gone on with."""
    result = run("tests/programs/replica_run.py", str(folder), *map(str, (replicas, BATCH // replicas, steps_per_call)))
    assert result.returncode == 0, result.stdout
    return losses_of(folder)


@pytest.fixture(scope="module")
def on_eight(tmp_path_factory) -> tuple[Path, list[float]]:
    folder = tmp_path_factory.mktemp("eight")
    return folder, run_on(folder, 8)


@pytest.mark.slow
def test_a_run_on_eight_replicas_has_the_losses_of_one(on_eight, tmp_path):
    alone = run_on(tmp_path, 1)
    assert on_eight[1] == pytest.approx(alone, abs=1e-5)
    assert alone[2] < alone[0] - 1e-3  # it learned


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [4, 1])
def test_a_checkpoint_of_eight_goes_on_in_mid_epoch_on_fewer(on_eight, tmp_path, replicas):
    whole, losses = on_eight
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(whole / "checkpoints" / "step-00000001.safetensors", tmp_path / "checkpoints")
    assert run_on(tmp_path, replicas) == pytest.approx(losses, abs=1e-5)


@pytest.mark.slow
def test_several_steps_in_one_call_have_the_losses_of_single_ones(on_eight, tmp_path):
    assert run_on(tmp_path, 8, steps_per_call=2) == pytest.approx(on_eight[1], abs=1e-5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_four_processes_have_the_losses_of_one(on_eight, tmp_path):
    workers = [f"127.0.0.1:{free_port()}" for _ in range(4)]
    processes = []
    for index in range(4):
        place = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})
        arguments = (str(tmp_path), "1", str(BATCH // 4), "1")
        processes.append(start("tests/programs/replica_run.py", *arguments, TF_CONFIG=place))
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(outputs)
    for host in range(4):
        assert losses_of(tmp_path, host) == pytest.approx(on_eight[1], abs=1e-5)
