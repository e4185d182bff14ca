"""Standard deviations of the weights and biases of one layer, with errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._arrays import real_array
from nnrg.stats.estimate import Estimate

__all__ = ["LayerScales", "layer_scales"]

Array = npt.NDArray[np.float64]

# Departures of so many errors are said, and shares of the mean square below which they are not.
NOTED = 4.0
SMALL = 0.01
# Singular values are found up to this many multiplications.
MOST_WORK = 4e10
# The upper edge of the spectrum of a random matrix fluctuates by so many widths of its own law.
EDGE_WIDTHS = 5.0


@dataclass(frozen=True, slots=True)
class LayerScales:
    """What one layer's weights and biases say of (sigma_w, sigma_b).

    Attributes
    ----------
    name : str
        Of the weights.
    bias : str
        Of the biases; empty if there are none.
    fan_in, units : int
        Inputs of each neuron, and neurons.
    sigma_w : Estimate, dimensionless
        sqrt(fan_in <w^2>): W_ij ~ N(0, sigma_w^2 / fan_in).
    sigma_b : Estimate, dimensionless
        sqrt(<b^2>); zero without an error if there are no biases.
    mean_share : Estimate
        fan_in units <w>^2 / <w^2>: about 1 for independent weights of mean zero.
    kurtosis : Estimate
        Excess kurtosis of the weights.
    row_spread, column_spread : Estimate
        Relative variance of the mean squares of rows and of columns beyond that of independent
        weights of the same kurtosis; zero if these are independent.
    outliers : int
        Singular values above the edge of a random matrix of the same mean square; -1 if not looked
        for.
    top : float
        Largest singular value over that edge.
    notes : tuple of str
        In which way the weights are not independent Gaussian numbers of mean zero.
    """

    name: str
    bias: str
    fan_in: int
    units: int
    sigma_w: Estimate
    sigma_b: Estimate
    mean_share: Estimate
    kurtosis: Estimate
    row_spread: Estimate
    column_spread: Estimate
    outliers: int
    top: float
    notes: tuple[str, ...] = ()


def layer_scales(
    weights: npt.ArrayLike,
    biases: npt.ArrayLike | None = None,
    *,
    name: str = "weights",
    bias: str = "biases",
) -> LayerScales:
    r"""Estimate (sigma_w, sigma_b) of one layer.

    Parameters
    ----------
    weights : array of shape (units, fan_in), two of each at least
    biases : array of shape (units,), optional
    name, bias : str
        What they are called.

    Returns
    -------
    LayerScales

    Raises
    ------
    ArgumentError
        If the shapes do not fit.
    NonFiniteError
        If a number is NaN or infinite.
    AnalysisError
        If all weights are zero, or their powers beyond double precision.

    Notes
    -----
    Second moments about zero, as they enter :math:`q' = \sigma_w^2 \langle\phi^2\rangle +
    \sigma_b^2`. The error of :math:`\langle w^2 \rangle` allows entries of one row, and those of
    one column, to depend on each other: variances of the row means and of the column means of w^2
    add up, less that of independent entries, which both hold (A. C. Cameron, J. B. Gelbach and
    D. L. Miller, J. Bus. Econ. Stat. 29 (2011) 238). It is at least the one of independent entries.
    The edge of the spectrum of a random matrix is :math:`\sqrt{n} + \sqrt{m}` standard deviations:
    V. A. Marchenko and L. A. Pastur, Math. USSR Sb. 1 (1967) 457; its fluctuation is that of
    I. M. Johnstone, Ann. Stat. 29 (2001) 295.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.random.default_rng(1).normal(0, 1.5 / 20, (300, 400))
    >>> print(layer_scales(w).sigma_w)
    1.4974(31)
    """
    w = real_array(name, weights)
    if w.ndim != 2 or min(w.shape) < 2:
        raise ArgumentError(
            f"{name}: weights must have shape (units, fan_in), two of each at least, got {w.shape}"
        )
    if not np.isfinite(w).all():
        raise NonFiniteError(f"{name} holds NaN or infinity: there is no sigma_w")
    units, fan_in = w.shape
    size = float(w.size)
    with np.errstate(over="ignore", under="ignore"):
        square = w * w
        fourth = float((square * square).mean())
    mean_square = float(square.mean())
    if not w.any():
        raise AnalysisError(f"{name}: all weights are zero: there is no sigma_w")
    if not 0 < fourth < np.inf:
        raise AnalysisError(
            f"{name}: fourth powers of the weights, up to {np.abs(w).max():.3g}, are beyond double "
            "precision; give them in another unit"
        )
    alone = float(square.var()) / (size - 1)
    by_row = square.mean(axis=1).var(ddof=1) / units
    by_column = square.mean(axis=0).var(ddof=1) / fan_in
    error2 = max(alone, by_row + by_column - alone)
    sigma_w = math.sqrt(fan_in * mean_square)
    fourth /= mean_square**2
    mean = float(w.mean())
    share = size * mean**2 / mean_square
    outliers, top = _outliers(w, math.sqrt(mean_square))
    # The mean of w^4 over that of w^2 squared is too small by this, of Gaussian numbers exactly.
    kurtosis = Estimate(
        fourth * (1 + 2 / size) - 3, _kurtosis_error(square, mean_square, fourth), n_samples=size
    )
    found = LayerScales(
        name=name,
        bias="" if biases is None else bias,
        fan_in=fan_in,
        units=units,
        sigma_w=Estimate(sigma_w, sigma_w * math.sqrt(error2) / (2 * mean_square), n_samples=size),
        sigma_b=_sigma_b(biases, units, bias),
        # The mean of independent numbers makes a chi-square of one degree of freedom.
        mean_share=Estimate(
            share, math.sqrt(2 + 4 * max(share - 1, 0.0)), n_samples=size, null=1.0
        ),
        kurtosis=kurtosis,
        row_spread=_spread(square / mean_square),
        column_spread=_spread(square.T / mean_square),
        outliers=outliers,
        top=top,
    )
    return _noted(found)


def _sigma_b(biases: npt.ArrayLike | None, units: int, name: str) -> Estimate:
    if biases is None:
        return Estimate(0.0, 0.0)
    b = real_array(name, biases).reshape(-1)
    if b.size != units:
        raise ArgumentError(f"{name} has {b.size} numbers for {units} units")
    if not np.isfinite(b).all():
        raise NonFiniteError(f"{name} holds NaN or infinity: there is no sigma_b")
    square = b * b
    value = math.sqrt(square.mean())
    if not value > 0:
        return Estimate(0.0, 0.0, n_samples=units)
    error = math.sqrt(square.var() / (units - 1)) / (2 * value)
    return Estimate(value, error, n_samples=units)


def _spread(part: Array) -> Estimate:
    """Return the variance of the means of rows beyond that of independent entries."""
    n, m = part.shape
    means = part.mean(axis=1)
    between = float(means.var(ddof=1))
    within = float(((part - means[:, None]) ** 2).sum()) / (n * (m - 1))
    return Estimate(between - within / m, math.sqrt(2 / (n - 1)) * between, n_samples=n)


def _kurtosis_error(square: Array, mean_square: float, fourth: float) -> float:
    """Error of <w^4>/<w^2>^2 by its linear part, entries taken as independent."""
    part = square / mean_square
    influence = part * part - 2 * fourth * part
    return float(influence.std() / math.sqrt(square.size - 1))


def _outliers(w: Array, deviation: float) -> tuple[int, float]:
    """Count singular values above the edge of a random matrix of this standard deviation."""
    small, large = sorted(w.shape)
    if float(small) ** 2 * large > MOST_WORK:
        return -1, math.nan
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    squares = np.linalg.eigvalsh(gram) / deviation**2
    root = math.sqrt(small) + math.sqrt(large)
    edge = root**2
    width = root * (1 / math.sqrt(small) + 1 / math.sqrt(large)) ** (1 / 3)
    above = int(np.count_nonzero(squares > edge + EDGE_WIDTHS * width))
    return above, float(math.sqrt(max(squares[-1], 0.0) / edge))


def _noted(found: LayerScales) -> LayerScales:
    notes = []
    if found.mean_share.value > NOTED**2 and found.mean_share.value > SMALL * found.fan_in:
        notes.append("weights have a mean: part of sigma_w is one common direction")
    k = found.kurtosis
    if abs(k.value) > NOTED * k.error and abs(k.value) > 0.1:
        notes.append(f"weights are not Gaussian: excess kurtosis {k}")
    for axis, spread in (("rows", found.row_spread), ("columns", found.column_spread)):
        # Its error if there were no spread.
        alone = spread.error - spread.value * math.sqrt(2 / (spread.n_samples - 1))
        if spread.value > NOTED * alone and spread.value > SMALL:
            notes.append(f"{axis} have unequal variances: relative variance {spread}")
    if found.outliers > 0:
        notes.append(
            f"singular values above those of a random matrix: {found.outliers}, the largest "
            f"{found.top:.2f} x the edge"
        )
    values = {name: getattr(found, name) for name in found.__slots__}
    return LayerScales(**{**values, "notes": tuple(notes)})
