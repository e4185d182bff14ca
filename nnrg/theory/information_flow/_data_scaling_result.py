"""Loss against the size of the training set: what is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.rg.cumulants import align
from nnrg.stats.estimate import Estimate, format_value_error, shown_number
from nnrg.stats.fits import FitResult
from nnrg.theory.information_flow import scales
from nnrg.theory.information_flow.modes import KernelModes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataScaling"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DataScaling:
    r"""Loss of kernel regression against the size of the training set.

    Attributes
    ----------
    modes : KernelModes
    ridge : float
        sigma^2, in the unit of the target squared.
    sizes : int array of shape (n,)
    measured, measured_errors : arrays of shape (n,)
        Mean square error of targets drawn from the kernel, without the noise; NaN if not measured.
    self_consistent, self_consistent_errors : arrays of shape (n,)
        The same of Gaussian features and many data.
    wilsonian, wilsonian_errors : arrays of shape (n,)
        The same from the flow: all of the removed modes, and what is not learned of those kept.
    kept : int array of shape (n,)
        Modes where the flow stops.
    removed : array of shape (n,)
        Their ridge, sigma_c^2 - sigma^2.
    fit : FitResult or None
        Of measured = amplitude n^(-alpha_D); None if nothing was measured or at fewer than three
        sizes.
    formula_exponent : float
        The same fit, with the same weights, of ``self_consistent``.
    expected : Estimate or None
        alpha / (1 + alpha) of the spectrum, the exponent of many data.
    n_datasets : int
        At each size.
    assumptions : tuple of str
    flag : str
    """

    modes: KernelModes
    ridge: float
    sizes: npt.NDArray[np.int64]
    measured: Floats
    measured_errors: Floats
    self_consistent: Floats
    self_consistent_errors: Floats
    wilsonian: Floats
    wilsonian_errors: Floats
    kept: npt.NDArray[np.int64]
    removed: Floats
    fit: FitResult | None
    formula_exponent: float
    expected: Estimate | None
    n_datasets: int
    assumptions: tuple[str, ...]
    flag: str
    scale: str = scales.MODES

    def __post_init__(self) -> None:
        for array in (
            self.sizes, self.measured, self.measured_errors, self.self_consistent,
            self.self_consistent_errors, self.wilsonian, self.wilsonian_errors, self.kept,
            self.removed,
        ):  # fmt: skip
            array.flags.writeable = False

    @property
    def exponent(self) -> Estimate:
        """Measured alpha_D against that of the formula at the same sizes.

        NaN where it cannot be told.
        """
        if self.fit is None:
            return Estimate(np.nan, np.nan, null=self.formula_exponent, flag="not measured")
        found = self.fit.estimate("alpha_D")
        flag = "; ".join(filter(None, (found.flag, self.flag)))
        return Estimate(
            found.value, found.error, self.n_datasets, null=self.formula_exponent, flag=flag
        )

    def sigmas(self) -> Floats:
        """Return (measured - self_consistent) / error at every size."""
        spread = np.hypot(self.measured_errors, self.self_consistent_errors)
        return np.asarray((self.measured - self.self_consistent) / spread)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a size."""
        import pandas as pd

        return pd.DataFrame(
            {
                "n_data": self.sizes,
                "measured": self.measured,
                "measured_error": self.measured_errors,
                "self_consistent": self.self_consistent,
                "self_consistent_error": self.self_consistent_errors,
                "wilsonian": self.wilsonian,
                "wilsonian_error": self.wilsonian_errors,
                "kept": self.kept,
                "removed_ridge": self.removed,
            }
        )

    def __str__(self) -> str:
        rows = [["n", "kept", "sigma_c^2", "loss by flow", "self-consistent", "measured"]]
        for at, n in enumerate(self.sizes):
            loss = "-"
            if self.n_datasets:
                loss = format_value_error(self.measured[at], self.measured_errors[at])
            numbers = (self.ridge + self.removed[at], self.wilsonian[at], self.self_consistent[at])
            rows.append([str(n), str(self.kept[at]), *(f"{x:.4g}" for x in numbers), loss])
        theory = f"alpha_D = {self.formula_exponent:.4g} by formula at these sizes"
        if self.expected is not None:
            limit = shown_number(self.expected.value, self.expected.error)
            theory += f", {limit} = alpha / (1 + alpha) for many data"
        lines = [
            f"{self.modes.n_modes} modes of {self.modes.source}, ridge {self.ridge:g}",
            align(rows, left=()),
            theory,
        ]
        if self.fit is not None:
            lines.append(
                f"measured {self.fit.estimate('alpha_D')}, chi2/dof = {self.fit.chi2:.2f}/"
                f"{self.fit.dof}, n from {self.fit.window[0]:g} to {self.fit.window[1]:g}"
            )
        elif self.n_datasets:
            lines.append("measured: cannot be told from these data")
        return "\n".join([*lines, *([f"flag: {self.flag}"] if self.flag else []), self.scale])
