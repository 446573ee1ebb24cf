"""The accuracy of a model on ImageNet-style photos, beside the published one."""

from __future__ import annotations

import dataclasses

from mobilevit_tf import catalog
from mobilevit_tf.config import DataConfig
from mobilevit_tf.data import datasets, imagenet
from mobilevit_tf.models.model_file import ModelFile


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
    source = datasets.open_source(config)
    from mobilevit_tf.evaluation.evaluate import evaluate_keras  # loads TensorFlow
    from mobilevit_tf.models import build, weights

    network = build.build(model.config, *model.spec.size)
    weights.assign(network, model.weights)
    result = evaluate_keras(network, source, "val", model.spec, labels=model.labels)
    line = (f"{data}: {len(result.ids):,} photos of {len(source.class_names):,} classes: "
            f"top-1 {result.top1:.2%}, top-5 {result.top5:.2%}")  # fmt: skip
    published = catalog.find(model.config.variant).top1
    if model.labels == imagenet.labels() and published is not None:
        line += f"; published top-1 on ImageNet's 50,000 validation photos: {published:.2f}%"
    return line
