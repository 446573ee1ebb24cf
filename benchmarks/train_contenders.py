"""One contender of train_speed.py in a process of its own: `python train_contenders.py NAME SIZE BATCH STEPS`.

Prints one line of JSON. "ours", "ours_ema" and "pipeline" run in the project's environment, "hf" and "kecam" in that of
benchmarks/requirements.txt. Every model is MobileViT-XXS with its library's own dropout, trained by tf_keras' AdamW on
the same batch of noise; the loss is awaited after every step, and the clock starts after the imports.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

CLASSES = 5
LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 1e-3, 0.01, 0.1
WARM_UP_STEPS = 3  # after the first, not timed: memory is still being allocated


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def noise(size: int, batch: int):
    """(uint8 [batch, size, size, 3], one-hot float32 [batch, CLASSES])."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    return images, np.eye(CLASSES, dtype=np.float32)[np.arange(batch) % CLASSES]


def measured(start: Callable[[], Callable[[], object]], batch: int, steps: int, mean: bool = False) -> dict:
    """`start` builds everything and returns the step; its time counts to the first step.

    The speed is that of the median step, or of the `mean` where steps are done ahead.
    """
    began, cpu_began = time.perf_counter(), cpu_seconds()
    step = start()
    step()
    first, first_cpu = time.perf_counter() - began, cpu_seconds() - cpu_began
    for _ in range(WARM_UP_STEPS):
        step()
    times, cpu_began = [], cpu_seconds()
    for _ in range(steps):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    seconds = statistics.fmean(times) if mean else statistics.median(times)
    return {
        "images_per_second": batch / seconds,
        "cpu_ms_per_image": 1000 * (cpu_seconds() - cpu_began) / steps / batch,
        "first_step_s": first,
        "first_step_cpu_s": first_cpu,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def ours(size: int, batch: int, steps: int, ema_decay: float = 0.0) -> dict:
    """The `Trainer` that train_main.py runs, under its default strategy."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
    import tensorflow as tf

    from mobilevit_tf import distribution
    from mobilevit_tf.config import ModelConfig, TrainConfig
    from mobilevit_tf.families import mobilevit
    from mobilevit_tf.image.image_spec import ImageSpec
    from mobilevit_tf.train import trainer

    data = noise(size, batch)

    def start():
        strategy = distribution.make_strategy("mirrored")
        config = TrainConfig(
            input_size=size, batch_size=batch, weight_decay=WEIGHT_DECAY, label_smoothing=LABEL_SMOOTHING,
            ema_decay=ema_decay, clip_norm=0.0,
        )  # fmt: skip
        model = ModelConfig("xxs", CLASSES)
        made = trainer.Trainer(
            lambda: mobilevit.build(model, size, size), config, ImageSpec(size, size), None, strategy
        )
        dataset = tf.data.Dataset.from_tensors(data).repeat()
        iterator = iter(strategy.distribute_datasets_from_function(lambda context: dataset))
        return lambda: float(made.train_steps(iterator, [LEARNING_RATE], [batch], 0)[0])

    return measured(start, batch, steps)


def ours_ema(size: int, batch: int, steps: int) -> dict:
    """As `ours`, with the average of the weights that train_main.py keeps by default."""
    return ours(size, batch, steps, ema_decay=0.9995)


def peer(build: Callable, images, labels, steps: int) -> dict:
    """A tf_keras model of logits, compiled by tf_keras and trained by its own train function."""
    import tensorflow as tf
    import tf_keras

    def start():
        model = build()
        model.compile(
            tf_keras.optimizers.AdamW(LEARNING_RATE, WEIGHT_DECAY, jit_compile=False),
            tf_keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        )
        iterator = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
        train = model.make_train_function()  # what fit calls once a step
        return lambda: float(train(iterator)["loss"])

    return measured(start, len(labels), steps)


def hf(size: int, batch: int, steps: int) -> dict:
    """TFMobileViT of transformers, in the published XXS configuration; it takes channels first."""
    import numpy as np
    import tf_keras
    from transformers import MobileViTConfig, TFMobileViTForImageClassification

    images, labels = noise(size, batch)
    images = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32) / 255

    def build():
        config = MobileViTConfig(
            image_size=size, num_labels=CLASSES, hidden_sizes=[64, 80, 96], expand_ratio=2.0,
            neck_hidden_sizes=[16, 16, 24, 48, 64, 80, 320], hidden_dropout_prob=0.05,
        )  # fmt: skip
        image = tf_keras.Input((3, size, size))
        return tf_keras.Model(image, TFMobileViTForImageClassification(config)(image).logits)

    return peer(build, images, labels, steps)


def kecam(size: int, batch: int, steps: int) -> dict:
    """MobileViT_XXS of keras_cv_attention_models."""
    import numpy as np
    from keras_cv_attention_models import mobilevit

    images, labels = noise(size, batch)

    def build():
        return mobilevit.MobileViT_XXS(
            input_shape=(size, size, 3), num_classes=CLASSES, classifier_activation=None, pretrained=None
        )

    return peer(build, images.astype(np.float32) / 255, labels, steps)


def pipeline(size: int, batch: int, steps: int) -> dict:
    """The input alone: JPEG photos of 340 x 256 from a folder through crop and flip, as training reads them."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow

    from mobilevit_tf.config import AugmentConfig, DataConfig
    from mobilevit_tf.data import datasets
    from mobilevit_tf.train import input_pipeline
    from mobilevit_tf.train.multiscale import plan_epoch

    with tempfile.TemporaryDirectory() as folder:
        save_photos(Path(folder), batch * (steps + WARM_UP_STEPS + 1))
        source = datasets.open_source(DataConfig(data=folder, val_fraction=0.01), progress=False)
        plan = plan_epoch(
            source.size("train"), batch_size=batch, replicas=1, base_size=size, sizes=(), seed=0, epoch=0
        )  # fmt: skip
        host_plan = input_pipeline.HostPlan(plan, 0, 1)

        def start():
            data = input_pipeline.training_dataset(source, host_plan, AugmentConfig(), 0, 0, 0)
            iterator = iter(data)
            return lambda: next(iterator)

        return measured(start, batch, steps, mean=True)


def save_photos(folder: Path, count: int) -> None:
    """Two classes of smooth coloured noise, about as many bytes as a photo of that size."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for index in range(count):
        path = folder / str(index % 2) / f"{index}.jpg"
        path.parent.mkdir(exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (64, 85, 3), dtype=np.uint8))
        coarse.resize((340, 256), Image.Resampling.BICUBIC).save(path, quality=90)


CONTENDERS = {"ours": ours, "ours_ema": ours_ema, "kecam": kecam, "hf": hf, "pipeline": pipeline}

if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    print(json.dumps(CONTENDERS[name](*map(int, numbers))))
