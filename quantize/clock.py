"""How long the steps of an export take, for people who wait."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping


class Clock:
    """Seconds by step, in the order of the steps."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        """Goes on from the steps before."""
        self.seconds = dict(seconds or {})

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measures what runs inside; a step that runs again adds up."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def __str__(self) -> str:
        total = sum(self.seconds.values())
        return f"took {total:.0f} s: " + ", ".join(f"{name} {spent:.0f} s" for name, spent in self.seconds.items())
