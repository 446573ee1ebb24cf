"""Figures as inline SVG for a page that may be light or dark: text and axes take the page's own colour.

Matplotlib's object interface is used (no pyplot), so that nothing depends on a display or a global state.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from matplotlib.typing import RcKeyType

from mobilevit_tf.evaluation import confidence

_INK = "#010203"  # stands for the page's text colour until the SVG is written
_FIRST, _SECOND = "#3b82f6", "#f97316"  # readable on white and on near black
_SHADES = LinearSegmentedColormap.from_list("shades", ["#3b82f600", "#3b82f6ff"])  # from transparent, for both themes
_MAX_LABELED_CLASSES = 25
_BESIDE = (5.4, 4.0)  # inches of a figure that stands beside another one
_STYLE: dict[RcKeyType, object] = {
    "svg.fonttype": "none",  # real text: it can be searched and takes the page's font
    "text.parse_math": False,  # a "$" in a class name is a "$"
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "legend.frameon": False,
}


def curves(history: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Loss, accuracy and learning rate over the epochs.

    Args:
      history: one mapping an epoch with "epoch", "train_loss", "learning_rate", and where it was
        validated "val_loss", "val_top1".

    Returns:
      SVG by title.
    """
    epochs = [row["epoch"] for row in history]

    def column(key: str) -> np.ndarray:
        return np.array([row.get(key, np.nan) for row in history], float)

    def draw_loss(axes: Axes) -> None:
        _line(axes, epochs, column("train_loss"), _FIRST, "training (smoothed labels, augmented)")
        _line(axes, epochs, column("val_loss"), _SECOND, "validation")
        axes.legend()

    def draw_accuracy(axes: Axes) -> None:
        _line(axes, epochs, column("val_top1"), _SECOND, "validation")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))

    def draw_rate(axes: Axes) -> None:
        _line(axes, epochs, column("learning_rate"), _FIRST, "learning rate")
        axes.set_ylim(bottom=0)

    drawings = {"Loss": draw_loss, "Validation accuracy (top-1)": draw_accuracy, "Learning rate": draw_rate}
    return {title: _over_epochs(title, draw) for title, draw in drawings.items()}


def _line(axes: Axes, epochs: list[float], values: np.ndarray, color: str, label: str) -> None:
    measured = np.isfinite(values)  # not every epoch need be validated
    marker = "o" if measured.sum() <= 20 else None  # a single epoch would draw nothing without a marker
    x, y = np.array(epochs)[measured], values[measured]
    axes.plot(x, y, color=color, label=label, marker=marker, markersize=4, linewidth=2)


def _over_epochs(title: str, draw: Any) -> str:
    def with_axes(figure: Figure) -> None:
        axes = figure.subplots()
        draw(axes)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="#888888", alpha=0.25, linewidth=0.7)

    return _svg(title, (4.6, 2.8), with_axes)


def confusion(matrix: np.ndarray, labels: Sequence[str]) -> str:
    """The confusion matrix as SVG: share of each true class, with counts and names for up to 25 classes.

    Args:
      matrix: int [N, N], true class by row, predicted class by column.
      labels: N class names.
    """
    classes = len(labels)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(shares, cmap=_SHADES, vmin=0, vmax=1, interpolation="nearest")
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.spines[:].set_visible(False)
        if classes > _MAX_LABELED_CLASSES:
            return
        names = [shortened(label) for label in labels]
        if max(map(len, names)) > 3:
            axes.set_xticks(range(classes), names, rotation=45, ha="right")
        else:
            axes.set_xticks(range(classes), names)
        axes.set_yticks(range(classes), names)
        axes.tick_params(length=0)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", fontsize=9)

    side = float(np.clip(2 + 0.42 * classes, 4, 9))
    svg = _svg("Confusion matrix", (side, side), draw)
    return svg.replace("<svg ", f'<svg style="max-width: {side * 120:.0f}px" ', 1)


def answered(scores: np.ndarray, y_true: np.ndarray, unsure_below: float, word: str = "unsure") -> str:
    """Share of right answers against share of answered photos, as the threshold on the top score moves, as SVG.

    Args:
      scores: [n, N] in [0, 1].
      y_true: int [n], the classes.
      unsure_below: the threshold that is marked.
      word: what is said below it.
    """
    _, shares, right = confidence.answered(scores, y_true)
    given = scores.max(1) >= unsure_below
    share, correct = given.mean(), (scores.argmax(1) == y_true)[given]
    told = f"{share:.0%} answered, {correct.mean():.1%} of them right" if len(correct) else "no photo is answered"
    mark = ([share], [correct.mean()]) if len(correct) else ([], [])

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(shares, right, color=_FIRST, linewidth=2, marker="o" if len(shares) <= 20 else None, markersize=4)
        label = f'"{word}" below {unsure_below:.2f}: {told}'
        axes.plot(*mark, color=_SECOND, marker="o", markersize=8, linestyle="none", label=label)
        figure.legend(loc="outside lower center")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(top=1 + 0.03 * (1 - right.min()))
        axes.set_xlabel("share of the photos that are answered")
        axes.set_ylabel("share of right answers")
        _shares_on_both_axes(axes)

    return _svg("Right answers against answered photos", _BESIDE, draw)


def reliability(answers: Mapping[str, np.ndarray], y_true: np.ndarray) -> str:
    """Share of right answers against the top score, in 15 bins, one line for each set of scores, as SVG.

    Args:
      answers: up to two sets of scores [n, N] in [0, 1] by what the legend calls them.
      y_true: int [n], the classes.
    """

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--", label="scores that can be believed")
        for (name, scores), color in zip(answers.items(), (_SECOND, _FIRST)[-len(answers) :], strict=True):
            means, shares, photos = confidence.reliability(scores, y_true)
            axes.plot(means, shares, color=color, linewidth=2, label=name)
            axes.scatter(means, shares, s=12 + 180 * photos / photos.sum(), color=color)
        figure.legend(loc="outside lower center")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("score of the answer")
        axes.set_ylabel("share of right answers")
        _shares_on_both_axes(axes)

    return _svg("Right answers against their score", _BESIDE, draw)


def _shares_on_both_axes(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(color="#888888", alpha=0.25, linewidth=0.7)


def shortened(label: str, length: int = 20) -> str:
    """A label of at most `length` letters."""
    return label if len(label) <= length else label[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _svg(title: str, inches: tuple[float, float], draw: Any) -> str:
    """Draws on a new figure and returns an <svg> element that scales with the page."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": title}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a script its own fonts lack: the browser has it
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), title)


def _inline(document: str, title: str) -> str:
    """Matplotlib's SVG file -> an element for an HTML page: no header, no metadata, no ids that another figure has."""
    found = re.search(r'viewBox="([^"]*)".*?</metadata>(.*)</svg>', document, re.DOTALL)
    if found is None:
        raise ValueError("Matplotlib writes another form of SVG than the page is made for")
    view_box, body = found.groups()
    body = re.sub(r"<style.*?</style>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r"font-family: [^;]*;", "", body).replace(_INK, "currentColor")
    return f'<svg viewBox="{view_box}" role="img" aria-label="{html.escape(title)}">{body}</svg>'
