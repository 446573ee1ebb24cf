"""One input of input_speed.py in a process of its own: `python contenders.py NAME FOLDER MODE SIZE BATCH`.

Prints one line of JSON: photos/s and processor ms per photo of one pass over the folder.
MODE is basic (random resized crop and flip) or advanced (with RandAugment, Mixup and CutMix where the contender has
them). "ours" and "pillow" run in the project's environment, "keras_guide" too, "timm" in benchmarks/input's own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

WARM_UP = 10  # batches

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def _cpu_seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _measured(epoch: Callable[[int], Iterable[int]]) -> dict[str, float]:
    """`epoch(n)` yields the number of photos of each batch of pass n.

    The clock starts after WARM_UP batches of the first pass: a pass over ImageNet is so long that its start does not
    count. Of children, which are counted when they end, the same share of their time.
    """
    began = cpu_began = 0.0
    warm_up = done = 0
    for number, photos in enumerate(epoch(0)):
        if number < WARM_UP:
            warm_up += photos
            began, cpu_began = time.perf_counter(), _cpu_seconds(resource.RUSAGE_SELF)
            continue
        done += photos
    seconds = time.perf_counter() - began
    cpu = _cpu_seconds(resource.RUSAGE_SELF) - cpu_began
    children = _cpu_seconds(resource.RUSAGE_CHILDREN) * done / (done + warm_up)
    return {"photos_per_second": done / seconds, "cpu_ms": 1000 * (cpu + children) / done}


def _plan(source, size: int, batch: int):
    from mobilevit_tf.train.input_pipeline import HostPlan
    from mobilevit_tf.train.multiscale import plan_epoch

    steps = plan_epoch(
        source.size("train"), batch_size=batch, replicas=1, base_size=size, sizes=(), seed=0, epoch=0
    )  # fmt: skip
    return HostPlan(steps, 0, 1)


def _source(folder: str):
    from mobilevit_tf.config import DataConfig
    from mobilevit_tf.data import datasets

    return datasets.open_source(DataConfig(data=folder, val_fraction=0.01), progress=False)


def ours(folder: str, mode: str, size: int, batch: int) -> dict[str, float]:
    """The input of train_main.py."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow

    from mobilevit_tf.config import AugmentConfig
    from mobilevit_tf.train import input_pipeline

    source = _source(folder)
    plan = _plan(source, size, batch)

    def epoch(number: int) -> Iterator[int]:
        data = input_pipeline.training_dataset(source, plan, AugmentConfig(mode=mode), 0, number, 0)
        return (len(image) for image, _ in data)

    return _measured(epoch)


def pillow(folder: str, mode: str, size: int, batch: int) -> dict[str, float]:
    """Pillow in tf.data's Python threads, as this project read its photos before; "advanced" is RandAugment alone."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
    import pillow_input
    import tensorflow as tf

    source = _source(folder)

    def epoch(number: int) -> Iterator[int]:
        records = source.records("train", shuffle_seed=number).enumerate()

        def load(index, record):
            arguments = (record["image"], index, number)
            image = tf.numpy_function(
                lambda data, index, number: pillow_input.training_image(data, size, (int(number), int(index)), mode),
                arguments, tf.uint8, stateful=False,
            )  # fmt: skip
            return tf.ensure_shape(image, (size, size, 3)), record["label"]

        calls = 2 * (os.cpu_count() or 1)
        return (len(image) for image, _ in records.map(load, calls, deterministic=True).batch(batch).prefetch(4))

    return _measured(epoch)


def keras_guide(folder: str, mode: str, size: int, batch: int) -> dict[str, float]:
    """Plain tf.data as the Keras guide to image classification writes it: whole decode, resize, random flip."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
    import tensorflow as tf
    import tf_keras

    layers = [tf_keras.layers.RandomFlip("horizontal")]
    if mode == "advanced":
        layers += [tf_keras.layers.RandomRotation(0.1), tf_keras.layers.RandomZoom(0.2)]
    augmentation = tf_keras.Sequential(layers)

    def epoch(number: int) -> Iterator[int]:
        data = tf_keras.utils.image_dataset_from_directory(
            folder, image_size=(size, size), batch_size=batch, shuffle=True, seed=number, verbose=0
        )
        data = data.map(lambda image, label: (augmentation(image, training=True), label), tf.data.AUTOTUNE)
        return (len(image) for image, _ in data.prefetch(tf.data.AUTOTUNE))

    return _measured(epoch)


def timm(folder: str, mode: str, size: int, batch: int) -> dict[str, float]:
    """timm's loader with one worker process for each core that this process may use."""
    from timm.data import create_dataset, create_loader

    randaugment = "rand-m9-n2" if mode == "advanced" else None
    workers = len(os.sched_getaffinity(0))

    def epoch(number: int) -> Iterator[int]:
        loader = create_loader(
            create_dataset("", folder), (3, size, size), batch, is_training=True, no_aug=False, use_prefetcher=False,
            auto_augment=randaugment, color_jitter=None, num_workers=workers, persistent_workers=False,
        )  # fmt: skip
        return (len(image) for image, _ in loader)

    return _measured(epoch)


CONTENDERS = {"ours": ours, "pillow": pillow, "keras_guide": keras_guide, "timm": timm}

if __name__ == "__main__":
    name, folder, mode, *numbers = sys.argv[1:]
    print(json.dumps(CONTENDERS[name](folder, mode, *map(int, numbers))))
