"""What becomes of a training whose photos have strange names, or whose files are changed under it."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support.commands import SMALL, run, start
from support.photo_files import folder_of_classes, photo

from mobilevit_tf.data.scan import scan_folder
from mobilevit_tf.data.scan_text import format_report

FLAGS = ("train_main.py", *SMALL, "--val_fraction=0.3")


@pytest.fixture
def photos(tmp_path) -> Path:
    return folder_of_classes(tmp_path / "photos", {"cat": 8, "dog": 8})


def under_way(photos: Path, run_dir: Path) -> subprocess.Popen:
    """A training of many epochs that has written its first checkpoint."""
    process = start(*FLAGS, f"--data={photos}", f"--model_dir={run_dir}", "--epochs=2000", "--checkpoint_steps=1")
    until = time.monotonic() + 240
    while not list(run_dir.glob("checkpoints/step-*")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    return process


def last_line(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    return output.splitlines()[-1]


def test_names_that_are_not_utf8_train_and_are_shown_escaped(photos, tmp_path):
    for index, name in enumerate((b"caf\xe9.jpg", b"\xff\xfe.jpg", b"\x1b[31mred\n.jpg")):
        with open(os.fsencode(photos / "cat") + b"/" + name, "wb") as file:
            file.write(photo(100 + index))
    with open(os.fsencode(photos / "dog") + b"/broken\xe9\x1b[2J.jpg", "wb") as file:
        file.write(b"no photo")
    text = format_report(scan_folder(photos, progress=False))
    assert "19 usable photos of 20 files" in text
    assert "  dog/broken\\xe9\\x1b[2J.jpg: not a picture" in text
    assert all(line.isprintable() for line in text.splitlines())
    ended = run(*FLAGS, f"--data={photos}", f"--model_dir={tmp_path / 'run'}", "--epochs=1")
    assert ended.returncode == 0, ended.stdout
    assert (tmp_path / "run" / "report.html").exists()


def test_an_over_long_path_is_named_and_left_out(photos):
    with contextlib.chdir(photos / "cat"):
        for _ in range(20):  # no call takes such a path: it is made step by step
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
        Path("deep.jpg").write_bytes(photo(99))
    report = scan_folder(photos, progress=False)
    assert len(report.photos) == 16
    [left_out] = report.left_out
    assert "File name too long" in left_out.reason
    shutil.rmtree(photos)


def test_a_photo_that_becomes_a_pipe_ends_the_training_in_one_sentence(photos, tmp_path):
    process = under_way(photos, tmp_path / "run")
    for path in photos.glob("cat/*.jpg"):
        path.unlink()
        os.mkfifo(path)
    line = last_line(process)
    assert "the data cannot be read any more" in line and "is not a regular file" in line


def test_a_run_directory_that_is_removed_ends_the_training_in_one_sentence(photos, tmp_path):
    process = under_way(photos, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "gone")
    assert f"error: {tmp_path / 'run'} was removed while it was trained" in last_line(process)
