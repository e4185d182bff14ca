"""What a square matrix of weights was found to be made of, scale by scale, beside null models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.theory.hamiltonian._weight_statistics import NAMES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WeightReading"]

Floats = npt.NDArray[np.float64]

_SHOWN = ("symmetric", "reciprocity", "klein_gordon", "kinetic", "dirac", "henrici", "commutator")
_SHOWN_COARSE = ("symmetric", "klein_gordon", "kinetic", "dirac", "henrici")
_SHARES = ("diagonal", "klein_gordon", "kinetic", "dirac")
_DISTANCES = ("klein_gordon_distance", "dirac_distance")
_SCALES_ON_SCREEN = 5
_ASSUMED = (
    "rows and columns are the same neurons in the same order; a layer from one population to "
    "another has no symmetric part",
    "errors leave out groups of neurons, rows and columns together; for independent weights they "
    "are sqrt(2) too large, so z and p are from the nulls' own spread",
)


@dataclass(frozen=True, slots=True)
class WeightReading:
    """What a square matrix is made of at each scale, with null models.

    Attributes
    ----------
    name : str
    scales : tuple of float
        Neurons in a block, b.
    n_neurons : tuple of int
        Blocks along each axis at each scale.
    values, errors : arrays of shape (n_scales, n_quantities)
        Of `quantities`.
    replicates : array of shape (n_groups, n_scales, n_quantities)
        With one group of neurons left out; they give the errors and their covariance.
    nulls : mapping of str to array of shape (n_draws, n_scales, n_quantities)
        "independent": all entries shuffled. "signs": each entry with a sign of its own, which keeps
        unequal rows and columns. "unaligned": a permutation of one axis, which keeps the singular
        values. "relabelled": one of both axes, which keeps everything but the flow and the forms.
    expected : array of shape (n_scales,)
        Symmetric fraction of independent weights: for N equal blocks (N + 2) / (2 N + 2) with the
        mean taken out, (N + 1) / 2 N without; of the unequal blocks of a graph the ratio of the
        expected squares.
    mean_share : float
        Share of the sum of squares that the mean of all entries made up before it was taken out.
    flags, notes, assumptions : tuple of str
    attrs : mapping
        Provenance.
    """

    name: str
    scales: tuple[float, ...]
    n_neurons: tuple[int, ...]
    values: Floats
    errors: Floats
    replicates: Floats
    nulls: Mapping[str, Floats]
    expected: Floats
    mean_share: float
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = _ASSUMED
    attrs: Mapping[str, Any] = field(default_factory=dict)
    quantities: tuple[str, ...] = NAMES

    def __post_init__(self) -> None:
        for array in (self.values, self.errors, self.replicates, self.expected):
            array.flags.writeable = False
        for array in self.nulls.values():
            array.flags.writeable = False

    def estimate(self, quantity: str, scale: float = 1, null: str = "independent") -> Estimate:
        """Return one number with its error, and the mean and spread of a null's draws.

        Raises
        ------
        ArgumentError
            If quantity, scale or null is not among those measured.
        """
        s, q = self._at(quantity, scale, null)
        draws = self.nulls[null][:, s, q]
        return Estimate(
            float(self.values[s, q]),
            float(self.errors[s, q]),
            self.n_neurons[s],
            Estimate(float(draws.mean()), float(draws.std(ddof=1))),
        )

    def z(self, quantity: str, scale: float = 1, null: str = "independent") -> float:
        """Return how far a number is from the mean of a null's draws, in their spread.

        NaN where the null has the value by construction. Shares are squares of overlaps, with long
        tails: of them, and of distances, cube roots of the shares are compared, which are close to
        normal (Wilson and Hilferty 1931).

        Raises
        ------
        ArgumentError
            If quantity, scale or null is not among those measured.
        """
        return self._against(null, *self._at(quantity, scale, null))[2]

    def _at(self, quantity: str, scale: float, null: str) -> tuple[int, int]:
        for value, known in (
            (quantity, self.quantities),
            (scale, self.scales),
            (null, tuple(self.nulls)),
        ):
            if value not in known:
                raise ArgumentError(f"{shown(value)} is not one of {known}")
        return self.scales.index(scale), self.quantities.index(quantity)

    def _against(self, null: str, s: int, q: int) -> tuple[float, float, float, float]:
        """Return mean and spread of the draws, z, and the two-sided p of the rank among them."""
        draws, value = self.nulls[null][:, s, q], self.values[s, q]
        mean, spread = float(draws.mean()), float(draws.std(ddof=1))
        if not np.isfinite(value) or not spread > 1e-9 * max(abs(value), abs(mean)):
            return mean, spread, float("nan"), float("nan")
        near = _near_normal(self.quantities[q], np.append(draws, value))
        z = (near[-1] - near[:-1].mean()) / near[:-1].std(ddof=1)
        above, below = np.sum(draws >= value), np.sum(draws <= value)
        chance = min(1.0, 2 * (1 + min(int(above), int(below))) / (1 + len(draws)))
        return mean, spread, float(z), chance

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row for each scale, quantity and null.

        Columns ``scale, quantity, value, error, n_samples, null, null_mean, null_spread, z, p,
        flag``; z and p are NaN where the null has the value by construction.
        """
        import pandas as pd

        rows = []
        for s, scale in enumerate(self.scales):
            for q, quantity in enumerate(self.quantities):
                for null in self.nulls:
                    mean, spread, z, p = self._against(null, s, q)
                    rows.append(
                        {
                            "scale": scale,
                            "quantity": quantity,
                            "value": self.values[s, q],
                            "error": self.errors[s, q],
                            "n_samples": self.n_neurons[s],
                            "null": null,
                            "null_mean": mean,
                            "null_spread": spread,
                            "z": z,
                            "p": p,
                            "flag": "; ".join(self.flags),
                        }
                    )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.n_neurons[0]} x {self.n_neurons[0]}, "
            f"{len(next(iter(self.nulls.values())))} draws of each null, z in their spread"
        ]
        head = "".join(f"{null:>12s}" for null in self.nulls)
        lines.append(f"  {'b':>6s}  {'quantity':<13s} {'value':<14s}{head}  iid")
        for s, scale in enumerate(self.scales[:_SCALES_ON_SCREEN]):
            for quantity in _SHOWN_COARSE if s else _SHOWN:
                q = self.quantities.index(quantity)
                value = self.values[s, q]
                if np.isnan(value):
                    continue
                zs = (self._against(null, s, q)[2] for null in self.nulls)
                marks = "".join(f"{'same':>12s}" if np.isnan(z) else f"{z:>+12.1f}" for z in zs)
                text = format_value_error(value, self.errors[s, q])
                known = f"  {self.expected[s]:.6g}" if quantity == "symmetric" else ""
                lines.append(f"  {scale:>6g}  {quantity:<13s} {text:<14s}{marks}{known}")
        if len(self.scales) > _SCALES_ON_SCREEN:
            more = len(self.scales) - _SCALES_ON_SCREEN
            lines.append(f"  ... {more} more scales: to_dataframe() has them")
        lines += [f"flag: {flag}" for flag in self.flags]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, *(f"assumed: {line}" for line in self.assumptions)])


def _near_normal(quantity: str, values: Floats) -> Floats:
    if quantity in _SHARES:
        return np.asarray(np.cbrt(values))
    if quantity in _DISTANCES:
        return np.asarray(-np.cbrt(1 - values**2))
    return values
