"""The peers' models as .tflite: `python peers.py FOLDER SIZE`; float32, and int8 by the TensorFlow Lite guide's recipe.

Runs in the environment of benchmarks/requirements.txt. Random weights, 1,000 classes. Prints the files' names, one line
of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras


def main(folder: Path, size: int) -> None:
    """Makes NAME_float32.tflite and NAME_int8.tflite of every peer."""
    made = []
    for name, build in {"hf_xxs": hugging_face, "kecam_xxs": kecam, "mobilenetv2": mobilenet}.items():
        function, shape = build(size)
        for kind in ("float32", "int8"):
            made.append(f"{name}_{kind}.tflite")
            (folder / made[-1]).write_bytes(_convert(function, shape, kind == "int8"))
    print(json.dumps(made))


def hugging_face(size: int) -> tuple[Callable, tuple[int, ...]]:
    """transformers' TFMobileViTForImageClassification, XXS."""
    from transformers import MobileViTConfig, TFMobileViTForImageClassification

    config = MobileViTConfig(
        hidden_sizes=[64, 80, 96], neck_hidden_sizes=[16, 16, 24, 48, 64, 80, 320], expand_ratio=2.0,
        hidden_dropout_prob=0.05, num_labels=1000, image_size=size,
    )  # fmt: skip
    model = TFMobileViTForImageClassification(config)
    shape = (1, 3, size, size)
    model(tf.zeros(shape))
    return lambda image: tf.nn.softmax(model(image, training=False).logits), shape


def kecam(size: int) -> tuple[Callable, tuple[int, ...]]:
    """keras_cv_attention_models' MobileViT_XXS."""
    from keras_cv_attention_models import mobilevit

    model = mobilevit.MobileViT_XXS(input_shape=(size, size, 3), pretrained=None)
    return lambda image: model(image, training=False), (1, size, size, 3)


def mobilenet(size: int) -> tuple[Callable, tuple[int, ...]]:
    """tf_keras' MobileNetV2 1.0."""
    model = tf_keras.applications.MobileNetV2((size, size, 3), weights=None)
    return lambda image: model(image, training=False), (1, size, size, 3)


def _convert(function: Callable, shape: tuple[int, ...], int8: bool) -> bytes:
    concrete = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        generator = np.random.default_rng(0)
        converter.representative_dataset = lambda: ([generator.random(shape, np.float32)] for _ in range(4))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
