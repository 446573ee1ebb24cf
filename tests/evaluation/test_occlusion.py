"""Where a model looks: an object is planted in a corner, and an 8-bit file of a trained model is asked."""

from __future__ import annotations

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import numpy as np
import pytest
import tf_keras
from PIL import Image
from support.photo_files import encode

from mobilevit_tf.evaluation import occlusion, scorers
from mobilevit_tf.evaluation.tflite_model import ModelInfo
from mobilevit_tf.image.image_spec import ImageSpec
from quantize.steps import convert, metadata

SIDE, BLOB = 32, 6
SPEC = ImageSpec(SIDE, SIDE, crop_fraction=1.0)
CORNERS = {"top left": (2, 2), "top right": (2, 24), "bottom left": (24, 2), "bottom right": (24, 24)}


def noise(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(40, 120, (SIDE, SIDE, 3), np.uint8)


def with_blob(image: np.ndarray, top: int, left: int) -> np.ndarray:
    image[top : top + BLOB, left : left + BLOB] = (250, 240, 60)
    return image


@pytest.fixture(scope="module")
def blob_tflite(tmp_path_factory):
    """An int8 file of a small model that was trained to tell photos with a bright blob anywhere from those without."""
    tf_keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    photos = np.stack([noise(generator) for _ in range(256)])
    for photo in photos[::2]:
        with_blob(photo, *generator.integers(0, SIDE - BLOB, 2))
    image = tf_keras.Input((SIDE, SIDE, 3))
    x = tf_keras.layers.Conv2D(8, 5, strides=2, activation="relu")(image)
    model = tf_keras.Model(image, tf_keras.layers.Dense(2)(tf_keras.layers.GlobalMaxPooling2D()(x)))
    model.compile(tf_keras.optimizers.Adam(1e-2), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(SPEC.normalize(photos), 1 - np.arange(256) % 2, 32, epochs=12, verbose=0)
    data = convert.to_integer(model, SPEC.normalize(photos[:16]), "float32")
    info = ModelInfo("blob", "tiny", "int8_strict", "0", "Apache-2.0", "run")
    path = tmp_path_factory.mktemp("blob") / "blob.tflite"
    path.write_bytes(metadata.populate(data, ("none", "blob"), SPEC, info))
    return path


@pytest.mark.parametrize("corner", CORNERS)
def test_the_map_is_where_the_object_was_planted(blob_tflite, corner):
    top, left = CORNERS[corner]
    _, score = scorers.tflite(blob_tflite)
    seen = occlusion.look(score, with_blob(noise(np.random.default_rng(1)), top, left))
    assert (seen.label, seen.losses.shape) == (1, (SIDE, SIDE))
    assert seen.score > 0.9 and seen.largest > 0.5
    row, column = np.unravel_index(seen.losses.argmax(), seen.losses.shape)
    assert abs(row - top - BLOB / 2) < SIDE / 4 and abs(column - left - BLOB / 2) < SIDE / 4
    half = SIDE // 2
    quarters = {name: seen.losses[y // half * half :][:half, x // half * half :][:, :half].mean()
                for name, (y, x) in CORNERS.items()}  # fmt: skip
    mine = quarters.pop(corner)
    assert mine > 0.05 and all(mine > 5 * abs(other) for other in quarters.values())


def test_without_the_object_no_place_matters_and_another_class_can_be_watched(blob_tflite):
    _, score = scorers.tflite(blob_tflite)
    seen = occlusion.look(score, noise(np.random.default_rng(2)))
    assert seen.label == 0 and seen.largest < 0.05
    watched = occlusion.look(score, with_blob(noise(np.random.default_rng(1)), 2, 2), label=0)
    assert (
        watched.label == 0 and watched.score < 0.1 and watched.losses.min() < -0.2
    )  # covering the blob makes it likelier


def test_every_pixel_is_covered_by_81_patches_and_the_whole_photo_is_asked_once():
    asked = []

    def score(images: np.ndarray) -> np.ndarray:
        asked.extend(images)
        return np.tile(np.float32([[0.25, 0.75]]), (len(images), 1))

    image = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    seen = occlusion.look(score, image)
    assert len(asked) == 82 and (asked[0] == image).all()
    changed = np.array([(one != image).any(-1) for one in asked[1:]])
    assert changed.any(0).all() and {int(one.sum()) for one in changed} <= set(range(30, 5 * 8 + 1))
    assert (seen.label, seen.score, seen.largest) == (1, 0.75, 0) and (seen.losses == 0).all()


def test_the_picture_is_orange_where_the_object_was(blob_tflite):
    _, score = scorers.tflite(blob_tflite)
    photo = with_blob(noise(np.random.default_rng(1)), 2, 24)
    shown = occlusion.of_photo(score, SPEC, encode(Image.fromarray(photo), "PNG"), 1).astype(int)
    spread = shown[..., 0] - shown[..., 2]  # grey pixels have none
    assert spread[2:8, 24:30].mean() > max(60, 5 * spread[24:, :8].mean())


def test_a_large_photo_is_covered_in_few_copies_at_a_time(monkeypatch):
    sizes = []

    def score(images):
        sizes.append(len(images))
        return np.full((len(images), 2), 0.5, np.float32)

    monkeypatch.setattr(occlusion, "_MOST_BYTES", 2 * 30 * 30 * 3)
    occlusion.look(score, np.zeros((30, 30, 3), np.uint8), places=3)
    assert sizes == [1, 2, 2, 2, 2, 1]
