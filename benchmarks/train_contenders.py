"""One contender of train_speed.py in a process of its own: `python train_contenders.py NAME SIZE BATCH STEPS`.

Prints one line of JSON. "ours", "ours_ema" and "pipeline" run in the project's environment, "hf" and "kecam" in that of
benchmarks/requirements.txt. Every one trains MobileViT-XXS with tf_keras' AdamW on the same batch of noise and
waits for the loss after every step; the clock starts after the imports.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable

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


def measured(start: Callable[[], Callable[[], None]], batch: int, steps: int) -> dict:
    """`start` builds everything and returns the step; its time counts to the first step."""
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
    return {
        "images_per_second": batch / statistics.median(times),
        "cpu_ms_per_image": 1000 * (cpu_seconds() - cpu_began) / steps / batch,
        "first_step_s": first,
        "first_step_cpu_s": first_cpu,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def ours(size: int, batch: int, steps: int, ema_decay: float = 0.0) -> dict:
    """The `Trainer` that train_main.py runs, under its default strategy."""
    import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
    import tensorflow as tf

    from mobilevit_tf import mobilevit, trainer
    from mobilevit_tf.config import ModelConfig, TrainConfig
    from mobilevit_tf.image_spec import ImageSpec

    data = noise(size, batch)

    def start():
        strategy = trainer.make_strategy("mirrored")
        config = TrainConfig(
            input_size=size, batch_size=batch, weight_decay=WEIGHT_DECAY, label_smoothing=LABEL_SMOOTHING,
            ema_decay=ema_decay,
        )  # fmt: skip
        model = ModelConfig("xxs", CLASSES)
        made = trainer.Trainer(
            lambda: mobilevit.build(model, size, size), config, ImageSpec(size, size), None, strategy
        )
        dataset = tf.data.Dataset.from_tensors(data).repeat()
        iterator = iter(strategy.distribute_datasets_from_function(lambda context: dataset))
        return lambda: float(made.train_step(iterator, LEARNING_RATE, batch, 0))

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


CONTENDERS = {"ours": ours, "ours_ema": ours_ema, "kecam": kecam, "hf": hf}

if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    print(json.dumps(CONTENDERS[name](*map(int, numbers))))
