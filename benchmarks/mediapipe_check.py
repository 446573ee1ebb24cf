"""Does MediaPipe Tasks read a file as our own reader does? `python benchmarks/mediapipe_check.py MODEL.tflite`.

Runs in an environment with mediapipe and ai-edge-litert alone: mediapipe needs another absl than TFMOT. Photos that
already have the input's size must agree within 1e-6 a score, all 50. Of photos of other shapes, which it stretches, 45
of 50 must have the same top class: its resize is not antialiased. The photos are 50 crops of the examples each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mediapipe as mp
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from varied_photos import varied_photos  # beside this script

from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.image import pixels

PHOTOS, NEEDED, TOLERANCE = 50, 45, 1e-6


def main(path: str) -> None:
    """Compares both readers; exits with a sentence where they differ."""
    model = TFLiteModel(path)
    vision, base = mp.tasks.vision, mp.tasks.BaseOptions(model_asset_path=path)
    classifier = vision.ImageClassifier.create_from_options(vision.ImageClassifierOptions(base_options=base))

    def theirs(image: np.ndarray) -> np.ndarray:
        answer = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)))
        scores = {category.category_name: category.score for category in answer.classifications[0].categories}
        return np.array([scores[label] for label in model.labels])

    same_size = [np.asarray(photo) for photo in varied_photos(PHOTOS, model.spec.size)]
    worst = np.max([np.abs(theirs(image) - model.scores(image)) for image in same_size])
    same = 0
    for photo in varied_photos(PHOTOS, seed=1):
        ours = model.scores(pixels.resize(photo, model.spec, "stretch"))
        same += int(theirs(np.asarray(photo)).argmax() == ours.argmax())
    print(f"{path}: same size: largest difference of a score {worst:.5f}; other shapes: {same} of {PHOTOS} agree")
    if not worst <= TOLERANCE or same < NEEDED:
        sys.exit(f"error: {path}: MediaPipe reads it differently")


if __name__ == "__main__":
    for model_path in sys.argv[1:] or ["models/flowers_xxs_int8.tflite"]:
        main(model_path)
