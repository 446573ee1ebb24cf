"""ImageNet-1k's class names, and the accuracy of a model on ImageNet-style photos."""

from __future__ import annotations

import copy
import dataclasses
import re
from pathlib import Path

from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.mobilevit_sizes import VARIANTS
from mobilevit_tf.models.model_file import ModelFile

_FOLDER = Path(__file__).parent
_WORDNET_ID = re.compile(r"n\d{8}")


def labels() -> tuple[str, ...]:
    """The 1,000 class names in the order of published logits (sorted WordNet ids), each one unique."""
    return tuple((_FOLDER / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines())


def wordnet_ids() -> tuple[str, ...]:
    """The 1,000 WordNet ids, such as n01440764, in the same order."""
    return tuple((_FOLDER / "imagenet_wordnet_ids.txt").read_text(encoding="utf-8").splitlines())


def with_class_names(source: Source) -> Source:
    """The source with ImageNet's names for classes that are called by WordNet ids; any other source as it is.

    A part of ImageNet, such as the ten folders of Imagenette, keeps its place among the 1,000 classes.

    Raises:
      UserError: for a WordNet id that is not one of the 1,000.
    """
    if not all(_WORDNET_ID.fullmatch(name) for name in source.class_names):
        return source
    known = dict(zip(wordnet_ids(), labels(), strict=True))
    for name in source.class_names:
        if name not in known:
            raise UserError(f"{source.name} has a class {name}, which is not one of ImageNet-1k's 1,000 WordNet ids")
    named = copy.copy(source)
    named.class_names = tuple(known[name] for name in source.class_names)
    return named


def accuracy(model: ModelFile, data: str, data_dir: str | None = None) -> str:
    """One line: top-1 and top-5 on some photos, and for ImageNet's classes the published number beside them.

    Args:
      model: its labels are matched with the names of the photos' classes, WordNet ids included.
      data: a folder of class folders, taken whole, or the "val" split of one that has splits; or a TFDS name.
      data_dir: where TFDS data sets are prepared.
    """
    config = DataConfig(data, data_dir)
    if datasets.is_folder(config):
        config = dataclasses.replace(config, val_fraction=1.0)
    source = with_class_names(datasets.open_source(config))
    from mobilevit_tf.evaluation.evaluate import evaluate_keras
    from mobilevit_tf.families import mobilevit  # loads TensorFlow
    from mobilevit_tf.models import weights  # loads TensorFlow

    network = mobilevit.build(model.config, *model.spec.size)
    weights.assign(network, model.weights)
    result = evaluate_keras(network, source, "val", model.spec, labels=model.labels)
    line = (f"{data}: {len(result.ids):,} photos of {len(source.class_names):,} classes: "
            f"top-1 {result.top1:.2%}, top-5 {result.top5:.2%}")  # fmt: skip
    published = VARIANTS[model.config.variant].top1
    if model.labels == labels() and published is not None:
        line += f"; published top-1 on ImageNet's 50,000 validation photos: {published:.2f}%"
    return line
