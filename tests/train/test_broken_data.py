"""Disks that break and workers that vanish: one sentence that names the culprit, the last checkpoint intact."""

from __future__ import annotations

import io
import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from support.commands import SMALL, TINY_RUN, run, start
from support.photo_files import folder_of_classes, photo

from mobilevit_tf.data import record_files
from mobilevit_tf.errors import UserError
from mobilevit_tf.train.guards import PhotosLost, readable_data_errors

FAILING_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
ssize_t read(int file, void *data, size_t size) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length > 0) {
    path[length] = 0;
    const char *broken = getenv("DISK_BROKEN");  // a file: the disk fails from when it is there
    if (strstr(path, "b_3.jpg") && broken && !access(broken, F_OK)) { errno = EIO; return -1; }
  }
  ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
  return real(file, data, size);
}
"""


def prepare(folder: Path, name: str, train: int) -> Path:
    """A prepared TFDS data set of JPEG photos in two shards; the first shard of its training split."""

    class Made(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            image, label = tfds.features.Image(encoding_format="jpeg"), tfds.features.ClassLabel(num_classes=2)
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

        def _split_generators(self, manager):
            return {"train": self._generate_examples(train), "validation": self._generate_examples(8)}

        def _generate_examples(self, size):
            for index in range(size):
                yield index, {"image": io.BytesIO(photo(index)), "label": index % 2}

    Made.name = name
    config = tfds.download.DownloadConfig(num_shards=2, try_download_gcs=False)
    Made(data_dir=folder).download_and_prepare(download_config=config)
    return min((folder / name / "1.0.0").glob("*-train*"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tfds")
    return folder, prepare(folder, "made", 64)


def test_the_broken_record_of_several_files_is_found(prepared, tmp_path):
    whole, shard = tmp_path / "a", prepared[1]
    data = shard.read_bytes()
    whole.write_bytes(data)
    start_of = [0]
    while start_of[-1] < len(data):
        start_of.append(start_of[-1] + 16 + int.from_bytes(data[start_of[-1] : start_of[-1] + 8], "little"))
    cut, flipped = tmp_path / "b", tmp_path / "c"
    cut.write_bytes(data[: start_of[6] - 9])
    flipped.write_bytes(data[: start_of[3] + 40] + bytes([data[start_of[3] + 40] ^ 1]) + data[start_of[3] + 41 :])
    paths = [str(whole), str(cut), str(flipped)]
    assert record_files.broken_record(paths, f"truncated record at {start_of[5]}' failed") == f"record 5 of {cut}"
    assert record_files.broken_record(paths, f"corrupted record at {start_of[3]}") == f"record 3 of {flipped}"
    assert record_files.broken_record(paths, f"corrupted record at {start_of[2]}") is None
    assert record_files.broken_record(paths, "something else") is None


def test_a_truncated_shard_is_one_sentence_with_file_and_record(prepared, tmp_path):
    folder, shard = shutil.copytree(prepared[0], tmp_path / "tfds"), None
    shard = folder / prepared[1].relative_to(prepared[0])
    shard.write_bytes(shard.read_bytes()[:-200])
    flags = ("--data=made", f"--data_dir={folder}", f"--model_dir={tmp_path / 'run'}", "--checkpoint_steps=1")
    result = run("train_main.py", *SMALL, *flags)
    last = result.stdout.splitlines()[-1]
    assert result.returncode == 1 and "Traceback" not in result.stdout
    assert last.startswith("error: step ") and f" of {shard} is damaged or cut short" in last and "record " in last


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to make a disk that fails")
def test_a_read_that_fails_is_one_sentence_with_the_file_and_the_run_goes_on_later(tmp_path):
    (tmp_path / "disk.c").write_text(FAILING_DISK)
    library = tmp_path / "disk.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "disk.c", "-ldl"], check=True)
    photos = folder_of_classes(tmp_path / "photos", {"a": 12, "b": 12})
    run_dir, broken = tmp_path / "run", tmp_path / "broken"
    flags = (*SMALL, f"--data={photos}", f"--model_dir={run_dir}", "--epochs=2000", "--checkpoint_steps=1")
    process = start("train_main.py", *flags, LD_PRELOAD=str(library), DISK_BROKEN=str(broken))
    while not list(run_dir.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    broken.touch()
    output = process.communicate(timeout=300)[0]
    last = output.splitlines()[-1]
    assert process.returncode == 1 and "Traceback" not in output
    assert "b_3.jpg" in last and "Input/output error" in last
    process = start("train_main.py", *flags)
    resumed = next(line for line in process.stdout if "resumed at step " in line)
    process.kill()
    process.communicate()
    assert resumed


def test_a_photo_that_breaks_after_the_scan_is_named(tmp_path):
    photos, run_dir = folder_of_classes(tmp_path / "photos", {"a": 12, "b": 12}), tmp_path / "run"
    process = start("train_main.py", *SMALL, f"--data={photos}", f"--model_dir={run_dir}", "--epochs=2000",
                    "--checkpoint_steps=1", "--crop_scale=1,1")  # fmt: skip
    while not list(run_dir.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    for path in photos.glob("b/*.jpg"):
        path.write_bytes(path.read_bytes()[:-300])
    output = process.communicate(timeout=300)[0]
    last = output.splitlines()[-1]
    assert process.returncode == 1 and "Traceback" not in output
    assert last.startswith("error: step ") and "b/b_" in last and "--dry_run" in last


def test_the_end_of_the_data_before_the_end_of_the_epoch_is_told_apart():
    with pytest.raises(PhotosLost, match="step 7: the data service delivers no more"), readable_data_errors(7):
        raise tf.errors.OutOfRangeError(None, None, "End of sequence")


def test_a_photo_or_record_that_tensorflow_does_not_name_is_explained():
    lost = tf.errors.DataLossError(None, None, "truncated record at 12")
    explain = lambda error: f"{type(error).__name__} of record 3 of a.tfrecord"  # noqa: E731
    sentence = r"step 7: DataLossError of record 3 of a.tfrecord; the last checkpoint is intact"
    with pytest.raises(UserError, match=sentence), readable_data_errors(7, explain):
        raise lost


def workers(count: int, folder: Path) -> list[subprocess.Popen]:
    """A multi-worker run of so many processes, all past their first checkpoint."""
    ports = []
    for _ in range(count):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(f"127.0.0.1:{probe.getsockname()[1]}")
    flags = (*TINY_RUN, "--batch_size=32", "--strategy=multi_worker", "--epochs=500", "--checkpoint_steps=1")
    processes = []
    for index in range(count):
        place = json.dumps({"cluster": {"worker": ports}, "task": {"type": "worker", "index": index}})
        processes.append(start("train_main.py", *flags, f"--model_dir={folder}", TF_CONFIG=place))
    while not list(folder.glob("checkpoints/step-*")):
        assert all(process.poll() is None for process in processes), processes[0].communicate()[0]
        time.sleep(0.2)
    return processes


def test_sigterm_on_one_of_four_saves_all(tmp_path):
    processes = workers(4, tmp_path)
    processes[2].send_signal(signal.SIGTERM)
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [1] * 4
    assert all("all is saved; go on with the same command" in output.splitlines()[-1] for output in outputs), outputs
    assert "stopped by SIGTERM" in outputs[2] and "stopped by another worker" in outputs[0]


def test_a_worker_that_vanishes_ends_the_others_within_two_minutes(tmp_path):
    processes = workers(2, tmp_path)
    processes[1].kill()
    began = time.monotonic()
    output = processes[0].communicate(timeout=300)[0]
    assert time.monotonic() - began < 120
    assert processes[0].returncode == 1 and "another worker is gone" in output.splitlines()[-1], output
    assert list(tmp_path.glob("checkpoints/step-*"))
