"""Progress on stderr, for anything that takes longer than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress", "Told", "reporter"]

Told = Callable[[int, int], None]
"""What is told how many steps are done, of how many."""

_PATIENCE = 2.0  # seconds


class Progress:
    """One line on a terminal that is written over; silent elsewhere.

    Parameters
    ----------
    enabled : bool, optional
        By default whether `stream` is a terminal.
    stream : text stream, optional
        Standard error.
    """

    def __init__(self, enabled: bool | None = None, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._enabled = self._stream.isatty() if enabled is None else enabled
        self._last = 0.0
        self._shown = False

    def __call__(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `label` are done."""
        now = time.monotonic()
        if not self._enabled or (now - self._last < 0.1 and done < total):
            return
        self._last = now
        filled = round(20 * done / max(total, 1))
        bar = "#" * filled + "." * (20 - filled)
        self._stream.write(f"\r\x1b[K{label[:50]} [{bar}] {done}/{total}")
        self._stream.flush()
        self._shown = True

    def close(self) -> None:
        """Clear the line."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False


def reporter(label: str, progress: Told | None) -> tuple[Told, Callable[[], None]]:
    """Return what to tell of each step, and what to do at the end.

    The caller's own `progress`, or a line on stderr if it takes a while.
    """
    if progress is not None:
        return progress, lambda: None
    bar, start = Progress(), time.monotonic()

    def tell(done: int, total: int) -> None:
        if time.monotonic() - start > _PATIENCE:
            bar(label, done, total)

    return tell, bar.close
