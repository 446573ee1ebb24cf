"""Writes small .tflite files with the project's metadata; a script of its own because it needs TensorFlow.

`python tests/programs/tiny_tflite.py FOLDER` leaves the tiny variant at 64 x 64 pixels with five classes four times:
float.tflite; int8.tflite, the same weights quantised; other.tflite, which is float.tflite with its labels moved on by
one, so that its answers always differ, and always unsure; uncropped.tflite, whose evaluation crop is the whole square.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

LABELS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
SIZE = 64
EXAMPLES = Path(__file__).parents[2] / "examples"


def with_metadata(
    flatbuffer: bytes, mode: str, labels: Sequence[str] = LABELS, unsure_below: float = 0.0, **spec: object
) -> bytes:
    """Appends labels, ImageSpec and model info as an uncompressed ZIP, the form that readers expect."""
    from mobilevit_tf.evaluation.tflite_model import INFO_FILE, LABELS_FILE, SPEC_FILE, ModelInfo
    from mobilevit_tf.image.image_spec import ImageSpec

    info = ModelInfo(f"Tiny flowers {mode}", "tiny", mode, "0.1", "Apache-2.0", "fixture", unsure_below=unsure_below)
    files = {
        LABELS_FILE: "\n".join(labels) + "\n",
        SPEC_FILE: ImageSpec(SIZE, SIZE, **spec).to_json(),
        INFO_FILE: info.to_json(),
    }
    stream = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(stream, "a") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return stream.getvalue()


def _model():
    import mobilevit_tf.tf_setup  # noqa: F401  # isort: skip (decides how TensorFlow is loaded)

    import tf_keras

    from mobilevit_tf.config import ModelConfig
    from mobilevit_tf.families import mobilevit

    backbone = mobilevit.build(ModelConfig("tiny", num_classes=len(LABELS)), SIZE, SIZE)
    return tf_keras.Model(backbone.input, tf_keras.layers.Softmax(name="scores")(backbone.output))


def _draw_weights(model, seed: int) -> None:
    """Unlike a fresh model's, these weights answer differently to each photo."""
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        shape = variable.shape
        if len(shape) > 1:
            gain = 15.0 if shape[-1] == len(LABELS) else 1.6
            variable.assign(random.normal(0, gain / np.sqrt(np.prod(shape[:-1])), shape))


def _converter(function):
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_concrete_functions([function])


def _photos() -> Iterator[list[np.ndarray]]:
    from mobilevit_tf.image import pixels
    from mobilevit_tf.image.image_spec import ImageSpec

    spec = ImageSpec(SIZE, SIZE)
    for path in sorted(EXAMPLES.glob("*.jpg")):
        for protocol in pixels.PROTOCOLS:
            yield [spec.normalize(pixels.model_input(path.read_bytes(), spec, protocol))[np.newaxis]]
    yield [np.random.default_rng(0).random((1, SIZE, SIZE, 3), np.float32)]


def write(folder: Path) -> None:
    """Leaves the three files in `folder`."""
    model = _model()
    import tensorflow as tf

    signature = tf.TensorSpec([1, SIZE, SIZE, 3], tf.float32, name="image")
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(signature)
    _draw_weights(model, seed=1)
    float32 = _converter(function).convert()
    (folder / "float.tflite").write_bytes(with_metadata(float32, "float32"))
    turned = LABELS[1:] + LABELS[:1]
    (folder / "other.tflite").write_bytes(with_metadata(float32, "float32 other", turned, unsure_below=1.0))
    (folder / "uncropped.tflite").write_bytes(with_metadata(float32, "float32 uncropped", crop_fraction=1.0))
    converter = _converter(function)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _photos
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    (folder / "int8.tflite").write_bytes(with_metadata(converter.convert(), "int8"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
