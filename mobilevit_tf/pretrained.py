"""Published MobileViT weights -> a run directory like any other.

`python -m mobilevit_tf.pretrained --source=FILE --output=RUN` reads the weights of timm, Hugging Face or Apple
(docs/pretrained.md says where they are) and writes the model file that `train_main.py --init_from`,
`quantize/export.py` and the preview take. No PyTorch is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

import mobilevit_tf
from mobilevit_tf import files, imagenet, model_file, run_dir, weight_files
from mobilevit_tf.config import DataConfig, ModelConfig
from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.image_spec import COLOR_ORDERS, ImageSpec
from mobilevit_tf.model_file import ModelFile
from mobilevit_tf.variants import VARIANTS
from mobilevit_tf.weight_files import PublishedWeights
from mobilevit_tf.weight_names import NAMINGS, their_shape, to_ours, weight_map

# How each publisher evaluates: pixels in [0, 1] at 256 x 256. Apple's first release was trained on BGR, and Hugging
# Face kept its weights as they are (do_flip_channel_order, shortest edge 288, bilinear). timm's conversion takes RGB:
# its RGB pipeline reproduces Apple's accuracy (docs/pretrained.md has the numbers).
SPECS = {
    "timm": ImageSpec(256, 256, "bicubic", 0.9, "RGB"),
    "huggingface": ImageSpec(256, 256, "bilinear", 256 / 288, "BGR"),
    "apple": ImageSpec(256, 256, "bilinear", 256 / 288, "BGR"),
}
LICENSE = "Apple's: the file LICENSE of github.com/apple/ml-cvnets"  # all three publish weights that Apple trained
TRAINED_ON = DataConfig("imagenet2012")  # the TFDS name: what export takes photos from where nothing else is named
_CLASSIFIER = ("classifier/bias", "classifier/kernel")
_INIT_STDDEV = 0.02  # truncated normal, as Apple initialises dense layers


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
    title = f"{naming.title}'s MobileViT-{variant.upper()}"
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
    return ModelFile(config, SPECS[published.publisher], labels, weights, run_id, LICENSE)


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
    held = next((key for key, known in VARIANTS.items() if known.head == head), None)
    if held is None:
        raise UserError(f"{name} holds no MobileViT-XXS, XS or S of {naming.title}: its last convolution has {head} "
                        "channels, expected 320, 384 or 640")  # fmt: skip
    if variant not in (None, held):
        raise UserError(f"{name} holds MobileViT-{held.upper()}, not {variant.upper()}: pass --variant={held}")
    return held


@functools.cache
def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Every weight of `mobilevit.build` by name -> its shape."""
    from mobilevit_tf import mobilevit, weights  # loads TensorFlow: not before the file was found good

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


def reheaded(model: ModelFile, labels: Sequence[str], seed: int = 0) -> tuple[ModelFile, tuple[str, ...]]:
    """The model for other classes: a new classifier on the same backbone.

    Args:
      model: what is known so far.
      labels: the new classes. The model's own labels leave it as it is.
      seed: of the new classifier's kernel; its bias is zero.

    Returns:
      The model and the names of the weights that were left out, () where nothing changed.
    """
    labels = tuple(labels)
    if labels == model.labels:
        return model, ()
    config = dataclasses.replace(model.config, num_classes=len(labels))
    random = np.random.default_rng(seed)
    kernel = random.standard_normal((model.weights["classifier/kernel"].shape[0], len(labels)))
    while (far := np.abs(kernel) > 2).any():  # truncated at two deviations: drawn again
        kernel[far] = random.standard_normal(far.sum())
    head = {
        "classifier/kernel": (_INIT_STDDEV * kernel).astype(np.float32),
        "classifier/bias": np.zeros(len(labels), np.float32),
    }
    return dataclasses.replace(model, config=config, labels=labels, weights={**model.weights, **head}), _CLASSIFIER


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help lists the flags")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser("python -m mobilevit_tf.pretrained", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--source", help="published file: .safetensors, .bin, .pth or .pt; docs/pretrained.md lists them"
    )
    parser.add_argument(
        "--variant", choices=VARIANTS, help="which MobileViT the file should hold; default: what it holds"
    )
    parser.add_argument("--output", required=True, help="run directory to write, or without --source to evaluate")
    parser.add_argument("--rgb", action="store_true", help="flip the stem's kernel where needed, so that it takes RGB")
    parser.add_argument(
        "--color_order", choices=COLOR_ORDERS, help="what the file's weights expect; default: as published"
    )
    parser.add_argument(
        "--labels", help="text file, one class name a line: a new classifier if the file has another number"
    )
    parser.add_argument(
        "--num_classes", type=int, help="a new classifier for so many classes, named class 0, class 1..."
    )
    parser.add_argument("--evaluate", metavar="DATA", help="folder of class folders, or TFDS name: prints top-1, top-5")
    parser.add_argument("--data_dir", help="where TFDS data sets are prepared")
    flags = parser.parse_args(arguments)
    if not flags.source and not flags.evaluate:
        parser.error("pass --source=FILE, or --evaluate=DATA to evaluate the model that --output holds")
    if flags.labels and flags.num_classes:
        parser.error("pass --labels or --num_classes, not both")
    return flags


