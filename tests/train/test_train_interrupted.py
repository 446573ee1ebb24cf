"""A training run whose photos or disk space go away: one sentence, and the same command goes on."""

import signal
import time

from safetensors.numpy import load_file
from support.commands import SMALL, TINY_RUN, run, start, train
from support.photo_files import folder_of_classes

FULL_DISK = """
import errno, os, runpy, sys
sync, calls = os.fsync, []
def fsync(file):
    calls.append(file)
    if len(calls) > 4:
        raise OSError(errno.ENOSPC, "No space left on device")
    sync(file)
os.fsync = fsync
sys.argv = ["train_main.py", *sys.argv[1:]]
runpy.run_path("train_main.py", run_name="__main__")
"""


def wait_for_checkpoint(process, run_dir, after=()):
    while not set(run_dir.glob("checkpoints/step-*")) - set(after):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def test_a_lost_folder_is_one_sentence_and_the_run_goes_on_when_it_is_back_until_ctrl_c(tmp_path):
    photos, run_dir = folder_of_classes(tmp_path / "photos", {"a": 12, "b": 12}), tmp_path / "run"
    command = ("train_main.py", *SMALL, "--mixed_precision=float16", "--epochs=2000", "--checkpoint_steps=1",
               f"--data={photos}", f"--model_dir={run_dir}")  # fmt: skip
    process = start(*command)
    wait_for_checkpoint(process, run_dir)
    photos.rename(tmp_path / "moved")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and "Traceback" not in output
    last = output.splitlines()[-1]
    assert last.startswith("error: step ") and "is intact" in last and "same command again" in last

    (tmp_path / "moved").rename(photos)
    before = list(run_dir.glob("checkpoints/step-*"))
    process = start(*command)
    wait_for_checkpoint(process, run_dir, after=before)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and "resumed at step " in output
    assert f"go on with the same command and --model_dir={run_dir}" in output.splitlines()[-1]


def test_a_full_disk_is_one_sentence_and_the_checkpoint_before_stays_whole(tmp_path):
    flags = (*TINY_RUN, "--epochs=1", "--checkpoint_steps=2", f"--model_dir={tmp_path}")
    full = run("-c", FULL_DISK, *flags)
    assert full.returncode == 1 and "Traceback" not in full.stdout
    last = full.stdout.splitlines()[-1]
    assert last.startswith("error: the disk is full while writing ") and "run the same command again" in last
    whole = sorted(tmp_path.glob("checkpoints/*"))
    assert whole and not list(tmp_path.rglob("*.tmp"))
    for path in whole:
        load_file(path)
    again = train("--epochs=1", "--checkpoint_steps=2", f"--model_dir={tmp_path}")
    assert again.returncode == 0 and f"resumed at step {int(whole[-1].stem[5:])}\n" in again.stdout
