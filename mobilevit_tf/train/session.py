"""One call from settings to a finished run directory."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Sequence
from pathlib import Path

import mobilevit_tf.tf_setup  # noqa: F401  isort: skip  before TensorFlow
import tensorflow as tf
import tf_keras

from mobilevit_tf import catalog, distribution
from mobilevit_tf.data import datasets, similar
from mobilevit_tf.data.source import Source
from mobilevit_tf.errors import UserError
from mobilevit_tf.evaluation import confidence, evaluate, occlusion, scorers, strangers
from mobilevit_tf.evaluation.evaluate import Evaluation
from mobilevit_tf.evaluation.photos import Photos
from mobilevit_tf.evaluation.scorers import Scorer
from mobilevit_tf.evaluation.strangers import Rejection
from mobilevit_tf.files import write_json
from mobilevit_tf.image.image_spec import ImageSpec
from mobilevit_tf.models import build, model_file, weights
from mobilevit_tf.models.model_file import ModelFile
from mobilevit_tf.pretrained import start as starting
from mobilevit_tf.reports import model_card, run_facts, training
from mobilevit_tf.train import estimate, run_dir, trainer
from mobilevit_tf.train.run import Run
from mobilevit_tf.train.run_dir import METRICS, RunConfig

_LOGGER = logging.getLogger(__name__)
MOST_LOOKED_THROUGH = 50_000  # photos, a minute on two cores
WHOLE_PHOTO = 1.0  # crop fraction where training sees the whole photo


def train_and_evaluate(config: RunConfig, source: Source, directory: Path, command: Sequence[str] = ()) -> dict:
    """Trains (or goes on with) the run in `directory` and writes its results there.

    Args:
      config: all settings; a directory that holds a run with others is refused.
      source: the photos that config.data names.
      directory: see `run_dir`.
      command: that started the run without a recipe; then one is proposed (`estimate.announce`).

    Returns:
      What metrics.json holds; on a worker that is not the chief nothing.

    Raises:
      UserError: bad settings or data, a non-finite loss, a signal, another process that trains there; the last
        checkpoint is then intact.
    """
    strategy = distribution.make_strategy(
        config.train.strategy
    )  # first: the collectives must exist before anything else
    writes = distribution.place_in_cluster(strategy)[0] == 0  # of several workers one keeps the directory
    with run_dir.locked(directory) if writes else contextlib.nullcontext():
        return _train_and_evaluate(config, source, directory, strategy, command)


def _train_and_evaluate(
    config: RunConfig, source: Source, directory: Path, strategy: tf.distribute.Strategy, command: Sequence[str]
) -> dict:
    start = _starting_weights(config, source)
    run_dir.open_run(directory, config)
    spec = image_spec(config, start)
    made = trainer.Trainer(
        lambda: build_model(config), config.train, spec,
        datasets.class_weights(source) if config.train.class_weights else None, strategy,
    )  # fmt: skip
    if start is not None:
        for model in {id(made.model): made.model, id(made.ema_model): made.ema_model}.values():
            weights.assign(model, start.weights)
        made.take_up_weights()
    license, origin = (start.license, start.origin) if start else (model_file.LICENSE, "")
    run = Run(config, source, spec, made, directory, license, origin)
    if run.progress.epoch < config.train.epochs:
        estimate.announce(run, command)
    run.fit()
    run.save_model(model_file.NAME)
    if not run.is_chief:  # from here on nothing may need another worker: they end now
        return {}
    model = model_file.load(directory)
    metrics = _metrics(config, source, run, model)
    _write_reports(config, source, run, model, metrics)
    run_dir.require_kept(directory)
    write_json(directory / METRICS, metrics)  # last: its presence says that the run is finished
    _print_summary(directory, metrics)
    return metrics


def build_model(config: RunConfig) -> tf_keras.Model:
    """The model that is trained: of one input size, or of any for multi-scale."""
    size = None if config.train.multiscale else config.train.input_size
    return build.build(config.model, size, size)


def image_spec(config: RunConfig, start: ModelFile | None) -> ImageSpec:
    """The preprocessing that the run trains for; with starting weights, theirs at the run's input size."""
    size = config.train.input_size
    if start is not None:
        return dataclasses.replace(start.spec, height=size, width=size)
    whole = config.augment.mode == "none"
    return ImageSpec(size, size, crop_fraction=WHOLE_PHOTO if whole else ImageSpec().crop_fraction)


