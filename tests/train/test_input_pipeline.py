"""The training input: every photo of a plan once, drawn alike whoever reads it, JPEGs without a call of Python."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from support.photo_files import display_p3, encode, exif, folder_of_classes, photo, pixels_of, write

from mobilevit_tf.config import AugmentConfig, DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.image import pixels
from mobilevit_tf.train import input_pipeline
from mobilevit_tf.train.input_pipeline import HostPlan, training_dataset
from mobilevit_tf.train.multiscale import plan_epoch


def open_folder(folder):
    return datasets.open_source(DataConfig(data=str(folder), val_fraction=0.2), progress=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return open_folder(folder_of_classes(tmp_path_factory.mktemp("photos"), {"a": 20, "b": 20}))


def plan_of(source, sizes=(), hosts=1, batch=4):
    return plan_epoch(
        source.size("train"), batch_size=batch, replicas=hosts, base_size=32, sizes=sizes, seed=1, epoch=2
    )


def batches(source, mode="basic", host=0, hosts=1, first_step=0, sizes=(), batch=4):
    plan = HostPlan(plan_of(source, sizes, hosts, batch), host, hosts)
    data = training_dataset(source, plan, AugmentConfig(mode), 1, 2, first_step)
    return [(image.numpy(), label.numpy()) for image, label in data]


@pytest.mark.parametrize("mode", ["none", "basic", "advanced"])
def test_an_epoch_repeats_itself_and_goes_on_in_the_middle(source, mode):
    sizes = (24, 32, 40)
    whole, again, rest = (batches(source, mode, first_step=step, sizes=sizes) for step in (0, 0, 3))
    assert len(whole) == len(again) == len(rest) + 3
    for (image, label), (other, other_label) in [*zip(whole, again, strict=True), *zip(whole[3:], rest, strict=True)]:
        assert image.dtype == np.uint8 and image.shape[1] == image.shape[2]
        np.testing.assert_array_equal(image, other)
        np.testing.assert_array_equal(label, other_label)
    assert {image.shape[1] for image, _ in whole} <= set(sizes)
    assert sum(len(image) for image, _ in whole) == 32


def test_two_hosts_see_what_one_would_see(source):
    def photos(parts):
        return sorted(image.tobytes() for batch, _ in parts for image in batch)

    both = [*batches(source, host=0, hosts=2), *batches(source, host=1, hosts=2)]
    assert photos(both) == photos(batches(source))


def test_an_epoch_of_jpegs_calls_no_python(source, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a JPEG photo was decoded in Python")

    monkeypatch.setattr(pixels, "decode", refuse)
    monkeypatch.setattr(pixels, "decode_image", refuse)
    assert sum(len(image) for image, _ in batches(source, "advanced")) == 32


def test_photos_of_every_kind_arrive_as_pixels_decodes_them(tmp_path):
    image = Image.fromarray(pixels_of(60, 40, 5))
    kinds = {
        "plain.jpg": encode(image), "grey.jpg": encode(image.convert("L")), "cmyk.jpg": encode(image.convert("CMYK")),
        "turned.jpg": encode(image, exif=exif(6)), "p3.jpg": encode(image, icc_profile=display_p3()),
        "a.webp": encode(image, "WEBP"), "a.heic": encode(image, "HEIF"), "a.png": encode(image, "PNG"),
        "deep.png": encode(Image.fromarray(np.arange(2400, dtype=np.uint16).reshape(40, 60) * 27), "PNG"),
        "a.gif": encode(image, "GIF"), "a.bmp": encode(image, "BMP"), "rgba.png": encode(image.convert("RGBA"), "PNG"),
    }  # fmt: skip
    for name, data in kinds.items():
        write(tmp_path / "train" / "kinds" / name, data)
    for name, folder in [("train", "other"), ("val", "kinds"), ("val", "other")]:
        write(tmp_path / name / folder / "x.jpg", photo(len(name + folder), 60, 40))
    source = open_folder(tmp_path)
    records = source.records("train", shuffle_seed=input_pipeline.order_seed(1, 2))
    expected = {}
    for record in records.as_numpy_iterator():
        whole = pixels.decode_image(record["image"])
        left, top = (whole.width - 40) // 2, (whole.height - 40) // 2
        expected[record["id"].decode()] = np.asarray(whole.crop((left, top, left + 40, top + 40)).resize((32, 32)))
    plan = HostPlan(plan_of(source, batch=1), 0, 1)
    data = training_dataset(source, plan, AugmentConfig("none"), 1, 2, 0)
    assert len(expected) == len(kinds) + 1
    for (identity, reference), (image, _) in zip(expected.items(), data, strict=True):
        assert np.abs(image[0].numpy().astype(int) - reference).mean() < 3, identity


def test_seeds_of_different_draws_differ():
    index = tf.constant(7, tf.int64)
    arguments = [
        (seed, epoch, stream) for seed in (0, 1, 2**31 - 1) for epoch in (0, 1, 2**31 - 1) for stream in (0, 1)
    ]
    seeds = {tuple(input_pipeline.draw_seed(*values, index).numpy().tolist()) for values in arguments}
    assert len(seeds) == len(arguments)
