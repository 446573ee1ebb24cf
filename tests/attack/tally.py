"""Counts of cases tried and failed, by part of the suite."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

FAILURES_SHOWN = 10


@dataclasses.dataclass
class Tally:
    """What one part tried, and what fell: a sentence each; seconds of computing in all its processes."""

    part: str
    tried: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    computing: float = 0.0

    @contextlib.contextmanager
    def case(self, name: str, count: int = 1) -> Iterator[None]:
        """Counts what runs inside as `count` cases; any error is a failure, the suite goes on."""
        self.tried += count
        try:
            yield
        except Exception as error:
            self.failures.append(f"{name}: {type(error).__name__}: {str(error)[-600:]}")


def table(tallies: list[Tally], seconds: dict[str, float]) -> str:
    """One line a part, the sums last, then the failures."""
    rows = [(one.part, one.tried, len(one.failures), seconds[one.part], one.computing) for one in tallies]
    sums = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    lines = [f"{'part':<16}{'tried':>8}{'failed':>8}{'took':>9}{'computing':>12}"]
    for part, tried, failed, took, computing in [*rows, ("all", *sums)]:
        lines.append(f"{part:<16}{tried:>8}{failed:>8}{took:>7.0f} s{computing:>10.0f} s")
    for one in tallies:
        lines += [f"{one.part}: {failure}" for failure in one.failures[:FAILURES_SHOWN]]
    return "\n".join(lines)