def _new_labels(flags: argparse.Namespace, model: ModelFile) -> tuple[str, ...]:
    if flags.labels:
        try:
            lines = Path(flags.labels).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise UserError(f"{flags.labels} is not UTF-8 text: expected one class name a line") from error
        labels = tuple(line.strip() for line in lines if line.strip())
        if len(set(labels)) != len(labels) or len(labels) < 2:
            raise UserError(f"{flags.labels}: expected at least two class names, each one once, one a line")
        return labels
    if flags.num_classes is None or flags.num_classes == model.config.num_classes:
        return model.labels
    return tuple(f"class {index}" for index in range(flags.num_classes))


def _make_run(flags: argparse.Namespace) -> ModelFile:
    """Reads, converts, and writes the run directory; says what was done."""
    output, source = Path(flags.output), Path(flags.source)
    if (output / model_file.NAME).exists() and not _is_ours(output):
        raise UserError(f"{output} holds a model that was trained: choose another --output")
    published = weight_files.read(source)
    model = convert(published, flags.variant, source.name)
    if flags.color_order:
        model = dataclasses.replace(model, spec=dataclasses.replace(model.spec, color_order=flags.color_order))
    if flags.rgb:
        model = in_order(model, "RGB")
    labels, left_out = _new_labels(flags, model), ()
    if len(labels) == model.config.num_classes:
        model = dataclasses.replace(model, labels=labels)  # names for the classifier that the file holds
    else:
        model, left_out = reheaded(model, labels)
    spec, origin = model.spec, f" ({published.origin})" if published.origin else ""
    print(f"{NAMINGS[published.publisher].title}'s MobileViT-{model.config.variant.upper()} from {source.name}{origin}")
    crop = f"crop {spec.crop_fraction:.3f}"
    print(f"input: {spec.height} x {spec.width}, {spec.resize}, {crop}, {spec.color_order} in [0, 1]")
    if left_out:
        print(f"left out: {', '.join(left_out)}: the classifier of {len(model.labels)} classes is new and untrained")
    details = {
        "publisher": published.publisher, "source": source.name, "source_sha256": files.sha256(source),
        "origin": published.origin, "left_out": left_out, "version": mobilevit_tf.__version__,
    }  # fmt: skip
    config = {"model": dataclasses.asdict(model.config), "data": dataclasses.asdict(TRAINED_ON), "published": details}
    files.write_json(output / run_dir.CONFIG, config)
    recipe = f"--flagfile=configs/finetune_xxs.flags --variant={model.config.variant} --init_from={output}"
    as_it_is = "" if left_out else f", or python quantize/export.py --run={output} --data=PHOTOS"
    print(f"wrote {model_file.save(output, model)}\nnext: python train_main.py {recipe} --data=PHOTOS{as_it_is}")
    return model


def _is_ours(output: Path) -> bool:
    """True where the run directory was made by this command, which may make it again."""
    try:
        return "published" in json.loads((output / run_dir.CONFIG).read_text())
    except (OSError, ValueError):
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Converts and evaluates as the flags say; `arguments` default to the command line's."""
    flags = _parse(arguments)
    model = _make_run(flags) if flags.source else model_file.load(flags.output)
    if flags.evaluate:
        print(imagenet.accuracy(model, flags.evaluate, flags.data_dir))


if __name__ == "__main__":
    run_cli(main)
