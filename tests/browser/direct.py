"""`direct.py MODEL PHOTO PROTOCOL`, run by the project's Python: what the interpreter says when called directly.

Prints JSON: scores by label, and the pixels that the model saw as a base64 PNG's raw RGB bytes in hex.
"""

import json
import sys
from pathlib import Path

from mobilevit_tf.evaluation.tflite_model import TFLiteModel

model_path, photo_path, protocol = sys.argv[1:]
model = TFLiteModel(model_path)
prediction = model.classify(Path(photo_path).read_bytes(), protocol)
scores = {label: float(score) for label, score in zip(model.labels, prediction.scores, strict=True)}
print(json.dumps({"scores": scores, "pixels": prediction.pixels.tobytes().hex()}))
