"""Training fed by a tf.data service: nothing lost or doubled while no worker is, and an end where one is."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import pytest
from PIL import Image
from support.commands import SMALL, run, start
from support.photo_files import encode, folder_of_classes, pixels_of, write

from mobilevit_tf.config import AugmentConfig, DataConfig, TrainConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError
from mobilevit_tf.train import data_service, input_pipeline
from mobilevit_tf.train.input_pipeline import HostPlan
from mobilevit_tf.train.multiscale import plan_epoch


def serve(*flags: str) -> tuple[subprocess.Popen, int]:
    """A started dispatcher or worker that listens, and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start("-m", "mobilevit_tf.data_service", f"--port={port}", *flags)
    line = process.stdout.readline()
    assert "listening" in line, line + process.communicate()[0]
    return process, port


@pytest.fixture
def service() -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a dispatcher, and its two workers."""
    dispatcher, port = serve()
    workers = [serve(f"--dispatcher=localhost:{port}", "--host=localhost")[0] for _ in range(2)]
    yield f"grpc://localhost:{port}", workers
    for process in (dispatcher, *workers):
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 240 JPEG photos and some of other formats."""
    folder = folder_of_classes(tmp_path_factory.mktemp("photos"), {"a": 120, "b": 120})
    for index, format in enumerate(["WEBP", "PNG", "GIF", "HEIF"]):
        write(folder / "a" / f"other_{index}.{format.lower()}", encode(Image.fromarray(pixels_of(50, 40)), format))
    return folder


def read(service: str | None, source, replicas: int = 1, kill: subprocess.Popen | None = None):
    """(sizes, images as bytes) of an epoch; after the second batch a worker is killed."""
    steps = plan_epoch(
        source.size("train"), batch_size=8, replicas=replicas, base_size=32, sizes=(24, 32), seed=0, epoch=0
    )
    arguments = (source, HostPlan(steps, 0, 1), AugmentConfig("none"), 0, 0, 0)
    made = (
        data_service.training_dataset(service, *arguments) if service else input_pipeline.training_dataset(*arguments)
    )
    sizes, images = [], []
    for number, (batch, _) in enumerate(made):
        sizes.append(tuple(batch.shape[:2]))
        images += [image.tobytes() for image in batch.numpy()]
        if number == 1 and kill:
            kill.kill()
    return sizes, images


def open_folder(folder):
    return datasets.open_source(DataConfig(data=str(folder), val_fraction=0.1), progress=False)


@pytest.mark.slow
def test_every_photo_arrives_once_in_the_plans_batches_until_a_worker_is_killed(service, photos):
    address, workers = service
    source = open_folder(photos)
    total = source.size("train")
    sizes, images = read(address, source)
    expected_sizes, _ = read(None, source)
    assert sizes == expected_sizes
    assert len(images) == total
    sizes, images = read(address, source, replicas=2, kill=workers[0])
    assert total // 2 < len(images) <= total and len(sizes) % 2 == 0  # at most once, and whole steps alone
    assert len(read(address, source)[1]) == total  # the next epoch lacks nothing


@pytest.mark.slow
def test_a_run_ends_though_a_worker_is_killed(service, photos, tmp_path):
    address, workers = service
    flags = (*SMALL, f"--data={photos}", f"--data_service={address}", "--epochs=2", f"--model_dir={tmp_path}")
    process = start("train_main.py", *flags, "--checkpoint_steps=1")
    while not list(tmp_path.glob("checkpoints/step-*")):
        assert process.poll() is None, process.communicate()[0]
    workers[0].kill()
    output = process.communicate(timeout=400)[0]
    assert process.returncode == 0, output
    assert (tmp_path / "metrics.json").exists()


def test_an_address_where_nothing_listens_is_one_sentence(photos, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"grpc://localhost:{probe.getsockname()[1]}"
    result = run("train_main.py", *SMALL, f"--data={photos}", f"--data_service={address}", f"--model_dir={tmp_path}")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith(f"error: no data service answers at {address}")


@pytest.mark.parametrize("address", ["localhost:5050", "grpc://localhost", "http://localhost:1"])
def test_other_addresses_are_refused(address):
    with pytest.raises(UserError, match="expected an address such as grpc://host:5050"):
        TrainConfig(data_service=address)
    with pytest.raises(UserError, match="not with strategy multi_worker"):
        TrainConfig(data_service="grpc://localhost:1", strategy="multi_worker")
