"""The report as one self-contained HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from mobilevit_tf.evaluation.evaluate import NOT_JUDGED
from mobilevit_tf.reports.style import page, section
from quantize.checks.report import Report


def render(report: Report) -> str:
    """HTML of what `comparison.compare` returns, and of what the export adds to it."""
    name = report.file
    parts = [f"<h1>{html.escape(name)}</h1>", section("Accuracy", _accuracy(report)), section("Speed", _speed(report))]
    parts.append(section("Operators", _operators(report)))
    parts.append(section("Classes", _table(("class", "baseline", "this file"), _classes(report))))
    parts.append(section("Photos whose answer changed", _changed(report)))
    if report.layers is not None:
        errors = [(row.layer, f"{row.relative_error:.3f}") for row in report.layers]
        parts.append(section("Layers that depart most from float", _table(("layer", "relative error"), errors)))
    if report.saturation is not None:
        rows = [(r.layer, f"{r.low:.3g}", f"{r.high:.3g}", f"{r.saturated:.2%}") for r in report.saturation]
        parts.append(section("Activation ranges", _table(("layer", "lowest", "highest", "saturated"), rows)))
    return page(f"{name}: report", "\n".join(parts))


def _accuracy(report: Report) -> str:
    rows = [
        ("photos", f"{report.photos:,}"),
        ("top-1, training protocol", f"{report.tflite_top1:.2%} (baseline {report.float_top1:.2%})"),
        ("top-1, device protocol", f"{report.stretch_tflite_top1:.2%} "
                                   f"(baseline {report.stretch_float_top1:.2%})"),
        ("agreement with the baseline", f"{report.agreement:.2%}; stretched {report.stretch_agreement:.2%}"),
        ("mean score distance", f"{report.score_distance:.4f}"),
        ("expected calibration error", f"{report.calibration_error:.4f}"),
        *_calibration(report),
        ("none of these below" if report.none_of_these else "unsure below", f"{report.unsure_below:.3f}"),
        *_rejection(report),
    ]  # fmt: skip
    return _table((), rows)


def _calibration(report: Report) -> list[tuple[str, str]]:
    if report.temperature_photos is None:
        return []
    before, after = report.calibration_error_before, report.calibration_error_after
    fitted = f"{report.temperature:.3f}, fitted on {report.temperature_photos}"
    return [("temperature", fitted), ("float model's calibration error", f"{before:.4f} before, {after:.4f} after it")]


def _rejection(report: Report) -> list[tuple[str, str]]:
    found = report.rejection
    if found is None:
        return []
    away = f"{found.strangers_turned_away:.1%}, and of the own photos {found.own_turned_away:.1%}"
    return [(f"turned away of {found.strangers} photos of none of the classes", f"{away} (AUROC {found.auroc:.3f})")]


def _speed(report: Report) -> str:
    rows = [
        ("size", f"{report.size_bytes / 1024:.0f} KB (baseline {report.baseline_size_bytes / 1024:.0f} KB)"),
        ("1 thread", f"{report.median_ms:.2f} ms (baseline {report.baseline_median_ms:.2f} ms)"),
        (f"{report.threads} threads", f"{report.threads_median_ms:.2f} ms "
                                         f"(baseline {report.baseline_threads_median_ms:.2f} ms)"),
        ("preprocessing, apart", f"{report.preprocess_ms:.2f} ms"),
        ("load", f"{report.load_ms:.0f} ms"),
        ("memory added", f"{report.memory_bytes / 2**20:.1f} MiB"),
    ]  # fmt: skip
    return _table((), rows)


def _operators(report: Report) -> str:
    counts = _table(("operator", "count"), report.operators.items())
    left = [(op.operator, op.type, op.reason, op.name) for op in report.not_delegated]
    rest = (
        _table(("not delegated", "type", "reason", "tensor"), left) if left else "<p>Every operator is delegated.</p>"
    )
    return f"<p>{report.partitions} delegate partition(s).</p>{rest}<details><summary>All</summary>{counts}</details>"


def _classes(report: Report) -> list[Sequence[str]]:
    return [(row.label, _recall(row.baseline), _recall(row.candidate)) for row in report.classes]


def _recall(value: float | None) -> str:
    return NOT_JUDGED if value is None else f"{value:.2%}"


def _changed(report: Report) -> str:
    if not report.changed:
        return "<p>None.</p>"
    rows = [
        (row.photo, row.true, f"{row.baseline} {row.baseline_score:.3f}",
         f"{row.candidate} {row.candidate_score:.3f}")
        for row in report.changed
    ]  # fmt: skip
    return _table(("photo", "true class", "baseline", "this file"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Cells are text."""
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{cells}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
