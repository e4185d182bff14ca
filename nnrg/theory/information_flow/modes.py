"""Eigenmodes of a kernel on the measure of the data, in the order of their eigenvalues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KernelModes"]

Floats = npt.NDArray[np.float64]

_ROWS = 10


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KernelModes:
    r"""Eigenvalues :math:`\lambda_k` and eigenfunctions of a kernel on the data measure.

    Attributes
    ----------
    eigenvalues : Replicates of M numbers
        Largest first, in the unit of the target squared; replicates leave out groups of inputs.
    functions : array of shape (n_points, M), or None
        :math:`\phi_k` at the inputs, :math:`\langle \phi_k \phi_l \rangle = \delta_{kl}` over
        them; None where they are independent Gaussian numbers.
    n_points : int
        Inputs that stand for the data measure; 0 if there are none.
    source : str
    assumptions : tuple of str
    flag : str
    """

    eigenvalues: Replicates
    functions: Floats | None
    n_points: int
    source: str
    assumptions: tuple[str, ...]
    flag: str = ""

    def __post_init__(self) -> None:
        if self.functions is not None:
            self.functions.flags.writeable = False

    @property
    def values(self) -> Floats:
        """Eigenvalues, largest first."""
        return self.eigenvalues.values

    @property
    def n_modes(self) -> int:
        """Number M of modes."""
        return int(self.values.size)

    def derived(self, function: Callable[[Floats], Floats]) -> Replicates:
        """Return a function of the eigenvalues with replicates; computed once if they have none."""
        known = self.eigenvalues
        if np.array_equal(known.replicates, np.broadcast_to(known.values, known.replicates.shape)):
            value = function(known.values)
            return known.derived(value, np.tile(value, (len(known.replicates), 1)))
        return known.map(function)

    def tails(self) -> Replicates:
        """Return the sums of eigenvalues beyond each mode, from all to none, M + 1 numbers."""
        return self.derived(lambda row: np.append(np.cumsum(row[::-1])[::-1], 0.0))

    def kurtosis(self, most: int = 64) -> tuple[Floats, Floats]:
        r"""Return the excess kurtosis of the first modes and its error: zero for Gaussian ones.

        Raises
        ------
        ArgumentError
            If the count is not positive.
        """
        count = min(as_count("most", most), self.n_modes)
        if self.functions is None:
            return np.zeros(count), np.zeros(count)
        powers = self.functions[:, :count] ** 4
        error = powers.std(axis=0) / np.sqrt(max(self.n_points - 1, 1))
        return powers.mean(axis=0) - 3, error

    def ridge_spread(self, kept: int) -> Estimate:
        r"""Return the relative deviation over inputs of what modes beyond `kept` add to the ridge.

        :math:`c(x) = \sum_{k > \kappa} \lambda_k \phi_k(x)^2`; the null is that of independent
        Gaussian features, :math:`\sqrt{2 \sum \lambda^2} / \sum \lambda`.

        Raises
        ------
        ArgumentError
            If `kept` is not below the number of modes.
        """
        kept = as_count("kept", kept, 0, self.n_modes - 1, hint="one mode must be left to remove")
        high = self.values[kept:]
        gaussian = float(np.sqrt(2 * np.sum(high**2)) / high.sum())
        if self.functions is None:
            return Estimate(gaussian, 0.0, null=gaussian)
        local = self.local_ridge(kept)
        relative = (local / local.mean() - 1) ** 2
        value = float(np.sqrt(relative.mean()))
        error = float(relative.std() / np.sqrt(max(self.n_points - 1, 1)) / max(2 * value, 1e-300))
        # What is constant up to rounding has no spread to speak of.
        error = error if value > 1e-10 else 1e-10
        return Estimate(value, error, n_samples=self.n_points, null=gaussian)

    def local_ridge(self, kept: int) -> Floats:
        """Return c(x) of the modes beyond `kept` at each input, shape (n_points,).

        Raises
        ------
        ArgumentError
            If the modes are Gaussian: then there are no inputs.
        """
        if self.functions is None:
            raise ArgumentError("Gaussian modes have no inputs; take kernel_modes or feature_modes")
        kept = as_count("kept", kept, 0, self.n_modes)
        return np.asarray(self.functions[:, kept:] ** 2 @ self.values[kept:])

    def spectrum_exponent(self, first: int, last: int) -> FitResult:
        r"""Fit :math:`\lambda_k \sim k^{-(1 + \alpha)}` for k = first .. last, counted from 1.

        Parameter ``alpha``, with the replicates of the inputs; without them (a given spectrum) the
        scatter of the logarithms about the line makes the error, and there is no chi^2.

        Raises
        ------
        ArgumentError
            If the window has fewer than three modes.
        """
        first = as_count("first", first, 1, self.n_modes)
        last = as_count("last", last, first + 2, self.n_modes, hint="three modes or more")
        k = np.arange(first, last + 1, dtype=np.float64)
        logs = self.eigenvalues.select(np.arange(first - 1, last)).map(np.log)
        design = np.stack([np.ones_like(k), -np.log(k)], axis=1)
        given = not (logs.errors() > 0).all()
        if given:
            slope = np.linalg.lstsq(design, logs.values)[0]
            scatter = float(np.sqrt(np.sum((logs.values - design @ slope) ** 2) / (k.size - 2)))
            spread = np.full(k.size, max(scatter, 1e-12) ** 2)
            logs = Replicates.from_covariance(logs.values, spread)
        fit = correlated_fit(
            design, k, logs, names=("ln_amplitude", "slope"), covariance="diagonal"
        )
        return replace(
            fit,
            names=("ln_amplitude", "alpha"),
            parameters=fit.parameters.map(lambda row: np.array([row[0], row[1] - 1])),
            chi2=float("nan") if given else fit.chi2,
            p=float("nan") if given else fit.p,
            note="a given spectrum: errors from its scatter about the line" if given else fit.note,
            flag="" if given else fit.flag,
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode."""
        import pandas as pd

        return pd.DataFrame(
            {
                "mode": np.arange(1, self.n_modes + 1),
                "eigenvalue": self.values,
                "error": self.eigenvalues.errors(),
            }
        )

    def __str__(self) -> str:
        errors = self.eigenvalues.errors()
        at = f" on {self.n_points} inputs" if self.n_points else ""
        lines = [f"{self.n_modes} modes of {self.source}{at}"]
        lines += [
            f"  {k + 1:>4} {shown_number(self.values[k], errors[k])}"
            for k in range(min(_ROWS, self.n_modes))
        ]
        if self.n_modes > _ROWS:
            rest = self.tails().select(_ROWS).estimate()
            lines.append(f"  rest {shown_number(rest.value, rest.error)} in all")
        return "\n".join([*lines, *([f"  flag: {self.flag}"] if self.flag else [])])
