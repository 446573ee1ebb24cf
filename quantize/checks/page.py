"""The report as one self-contained HTML page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from mobilevit_tf.evaluation.evaluate import NOT_JUDGED
from mobilevit_tf.reports import style
from mobilevit_tf.reports.style import section
from quantize.checks import figures
from quantize.checks.figures import Evidence
from quantize.checks.report import Report


def render(report: Report, evidence: Evidence) -> str:
    """HTML of what `comparison.compare` returns, and of what the export adds to it."""
    parts = [
        _head(report),
        section("Accuracy", style.table((), _accuracy(report))),
        section("Sure and unsure", figures.sure(report, evidence)),
        section("Photos whose answer changed", figures.changed(report, evidence)),
        section("Speed", style.table((), _speed(report))),
        section("Operators", figures.operators(report)),
        section("Classes", style.table(("recall of", "baseline", "this file", "change"), _classes(report))),
    ]
    if report.layers is not None:
        errors = [(row.layer, f"{row.relative_error:.3f}") for row in report.layers]
        parts.append(section("Layers that depart most from float", style.table(("layer", "relative error"), errors)))
    if report.saturation is not None:
        rows = [(r.layer, f"{r.low:.3g}", f"{r.high:.3g}", f"{r.saturated:.2%}") for r in report.saturation]
        parts.append(section("Activation ranges", style.table(("layer", "lowest", "highest", "saturated"), rows)))
    if report.seconds is not None:
        spent = [(name, f"{seconds:.1f} s") for name, seconds in report.seconds.items()]
        parts.append(section("What took the time", style.table((), spent)))
    return style.page(f"{report.file}: report", "\n".join(parts))


def _head(report: Report) -> str:
    outside = len(report.not_delegated)
    height, width = report.input_size
    tiles = {
        f"top-1; baseline {report.float_top1:.2%}": f"{report.tflite_top1:.2%}",
        "answers as the baseline": f"{report.agreement:.2%}",
        f"size; baseline {report.baseline_size_bytes / 1024:,.0f} KB": f"{report.size_bytes / 1024:,.0f} KB",
        f"a photo; baseline {report.baseline_median_ms:.2f} ms": f"{report.median_ms:.2f} ms",
        f"operators outside {report.partitions} partition(s)": f"{outside}",
        "photos": f"{report.photos:,}",
    }
    what = f"{report.variant}, {report.mode}, {width} x {height} pixels, run {report.run or 'unknown'}"
    return f'<h1>{html.escape(report.file)}</h1>\n<p class="soft">{html.escape(what)}</p>\n{style.tiles(tiles)}'


def _accuracy(report: Report) -> list[tuple[str, str]]:
    return [
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


def _speed(report: Report) -> list[tuple[str, str]]:
    return [
        ("size", f"{report.size_bytes / 1024:.0f} KB (baseline {report.baseline_size_bytes / 1024:.0f} KB)"),
        ("1 thread", f"{report.median_ms:.2f} ms (baseline {report.baseline_median_ms:.2f} ms)"),
        (f"{report.threads} threads", f"{report.threads_median_ms:.2f} ms "
                                         f"(baseline {report.baseline_threads_median_ms:.2f} ms)"),
        ("preprocessing, apart", f"{report.preprocess_ms:.2f} ms"),
        ("load", f"{report.load_ms:.0f} ms"),
        ("memory added", f"{report.memory_bytes / 2**20:.1f} MiB"),
    ]  # fmt: skip


def _classes(report: Report) -> list[Sequence[str]]:
    """The largest loss first; classes without photos last."""
    rows = []
    for row in report.classes:
        if row.baseline is None or row.candidate is None:
            rows.append((2.0, (row.label, NOT_JUDGED, NOT_JUDGED, "")))
        else:
            change = row.candidate - row.baseline
            rows.append((change, (row.label, f"{row.baseline:.2%}", f"{row.candidate:.2%}", f"{100 * change:+.2f}")))
    return [cells for _, cells in sorted(rows, key=lambda pair: pair[0])]
