"""Counts of cases tried and failed, by part of the suite."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

FAILURES_SHOWN = 10


@dataclasses.dataclass
class Tally:
    """What one part tried, and what fell: a sentence each."""

    part: str
    tried: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

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
    rows = [(one.part, one.tried, len(one.failures), f"{seconds[one.part]:.0f} s") for one in tallies]
    rows.append(("all", sum(one.tried for one in tallies), sum(len(one.failures) for one in tallies), ""))
    lines = [f"{'part':<16}{'tried':>8}{'failed':>8}{'took':>9}"]
    lines += [f"{part:<16}{tried:>8}{failed:>8}{took:>9}" for part, tried, failed, took in rows]
    for one in tallies:
        lines += [f"{one.part}: {failure}" for failure in one.failures[:FAILURES_SHOWN]]
    return "\n".join(lines)
