"""Trains MobileViT: `python train_main.py --flagfile=configs/digits.flags`. Flags become frozen configs, nothing else.

A flag that is not given keeps the default of mobilevit_tf/config.py, its only home.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from absl import app, flags

from mobilevit_tf import catalog
from mobilevit_tf.config import AugmentConfig, DataConfig, ModelConfig, TrainConfig
from mobilevit_tf.console import plain_messages
from mobilevit_tf.data import datasets
from mobilevit_tf.errors import UserError, run_cli
from mobilevit_tf.pretrained import start
from mobilevit_tf.train.run_dir import CONFIG, METRICS, RunConfig, load_data_config, new_run_dir, require_same_settings

_MODEL, _DATA, _AUGMENT, _TRAIN = ModelConfig(), DataConfig(), AugmentConfig(), TrainConfig()

flags.DEFINE_string("data", _DATA.data, "digits, a folder of photos (root/class/*), a table of files (.csv with the "
                    "columns file,label and optionally split), or the name of a TFDS data set.")  # fmt: skip
flags.DEFINE_string("data_dir", _DATA.data_dir, "Where TFDS data sets are prepared.")
flags.DEFINE_string("train_split", _DATA.train_split, "TFDS split to train on, such as train[:80%].")
flags.DEFINE_string("val_split", _DATA.val_split, "TFDS split to validate on.")
flags.DEFINE_float("val_fraction", _DATA.val_fraction, "Share held out where the data brings no split of its own.")
flags.DEFINE_integer("split_seed", _DATA.seed, "Seed of the split of a folder.")
flags.DEFINE_string("val_groups", _DATA.val_groups, "Regular expression for a photo's path: photos for which it finds "
                    "the same text (or groups) stay on one side of the split.")  # fmt: skip
flags.DEFINE_string("none_of_these", _DATA.none_of_these, "Folder of photos of none of the classes, for the export's "
                    "threshold; unset: _none beside the classes.")  # fmt: skip
flags.DEFINE_bool("strict", False, "Refuse data with a file that cannot be used, or a class that cannot be trained or "
                  "judged as it should, instead of naming it.")  # fmt: skip

flags.DEFINE_string("variant", _MODEL.variant, f"One of {', '.join(catalog.MODELS)}.")
flags.DEFINE_list("patch_sizes", [str(size) for size in _MODEL.patch_sizes], "Patch side in layers 3, 4 and 5.")
flags.DEFINE_float("dropout", _MODEL.dropout, "In the transformers; unset: as published for the variant.")
flags.DEFINE_float("classifier_dropout", _MODEL.classifier_dropout, "Before the classifier; unset: as published.")

flags.DEFINE_enum("augment", _AUGMENT.mode, ["none", "basic", "advanced"], "basic: crop and flip, the paper's recipe; "
                  "advanced: with RandAugment, Mixup and CutMix.")  # fmt: skip
flags.DEFINE_bool("flip", _AUGMENT.flip, "Mirror half of the photos; digits and letters must not be.")
flags.DEFINE_list("crop_scale", [str(share) for share in _AUGMENT.scale], "Share of the area that a crop covers.")
flags.DEFINE_float("random_erasing", _AUGMENT.random_erasing, "Probability of a black rectangle (MobileViTv2: 0.25).")

flags.DEFINE_integer("epochs", _TRAIN.epochs, "Passes over the training photos (the paper: 300).")
flags.DEFINE_integer("batch_size", _TRAIN.batch_size, "Photos per replica at --input_size (the paper: 1,024 in all).")
flags.DEFINE_integer("input_size", _TRAIN.input_size, "Side of the square input in pixels.")
flags.DEFINE_list("multiscale", [str(size) for size in _TRAIN.multiscale], "Sizes of the multi-scale sampler (the "
                  "paper: 160,192,256,288,320); empty for one size.")  # fmt: skip
flags.DEFINE_float("learning_rate", _TRAIN.learning_rate, "Peak learning rate (the paper: 2e-3 at batch 1,024).")
flags.DEFINE_float("warmup_learning_rate", _TRAIN.warmup_learning_rate, "Learning rate of step 0.")
flags.DEFINE_float("min_learning_rate", _TRAIN.min_learning_rate, "Where the cosine ends.")
flags.DEFINE_integer("warmup_steps", _TRAIN.warmup_steps, "Steps of the warm-up (the paper: 3,000); unset: 5 % of all.")
flags.DEFINE_float("weight_decay", _TRAIN.weight_decay, "Decoupled weight decay (the paper: 0.01).")
flags.DEFINE_bool("decay_norm_and_bias", _TRAIN.decay_norm_and_bias, "Decay norms and biases too, as Apple does.")
flags.DEFINE_float("clip_norm", _TRAIN.clip_norm, "Longest gradient of all weights together; 0 for no limit.")
flags.DEFINE_float("label_smoothing", _TRAIN.label_smoothing, "In [0, 1) (the paper: 0.1).")
flags.DEFINE_float("ema_decay", _TRAIN.ema_decay, "Decay of the weight average; 0 for none (the paper: 0.9995).")
flags.DEFINE_bool("ema_warmup", _TRAIN.ema_warmup, "Let the average follow faster at first.")
flags.DEFINE_bool("class_weights", _TRAIN.class_weights, "Weigh the loss against the imbalance of the classes.")
flags.DEFINE_string("init_from", _TRAIN.init_from, "Weights to start from: a run directory, imagenet (the "
                    "published ones of --variant), or a name that docs/pretrained.md lists.")  # fmt: skip
flags.DEFINE_integer("freeze_epochs", _TRAIN.freeze_epochs, "With --init_from: epochs in which only the classifier "
                     "learns.")  # fmt: skip
flags.DEFINE_integer("seed", _TRAIN.seed, "Of weights, order, augmentation and dropout.")
flags.DEFINE_string("strategy", _TRAIN.strategy, "mirrored (all GPUs of this machine, or its CPU), multi_worker "
                    "(TF_CONFIG) or one_device.")  # fmt: skip
flags.DEFINE_string("mixed_precision", _TRAIN.mixed_precision, "bfloat16 or float16; empty for float32.")
flags.DEFINE_string("data_service", _TRAIN.data_service, "grpc://HOST:PORT of the tf.data service that decodes the "
                    "photos; empty for this machine.")  # fmt: skip
flags.DEFINE_integer("validate_every", _TRAIN.validate_every, "Epochs between validations; the last epoch always is.")
flags.DEFINE_integer("steps_per_call", _TRAIN.steps_per_call, "Steps in one call of the graph, for fast GPUs.")
flags.DEFINE_integer("checkpoint_steps", _TRAIN.checkpoint_steps, "Steps between checkpoints within an epoch.")
flags.DEFINE_integer("keep_checkpoints", _TRAIN.keep_checkpoints, "How many of the newest to keep.")
flags.DEFINE_string("on_nan", _TRAIN.on_nan, "stop, or rollback: halve the learning rate and go on, three times.")

flags.DEFINE_string("model_dir", None, "Directory of the run; an unfinished one is resumed. Unset: a new one in runs/.")
flags.DEFINE_bool("dry_run", False, "Look at the data, print what is in it and what is wrong with it, and stop.")
flags.DEFINE_string("evaluate_only", None, "Print the accuracy of this run directory or .tflite on --data and stop.")
flags.DEFINE_string("split", "val", "Split that --evaluate_only takes.")

FLAGS = flags.FLAGS
_NO_RECIPE = {"seed", "strategy", "mixed_precision", "validate_every", "checkpoint_steps", "keep_checkpoints", "on_nan"}
_WITHOUT_FLAG = {"ratio", "randaugment_ops", "randaugment_magnitude", "mixup_alpha", "cutmix_alpha"}  # as published
_RENAMED = {"mode": "augment", "scale": "crop_scale", "data.seed": "split_seed"}


def _fill(config, prefix: str = "", convert=None, **fixed):
    """A copy of a default config with the values of the flags of the same names; KeyError where one is missing."""
    values = dict(fixed)
    for field in dataclasses.fields(config):
        flag = _RENAMED.get(prefix + field.name) or field.name
        if field.name not in fixed and field.name not in _WITHOUT_FLAG:
            value = FLAGS[flag].value
            values[field.name] = _numbers(flag, value, convert) if isinstance(value, list) else value
    return dataclasses.replace(config, **values)


def _numbers(flag: str, texts: list[str], convert) -> tuple:
    try:
        return tuple(map(convert, texts))
    except ValueError as error:
        kind = "whole numbers" if convert is int else "numbers"
        raise UserError(f"--{flag}={','.join(texts)}: expected {kind} separated by commas") from error


def configs_from_flags(num_classes: int) -> RunConfig:
    """The run that the flags ask for; `num_classes` comes from the data."""
    return RunConfig(
        _fill(_MODEL, convert=int, num_classes=num_classes),
        data_config(),
        _fill(_AUGMENT, convert=float),
        _fill(_TRAIN, convert=int),
    )


def data_config() -> DataConfig:
    """The data that the flags ask for; --evaluate_only takes what its run was trained on where no flag says another."""
    evaluated = Path(FLAGS.evaluate_only or "").expanduser()
    if not FLAGS.evaluate_only or FLAGS["data"].present or not (evaluated / CONFIG).exists():
        return _fill(_DATA, prefix="data.")
    own = load_data_config(evaluated)
    flags_of = {field.name: _RENAMED.get(f"data.{field.name}", field.name) for field in dataclasses.fields(own)}
    given = {name: FLAGS[flag].value for name, flag in flags_of.items() if FLAGS[flag].present}
    return dataclasses.replace(own, **{"none_of_these": None} | given)  # an evaluation looks at the classes alone


def _run_dir(config: RunConfig) -> Path:
    if FLAGS.model_dir:
        return Path(FLAGS.model_dir).expanduser()
    if config.train.strategy == "multi_worker":
        raise UserError("strategy multi_worker needs --model_dir: one folder that every worker reaches")
    return new_run_dir(config.data.data, config.model.variant)


def _command_without_recipe() -> list[str]:
    """This command as it can be given again with a recipe, in a run of its own; empty where it has one already."""
    fields = {field.name for config in (_AUGMENT, _TRAIN) for field in dataclasses.fields(config)}
    if any(FLAGS[_RENAMED.get(name, name)].present for name in fields - _NO_RECIPE - _WITHOUT_FLAG):
        return []
    given = [flag for flag in FLAGS.get_key_flags_for_module(sys.argv[0]) if flag.present and flag.name != "model_dir"]
    model_dir = [f"--model_dir={FLAGS.model_dir.rstrip('/')}_proposed"] if FLAGS.model_dir else []
    return ["python", sys.argv[0], *(flag.serialize() for flag in given), *model_dir]


def _main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: settings are given as --flag=value")
    plain_messages()
    config = configs_from_flags(num_classes=2)  # refuses bad settings before anything loads
    datasets.check(config.data)
    run_dir = _run_dir(config)
    if FLAGS.dry_run or FLAGS.evaluate_only:
        from mobilevit_tf.evaluation import inspection

        inspection.dry_run(config.data, FLAGS.strict) if FLAGS.dry_run else inspection.evaluate_only(
            Path(FLAGS.evaluate_only).expanduser(), config.data, FLAGS.split
        )
    elif (run_dir / METRICS).exists():
        require_same_settings(run_dir, config, ignored={"model.num_classes"})  # that comes from the data
        print(f"{run_dir} is finished: its results are in {run_dir / METRICS}")
    else:
        if config.train.init_from:  # before the photos are read
            start.check(config.train.init_from, config.model.variant)
        from mobilevit_tf.train import session  # loads TensorFlow

        source = datasets.open_source(config.data, strict=FLAGS.strict)
        config = configs_from_flags(len(source.class_names))
        session.train_and_evaluate(config, source, run_dir, _command_without_recipe())


if __name__ == "__main__":
    run_cli(lambda: app.run(_main))
