"""Whether a ridge can stand for the modes that were removed: on training sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import align
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.replicates import Replicates
from nnrg.theory.information_flow import scales
from nnrg.theory.information_flow._datasets import over_datasets
from nnrg.theory.information_flow._ridge import as_ridge, learnability, self_consistent_ridge
from nnrg.theory.information_flow.modes import KernelModes
from nnrg.theory.information_flow.wilsonian import wilsonian_flow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RidgeTest", "ridge_test"]

Floats = npt.NDArray[np.float64]

_ROWS = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RidgeTest:
    r"""Predictors of the kept modes with the full kernel, and with a ridge for the removed ones.

    Attributes
    ----------
    modes : KernelModes
    n_data, n_datasets, kept : int
    ridge, renormalised_ridge : float
        sigma^2 and sigma_c^2, in the unit of the target squared.
    replicates : Replicates of 3 kept + 2 numbers
        Of the learnability of each kept mode with the full kernel; its change with the ridge
        sigma_c^2; its change with the ridge sigma^2 + c(x) of each input; then the distance of the
        predictors of the kept modes from that of the full kernel, relative to its length, for both.
    expected, expected_changes : arrays of shape (kept,)
        Learnability of Gaussian features, and its change with the ridge sigma_c^2.
    assumptions : tuple of str
    """

    modes: KernelModes
    n_data: int
    n_datasets: int
    kept: int
    ridge: float
    renormalised_ridge: float
    replicates: Replicates
    expected: Floats
    expected_changes: Floats
    assumptions: tuple[str, ...]
    scale: str = scales.MODES

    def __post_init__(self) -> None:
        self.expected.flags.writeable = self.expected_changes.flags.writeable = False

    def learnability(self, mode: int) -> Estimate:
        """Return the measured learnability of a mode, counted from 1, against Gaussian features.

        Raises
        ------
        ArgumentError
            If the mode is not kept.
        """
        at = as_count("mode", mode, 1, self.kept) - 1
        found = self.replicates.estimate(at)
        return Estimate(found.value, found.error, self.n_datasets, null=float(self.expected[at]))

    def change(self, *, local: bool = False) -> Estimate:
        """Return the change of the learnability of all kept modes together, relative to it.

        The null is that of Gaussian features with the ridge sigma_c^2, and zero with the `local`
        ridge of each input.
        """
        first = self.kept * (2 if local else 1)

        def relative(row: Floats) -> float:
            return float(row[first : first + self.kept].sum() / row[: self.kept].sum())

        found = self.replicates.map(relative).estimate()
        null = 0.0 if local else float(self.expected_changes.sum() / self.expected.sum())
        return Estimate(found.value, found.error, self.n_datasets, null=null)

    def distance(self, *, local: bool = False) -> Estimate:
        """Return the distance of the predictors of the kept modes, relative to their length."""
        found = self.replicates.estimate(3 * self.kept + int(local))
        return Estimate(found.value, found.error, self.n_datasets)

    @property
    def unchanged(self) -> bool:
        """Whether the change is that of Gaussian features, within four errors."""
        return bool(abs(self.change().z) <= 4)

    @property
    def flag(self) -> str:
        """Why a ridge does not stand for the removed modes; empty if there is no reason."""
        if self.unchanged:
            return ""
        return (
            f"features are not Gaussian: {abs(self.change().z):.1f} errors from what those do; "
            f"with the ridge of each input the change is {self.change(local=True)}"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each kept mode."""
        import pandas as pd

        values = self.replicates.values[: 3 * self.kept].reshape(3, -1)
        errors = self.replicates.errors()[: 3 * self.kept].reshape(3, -1)
        return pd.DataFrame(
            {
                "mode": np.arange(1, self.kept + 1),
                "eigenvalue": self.modes.values[: self.kept],
                "learnability": values[0],
                "learnability_error": errors[0],
                "expected": self.expected,
                "change": values[1],
                "change_error": errors[1],
                "expected_change": self.expected_changes,
                "local_change": values[2],
                "local_change_error": errors[2],
            }
        )

    def __str__(self) -> str:
        head = (
            f"{self.kept} of {self.modes.n_modes} modes of {self.modes.source} kept, "
            f"{self.n_data} data, ridge {self.ridge:g} -> {self.renormalised_ridge:.6g}; "
            f"{self.n_datasets} data sets"
        )
        rows = [["mode", "L", "Gaussian", "change", "Gaussian", "with local ridge"]]
        errors = self.replicates.errors()
        for k in range(min(self.kept, _ROWS)):
            cells = [
                format_value_error(self.replicates.values[at], errors[at])
                for at in (k, self.kept + k, 2 * self.kept + k)
            ]
            expected = f"{self.expected[k]:.4g}", f"{self.expected_changes[k]:.2g}"
            rows.append([str(k + 1), cells[0], expected[0], cells[1], expected[1], cells[2]])
        one, two = self.change(), self.change(local=True)
        assert one.null is not None
        lines = [
            head,
            align(rows, left=(0,)),
            f"all kept modes: relative change {one}, Gaussian features {float(one.null):.2g} "
            f"({one.z:+.1f} errors); with the ridge of each input {two}",
            f"distance of predictors {self.distance()}, with the ridge of each input "
            f"{self.distance(local=True)}",
            *([f"flag: {self.flag}"] if self.flag else []),
        ]
        return "\n".join([*lines, self.scale])


