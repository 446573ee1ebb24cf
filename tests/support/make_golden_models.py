"""Makes the two small models of other kinds than the shipped one: `cd tests && python -m support.make_golden_models`.

tests/golden/models/: "float_input" takes normalised float32 BGR values, "uint8_output" answers in bytes. Their
scores for a drawn picture stand beside them; Python and the app's Kotlin both check them. Random weights, 16 x 16 px.
"""

from __future__ import annotations

import io
import zipfile

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import tensorflow as tf
import tf_keras
from PIL import Image

from mobilevit_tf.evaluation.tflite_model import INFO_FILE, LABELS_FILE, SPEC_FILE, ModelInfo, TFLiteModel
from mobilevit_tf.files import write_atomic, write_json
from mobilevit_tf.image import pixels
from mobilevit_tf.image.image_spec import ImageSpec
from support.make_golden import GOLDEN, synthetic

LABELS = ("red", "green", "blue")
SPECS = {
    "float_input": ImageSpec(16, 16, "bicubic", 0.9, "BGR", mean=(0.4, 0.45, 0.5), std=(0.22, 0.23, 0.24)),
    "uint8_output": ImageSpec(16, 16),
}
PICTURES = ((40, 30, "ramp"), (33, 57, "noise"))


def network() -> tf_keras.Model:
    """float32 [1, 16, 16, 3] -> probabilities [1, 3]; weights drawn from a seed, large enough to disagree."""
    tf_keras.utils.set_random_seed(4)
    inputs = tf_keras.Input((16, 16, 3), batch_size=1)
    x = tf_keras.layers.Conv2D(6, 3, strides=2, activation="relu")(inputs)
    x = tf_keras.layers.GlobalAveragePooling2D()(x)
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(len(LABELS), activation="softmax")(x))
    random = np.random.default_rng(4)
    model.set_weights([random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


def convert(name: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(network())
    if name == "uint8_output":
        random = np.random.default_rng(5)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([random.random((1, 16, 16, 3), np.float32)] for _ in range(20))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


def with_metadata(flatbuffer: bytes, name: str) -> bytes:
    info = ModelInfo(name, "test", name, "0", "Apache-2.0", "none")
    parts = {LABELS_FILE: "\n".join(LABELS) + "\n", SPEC_FILE: SPECS[name].to_json(), INFO_FILE: info.to_json()}
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        for part, text in parts.items():
            archive.writestr(zipfile.ZipInfo(part, (1980, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def score(name: str) -> list[list[float]]:
    """What the committed model answers for each of PICTURES."""
    model = TFLiteModel(GOLDEN / "models" / f"{name}.tflite")
    images = [pixels.resize(Image.fromarray(synthetic(*picture)), model.spec) for picture in PICTURES]
    return [[round(float(value), 5) for value in model.scores(image)] for image in images]


def main() -> None:
    for name in SPECS:
        write_atomic(GOLDEN / "models" / f"{name}.tflite", with_metadata(convert(name), name))
    scores = {name: score(name) for name in SPECS}
    write_json(GOLDEN / "models" / "scores.json", {"pictures": PICTURES, "scores": scores})


if __name__ == "__main__":
    main()
