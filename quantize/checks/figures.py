"""What the page of a file shows as pictures: photos, curves, a bar of operators."""

from __future__ import annotations

import dataclasses
import html

from mobilevit_tf.data.source import Source
from mobilevit_tf.evaluation.evaluate import Evaluation
from mobilevit_tf.reports import plots, style, thumbnails
from quantize.checks import scores
from quantize.checks.report import Change, Report

_PHOTOS, _ROWS = 24, 500  # of those whose answer changed; the JSON has every one


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """The answers behind a report.

    Attributes:
      answers: of the file, in training's protocol.
      source, split: where the photos are read again.
      measured: of the answers, those of photos on which the temperature was not fitted.
    """

    answers: Evaluation
    source: Source
    split: str = "val"
    measured: slice = dataclasses.field(default_factory=lambda: slice(None))


def sure(report: Report, evidence: Evidence) -> str:
    """Answered photos as the threshold moves, and how far the scores can be believed."""
    answers = evidence.answers
    word = "none of these" if report.none_of_these else "unsure"
    answered = plots.answered(answers.scores, answers.y_true, report.unsure_below, word)
    given, y_true = answers.scores[evidence.measured], answers.y_true[evidence.measured]
    if report.temperature == 1:
        believed = plots.reliability({"this file": given}, y_true)
    else:
        plain = scores.with_temperature(given, 1 / report.temperature)  # as the file would answer without it
        legend = {"without the temperature": plain, f"with it ({report.temperature:.2f}), as in this file": given}
        believed = plots.reliability(legend, y_true)
    mark = f'The mark is the file\'s own threshold: below it readers say "{word}".'
    return style.plots([
        ("Right answers as the threshold moves", answered, mark),
        ("Right answers against their score", believed, style.DOTS.format(photos=len(y_true))),
    ])  # fmt: skip


def changed(report: Report, evidence: Evidence) -> str:
    """The photos whose answer changed, the largest change of score first."""
    if not report.changed:
        return "<p>None.</p>"
    shown = report.changed[:_PHOTOS]
    data = thumbnails.read(evidence.source, evidence.split, [change.photo for change in shown])
    figures = "".join(_photo(change, data[change.photo]) for change in shown)
    rows = [
        (row.photo, row.true, f"{row.baseline} {row.baseline_score:.3f}", f"{row.candidate} {row.candidate_score:.3f}")
        for row in report.changed[:_ROWS]
    ]
    listed = style.table(("photo", "true class", "baseline", "this file"), rows)
    count = len(report.changed)
    told = f"{len(shown):,} of {count:,}, " if count > len(shown) else f"{count:,}, "
    title = "In a table" if count <= _ROWS else f"The first {_ROWS:,} in a table"
    return (
        f'<p class="soft">{told}the largest change of score first.</p><div class="photos">{figures}</div>'
        f"<details><summary>{title}</summary>{listed}</details>"
    )


def _photo(change: Change, data: bytes) -> str:
    photo, true = html.escape(change.photo), html.escape(change.true)
    answers = "".join(
        f'<dt>{name}</dt><dd class="{"right" if answer == change.true else "wrong"}">{html.escape(answer)} '
        f"{score:.1%}</dd>"
        for name, answer, score in (
            ("baseline", change.baseline, change.baseline_score),
            ("this file", change.candidate, change.candidate_score),
        )
    )
    return (
        f'<figure class="card"><img alt="{photo}, a photo of {true}" src="{thumbnails.data_url(data)}"><figcaption>'
        f"is <b>{true}</b><dl>{answers}</dl><small>{photo}</small></figcaption></figure>"
    )


def operators(report: Report) -> str:
    """A bar of the operators inside and outside the delegate's partitions, and what is outside, and why."""
    outside = len(report.not_delegated)
    inside = sum(report.operators.values()) - outside
    where = "one partition" if report.partitions == 1 else f"{report.partitions} partitions"
    told = f"{inside} operators inside {where} of the delegate, {outside} outside"
    hidden = [" nothing" if count == 0 else "" for count in (inside, outside)]
    bar = (
        f'<div class="share" role="img" aria-label="{told}"><i class="inside{hidden[0]}" style="flex-grow:{inside}">'
        f'</i><i class="outside{hidden[1]}" style="flex-grow:{outside}"></i></div>'
        f'<p><span class="key">{inside} inside {where}</span><span class="key outside">{outside} outside</span></p>'
    )
    left = [(op.operator, op.type, op.reason, op.name) for op in report.not_delegated]
    rest = style.table(("outside", "type", "reason", "tensor"), left) if left else ""
    counts = style.table(("operator", "count"), report.operators.items())
    return f'<div class="card">{bar}</div>{rest}<details><summary>All operators</summary>{counts}</details>'
