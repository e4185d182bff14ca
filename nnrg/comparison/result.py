"""What a comparison holds, and how it is printed and handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from nnrg.comparison._text import as_csv, as_json, as_latex, screen, write_text
from nnrg.comparison.difference import Difference
from nnrg.comparison.distance import Distance
from nnrg.errors import ArgumentError
from nnrg.networks._label import label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "Curves"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Curves:
    """The dimensionless numbers of one flow, as they were compared.

    Attributes
    ----------
    name, field, sites : str
    samples : int
    positions : array of shape (n_scales,)
        The scales in the measure that is equal.
    block_lengths : array of shape (n_scales,)
        b, in sites.
    quantities : tuple of str
    values, errors, null_mean, null_spread : arrays of shape (n_scales, n_quantities)
    flags : tuple of tuples of str
    """

    name: str
    field: str
    samples: int
    sites: str
    positions: Array
    block_lengths: Array
    quantities: tuple[str, ...]
    values: Array
    errors: Array
    null_mean: Array
    null_spread: Array
    flags: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Comparison:
    """Flows side by side at equal scale.

    Attributes
    ----------
    at : {"relative", "blocks", "scale"}
        What is equal.
    level : float
        Chance of one false claim among all that is compared.
    null : str
        The null model of each flow; empty if none was run.
    settings : mapping
        What all flows share.
    curves : tuple of Curves
        The flows.
    rows : tuple of Difference
        Every number of every pair at every common scale.
    distances : tuple of Distance
        One for each pair.
    notes : tuple of str
        What a reader must know.
    """

    kind: ClassVar[str] = "comparison"

    at: str
    level: float
    null: str
    settings: Mapping[str, str]
    curves: tuple[Curves, ...]
    rows: tuple[Difference, ...]
    distances: tuple[Distance, ...]
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The flows."""
        return tuple(c.name for c in self.curves)

    def __repr__(self) -> str:
        return f"Comparison({len(self.curves)} flows, {len(self.rows)} differences)"

    def __str__(self) -> str:
        return screen(self)

    def distance(self, first: str, second: str) -> Distance:
        """Return the distance of two flows, named in any order.

        Raises
        ------
        ArgumentError
            If there is no such pair.
        """
        for one in self.distances:
            if {one.first, one.second} == {first, second}:
                return one
        raise ArgumentError(
            f"no pair {label(first)!r}, {label(second)!r}; there are "
            f"{', '.join(label(n, 40) for n in self.names)}"
        )

    def distance_matrix(self) -> tuple[Array, Array]:
        """Return D^2 of all pairs and its errors, each of shape (n_flows, n_flows).

        In units of the noise of one weight, see `Distance`; zero of a flow with itself.
        """
        n = len(self.curves)
        square, error = np.zeros((n, n)), np.zeros((n, n))
        for one in self.distances:
            i, j = self.names.index(one.first), self.names.index(one.second)
            square[i, j] = square[j, i] = one.square.value
            error[i, j] = error[j, i] = one.square.error
        return square, error

    def told_apart(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs whose distance is not zero, at the level of the comparison."""
        return tuple(
            (d.first, d.second)
            for d in self.distances
            if isfinite(d.adjusted) and d.adjusted <= self.level
        )

    def save(self, path: str | Path) -> None:
        """Write everything as netCDF4; `open_comparison` reads it back.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        from nnrg.comparison.file import save_comparison

        save_comparison(self, path)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each difference, with the attributes of `Difference` as columns."""
        import pandas as pd

        columns = [f.name for f in fields(Difference)]
        return pd.DataFrame([asdict(row) for row in self.rows], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists, text and finite numbers; None for NaN."""
        return as_json(self)

    def to_csv(self, path: str | Path) -> None:
        """Write the rows of `to_dataframe`.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        write_text(path, as_csv(self))

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` as one JSON object with its ``schema_version``.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        import json

        text = json.dumps({"schema_version": 1, **self.to_dict()}, allow_nan=False)
        write_text(path, text + "\n")

    def to_latex(self, path: str | Path) -> None:
        """Write two tables for a paper, distances and differences, in the style of booktabs.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        write_text(path, as_latex(self))
