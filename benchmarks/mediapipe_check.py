"""Does MediaPipe Tasks read a file as our own reader does? `python benchmarks/mediapipe_check.py MODEL.tflite`.

Runs in an environment with mediapipe and ai-edge-litert alone: mediapipe needs another absl than TFMOT. Photos that
already have the input's size must agree within 1/255 a score; of photos of other shapes, which MediaPipe stretches,
the top class of at least 45 of 50: its resize is not antialiased, and the colour blobs here are near ties.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mediapipe as mp
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from mobilevit_tf import pixels
from mobilevit_tf.tflite_model import TFLiteModel

PHOTOS, NEEDED = 50, 45


def synthetic_photo(generator: np.random.Generator, height: int, width: int) -> Image.Image:
    """Smooth colour blobs: like a photo, and unlike noise, they survive any resize."""
    coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def main(path: str) -> None:
    """Compares both readers; exits with a sentence where they differ."""
    model = TFLiteModel(path)
    vision, base = mp.tasks.vision, mp.tasks.BaseOptions(model_asset_path=path)
    classifier = vision.ImageClassifier.create_from_options(vision.ImageClassifierOptions(base_options=base))

    def theirs(image: np.ndarray) -> np.ndarray:
        answer = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)))
        scores = {category.category_name: category.score for category in answer.classifications[0].categories}
        return np.array([scores[label] for label in model.labels])

    generator = np.random.default_rng(0)
    worst, same = 0.0, 0
    for _ in range(PHOTOS):
        image = np.asarray(synthetic_photo(generator, *model.spec.size))
        worst = max(worst, float(np.abs(theirs(image) - model.scores(image)).max()))
        other = synthetic_photo(generator, *generator.integers(100, 500, 2))
        ours = model.scores(pixels.resize(other, model.spec, "stretch"))
        same += int(theirs(np.asarray(other)).argmax() == ours.argmax())
    print(f"{path}: same size: largest difference of a score {worst:.5f}; other shapes: {same} of {PHOTOS} agree")
    if worst > 1 / 255 or same < NEEDED:
        sys.exit(f"error: {path}: MediaPipe reads it differently")


if __name__ == "__main__":
    for model_path in sys.argv[1:] or ["models/flowers_xxs_int8.tflite"]:
        main(model_path)
