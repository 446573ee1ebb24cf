"""`report.html`: one self-contained page about a training run, with nothing to fetch and no script."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mobilevit_tf.data.source import Source
from mobilevit_tf.evaluation import confidence
from mobilevit_tf.evaluation.evaluate import Evaluation
from mobilevit_tf.files import write_atomic
from mobilevit_tf.reports import classes, plots, style, thumbnails
from mobilevit_tf.reports.model_card import accuracy_interval, confused_pairs
from mobilevit_tf.reports.style import page, section

NAME = "report.html"
Look = Callable[[bytes, int], np.ndarray]  # a photo's bytes, a class -> uint8 [height, width, 3], where it is seen
_MISTAKES, _LOOKED_AT = 24, 12
_PAIRS = 8
_TWINS = 100


def write_report(
    run_dir: str | Path,
    title: str,
    history: Sequence[Mapping[str, float]],
    metrics: Mapping[str, object],
    evaluation: Evaluation,
    source: Source,
    split: str = "val",
    look: Look | None = None,
) -> Path:
    """Writes the report of a run; an older one is replaced at the last moment.

    Args:
      run_dir: where `report.html` goes.
      title: of the page, plain text such as "MobileViT-XXS, flowers".
      history: one mapping an epoch: epoch, train_loss, learning_rate, images_per_second, seconds, and where it was
        validated val_loss, val_top1.
      metrics: what metrics.json holds, `train_seconds` and `run_facts.collect()` included; every entry is shown.
      evaluation: the answers of the weights that the run keeps.
      source: where the evaluated photos are read again, for the thumbnails.
      split: the split that `evaluation` is of.
      look: shows where the model sees a class (`occlusion.of_photo`); None leaves that out.
    """
    areas = classes.roc_auc(evaluation)
    parts = [
        _head(title, metrics, evaluation, areas, split),
        section("Training", _training(history)),
        *([section("To know of the data", _data(source))] if source.notes or source.twins else []),
        section("Confusion matrix", _confusion(evaluation)),
        section("Classes", _classes(evaluation, areas, source)),
        section("Sure and unsure", _sure(evaluation)),
        section("Surest mistakes", _mistakes(evaluation, source, split, look)),
        section("How it was made", _facts(metrics)),
    ]
    return write_atomic(Path(run_dir) / NAME, page(title, "\n".join(parts)).encode())


def _head(title: str, metrics: Mapping, evaluation: Evaluation, areas: Sequence[float | None], split: str) -> str:
    low, high = accuracy_interval(evaluation.top1, len(evaluation.ids))
    tiles = {f"top-1, {low:.1%} to {high:.1%} at 95 %": f"{evaluation.top1:.2%}"}
    if len(evaluation.labels) > 5:
        tiles["top-5"] = f"{evaluation.top5:.2%}"
    if judged := [area for area in areas if area is not None]:
        tiles["mean ROC AUC, one against the rest"] = f"{sum(judged) / len(judged):.3f}"
    tiles |= {
        "macro F1": f"{evaluation.macro_f1:.3f}",
        "cross entropy": f"{evaluation.loss:.3f}",
        f"photos in {split}": f"{len(evaluation.ids):,}",
        "classes": f"{len(evaluation.labels):,}",
    }
    if "train_seconds" in metrics:
        tiles["training time"] = duration(metrics["train_seconds"])
    date = html.escape(str(metrics.get("finished", "")))
    return f'<h1>{html.escape(title)}</h1>\n<p class="soft">{date}</p>\n{style.tiles(tiles)}'


def duration(seconds: float) -> str:
    """7384 -> "2 h 3 min"; below an hour minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _training(history: Sequence[Mapping[str, float]]) -> str:
    if not history:
        return '<p class="soft">No epoch was trained.</p>'
    figures = style.plots((title, svg, "") for title, svg in plots.curves(history).items())
    columns = {
        "train_loss": "training loss", "val_loss": "validation loss", "val_top1": "top-1",
        "learning_rate": "learning rate", "images_per_second": "images/s", "seconds": "seconds",
    }  # fmt: skip
    formats = {"val_top1": ".2%", "learning_rate": ".2e", "images_per_second": ",.0f", "seconds": ",.0f"}
    rows = [[f"{row['epoch']:g}", *(format(row[key], formats.get(key, ".4f")) if key in row else "" for key in columns)]
            for row in history]  # fmt: skip
    table = style.table(["epoch", *columns.values()], rows)
    return f"{figures}\n<details><summary>Every epoch in numbers</summary>{table}</details>"


