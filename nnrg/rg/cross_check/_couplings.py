"""Couplings with names: what each of the independent estimates returns."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate

__all__ = ["LevelCouplings", "NamedCouplings"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedCouplings:
    """Couplings with their errors.

    Attributes
    ----------
    names : tuple of str
    values, errors : arrays of shape (n_names,)
    n_samples : int
    flag : str
    """

    names: tuple[str, ...]
    values: Array
    errors: Array
    n_samples: int
    flag: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def estimate(self, name: str) -> Estimate:
        """Return one coupling with its error.

        Raises
        ------
        ArgumentError
            If there is no such coupling.
        """
        if name not in self.names:
            raise ArgumentError(f"no operator {name!r}; there are {', '.join(self.names)}")
        a = self.names.index(name)
        return Estimate(
            float(self.values[a]), float(self.errors[a]), n_samples=self.n_samples, flag=self.flag
        )

    def __str__(self) -> str:
        return "  ".join(f"{name} {self.estimate(name)}" for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelCouplings(NamedCouplings):
    """Couplings of one scale of a flow.

    Attributes
    ----------
    scale : int
        b along one axis.
    covariance : array of shape (n_names, n_names)
    replicates : array of shape (n_groups, n_names)
    """

    scale: float
    covariance: Array
    replicates: Array

    def __str__(self) -> str:
        terms = NamedCouplings.__str__(self)
        return f"b = {self.scale}  {terms}" + (f"  ({self.flag})" if self.flag else "")
