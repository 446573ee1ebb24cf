"""Published MobileViT weights -> a run directory like any other.

`python -m mobilevit_tf.pretrained --source=FILE_OR_NAME --output=RUN` reads the weights of timm, Hugging Face or Apple
(docs/pretrained.md says where they are) and writes the model file that `train_main.py --init_from`,
`quantize/export.py` and the preview take. No PyTorch is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import mobilevit_tf
from mobilevit_tf import catalog, files
from mobilevit_tf.config import DataConfig
from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.evaluation import published
from mobilevit_tf.image.image_spec import COLOR_ORDERS
from mobilevit_tf.models import model_file
from mobilevit_tf.models.model_file import ModelFile, reheaded
from mobilevit_tf.pretrained import hub, hub_names, start, weight_files
from mobilevit_tf.pretrained.convert import READABLE, convert, in_order
from mobilevit_tf.pretrained.publishers import family_with
from mobilevit_tf.pretrained.weight_files import PublishedWeights
from mobilevit_tf.train import run_dir

TRAINED_ON = DataConfig("imagenet2012")  # the TFDS name: what export takes photos from where nothing else is named


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help lists the flags")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser("python -m mobilevit_tf.pretrained", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--source", help="published file: .safetensors, .bin, .pth or .pt; or a name on the Hugging Face hub such as "
        "timm/mobilevit_xxs.cvnets_in1k, or imagenet for those of --variant; docs/pretrained.md lists them"
    )  # fmt: skip
    parser.add_argument(
        "--variant", choices=READABLE, help="which MobileViT the file should hold; default: what it holds"
    )
    parser.add_argument("--output", required=True, help="run directory to write, or without --source to evaluate")
    parser.add_argument(
        "--input_size", type=int, help="side in pixels that the weights were trained for; default: 256; the larger "
        "MobileViTv2 files are for 384"
    )  # fmt: skip
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
        parser.error("pass --source=FILE_OR_NAME, or --evaluate=DATA to evaluate the model that --output holds")
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


def _read(flags: argparse.Namespace) -> tuple[PublishedWeights, ModelFile, dict[str, object]]:
    """The weights, the model that they make, and what config.json says of their source."""
    reference = hub_names.find(flags.source, flags.variant)
    if reference is None:
        source, name = Path(flags.source), Path(flags.source).name
        weights, digest = weight_files.read(source), files.sha256(source)
        model = convert(weights, flags.variant, name, flags.input_size)
    else:
        start.check(flags.source, flags.variant or reference.weights.variant)
        fetched = hub.fetch(reference)
        name, digest = f"{reference.repository}@{fetched.commit}", fetched.sha256
        weights = start.read(reference, fetched)
        model = start.from_hub(reference, fetched, weights, flags.input_size)
        print("\n".join(start.announcement(model)))
    return weights, model, {
        "publisher": weights.publisher, "source": name, "source_sha256": digest, "origin": weights.origin,
    }  # fmt: skip


def _make_run(flags: argparse.Namespace) -> ModelFile:
    """Reads, converts, and writes the run directory; says what was done."""
    output = Path(flags.output)
    if (output / model_file.NAME).exists() and not _is_ours(output):
        raise UserError(f"{output} holds a model that was trained: choose another --output")
    weights, model, details = _read(flags)
    if flags.color_order:
        model = dataclasses.replace(model, spec=dataclasses.replace(model.spec, color_order=flags.color_order))
    if flags.rgb:
        model = in_order(model, "RGB")
    labels = _new_labels(flags, model)
    left_out: tuple[str, ...] = ()
    if len(labels) == model.config.num_classes:
        model = dataclasses.replace(model, labels=labels)  # names for the classifier that the file holds
    else:
        model, left_out = reheaded(model, labels)
    spec, origin = model.spec, f" ({weights.origin})" if weights.origin else ""
    publisher = family_with(model.config.variant).namings[weights.publisher].title
    print(f"{publisher}'s {catalog.find(model.config.variant).title} from {details['source']}{origin}")
    crop = f"crop {spec.crop_fraction:.3f}"
    print(f"input: {spec.height} x {spec.width}, {spec.resize}, {crop}, {spec.color_order} in [0, 1]")
    if left_out:
        print(f"left out: {', '.join(left_out)}: the classifier of {len(model.labels)} classes is new and untrained")
    details |= {"left_out": left_out, "version": mobilevit_tf.__version__}
    config = {"model": dataclasses.asdict(model.config), "data": dataclasses.asdict(TRAINED_ON), "published": details}
    files.write_json(output / run_dir.CONFIG, config)
    recipe = f"--flagfile=configs/finetune_xxs.flags --variant={model.config.variant} --init_from={output}"
    as_it_is = "" if left_out else f", or python quantize/export.py --run={output} --data=PHOTOS"
    print(f"wrote {model_file.save(output, model)}\nnext: python train_main.py {recipe} --data=PHOTOS{as_it_is}")
    return model


def _is_ours(output: Path) -> bool:
    """True where the run directory was made by this command, which may make it again."""
    try:
        return "published" in run_dir.load_config(output)
    except (OSError, UserError):
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Converts and evaluates as the flags say; `arguments` default to the command line's."""
    flags = _parse(arguments)
    model = _make_run(flags) if flags.source else model_file.load(flags.output)
    if flags.evaluate:
        print(published.accuracy(model, flags.evaluate, flags.data_dir))


if __name__ == "__main__":
    run_cli(main)
