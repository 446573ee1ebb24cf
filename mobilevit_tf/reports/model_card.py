"""`model_card.md`: what a person must know before using the weights of a run."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mobilevit_tf import catalog
from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.data.source import Source
from mobilevit_tf.evaluation.evaluate import NOT_JUDGED, ClassScores, Evaluation
from mobilevit_tf.evaluation.strangers import Rejection
from mobilevit_tf.files import write_atomic
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models.model_file import LICENSE

NAME = "model_card.md"
_MAX_CLASSES = 200  # a longer table hides the rest of the card; metrics and report have every class
_FEW_PHOTOS = 20


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decided the weights of a run.

    Attributes:
      model, spec, data, augment, train: its settings.
      license: of the weights that it started from, or of its own.
      origin: published weights that it started from; "" where there are none.
      rejection: what photos of none of the classes say of the model; None without such photos.
    """

    model: ModelConfig
    spec: ImageSpec
    data: DataConfig
    augment: AugmentConfig
    train: TrainConfig
    license: str = LICENSE
    origin: str = ""
    rejection: Rejection | None = None


def accuracy_interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of a share measured on `count` photos."""
    z = 1.959964
    center = share + z * z / (2 * count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((center + side) / (1 + z * z / count) for side in (-spread, spread))
    return max(0.0, low), min(1.0, high)


def confused_pairs(evaluation: Evaluation, count: int) -> list[tuple[str, str, int]]:
    """The most frequent (true class, predicted class, photos) off the confusion matrix's diagonal."""
    matrix = evaluation.confusion
    pairs = [(row, column, int(matrix[row, column])) for row, column in zip(*matrix.nonzero(), strict=True)]
    pairs = sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: -pair[2])
    return [(evaluation.labels[row], evaluation.labels[column], photos) for row, column, photos in pairs[:count]]


def write_model_card(
    run_dir: str | Path, recipe: Recipe, source: Source, split: str, evaluation: Evaluation, metrics: Mapping
) -> Path:
    """Writes the card of a run.

    Args:
      run_dir: where `model_card.md` goes.
      recipe: the settings of the run.
      source: its photos; sizes and names are read.
      split: the split that `evaluation` is of.
      evaluation: the answers of the weights that the run keeps.
      metrics: the run's metrics.json; "dataset_sha256", "git_commit" and "hardware" are quoted where there.
    """
    parts = (
        _head(recipe, source),
        _use(evaluation),
        _data(recipe, source, split, metrics),
        _results(evaluation, split),
        _limits(evaluation, recipe, source),
        _settings(recipe, metrics),
        _license(recipe),
    )
    return write_atomic(Path(run_dir) / NAME, ("\n\n".join(parts) + "\n").encode())


