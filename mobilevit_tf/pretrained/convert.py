"""Published MobileViT weights as a model of this project. No PyTorch is needed."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.data import imagenet
from mobilevit_tf.errors import UserError
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.pretrained.layouts import Family, their_shape, to_ours
from mobilevit_tf.pretrained.publishers import family_of
from mobilevit_tf.pretrained.weight_files import PublishedWeights

READABLE = tuple(name for name, model in catalog.MODELS.items() if model.weights_license)


def convert(published: PublishedWeights, variant: str | None, name: str, side: int | None = None) -> ModelFile:
    """Published weights as a model of this project with the publisher's preprocessing.

    Args:
      published: from `weight_files.read`.
      variant: one of READABLE; None takes the one that the file holds.
      name: of the file, for the messages.
      side: of the input in pixels at which the weights were trained; None takes the family's usual one.

    Returns:
      The model; its labels are ImageNet's, or "class 0" and so on where the file has another number of classes.

    Raises:
      UserError: for another variant, a missing or left-over weight, a shape that does not fit, an unpublished side.
    """
    family = family_of(published.publisher, published.weights)
    naming = family.namings[published.publisher]
    variant = _checked_variant(family, published, variant, name)
    names = family.weight_map(naming, variant)
    title = f"{naming.title}'s {catalog.find(variant).title}"
    spec = _checked_spec(family, published.publisher, side, title)
    _check_names({source.name for source in names.values()}, set(published.weights), title, name)
    classes = published.weights[names["classifier/kernel"].name].shape[0]
    config = ModelConfig(variant, num_classes=classes)
    weights = {}
    for ours, shape in _shapes(config).items():
        source = names[ours]
        value, expected = published.weights[source.name], their_shape(shape, source)
        if value.shape != expected:
            raise UserError(f"{name}: {source.name} has shape {value.shape}, {title} has {expected}")
        if not np.isfinite(value).all():
            raise UserError(f"{name}: {source.name} holds NaN or infinity: the file is damaged, download it again")
        weights[ours] = np.ascontiguousarray(to_ours(value, shape, source))
    labels = imagenet.labels() if classes == 1000 else tuple(f"class {index}" for index in range(classes))
    run_id = f"{published.publisher}-{variant}"
    return ModelFile(config, spec, labels, weights, run_id, catalog.find(variant).weights_license)


def _check_names(expected: set[str], found: set[str], title: str, name: str) -> None:
    """Every weight is there and none is left over."""
    groups = {"missing": sorted(expected - found), "left over": sorted(found - expected)}
    wrong = [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for kind, names in groups.items()
        if names
    ]
    if wrong:
        raise UserError(f"{name} does not hold exactly the weights of {title}: {' and '.join(wrong)}")


def _checked_variant(family: Family, published: PublishedWeights, variant: str | None, name: str) -> str:
    """The variant that the width of one convolution shows; another than asked for is refused."""
    naming = family.namings[published.publisher]
    width = published.weights.get(family.telltale(naming), np.zeros(0)).shape[0]
    held = family.variants.get(width)
    if held is None:
        *first, last = (str(width) for width, key in family.variants.items() if catalog.find(key).top1)
        raise UserError(f"{name} holds no {family.title} of {naming.title}: its {family.telltale_title} has {width} "
                        f"channels, expected {', '.join(first)} or {last}")  # fmt: skip
    if variant not in (None, held):
        titles = [catalog.find(key).title for key in (held, variant)]
        raise UserError(f"{name} holds {titles[0]}, not {titles[1]}: pass --variant={held}")
    return held


def _checked_spec(family: Family, publisher: str, side: int | None, title: str) -> ImageSpec:
    """The publisher's preprocessing for weights of that input size."""
    specs = family.specs[publisher]
    if side is not None and side not in specs:
        published = " and ".join(map(str, specs))
        raise UserError(f"{title} is published for inputs of {published} pixels, not {side}: pass one of them")
    return specs[side or next(iter(specs))]


@functools.cache
def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every weight of the built model by name -> its shape."""
    from mobilevit_tf.models import build, weights  # loads TensorFlow: not before the file was found good

    return {weights.name_of(variable): tuple(variable.shape) for variable in build.build(config).weights}


def in_order(model: ModelFile, color_order: str) -> ModelFile:
    """The model with its stem's kernel flipped where needed, so that it gives the same logits for `color_order`."""
    if model.spec.color_order == color_order:
        return model
    spec = dataclasses.replace(
        model.spec, color_order=color_order, mean=model.spec.mean[::-1], std=model.spec.std[::-1]
    )
    kernel = np.ascontiguousarray(model.weights["stem_conv/kernel"][:, :, ::-1])  # [3, 3, 3 colours, 16]
    return dataclasses.replace(model, spec=spec, weights={**model.weights, "stem_conv/kernel": kernel})
