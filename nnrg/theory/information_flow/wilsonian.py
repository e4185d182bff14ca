"""Wilsonian flow of Gaussian-process regression: modes that cannot be learned become a ridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import ArgumentError
from nnrg.stats._arrays import real_array
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.information_flow import scales
from nnrg.theory.information_flow._ridge import (
    as_ridge,
    learnability,
    self_consistent_ridge,
    stop_of,
)
from nnrg.theory.information_flow.modes import KernelModes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WilsonianFlow", "wilsonian_flow"]

Floats = npt.NDArray[np.float64]

# Share of the ridge by which it may be off for the flow to be called good.
_GOOD = 0.1
# Share by which the modes that are kept may add to the ridge.
_KEPT = 0.25
# Excess kurtosis beyond which features are called non-Gaussian, if it is clear of zero.
_KURTOSIS = 0.5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WilsonianFlow:
    r"""Ridge and learnability against the number of modes that are kept.

    Attributes
    ----------
    modes : KernelModes
    n_data : float
        Mean size of the training set, :math:`\hat\eta`.
    ridge : float
        sigma^2, the variance of the noise of a target, in its unit squared.
    threshold : float, dimensionless
        Learnability at which the flow stops.
    ridges, ridge_errors : arrays of shape (M + 1,)
        :math:`\sigma_c^2 = \sigma^2 + \sum_{k > \kappa} \lambda_k` with kappa = 0 .. M kept.
    marginal : array of shape (M,)
        Learnability of mode kappa = 1 .. M with the ridge of all beyond it.
    stop : int
        kappa where the flow stops; its error is that of the eigenvalues, `stopped`.
    stopped : Replicates
        Of kappa, sigma_c^2 and of the self-consistent ridge.
    learnabilities, learnability_errors : arrays of shape (M,)
        Of all modes with the ridge where the flow stops.
    self_consistent, self_consistent_errors : arrays of shape (M,)
        The same with the self-consistent ridge of all modes.
    assumptions : tuple of str
    flag : str
    """

    modes: KernelModes
    n_data: float
    ridge: float
    threshold: float
    ridges: Floats
    ridge_errors: Floats
    marginal: Floats
    stop: int
    stopped: Replicates
    learnabilities: Floats
    learnability_errors: Floats
    self_consistent: Floats
    self_consistent_errors: Floats
    assumptions: tuple[str, ...]
    flag: str
    scale: str = scales.MODES

    def __post_init__(self) -> None:
        for array in (
            self.ridges, self.ridge_errors, self.marginal, self.learnabilities,
            self.learnability_errors, self.self_consistent, self.self_consistent_errors,
        ):  # fmt: skip
            array.flags.writeable = False

    @property
    def stop_kept(self) -> Estimate:
        """Modes kept where the flow stops."""
        return self.stopped.estimate(0, flag=self.flag)

    @property
    def effective_ridge(self) -> Estimate:
        """sigma_c^2 where the flow stops, against the self-consistent ridge."""
        found, null = self.stopped.estimate(1), self.stopped.estimate(2)
        return Estimate(found.value, found.error, found.n_samples, null=null, flag=self.flag)

    def predictor(self, target: npt.ArrayLike) -> Floats:
        r"""Return the mean predictor :math:`\bar f_k` of a target in the coordinates of the modes.

        Parameters
        ----------
        target : array_like of shape (M,) or (..., M)
            y_k, in the unit of the target.

        Returns
        -------
        ndarray of the same shape
            L_k y_k of the modes that are kept, zero beyond.

        Raises
        ------
        ArgumentError
            If the shape does not fit.
        """
        y = real_array("target", target)
        if y.ndim < 1 or y.shape[-1] != self.modes.n_modes:
            raise ArgumentError(
                f"target must have {self.modes.n_modes} coefficients last, got {y.shape}"
            )
        return np.asarray(
            y * np.where(np.arange(self.modes.n_modes) < self.stop, 1, 0) * self.learnabilities
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each number of modes kept, from M down to 0."""
        import pandas as pd

        kept = np.arange(self.modes.n_modes, -1, -1)
        first = np.append(np.nan, self.marginal)
        return pd.DataFrame(
            {
                "kept": kept,
                "eigenvalue": np.append(np.nan, self.modes.values)[kept],
                "ridge": self.ridges[kept],
                "ridge_error": self.ridge_errors[kept],
                "learnability": first[kept],
                "integrated": kept > self.stop,
            }
        )

    def __str__(self) -> str:
        ridge, kept = self.effective_ridge, self.stop_kept
        assert isinstance(ridge.null, Estimate)
        lines = [
            f"{self.modes.n_modes} modes of {self.modes.source}, {self.n_data:g} data, "
            f"ridge {self.ridge:g}",
            f"  stops at learnability {self.threshold:g}: "
            f"{shown_number(kept.value, kept.error)} modes kept",
            f"  ridge {shown_number(ridge.value, ridge.error)}, self-consistent "
            f"{shown_number(ridge.null.value, ridge.null.error)}",
            f"  learnable in all: {self.learnabilities[: self.stop].sum():.4g} of the kept, "
            f"{self.self_consistent.sum():.4g} self-consistently",
            *([f"  flag: {self.flag}"] if self.flag else []),
            *(f"  assumed: {line}" for line in self.assumptions),
        ]
        return "\n".join([*lines, self.scale])