def _text(value: object) -> str:
    """Any text as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", " ".join(str(value).split()))


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" if column == 0 else "---:" for column in range(len(head)))]
    lines += [tuple(_text(cell) for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(recipe: Recipe, source: Source) -> str:
    return (
        f"# {_text(catalog.find(recipe.model.variant).title)} for {_text(source.name)}\n\n"
        f"An image classifier of {len(source.class_names)} classes for "
        f"{recipe.spec.height} x {recipe.spec.width} pixels, trained with this project's `train_main.py`."
    )


def _use(evaluation: Evaluation) -> str:
    shown = ", ".join(_text(label) for label in evaluation.labels[:_MAX_CLASSES])
    more = f" and {len(evaluation.labels) - _MAX_CLASSES} more" if len(evaluation.labels) > _MAX_CLASSES else ""
    return (
        "## Intended use\n\n"
        f"It names the class of what one photo shows, out of: {shown}{more}. It always answers with one of these, "
        "also when the photo shows something else. It is no basis for decisions about people, health or safety."
    )


def _data(recipe: Recipe, source: Source, split: str, metrics: Mapping) -> str:
    rows = [
        (name, f"{source.size(name):,}", "evaluated below" if name == split else "training" if name == "train" else "")
        for name in source.splits
    ]
    digest = metrics.get("dataset_sha256")
    hashed = f"\n\nSHA-256 over names, classes and contents of all photos: `{digest}`" if digest else ""
    return (
        f"## Data\n\n{_text(source.name)}.\n\n{_table(('split', 'photos', 'use'), rows)}{hashed}\n\n"
        "Input: the centred crop, resized with antialiasing, exactly as the image spec says: "
        f"`{recipe.spec.to_json()}`"
    )


def _results(evaluation: Evaluation, split: str) -> str:
    low, high = accuracy_interval(evaluation.top1, len(evaluation.ids))
    rows = [(row.label, *_scores(row), row.support) for row in evaluation.per_class[:_MAX_CLASSES]]
    return (
        f"## Results\n\nOn the {len(evaluation.ids):,} photos of the split {_text(split)}: "
        f"**top-1 {evaluation.top1:.2%}** (95 % confidence {low:.1%} to {high:.1%}), top-5 {evaluation.top5:.2%}, "
        f"cross entropy {evaluation.loss:.4f}, macro F1 {evaluation.macro_f1:.4f}.\n\n"
        f"{_table(('class', 'precision', 'recall', 'F1', 'photos'), rows)}"
    )


def _scores(row: ClassScores) -> tuple[str, str, str]:
    return (f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}") if row.support else (NOT_JUDGED, "", "")


def _limits(evaluation: Evaluation, recipe: Recipe, source: Source) -> str:
    lines = [
        "The numbers hold for photos like those of the data set: same kind of camera, framing and classes.",
        "Scores are not probabilities of being right: label smoothing and augmentation shift them.",
    ]
    present = [row for row in evaluation.per_class if row.support]
    weakest = sorted(present, key=lambda row: row.f1 or 0.0)[:3]
    lines.append("Weakest classes by F1: " + ", ".join(f"{_text(row.label)} ({row.f1:.3f})" for row in weakest) + ".")
    for true, predicted, photos in confused_pairs(evaluation, 1):
        lines.append(f"Most frequent mistake: {_text(true)} taken for {_text(predicted)} ({photos} photos).")
    lines += [_text(f"{note}.") for note in source.notes]
    few = sum(0 < row.support < _FEW_PHOTOS for row in evaluation.per_class)
    if few:
        lines.append(f"{few} classes have fewer than {_FEW_PHOTOS} evaluated photos: their numbers are rough.")
    if recipe.rejection:
        lines.append(_rejection(recipe.rejection))
    if not recipe.augment.flip:
        lines.append("Mirrored photos were not trained.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _rejection(found: Rejection) -> str:
    return (f"{found.strangers} photos of none of the classes have lower top scores than the evaluated ones with AUROC "
            f"{found.auroc:.3f}. A threshold that other such photos and the evaluated ones fitted turns away "
            f"{found.strangers_turned_away:.1%} of them and {found.own_turned_away:.1%} of the evaluated ones. The "
            "export fits it anew.")  # fmt: skip


def _settings(recipe: Recipe, metrics: Mapping) -> str:
    rows = [(key, value) for part in (recipe.model, recipe.data, recipe.augment, recipe.train)
            for key, value in dataclasses.asdict(part).items() if key != "data_dir"]  # fmt: skip
    made = [f"{name}: {_text(metrics[key])}" for key, name in
            (("hardware", "Hardware"), ("git_commit", "Code"), ("command", "Command")) if key in metrics]  # fmt: skip
    return "## Recipe\n\n" + _table(("setting", "value"), rows) + "".join(f"\n\n{line}" for line in made)


def _license(recipe: Recipe) -> str:
    start = " and of the weights that training started from" if recipe.train.init_from else ""
    origin = f"\n\nTraining started from {_text(recipe.origin)}." if recipe.origin else ""
    passed_on = f"\n\nLicence of the weights: {_text(recipe.license)}." if recipe.license != LICENSE else ""
    return (
        "## Licence\n\nThe code is under Apache-2.0. The weights come from the photos: before passing them on, check "
        f"the licence of the photos{start}. Architecture: {_text(catalog.find(recipe.model.variant).citation)}."
        f"{origin}{passed_on}"
    )
