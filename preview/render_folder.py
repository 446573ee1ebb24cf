"""A folder's outcome -> HTML: what became of it in one line, a histogram, accuracy and the confusion matrix."""

from __future__ import annotations

import collections

from preview.folders import FolderResult
from preview.render import escape, percent, rejected

MAX_MATRIX_CLASSES = 40  # a larger matrix is not readable on a page; the CSV has it all
MAX_HISTOGRAM_CLASSES = 20


def summary(result: FolderResult) -> str:
    """Counts, the histogram of answers, and with class folders the accuracy and confusion matrix."""
    failed = len(result.rows) - len(result.answered)
    unsure = sum(row.unsure for row in result.answered)
    word = rejected(result.none_of_these)
    tiles: list[tuple[str, int | str]] = [("photos", len(result.rows)), (word, unsure), ("not readable", failed)]
    if result.accuracy is not None:
        right = sum(row.label == row.truth for row in result.judged)
        tiles.insert(1, (f"accuracy ({right} of {len(result.judged)})", percent(result.accuracy)))
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles)
    parts = [f'<dl class="pv-tiles">{cells}</dl>', _histogram(result)]
    if result.accuracy is not None:
        parts.append(_confusion(result))
    return f'<section class="pv-folder" aria-label="Folder">{"".join(parts)}</section>'


def _histogram(result: FolderResult) -> str:
    counts = collections.Counter(row.label for row in result.answered)
    if not counts:
        return ""
    largest = max(counts.values())
    bars = "".join(
        f'<li class="pv-bar" data-label="{escape(label)}" data-count="{count}">'
        f'<span class="pv-label">{escape(label)}</span><span class="pv-value">{count}</span>'
        f'<span class="pv-track"><span style="width:{100 * count / largest:.2f}%"></span></span></li>'
        for label, count in counts.most_common(MAX_HISTOGRAM_CLASSES)
    )
    return f'<h3>Answers</h3><ol class="pv-bars">{bars}</ol>{_score_histogram(result)}'


def _score_histogram(result: FolderResult) -> str:
    bins = [0] * 10
    for row in result.answered:
        bins[min(9, int(row.score * 10))] += 1
    largest = max(bins)
    columns = "".join(
        f'<li title="{10 * number} to {10 * number + 10} %: {count} photos"><span>{count or ""}</span>'
        f'<span class="pv-column" style="height:{80 * count / largest:.1f}px"></span><small>{10 * number}</small></li>'
        for number, count in enumerate(bins)
    )
    return f'<h3>Best score in %</h3><ol class="pv-columns">{columns}</ol>'


def _confusion(result: FolderResult) -> str:
    matrix, labels = result.confusion, result.labels
    used = [n for n in range(len(labels)) if matrix[n].any() or matrix[:, n].any()]
    if len(used) > MAX_MATRIX_CLASSES:
        return f'<p class="pv-note">{len(used)} classes occur: too many for a matrix on a page, see the CSV.</p>'
    head = "".join(f"<th scope='col'><span>{escape(labels[n])}</span></th>" for n in used)
    rows = []
    for truth in used:
        whole = max(1, int(matrix[truth].sum()))
        cells = "".join(
            f"<td class='{'pv-right' if truth == n else 'pv-wrong'}' style='--share:{matrix[truth, n] / whole:.3f}' "
            f"data-truth='{escape(labels[truth])}' data-answer='{escape(labels[n])}'>{matrix[truth, n] or ''}</td>"
            for n in used
        )
        rows.append(f"<tr><th scope='row'>{escape(labels[truth])}</th>{cells}</tr>")
    return (
        "<h3>Confusion matrix <small>rows: the folder, columns: the answer</small></h3><div class='pv-scroll'>"
        f"<table class='pv-matrix'><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
