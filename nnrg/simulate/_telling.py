"""Who is told how far a simulation is: the caller, or a line on stderr if it takes a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from nnrg.progress import Progress

__all__ = ["Told", "reporter"]

Told = Callable[[int, int], None]

_PATIENCE = 2.0  # seconds


def reporter(label: str, progress: Told | None) -> tuple[Told, Callable[[], None]]:
    """Return what to tell of each configuration, and what to do at the end."""
    if progress is not None:
        return progress, lambda: None
    bar, start = Progress(), time.monotonic()

    def tell(done: int, total: int) -> None:
        if time.monotonic() - start > _PATIENCE:
            bar(label, done, total)

    return tell, bar.close
