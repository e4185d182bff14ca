"""Mass and quartic coupling against sigma_w: what is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import align
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.fits import FitResult
from nnrg.stats.replicates import Replicates
from nnrg.theory.information_flow import scales
from nnrg.theory.information_flow._contact import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SigmaFlow"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SigmaFlow:
    r"""Mass and quartic coupling of a network field at fixed inputs against sigma_w.

    Attributes
    ----------
    architecture : str
    change : {"weights", "inputs"}
        What was done to the ensemble: sigma_w / b, or x / b.
    width, dimension : int
        N, and d of the inputs.
    factors, sigmas : arrays of shape (n,)
        b, and sigma_w / b in the inverse unit of the inputs: the momentum cutoff, as :math:`G(p)
        \sim e^{-d p^2 / 2 \sigma_w^2}`.
    predicted, predicted_errors : arrays of shape (n, 4)
        By formula; columns ``mass2`` (inverse unit of the input squared), ``quartic`` (in the
        convention S = g / 4! phi^4 and canonical normalisation, mass to the 4 - d),
        ``dimensionless`` (quartic / mass^(4 - d)) and ``residual`` (share of the four-point
        function that no contact vertex makes).
    measured, measured_errors : arrays of shape (n, 4)
        From an ensemble; NaN if none was drawn, or where the data cannot tell. Noise adds to the
        residual.
    mass_fits : tuple of FitResult or None, one for each sigma
        m^2 from -4 ln of the correlation against the squared distance of pairs: window, chi2/dof.
    replicates : Replicates or None
        Of ``measured``, row by row, with one covariance over all sigmas.
    mass_exponent, quartic_exponent : FitResult or None
        Of m^2 ~ sigma^y and |g| ~ sigma^y; None where nothing was measured, at fewer than three
        sigmas, or where a number is not clear of zero.
    predicted_exponents : tuple of float
        The same two from the formula at the same sigmas, by the same weights where measured.
    n_networks : int
    assumptions : tuple of str
    flags : tuple of str, one for each sigma
        Why a number should not be trusted; empty if there is no reason.
    notes : tuple of str
        What is to be known of the coupling.
    """

    architecture: str
    change: str
    width: int
    dimension: int
    factors: Floats
    sigmas: Floats
    predicted: Floats
    predicted_errors: Floats
    measured: Floats
    measured_errors: Floats
    mass_fits: tuple[FitResult | None, ...]
    replicates: Replicates | None
    mass_exponent: FitResult | None
    quartic_exponent: FitResult | None
    predicted_exponents: tuple[float, float]
    n_networks: int
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]
    scale: str = scales.SIGMA

    def __post_init__(self) -> None:
        for array in (
            self.factors, self.sigmas, self.predicted, self.predicted_errors, self.measured,
            self.measured_errors,
        ):  # fmt: skip
            array.flags.writeable = False

    def estimate(self, name: str, at: int = 0) -> Estimate:
        """Return one measured number at the at-th sigma against its prediction.

        Raises
        ------
        ArgumentError
            If there is no such number or sigma.
        """
        if name not in COLUMNS:
            raise ArgumentError(f"name must be one of {', '.join(COLUMNS)}, got {shown(name)}")
        at, column = as_count("at", at, 0, len(self.sigmas) - 1), COLUMNS.index(name)
        known = Estimate(
            float(self.predicted[at, column]), float(self.predicted_errors[at, column])
        )
        return Estimate(
            float(self.measured[at, column]),
            float(self.measured_errors[at, column]),
            n_samples=self.n_networks or np.nan,
            null=known,
            flag=self.flags[at],
        )

    def sigmas_apart(self) -> Floats:
        """Return (measured - predicted) / error, shape (n, 4)."""
        spread = np.hypot(self.measured_errors, self.predicted_errors)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.measured - self.predicted) / spread)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each sigma and coupling."""
        import pandas as pd

        n, names = len(self.sigmas), list(COLUMNS)
        return pd.DataFrame(
            {
                "factor": np.repeat(self.factors, len(names)),
                "sigma_w": np.repeat(self.sigmas, len(names)),
                "coupling": names * n,
                "predicted": self.predicted.ravel(),
                "predicted_error": self.predicted_errors.ravel(),
                "measured": self.measured.ravel(),
                "measured_error": self.measured_errors.ravel(),
                "sigmas": self.sigmas_apart().ravel(),
                "flag": np.repeat(self.flags, len(names)),
            }
        )

    def __str__(self) -> str:
        head = f"{self.architecture}, N = {self.width}, d = {self.dimension}: sigma_w / b"
        if self.n_networks:
            done = "weights" if self.change == "weights" else "inputs divided by b instead"
            head += f"; measured on {self.n_networks} networks ({done})"
        rows = [["b", "sigma_w", *COLUMNS]]
        for at in range(len(self.sigmas)):
            row = [f"{self.factors[at]:.4g}", f"{self.sigmas[at]:.4g}"]
            rows.append([*row, *(f"{value:.6g}" for value in self.predicted[at])])
            if self.n_networks:
                pairs = zip(self.measured[at], self.measured_errors[at], strict=True)
                rows.append(["", "measured", *(format_value_error(v, e) for v, e in pairs)])
        lines = [head, align(rows, left=(0,))]
        named = (("mass2", self.mass_exponent, 2), ("quartic", self.quartic_exponent, None))
        for (name, fit, exact), known in zip(named, self.predicted_exponents, strict=True):
            limit = 4 - self.dimension if exact is None else exact
            text = f"{name} ~ sigma_w^y: y = {known:.4g} by formula, {limit} for sigma_w |x| -> 0"
            if fit is not None:
                text += (
                    f", measured {fit.estimate('y')}, chi2/dof = {fit.chi2:.2f}/{fit.dof}, "
                    f"sigma_w from {fit.window[0]:g} to {fit.window[1]:g}"
                )
            elif self.n_networks:
                text += ", measured: cannot be told from these data"
            lines.append(text)
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"flag: {flag}" for flag in dict.fromkeys(filter(None, self.flags))]
        return "\n".join([*lines, self.scale])
