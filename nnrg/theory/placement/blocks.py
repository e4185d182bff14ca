"""The flow of block averages of a layer's weights beside that of independent weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.fields import SynapticField
from nnrg.rg.blocks import GridBlocks
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.renormalize import renormalize
from nnrg.stats.estimate import format_value_error
from nnrg.stats.fits import chance_of_zero
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BlockFlow", "block_flow"]

Array = npt.NDArray[np.float64]

_ARRAYS = (
    "scales sites variance variance_error theory_variance sigmas "
    "ratio ratio_error theory_ratio ratio_sigmas"
).split()
# A scale is compared while its error is below this share of its value: logarithms are Gaussian.
_KNOWN = 0.25
_GROUPS_A_SCALE = 4


@dataclass(frozen=True, slots=True)
class BlockFlow:
    """kappa_2 and lambda_4 of block means, measured and for independent weights.

    Attributes
    ----------
    name : str
    scales : array of shape (n_scales,)
        b along one axis.
    sites : array of shape (n_scales,)
        Sites averaged in a block.
    variance, variance_error : array of shape (n_scales,), dimensionless
        kappa_2(b) / kappa_2(1).
    ratio, ratio_error : array of shape (n_scales,), dimensionless
        lambda_4(b) = kappa_4 / kappa_2^2.
    theory_variance, theory_ratio : array of shape (n_scales,), dimensionless
        1 / B and lambda_4(1) / B, B the sites of a block.
    sigmas, ratio_sigmas : array of shape (n_scales,)
        Of ln(B kappa_2(b) / kappa_2(1)), and of lambda_4(b) - lambda_4(1) / B, in their errors; NaN
        at b = 1 and where the errors are too large to tell.
    p : float
        Chance of such departures of kappa_2 at all scales together, by Hotelling's T^2; NaN where
        it cannot be told.
    compared : tuple of int
        Which scales enter p.
    notes : tuple of str
    """

    name: str
    scales: Array
    sites: Array
    variance: Array
    variance_error: Array
    ratio: Array
    ratio_error: Array
    theory_variance: Array
    theory_ratio: Array
    sigmas: Array
    ratio_sigmas: Array
    p: float
    compared: tuple[int, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for value in (getattr(self, name) for name in self.__slots__):
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @classmethod
    def untold(cls, name: str, why: str) -> BlockFlow:
        """Return a flow without scales."""
        arrays = {word: np.empty(0) for word in _ARRAYS}
        return cls(name=name, **arrays, p=np.nan, compared=(), notes=(why,))

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each scale."""
        import pandas as pd

        table = pd.DataFrame({name: getattr(self, name) for name in _ARRAYS})
        return table.rename(columns={"scales": "scale"})

    def __str__(self) -> str:
        lines = [
            f"{self.name}: block averages against independent weights, p = {self.p:.2g}",
            "      b  kappa_2(b)/kappa_2(1)  1/B        sigmas  lambda_4     lambda_4(1)/B  sigmas",
        ]
        for i, b in enumerate(self.scales):
            lines.append(
                f"  {b:5.4g}  {format_value_error(self.variance[i], self.variance_error[i]):<21s}  "
                f"{self.theory_variance[i]:<9.4g}  {_sigmas(self.sigmas[i])}  "
                f"{format_value_error(self.ratio[i], self.ratio_error[i]):<11s}  "
                f"{self.theory_ratio[i]:<13.4g}  {_sigmas(self.ratio_sigmas[i])}"
            )
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def _sigmas(number: float) -> str:
    return f"{number:+6.1f}" if np.isfinite(number) else "      "


def block_flow(field: SynapticField, *, factor: int = 2) -> BlockFlow:
    r"""Compare the flow of a field's block averages with that of independent weights.

    Parameters
    ----------
    field : SynapticField
        On a lattice.
    factor : int
        Of `GridBlocks`, repeated.

    Returns
    -------
    BlockFlow

    Raises
    ------
    AnalysisError
        If there is no second scale, or the field has no variance.

    Notes
    -----
    For independent sites of one law cumulants of the mean of B sites are
    :math:`\kappa_n(b) = \kappa_n(1) B^{1-n}`: the exact flow of an untrained ensemble, in whatever
    order its neurons are. All scales of one sample are left out together, so that errors of the
    differences hold their correlations. Large values of sigma say that weights depend on their
    neighbours in this order; small ones say nothing about dependence in another order.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> weights = np.random.default_rng(1).normal(size=(200, 64))
    >>> flow = block_flow(nnrg.SynapticField(weights, nnrg.Lattice(64)))
    >>> flow.p > 0.01
    True
    """
    measured = renormalize(field, GridBlocks(factor)).cumulants(order=4, nulls=())
    if len(measured.scales) < 2:
        raise AnalysisError(
            f"{field.name}: {field.sites!r} has one scale; blocks of {factor} need two sites or "
            "more along an axis, try another factor"
        )
    second, fourth = (measured.names.index(name) for name in ("kappa_2", "ratio_4"))
    variance = measured.values[:, second]
    sites = _sites(measured, field)
    share = Replicates.from_jackknife(
        variance / variance[0],
        measured.replicates[:, :, second] / measured.replicates[:, :1, second],
        measured.weights,
    )
    ratio = measured.values[:, fourth]
    ratio_errors = measured.errors()[:, fourth]
    errors = share.errors()
    known = np.isfinite(errors) & (errors < _KNOWN * np.abs(share.values)) & (variance > 0)
    known[0] = False
    groups = measured.replicates.shape[0]
    compared = np.flatnonzero(known)[: max(1, groups // _GROUPS_A_SCALE)]
    sigmas, p = np.full(len(sites), np.nan), float("nan")
    if compared.size:
        logs = Replicates.from_jackknife(
            np.log(share.values[compared] * sites[compared]),
            np.log(share.replicates[:, compared] * sites[compared]),
            measured.weights[:, compared],
        )
        sigmas[compared] = logs.values / logs.errors()
        p = chance_of_zero(logs)
    rest = Replicates.from_jackknife(
        ratio - ratio[0] / sites,
        measured.replicates[:, :, fourth] - measured.replicates[:, :1, fourth] / sites,
        measured.weights,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio_sigmas = np.where(known & (rest.errors() > 0), rest.values / rest.errors(), np.nan)
    notes = [] if compared.size else ["errors are too large at every scale: cannot be told"]
    return BlockFlow(
        name=field.name,
        scales=np.asarray(measured.scales, dtype=np.float64),
        sites=sites,
        variance=share.values.copy(),
        variance_error=errors,
        ratio=ratio.copy(),
        ratio_error=ratio_errors,
        theory_variance=1 / sites,
        theory_ratio=ratio[0] / sites,
        sigmas=sigmas,
        ratio_sigmas=ratio_sigmas,
        p=p,
        compared=tuple(int(b) for b in np.asarray(measured.scales)[compared]),
        notes=tuple([*notes, *field.notes]),
    )


def _sites(measured: Cumulants, field: SynapticField) -> Array:
    """Return how many sites each block holds."""
    lattice = field.lattice
    return np.asarray(measured.scales, dtype=np.float64) ** len(lattice.shape)
