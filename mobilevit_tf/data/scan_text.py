"""A scan's report in words, for --dry_run and the terminal."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Sequence

from mobilevit_tf.data.scan import ScanReport
from mobilevit_tf.data.similar import Twin
from mobilevit_tf.errors import printable

NAMES_SHOWN = 5


def _table(report: ScanReport) -> list[str]:
    """Classes down, splits across, sums last."""
    counts = collections.Counter((photo.class_name, photo.split) for photo in report.photos)
    rows = [["class", *report.splits, "all"]]
    for name in report.class_names:
        numbers = [counts[name, split] for split in report.splits]
        rows.append([name, *map(str, numbers), str(sum(numbers))])
    sums = [sum(counts[name, split] for name in report.class_names) for split in report.splits]
    rows.append(["all", *map(str, sums), str(sum(sums))])
    width = max(len(row[0]) for row in rows)
    return [f"  {row[0]:<{width}}" + "".join(f"{cell:>8}" for cell in row[1:]) for row in rows]


def _sizes(report: ScanReport) -> str:
    """Smallest, middle and largest photo by pixels, and the bytes on disk."""
    by_area = sorted(report.photos, key=lambda photo: photo.width * photo.height)
    small, middle, large = by_area[0], by_area[len(by_area) // 2], by_area[-1]
    short_side = statistics.median(min(photo.width, photo.height) for photo in by_area)
    megabytes = sum(photo.num_bytes for photo in by_area) / 1e6
    return (
        f"sizes: {small.width}x{small.height} to {large.width}x{large.height}, the middle one "
        f"{middle.width}x{middle.height}, median short side {short_side:.0f} pixels, {megabytes:.1f} MB in all"
    )


def _remarks(report: ScanReport) -> list[str]:
    """One line per reason, with the first files that have it."""
    by_reason = collections.defaultdict(list)
    for finding in report.findings:
        if not finding.left_out:
            by_reason[finding.reason].append(finding.path + (f" ({finding.detail})" if finding.detail else ""))
    lines = []
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        more = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        lines.append(f"  {len(names)} x {reason}: {', '.join(names[:NAMES_SHOWN])}{more}")
    return lines


def twins_text(twins: Sequence[Twin]) -> list[str]:
    """Every photo that is on both sides of a split, a line each under one that counts them."""
    lines = [f"the same or nearly the same on both sides of a split ({len(twins)}):"]
    return lines + [f"  {twin.path} {'equals' if twin.exact else 'is like'} {twin.other}" for twin in twins]


def format_report(report: ScanReport) -> str:
    """Classes and counts, sizes, every file left out with its reason, remarks by reason, what to know of classes and
    splits, and what stops training.
    """
    num_files = len(report.photos) + len(report.left_out)
    lines = [
        f"{report.origin}: {len(report.photos)} usable photos of {num_files} files, {len(report.class_names)} classes"
    ]
    lines += _table(report)
    if report.photos:
        lines.append(_sizes(report))
    if report.left_out:
        lines.append(f"left out ({len(report.left_out)}):")
        lines += [f"  {finding.path}: {finding.reason}" for finding in report.left_out]
    if remarks := _remarks(report):
        lines += ["remarks:", *remarks]
    if report.notes:
        lines += ["to know of the data:", *(f"  {note}" for note in report.notes)]
    if report.twins:
        lines += twins_text(report.twins)
    if report.problems:
        lines += ["cannot be trained on:", *(f"  {problem}" for problem in report.problems)]
    return "\n".join(map(printable, lines))