def wilsonian_flow(
    modes: KernelModes, *, n_data: float, ridge: float, threshold: float = 0.5
) -> WilsonianFlow:
    r"""Integrate out the modes of a kernel from the smallest eigenvalue up, until one is learnable.

    Parameters
    ----------
    modes : KernelModes
    n_data : float
        Size of the training set.
    ridge : float
        sigma^2, in the unit of the target squared.
    threshold : float, dimensionless
        Learnability at which the flow stops, within (0, 1); 1/2 is lambda_kappa = sigma_c^2 / n.

    Returns
    -------
    WilsonianFlow

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    With n data and noise :math:`\sigma^2` the mean predictor of a target y is :math:`\bar f_k =
    L_k y_k`, :math:`L_k = n \lambda_k / (n \lambda_k + \sigma^2)`. Where features are Gaussian a
    mode that cannot be learned acts as noise of variance :math:`\lambda_k`, so that the ridge of
    the modes that are kept is :math:`\sigma_c^2 = \sigma^2 + \sum_{k > \kappa} \lambda_k`: the sum
    of the removed eigenvalues (J. N. Howard, R. Jefferson, A. Maiti and Z. Ringel,
    arXiv:2405.06008). It is the first term of a series in their learnability: the ridge s of many
    independent features solves :math:`s = \sigma^2 + \sum_k \lambda_k (1 - L_k)`, :math:`L_k = n
    \lambda_k / (n \lambda_k + s)` (J. B. Simon et al., arXiv:2110.03922), in which every mode adds
    only the part of it that is not learned, and those that are kept add too. Both are given.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.information_flow import gaussian_modes, wilsonian_flow
    >>> flow = wilsonian_flow(gaussian_modes(np.arange(1, 2001.0) ** -2), n_data=400, ridge=1)
    >>> flow.stop, round(flow.effective_ridge.value, 4)
    (19, 1.0508)
    """
    if not isinstance(modes, KernelModes):
        raise ArgumentError(
            f"modes must be those of a kernel, got {shown(modes)}; try gaussian_modes(eigenvalues)"
        )
    noise, n = as_ridge(ridge, n_data)
    threshold = as_real("threshold", threshold)
    if not 0 < threshold < 1:
        raise ArgumentError(f"threshold must be within (0, 1), got {shown(threshold)}; try 0.5")
    tails = modes.tails()
    ridges = noise + tails.values
    marginal = learnability(modes.values, n, ridges[1:])

    def at_stop(values: Floats) -> Floats:
        beyond = noise + np.append(np.cumsum(values[::-1])[::-1], 0.0)
        kept = stop_of(values, n, beyond[1:], threshold)
        own = self_consistent_ridge(values, n, noise)
        each = [learnability(values, n, float(s)) for s in (beyond[kept], own)]
        return np.concatenate([[kept, beyond[kept], own], *each])

    found = modes.derived(at_stop)
    errors, m = found.errors(), modes.n_modes
    stop = int(found.values[0])
    learnabilities = found.values[3 : 3 + m].copy()
    return WilsonianFlow(
        modes=modes,
        n_data=n,
        ridge=noise,
        threshold=threshold,
        ridges=ridges,
        ridge_errors=tails.errors(),
        marginal=marginal,
        stop=stop,
        stopped=found.select([0, 1, 2]),
        learnabilities=learnabilities,
        learnability_errors=errors[3 : 3 + m].copy(),
        self_consistent=found.values[3 + m :].copy(),
        self_consistent_errors=errors[3 + m :].copy(),
        assumptions=(
            *modes.assumptions,
            "features Gaussian: others make the ridge depend on the input",
            "removed modes are not learned at all: errors of first order in their learnability",
        ),
        flag=_flag(modes, stop, (float(found.values[1]), float(found.values[2])), learnabilities),
    )


def _flag(
    modes: KernelModes, stop: int, ridges: tuple[float, float], learnabilities: Floats
) -> str:
    ridge, exact = ridges
    flags = []
    if exact > (1 + _KEPT) * ridge:
        flags.append(
            "kept modes add to the ridge, as they are not learned in full: self-consistently it is "
            f"{exact / ridge if ridge else np.inf:.3g} times larger"
        )
    if modes.n_modes > stop:
        learned = float(np.sum(modes.values[stop:] * learnabilities[stop:])) / ridge
        if learned > _GOOD:
            flags.append(f"removed modes are learned in part: the ridge is {learned:.2g} too large")
        spread = modes.ridge_spread(stop)
        assert spread.null is not None
        if spread.value - float(spread.null) > max(4 * spread.error, 0.2):
            flags.append(f"the ridge depends on the input: relative deviation {spread}")
    value, error = modes.kurtosis()
    clear = np.abs(value) > np.maximum(_KURTOSIS, 4 * error)
    if clear.any():
        worst = int(np.argmax(np.where(clear, np.abs(value), 0)))
        flags.append(
            f"features are not Gaussian: excess kurtosis {value[worst]:.2g} of mode {worst + 1}"
        )
    if stop == 0:
        flags.append("no mode is learnable")
    return "; ".join(flags)