def ridge_test(
    modes: KernelModes,
    *,
    n_data: int,
    ridge: float,
    kept: int | None = None,
    n_datasets: int = 100,
    rng: np.random.Generator | int | None = None,
) -> RidgeTest:
    r"""Compare predictors with all modes to those of a few modes and a larger ridge.

    Parameters
    ----------
    modes : KernelModes
    n_data : int
        Size of each training set.
    ridge : float
        sigma^2 > 0, in the unit of the target squared.
    kept : int, optional
        Modes kept; those of the stop rule of `wilsonian_flow` by default.
    n_datasets : int
        At least 10.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    RidgeTest

    Raises
    ------
    ArgumentError
        If a number is out of range, or no mode is kept or removed.

    Notes
    -----
    The predictor of a training set has :math:`\hat f_k = \lambda_k \phi_k^T (K + \sigma^2)^{-1}
    y`; the mean over targets of :math:`\partial \hat f_k / \partial y_k` is the learnability
    :math:`\lambda_k \phi_k^T (K + \sigma^2)^{-1} \phi_k`, which needs no target. It is compared, on
    the same training sets, with those of :math:`K_< + \sigma_c^2` and of :math:`K_< + \sigma^2 +
    c(x)`, :math:`c(x) = \sum_{k > \kappa} \lambda_k \phi_k(x)^2`. Distances of predictors are
    those of targets drawn from the kernel, with noise. Expected numbers: `self_consistent_ridge`.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.information_flow import gaussian_modes, ridge_test
    >>> spectrum = np.append([4.0, 2.0, 1.0], np.full(1000, 1e-3))
    >>> found = ridge_test(gaussian_modes(spectrum), n_data=40, ridge=1.0, n_datasets=40, rng=1)
    >>> found.kept, round(found.renormalised_ridge, 6), found.unchanged
    (3, 2.0, True)
    """
    noise, _ = as_ridge(ridge, n_data)
    size = as_count("n_data", n_data, 2)
    sets = as_count("n_datasets", n_datasets, 10, hint="fewer have no errors")
    if not noise > 0:
        raise ArgumentError("ridge must be above zero: inputs may coincide; try a small one")
    if kept is None:
        kept = min(wilsonian_flow(modes, n_data=size, ridge=noise).stop, modes.n_modes - 1)
        if kept < 1:
            raise ArgumentError("no mode is learnable with these data; give kept=, or more data")
    kept = as_count("kept", kept, 1, modes.n_modes - 1, hint="some are kept and some removed")
    values = modes.values
    low, high = values[:kept], values[kept:]
    large = noise + float(high.sum())

    def compare(phi: Floats, rng_of: np.random.Generator) -> Floats:
        y = phi @ (np.sqrt(values) * rng_of.standard_normal(values.size))
        y += noise**0.5 * rng_of.standard_normal(size)
        first = phi[:, :kept]
        below = (first * low) @ first.T
        extra = (phi[:, kept:] * high) @ phi[:, kept:].T
        own = np.diag(extra)
        learned, predictor = _solved(below + extra + noise * np.eye(size), first, y, low)
        constant, one = _solved(below + large * np.eye(size), first, y, low)
        local, other = _solved(below + np.diag(noise + own), first, y, low)
        squares = [np.sum(v**2) for v in (predictor, one - predictor, other - predictor)]
        return np.concatenate([learned, constant - learned, local - learned, squares])

    rows = over_datasets(modes, size, sets, as_seed(rng), compare, 3 * kept + 3)
    data = Replicates.of_mean(rows).map(
        lambda row: np.append(row[: 3 * kept], np.sqrt(row[3 * kept + 1 :] / row[3 * kept]))
    )
    expected = learnability(low, size, self_consistent_ridge(values, size, noise))
    changed = learnability(low, size, self_consistent_ridge(low, size, large))
    return RidgeTest(
        modes=modes,
        n_data=size,
        n_datasets=sets,
        kept=kept,
        ridge=noise,
        renormalised_ridge=large,
        replicates=data,
        expected=expected,
        expected_changes=changed - expected,
        assumptions=(
            *modes.assumptions,
            "expected numbers: independent Gaussian features, many data",
            "training sets independent" + (", drawn with replacement" if modes.n_points else ""),
        ),
    )


def _solved(matrix: Floats, first: Floats, y: Floats, low: Floats) -> tuple[Floats, Floats]:
    """Return learnabilities and predictor of the kept modes."""
    found = np.linalg.solve(matrix, np.column_stack([first, y]))
    learned = low * np.einsum("nk,nk->k", first, found[:, :-1])
    return learned, np.asarray(low * (first.T @ found[:, -1]))