def _confusion(evaluation: Evaluation) -> str:
    pairs = [f"<li>{html.escape(true)} taken for {html.escape(predicted)}: {photos}</li>"
             for true, predicted, photos in confused_pairs(evaluation, _PAIRS)]  # fmt: skip
    listed = (
        f"<h3>Most frequent mistakes</h3><ul>{''.join(pairs)}</ul>" if pairs else "<p>No photo is misclassified.</p>"
    )
    svg = plots.confusion(evaluation.confusion, evaluation.labels)
    return f'<figure class="card matrix">{svg}<figcaption>{listed}</figcaption></figure>'


def _classes(evaluation: Evaluation, areas: Sequence[float | None], source: Source) -> str:
    ids = dict(zip(source.class_names, source.class_ids, strict=True)) if source.class_ids else {}
    ids = {name: own for name, own in ids.items() if name != own}
    rows = classes.table(evaluation, areas, ids)
    return f'<p class="soft">The lowest F1 first.</p><div class="card scroll tall">{rows}</div>'


def _sure(evaluation: Evaluation) -> str:
    given, y_true = evaluation.scores, evaluation.y_true
    mark = (f"The mark is the lowest threshold from which on {confidence.SURE:.0%} of the answers are right, or the "
            "highest score. The export fits it anew, with the temperature of the scores.")  # fmt: skip
    answered = plots.answered(given, y_true, confidence.fit_unsure(given, y_true))
    believed = plots.reliability({"this model, before the export's temperature": given}, y_true)
    return style.plots([
        ("Right answers as the threshold moves", answered, mark),
        ("Right answers against their score", believed, style.DOTS.format(photos=len(y_true))),
    ])  # fmt: skip


def _data(source: Source) -> str:
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in source.notes)
    if not source.twins:
        return f'<div class="card"><ul>{notes}</ul></div>'
    shown = style.table(["photo", "the same or nearly the same as"], source.twins[:_TWINS])
    more = f"<p>The first {_TWINS} of {len(source.twins):,}.</p>" if len(source.twins) > _TWINS else ""
    return (
        f'<div class="card"><ul>{notes}</ul></div><details><summary>Photos on both sides of the split</summary>{more}'
        f"{shown}</details>"
    )


def _mistakes(evaluation: Evaluation, source: Source, split: str, look: Look | None) -> str:
    indices = evaluation.worst_mistakes(_MISTAKES)
    if not indices:
        return "<p>Every photo is classified right.</p>"
    photos = thumbnails.read(source, split, {evaluation.ids[index] for index in indices})
    figures = "".join(
        _mistake(evaluation, index, photos[evaluation.ids[index]], look if place < _LOOKED_AT else None)
        for place, index in enumerate(indices)
    )
    wrong = int((evaluation.y_pred != evaluation.y_true).sum())
    told = f"{len(indices)} of {wrong:,}, the surest first."
    if look:
        told += (" Under a photo: what the model saw of it, in grey, and orange where the wrong answer loses most when "
                 "a patch covers the place.")  # fmt: skip
    return f'<p class="soft">{told}</p>\n<div class="photos">{figures}</div>'


def _mistake(evaluation: Evaluation, index: int, data: bytes, look: Look | None) -> str:
    predicted, true = evaluation.y_pred[index], evaluation.y_true[index]
    scores, name = evaluation.scores[index], html.escape(evaluation.ids[index])
    answer = html.escape(evaluation.labels[predicted])
    shown = f'<img alt="{name}" src="{thumbnails.data_url(data)}">'
    if look:
        image = Image.fromarray(look(data, int(predicted)))
        shown += f'<img alt="where the model sees {answer} in it" src="{thumbnails.jpeg_url(image)}">'
    return (
        f'<figure class="card">{shown}<figcaption><span class="wrong">{answer}</span> {scores[predicted]:.1%}<br>'
        f"is {html.escape(evaluation.labels[true])} ({scores[true]:.1%})<br><small>{name}</small></figcaption></figure>"
    )


def _facts(metrics: Mapping[str, object]) -> str:
    command = html.escape(str(metrics.get("command", "")))
    rows = [(name, value) for name, value in _flat(metrics) if name != "command"]
    shown = f'<pre class="card">{command}</pre>\n' if command else ""
    return f"{shown}{style.table((), rows)}"


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as ("versions.numpy", "2.1.3") pairs."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield f"{prefix}{key}", f"{value:.6g}" if isinstance(value, float) else textwrap.shorten(text, 400)
