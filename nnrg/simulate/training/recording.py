"""Which steps of training are recorded, what of them, and where to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError

__all__ = ["Recording", "as_recording", "logarithmic_steps"]

_AT_ONCE = 100


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What is recorded of a training run.

    Parameters
    ----------
    steps : int, sequence of int, or None
        Record every so many steps, or these; the start is step 0. The first and the last step are
        always recorded. None for about a hundred.
    outputs : bool
        Whether outputs are recorded.
    probe : array of shape (P, *input_shape), optional
        Inputs for which outputs are recorded; left out, those of the data.
    path : path, optional
        A safetensors file that every frame is written to at once. If it exists, training goes on
        from its last complete frame. Left out, frames stay in memory.

    Examples
    --------
    >>> Recording(10).times(25)
    (0, 10, 20, 25)
    >>> Recording(logarithmic_steps(100, 5)).times(100)
    (0, 1, 3, 10, 32, 100)
    """

    steps: int | Sequence[int] | None = None
    _: KW_ONLY
    outputs: bool = True
    probe: npt.ArrayLike | None = None
    path: str | PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.path is not None and not isinstance(self.path, str | PathLike):
            raise ArgumentError(f"path must be a path or None, got {shown(self.path)}")
        if self.probe is not None and not self.outputs:
            raise ArgumentError("a probe is for outputs; drop it or give outputs=True")

    @property
    def file(self) -> Path | None:
        """The path, if there is one."""
        return None if self.path is None else Path(self.path)

    def times(self, steps: int) -> tuple[int, ...]:
        """Return the steps that are recorded of a run of so many, in order."""
        if self.steps is None:
            chosen: Any = range(0, steps, max(1, steps // _AT_ONCE))
        elif isinstance(self.steps, Sequence | np.ndarray):
            chosen = [as_count("a recorded step", t, 0, steps) for t in self.steps]
        else:
            chosen = range(0, steps, as_count("steps of a recording", self.steps))
        return tuple(sorted({0, *chosen, steps}))


def as_recording(record: object) -> Recording:
    """Return a recording of what is given as one: a number, steps, or a recording."""
    return record if isinstance(record, Recording) else Recording(record)  # type: ignore[arg-type]


def logarithmic_steps(steps: int, count: int) -> tuple[int, ...]:
    """Return about `count` steps from 1 to `steps` at equal ratios.

    Parameters
    ----------
    steps : int
        The last.
    count : int
        At least two.

    Returns
    -------
    tuple of int
        Rising; fewer than `count` where ratios are too small for integers.

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Examples
    --------
    >>> logarithmic_steps(1000, 4)
    (1, 10, 100, 1000)
    """
    last = as_count("steps", steps)
    places = np.geomspace(1, last, as_count("count", count, 2))
    return tuple(int(t) for t in np.unique(np.rint(places).astype(np.int64)))
