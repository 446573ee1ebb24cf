"""The one progress bar: drawn on a terminal; elsewhere, as in a log or CI, one plain line every ten seconds."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

LINE_SECONDS = 10.0
_LINE = "{percentage:.0f}%, {n_fmt} of {total_fmt}, {elapsed} gone, {remaining} left, {rate_fmt}{postfix}"
_LINE_WITHOUT_TOTAL = "{n_fmt}, {elapsed} gone, {rate_fmt}{postfix}"


class ProgressBar(tqdm):
    """`tqdm` that writes no carriage return where its output is not a terminal.

    There the first line comes after ten seconds, so that short work says nothing, and the last one when the work ends.
    """

    disable: bool

    def __init__(self, *args: Any, **options: Any) -> None:
        """Takes tqdm's arguments."""
        self._lines = not (options.get("file") or sys.stderr).isatty()
        self._said_at, self._said = time.monotonic(), False
        if self._lines:
            options |= {"mininterval": 1.0, "miniters": 1, "delay": 0.0}  # asks `display` often enough
        super().__init__(*args, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        """Draws the bar, or where it is due writes a line."""
        if not self._lines:
            return super().display(msg, pos)
        if time.monotonic() - self._said_at >= LINE_SECONDS:
            self._say()
        return True

    def _say(self) -> None:
        self._said_at, self._said = time.monotonic(), True
        self.bar_format = _LINE if self.total else _LINE_WITHOUT_TOTAL
        name = (self.desc or "").removesuffix(": ")
        self.fp.write(f"{name}: {self}\n" if name else f"{self}\n")
        self.fp.flush()

    def clear(self, nolock: bool = False) -> None:
        """Makes room for another line: in a log there is nothing to wipe."""
        if not self._lines:
            super().clear(nolock)

    def close(self) -> None:
        """Ends the bar; in a log with a last line, where there was one before."""
        if self._lines and not self.disable:
            self.disable = True
            self._decr_instances(self)
            if self._said:
                self._say()
        elif not self._lines:
            super().close()
