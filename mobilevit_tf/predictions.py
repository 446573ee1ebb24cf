"""A picture of an exported file's answers: `python -m mobilevit_tf.predictions --model=X.tflite --data=digits`."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import run_cli
from mobilevit_tf.evaluation.tflite_model import TFLiteModel
from mobilevit_tf.files import write_atomic
from mobilevit_tf.image import pixels
from mobilevit_tf.reports.plots import shortened

COLUMNS, RIGHT, WRONG = 5, "#1a7f37", "#cf222e"


def draw(model: TFLiteModel, examples: list[datasets.Example], class_names: tuple[str, ...]) -> bytes:
    """PNG bytes: one tile a photo with the answer and its score, green where it is right and red where not."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["text.parse_math"] = False  # a "$" in a class name is a "$"
    rows = -(-len(examples) // COLUMNS)
    figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(2 * COLUMNS, 2.2 * rows), squeeze=False)
    for tile in axes.flat:
        tile.axis("off")
    for tile, example in zip(axes.flat, examples, strict=False):
        scores = model.classify(example.data).scores
        answer, truth = model.labels[scores.argmax()], class_names[example.label]
        shown, meant = shortened(answer), shortened(truth)
        tile.imshow(pixels.decode(example.data))
        text = f"{shown}  {scores.max():.0%}" if answer == truth else f"{shown}, not {meant}  {scores.max():.0%}"
        tile.set_title(text, color=RIGHT if answer == truth else WRONG)
    figure.suptitle(f"{model.info.name}: answers of {model.path.name}")
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    pyplot.close(figure)
    return buffer.getvalue()


def main() -> None:
    """Classifies the first held-out photos with the .tflite alone and saves them as one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="an exported .tflite")
    parser.add_argument("--data", default=DataConfig().data, help="as train_main.py takes it")
    parser.add_argument("--data_dir", default=DataConfig().data_dir, help="where TFDS data sets are prepared")
    parser.add_argument("--split", default="val", help="split to take the photos from")
    parser.add_argument("--count", type=int, default=20, help="how many photos")
    parser.add_argument("--output", type=Path, required=True, help="PNG to write")
    arguments = parser.parse_args()
    model = TFLiteModel(arguments.model)
    source = datasets.open_source(DataConfig(arguments.data, arguments.data_dir))
    examples = list(source.examples(arguments.split, arguments.count))
    picture = write_atomic(arguments.output, draw(model, examples, source.class_names))
    print(f"the answers for {len(examples)} photos: {picture}")


if __name__ == "__main__":
    run_cli(main)
