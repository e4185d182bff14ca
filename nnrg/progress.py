"""Progress on stderr, for anything that takes longer than two seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["Progress"]


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
