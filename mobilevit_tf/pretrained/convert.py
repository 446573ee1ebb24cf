"""Published MobileViT weights as a model of this project. No PyTorch is needed."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from mobilevit_tf import catalog
from mobilevit_tf.config import ModelConfig
from mobilevit_tf.data import imagenet
from mobilevit_tf.errors import UserError
from mobilevit_tf.families.mobilevit_sizes import SIZES
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.pretrained.publishers import NAMINGS, their_shape, to_ours, weight_map
from mobilevit_tf.pretrained.weight_files import PublishedWeights

# How each publisher evaluates: pixels in [0, 1] at 256 x 256. Apple's first release was trained on BGR, and Hugging
# Face kept its weights as they are (do_flip_channel_order, shortest edge 288, bilinear). timm's conversion takes RGB:
# its RGB pipeline reproduces Apple's accuracy (docs/pretrained.md has the numbers).
SPECS = {
    "timm": ImageSpec(256, 256, "bicubic", 0.9, "RGB"),
    "huggingface": ImageSpec(256, 256, "bilinear", 256 / 288, "BGR"),
    "apple": ImageSpec(256, 256, "bilinear", 256 / 288, "BGR"),
}
READABLE = tuple(name for name, model in catalog.MODELS.items() if model.weights_license)


def convert(published: PublishedWeights, variant: str | None, name: str) -> ModelFile:
    """Published weights as a model of this project with the publisher's preprocessing.

    Args:
      published: from `weight_files.read`.
      variant: "xxs", "xs" or "s"; None takes the one that the file holds.
      name: of the file, for the messages.

    Returns:
      The model; its labels are ImageNet's, or "class 0" and so on where the file has another number of classes.

    Raises:
      UserError: for another variant, a missing or left-over weight, or a shape that does not fit.
    """
    naming = NAMINGS[published.publisher]
    variant = _checked_variant(published, variant, name)
    names = weight_map(naming, variant)
    title = f"{naming.title}'s {catalog.find(variant).title}"
    _check_names({theirs for theirs, _ in names.values()}, set(published.weights), title, name)
    classes = published.weights[names["classifier/kernel"][0]].shape[0]
    config = ModelConfig(variant, num_classes=classes)
    weights = {}
    for ours, shape in _shapes(config).items():
        theirs, third = names[ours]
        value, expected = published.weights[theirs], their_shape(ours, shape, third)
        if value.shape != expected:
            raise UserError(f"{name}: {theirs} has shape {value.shape}, {title} has {expected}")
        if not np.isfinite(value).all():
            raise UserError(f"{name}: {theirs} holds NaN or infinity: the file is damaged, download it again")
        weights[ours] = np.ascontiguousarray(to_ours(ours, value, third))
    labels = imagenet.labels() if classes == 1000 else tuple(f"class {index}" for index in range(classes))
    run_id = f"{published.publisher}-{variant}"
    return ModelFile(config, SPECS[published.publisher], labels, weights, run_id, catalog.find(variant).weights_license)


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


def _checked_variant(published: PublishedWeights, variant: str | None, name: str) -> str:
    """The variant that the width of the last convolution shows; another than asked for is refused."""
    naming = NAMINGS[published.publisher]
    head = published.weights.get(f"{naming.head}.{naming.conv}.weight", np.zeros(0)).shape[0]
    held = next((key for key, known in SIZES.items() if known.head == head), None)
    if held is None:
        raise UserError(f"{name} holds no MobileViT-XXS, XS or S of {naming.title}: its last convolution has {head} "
                        "channels, expected 320, 384 or 640")  # fmt: skip
    if variant not in (None, held):
        raise UserError(f"{name} holds MobileViT-{held.upper()}, not {variant.upper()}: pass --variant={held}")
    return held


@functools.cache
def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every weight of `mobilevit.build` by name -> its shape."""
    from mobilevit_tf.families import mobilevit  # loads TensorFlow: not before the file was found good
    from mobilevit_tf.models import weights  # loads TensorFlow: not before the file was found good

    return {weights.name_of(variable): tuple(variable.shape) for variable in mobilevit.build(config).weights}


def in_order(model: ModelFile, color_order: str) -> ModelFile:
    """The model with its stem's kernel flipped where needed, so that it gives the same logits for `color_order`."""
    if model.spec.color_order == color_order:
        return model
    spec = dataclasses.replace(
        model.spec, color_order=color_order, mean=model.spec.mean[::-1], std=model.spec.std[::-1]
    )
    kernel = np.ascontiguousarray(model.weights["stem_conv/kernel"][:, :, ::-1])  # [3, 3, 3 colours, 16]
    return dataclasses.replace(model, spec=spec, weights={**model.weights, "stem_conv/kernel": kernel})
