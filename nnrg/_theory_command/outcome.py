"""What one theory has to say, and helpers of those that say it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nnrg.errors import ArgumentError
from nnrg.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outcome", "assumed", "numbers", "told"]


@dataclass
class Outcome:
    """What a theory has to say."""

    text: str
    """Printed."""
    record: dict[str, Any]
    """Printed with --json, and written."""
    table: pd.DataFrame | None = None
    """Written as CSV."""
    pages: Mapping[str, Sequence[Callable[..., object]]] = field(default_factory=dict)
    """Panels of each figure, by what is added to the name of its file."""
    note: str = ""
    """Below every figure: what was assumed."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Below one figure, before that: by what is added to the name of its file."""


def numbers(text: str | None, option: str, kind: type[int] | type[float] = float) -> list[Any]:
    """Return the numbers of an option, by commas."""
    try:
        found = [kind(part) for part in (text or "").split(",") if part.strip()]
    except ValueError:
        found = []
    if not found:
        raise ArgumentError(f"{option}: expected numbers by commas such as 16,64, got {text!r}")
    return found


def assumed(lines: Sequence[str]) -> str:
    """Return assumptions as the note below a figure."""
    return "assumed: " + "; ".join(lines)


def told(arguments: argparse.Namespace, label: str) -> Callable[[int, int], None]:
    """Return what a simulation calls with its steps: a bar on stderr, unless it is not wanted."""
    bar = Progress(enabled=False if arguments.quiet or arguments.no_progress else None)

    def tell(done: int, total: int) -> None:
        bar(label, done, total)
        if done >= total:
            bar.close()

    return tell
