"""How the loss of kernel regression falls with the data: the data exponent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates
from nnrg.theory.information_flow._data_scaling_result import DataScaling
from nnrg.theory.information_flow._datasets import over_datasets
from nnrg.theory.information_flow._ridge import (
    as_ridge,
    learnability,
    self_consistent_ridge,
    stop_of,
)
from nnrg.theory.information_flow.modes import KernelModes
from nnrg.theory.information_flow.wilsonian import wilsonian_flow

__all__ = ["data_exponent", "data_scaling"]

Floats = npt.NDArray[np.float64]


def data_exponent(alpha: float | Estimate | FitResult) -> Estimate:
    r"""Return :math:`\alpha_D = \alpha / (1 + \alpha)` of a spectrum :math:`k^{-(1 + \alpha)}`.

    Parameters
    ----------
    alpha : float, Estimate, or FitResult of `KernelModes.spectrum_exponent`

    Raises
    ------
    ArgumentError
        If alpha is not positive.

    Notes
    -----
    For a ridge that does not depend on n. Modes up to :math:`\kappa \sim (n / \sigma^2)^{1/(1 +
    \alpha)}` are learned and the others sum to :math:`\kappa^{-\alpha} / \alpha`
    (J. N. Howard et al., arXiv:2405.06008). Where the ridge is made of the removed modes
    themselves, :math:`\sigma^2 \ll \sigma_c^2`, it is :math:`\kappa \sim n` and the exponent
    :math:`\alpha`.

    Examples
    --------
    >>> data_exponent(1.0).value
    0.5
    """
    if isinstance(alpha, FitResult):
        found = alpha.parameters.select(alpha.names.index("alpha"))
        made = found.map(lambda row: row / (1 + row)).estimate(flag=alpha.flag)
        value = float(found.values[0])
    else:
        value = as_real("alpha", float(alpha))
        error = alpha.error if isinstance(alpha, Estimate) else 0.0
        made = Estimate(value / (1 + value), error / (1 + value) ** 2)
    if not value > 0:
        raise ArgumentError(f"alpha must be above zero, got {value:g}: the trace must be finite")
    return made


def data_scaling(
    modes: KernelModes,
    sizes: Sequence[int],
    *,
    ridge: float,
    alpha: float | Estimate | FitResult | None = None,
    n_datasets: int = 0,
    rng: np.random.Generator | int | None = None,
) -> DataScaling:
    r"""Return the loss of kernel regression at several sizes of the training set.

    Parameters
    ----------
    modes : KernelModes
    sizes : sequence of int
        Data in a training set, at least 2 each.
    ridge : float
        sigma^2 > 0, in the unit of the target squared.
    alpha : float, Estimate or FitResult, optional
        Of the spectrum :math:`\lambda_k \sim k^{-(1 + \alpha)}`, for the expected exponent.
    n_datasets : int
        Training sets to draw at each size, at least 10; none by default.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    DataScaling

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    The loss of a training set, averaged over targets drawn from the kernel and over noise, is
    :math:`\sum_k \lambda_k (1 - L_k)` with its own learnabilities: exact, without drawing a
    target. For many Gaussian features it is :math:`s - \sigma^2` with the self-consistent ridge s.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.information_flow import data_scaling, gaussian_modes
    >>> modes = gaussian_modes(np.arange(1, 100_001.0) ** -2)
    >>> found = data_scaling(modes, [10**4, 10**5, 10**6], ridge=1.0, alpha=1.0)
    >>> round(found.formula_exponent, 2), str(found.expected)
    (0.5, '0.5(0)')
    """
    noise, _ = as_ridge(ridge, 1)
    if not noise > 0:
        raise ArgumentError("ridge must be above zero: inputs may coincide; try a small one")
    each = np.array([as_count("size", n, 2) for n in sizes], dtype=np.int64)
    if not each.size:
        raise ArgumentError(f"sizes must be one or more integers, got {shown(sizes)}")
    sets = as_count("n_datasets", n_datasets, 0)
    if 0 < sets < 10:
        raise ArgumentError(f"n_datasets must be at least 10, or 0 for none, got {sets}")
    flows = [wilsonian_flow(modes, n_data=float(n), ridge=noise) for n in each]
    formula = modes.derived(
        lambda row: np.array(
            [f(row, float(n), noise) for f in (_self_consistent_loss, _flow_loss) for n in each]
        )
    )
    exact, by_flow = formula.values.reshape(2, -1)
    errors = formula.errors().reshape(2, -1)
    data = None
    if sets:
        seeds = as_seed(rng).spawn(len(each))
        data = Replicates.join(
            [_losses(modes, int(n), noise, sets, s) for n, s in zip(each, seeds, strict=True)]
        )
    removed = np.array([flow.ridges[flow.stop] - noise for flow in flows])
    fit = None if data is None else _power_law(each, data)
    unknown = np.full(each.size, np.nan)
    return DataScaling(
        modes=modes,
        ridge=noise,
        sizes=each,
        measured=unknown if data is None else data.values.copy(),
        measured_errors=unknown.copy() if data is None else data.errors(),
        self_consistent=exact.copy(),
        self_consistent_errors=errors[0].copy(),
        wilsonian=by_flow.copy(),
        wilsonian_errors=errors[1].copy(),
        kept=np.array([flow.stop for flow in flows]),
        removed=removed,
        fit=fit,
        formula_exponent=_formula_exponent(each, exact, data),
        expected=None if alpha is None else data_exponent(alpha),
        n_datasets=sets,
        assumptions=(
            *modes.assumptions,
            "targets drawn from the kernel itself, noise of the variance of the ridge",
        ),
        flag=_flag(modes, each, removed, noise, alpha),
    )


def _losses(
    modes: KernelModes, n: int, noise: float, sets: int, seed: np.random.SeedSequence
) -> Replicates:
    values = modes.values

    def loss(phi: Floats, _: np.random.Generator) -> float:
        weighted = phi * values
        kernel = weighted @ phi.T + noise * np.eye(n)
        learned = np.trace(np.linalg.solve(kernel, weighted @ weighted.T))
        return float(values.sum() - learned)

    rows = over_datasets(modes, n, sets, seed, loss, 1)
    return Replicates.of_mean(rows)


def _self_consistent_loss(values: Floats, n: float, noise: float) -> float:
    return self_consistent_ridge(values, n, noise) - noise


def _flow_loss(values: Floats, n: float, noise: float) -> float:
    """Return all of the removed modes, and what is not learned of those that are kept."""
    tails = np.append(np.cumsum(values[::-1])[::-1], 0.0)
    stop = stop_of(values, n, noise + tails[1:])
    kept = values[:stop]
    return float(tails[stop] + np.sum(kept * (1 - learnability(kept, n, noise + tails[stop]))))


def _design(sizes: npt.NDArray[np.int64]) -> Floats:
    logs = np.log(sizes.astype(np.float64))
    return np.stack([np.ones_like(logs), logs.mean() - logs], axis=1)


def _power_law(sizes: npt.NDArray[np.int64], data: Replicates) -> FitResult | None:
    if np.unique(sizes).size < 3 or not np.all(data.values > 4 * data.errors()):
        return None
    names = ("ln_amplitude", "alpha_D")
    return correlated_fit(_design(sizes), sizes.astype(np.float64), data.map(np.log), names=names)


def _formula_exponent(
    sizes: npt.NDArray[np.int64], exact: Floats, data: Replicates | None
) -> float:
    if np.unique(sizes).size < 2:
        return float("nan")
    y, spread = np.log(exact), np.ones(len(exact))
    if data is not None and np.all(data.values > 4 * data.errors()):
        spread = data.map(np.log).errors()
    design = _design(sizes) / spread[:, None]
    return float(np.linalg.lstsq(design, y / spread)[0][1])


def _flag(
    modes: KernelModes,
    sizes: npt.NDArray[np.int64],
    removed: Floats,
    noise: float,
    alpha: object,
) -> str:
    flags = []
    if alpha is not None and (removed > 0.5 * noise).any():
        flags.append(
            f"the removed modes make much of the ridge, up to {removed.max() / noise:.2g} of "
            "sigma^2: alpha / (1 + alpha) is the exponent of more data"
        )
    if modes.n_points and sizes.max() > modes.n_points / 2:
        flags.append(f"{modes.n_points} inputs are few for training sets of {sizes.max()}")
    return "; ".join(flags)
