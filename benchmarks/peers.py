"""The peers' models as .tflite: float32, and the int8 recipe of the TensorFlow Lite guide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras

from mobilevit_tf.errors import UserError


def make(folder: Path, size: int) -> dict[str, Path]:
    """Files by name; random weights, 1,000 classes.

    Raises:
      UserError: where the peers' packages are not installed.
    """
    try:
        models = {"hf_xxs": hugging_face(size), "kecam_xxs": kecam(size), "mobilenetv2": mobilenet(size)}
    except ImportError as error:
        raise UserError(f"{error.name} is not installed: `pip install -r benchmarks/requirements.txt` in an "
                        "environment of its own, or pass --only=ours") from error  # fmt: skip
    files = {}
    for name, (function, shape) in models.items():
        for kind in ("float32", "int8"):
            files[f"{name}_{kind}"] = folder / f"{name}_{kind}.tflite"
            files[f"{name}_{kind}"].write_bytes(_convert(function, shape, kind == "int8"))
    return files


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
