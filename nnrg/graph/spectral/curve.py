"""A quantity at each diffusion time, with its errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate

__all__ = ["SpectralCurve", "as_times"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SpectralCurve:
    """A quantity at each time, with its errors; an array of its values to NumPy.

    Attributes
    ----------
    tau : array of shape (T,)
        Diffusion times, in the inverse unit of the Laplacian's eigenvalues.
    values, errors : arrays of shape (T,)
        One standard deviation; zero where all eigenvalues are known.
    flags : tuple of str
        Why a value should not be trusted; empty if there is no reason.
    probes : int
        Number of random vectors that the errors are from; 0 if all eigenvalues are known.
    """

    tau: Floats
    values: Floats
    errors: Floats
    flags: tuple[str, ...]
    probes: int

    def __post_init__(self) -> None:
        for array in (self.tau, self.values, self.errors):
            array.flags.writeable = False

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return int(self.tau.size)

    def __getitem__(self, i: int) -> Estimate:
        return Estimate(
            float(self.values[i]),
            float(self.errors[i]),
            n_samples=float(self.probes) if self.probes else inf,
            flag=self.flags[i],
        )

    def __iter__(self) -> Iterator[Estimate]:
        return (self[i] for i in range(len(self)))


def as_times(tau: npt.ArrayLike) -> Floats:
    """Return times as an array of shape (T,).

    Raises
    ------
    ArgumentError
        If there is none, or one is no positive finite number.
    """
    try:
        times = np.array(tau, dtype=np.float64, ndmin=1)
    except (TypeError, ValueError):
        times = np.empty(0)
    if times.ndim != 1 or not times.size or not np.all(np.isfinite(times) & (times > 0)):
        raise ArgumentError(
            f"tau must be one or more positive finite times, got {shown(tau)}; "
            "leave it out for times chosen by the spectrum"
        )
    return times
