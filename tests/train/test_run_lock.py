"""One process at a time trains in a run directory, and a killed one leaves nothing in the way of the next."""

import errno
import os

import pytest
from support.commands import TINY_RUN, start, train

from mobilevit_tf.errors import UserError
from mobilevit_tf.train import run_dir

HOLD = """
import sys, time
from pathlib import Path
from mobilevit_tf.train import run_dir
with run_dir.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has locked tmp_path / "run"."""
    process = start("-c", HOLD, str(tmp_path / "run"))
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_by_the_pid_of_the_first_until_that_is_killed(holder, tmp_path):
    sentence = rf"^process {holder.pid} on .* is training in .*run: wait until it ends"
    with pytest.raises(UserError, match=sentence), run_dir.locked(tmp_path / "run"):
        raise AssertionError("two processes held one directory")
    holder.kill()
    holder.wait()
    with run_dir.locked(tmp_path / "run"):
        assert (tmp_path / "run" / run_dir.LOCK).read_text().startswith(f"{os.getpid()} on ")


def test_the_training_command_leaves_a_directory_alone_in_which_another_trains(holder, tmp_path):
    result = train(f"--model_dir={tmp_path / 'run'}")
    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith(f"error: process {holder.pid} on ")
    assert last.endswith("choose another --model_dir")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [run_dir.LOCK]


def test_a_run_holds_its_directory_while_it_trains(tmp_path):
    process = start("train_main.py", *TINY_RUN, "--epochs=200", f"--model_dir={tmp_path}")
    try:
        while (line := process.stdout.readline()) and "epoch 1/200" not in line:
            pass
        with pytest.raises(UserError, match=rf"process {process.pid} on "), run_dir.locked(tmp_path):
            raise AssertionError("a run under way did not hold its directory")
    finally:
        process.kill()
        process.communicate()


def test_a_file_system_without_locks_is_trained_on_all_the_same(tmp_path, monkeypatch):
    def unsupported(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_dir.fcntl, "flock", unsupported)
    with run_dir.locked(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()