def _starting_weights(config: RunConfig, source: Source) -> ModelFile | None:
    if not config.train.init_from:
        return None
    start = starting.load(config.train.init_from, config.model.variant)
    if start.origin:
        for line in starting.announcement(start):
            _LOGGER.info("%s", line)
    for key in ("variant", "patch_sizes"):
        held = getattr(start.config, key)
        if held != getattr(config.model, key):
            given = held if key == "variant" else ",".join(map(str, held))
            raise UserError(f"{config.train.init_from} holds {key} {given}: pass --{key}={given}")
    start, left_out = model_file.reheaded(start, source.class_names, config.train.seed)
    if left_out:
        _LOGGER.info("new classes: %s left out of %s", ", ".join(left_out), config.train.init_from)
    return start


def _metrics(config: RunConfig, source: Source, run: Run, model: ModelFile) -> dict:
    history = run.progress.history
    best = max((row for row in history if "val_top1" in row), key=lambda row: row["val_top1"])
    return {
        "final_top1": history[-1]["val_top1"],
        "final_val_loss": history[-1]["val_loss"],
        "best_top1": best["val_top1"],
        "best_epoch": best["epoch"],
        "epochs": len(history),
        "steps": run.progress.step,
        "train_seconds": run.progress.seconds,
        "images_per_second": history[-1]["images_per_second"],
        "seed": config.train.seed,
        "ema_sha256": model_file.weights_sha256(model.weights),
        "train_images": source.size("train"),
        "val_images": source.size("val"),
        "classes": list(source.class_names),
        "class_ids": list(source.class_ids),
        "dataset_sha256": datasets.dataset_sha256(source),
        **run_facts.collect(),
    }


def _write_reports(config: RunConfig, source: Source, run: Run, model: ModelFile, metrics: dict) -> None:
    """report.html, model_card.md and history.json, from the weights that the run keeps."""
    directory, history = run.run_dir, run.progress.history
    plain = build.build(config.model, *run.spec.size)  # of no strategy: one worker alone can run it
    weights.assign(plain, model.weights)
    score = scorers.keras(plain, run.spec)
    result = evaluate.answer(score, Photos(source, "val", run.spec), source.class_names)
    rejection = _rejection(score, run.spec, source, result)
    recipe = model_card.Recipe(
        config.model, run.spec, config.data, config.augment, config.train, model.license, model.origin, rejection
    )
    _look_for_twins(source)
    title = f"{catalog.find(config.model.variant).title}, {source.name}"
    look = functools.partial(occlusion.of_photo, score, run.spec)
    training.write_report(directory, title, history, metrics, result, source, look=look)
    model_card.write_model_card(directory, recipe, source, "val", result, metrics)
    write_json(directory / "history.json", history)


def _rejection(score: Scorer, spec: ImageSpec, source: Source, result: Evaluation) -> Rejection | None:
    """What photos of none of the classes say of the model, where there are enough."""
    fitting, measuring = strangers.halves(source.strangers)
    if not fitting:
        return None
    found = strangers.scores_of(score, fitting, spec)
    threshold = confidence.fit_none(result.scores, found) if len(found) else 0.0
    return strangers.measure(score, measuring, spec, result.scores, threshold)


def _look_for_twins(source: Source) -> None:
    """What the scan of a folder has done already; of a large data set --dry_run alone does it, since it takes long."""
    sizes = {split: source.size(split) for split in source.splits}
    if source.twins is None and sum(sizes.values()) <= MOST_LOOKED_THROUGH:
        twins = similar.twins_of(source)
        source.notes = (*source.notes, *similar.notes(twins, sizes))
        source.twins = tuple((twin.path, twin.other) for twin in twins)


def _print_summary(directory: Path, metrics: dict) -> None:
    print(
        f"top-1 {metrics['final_top1']:.2%} on {metrics['val_images']} held-out photos "
        f"(best {metrics['best_top1']:.2%} in epoch {metrics['best_epoch']}), "
        f"{metrics['train_seconds'] / 60:.1f} minutes of training\n"
        f"report {directory / training.NAME}\n"
        f"model  {directory / model_file.NAME}; next: python quantize/export.py --run={directory}"
    )
