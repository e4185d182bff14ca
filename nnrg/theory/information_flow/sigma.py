"""The flow of couplings with the scale of the weights: sigma_w to sigma_w / b is x to x / b."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate._inputs import as_inputs
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates
from nnrg.theory.correlators.random_features import CosNet, GaussNet
from nnrg.theory.information_flow._contact import COLUMNS, Grid, couplings
from nnrg.theory.information_flow._measured_contact import Measured, measure
from nnrg.theory.information_flow._sigma_result import SigmaFlow

__all__ = ["sigma_flow"]

Floats = npt.NDArray[np.float64]
Change = Literal["weights", "inputs"]

_ROUNDING = 4e-15
# Of sigma_w |x|: fourth powers of it are numbers.
_FARTHEST = 1e75
_OVERFLOW = (
    "couplings at sigma_w = {:g} are beyond double precision: take inputs nearer to each other, or "
    "another b"
)
# Share of the four-point function that no contact vertex makes, above which it is said.
_NONLOCAL = 0.1


def sigma_flow(
    architecture: CosNet | GaussNet,
    inputs: npt.ArrayLike,
    factors: Sequence[float],
    *,
    change: Change = "weights",
    n_networks: int | None = None,
    rng: np.random.Generator | int | None = None,
) -> SigmaFlow:
    r"""Follow mass and quartic coupling at fixed inputs while sigma_w changes to sigma_w / b.

    Parameters
    ----------
    architecture : CosNet or GaussNet
        At b = 1; without an output bias.
    inputs : array_like of shape (k, d) or (k,)
        Two inputs or more; in any unit.
    factors : sequence of float
        b > 0.
    change : {"weights", "inputs"}
        How the ensemble is made: networks of sigma_w / b at the inputs, drawn anew for every b;
        or the same networks of sigma_w at all x / b, read in the unit of x. The law of the outputs
        is the same.
    n_networks : int, optional
        Networks to draw and measure; none by default.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    SigmaFlow

    Raises
    ------
    ArgumentError
        If the kernel is not one of sigma_w (x - y) alone, a factor is not positive, or the inputs
        are fewer than two different ones.
    AnalysisError
        If there are too few networks, or the formula leaves double precision.

    Notes
    -----
    The hidden layer sees :math:`w \cdot x` with :math:`w \sim N(0, \sigma_w^2 / d)`, so that all
    correlators are functions of :math:`\sigma_w x`: changing :math:`\sigma_w` is a change of scale
    (H. Erbin, V. Lahoche and D. O. Samary, arXiv:2212.11811). With :math:`G = A e^{-\sigma_w^2 r^2
    / 2d}`, :math:`G(p)^{-1} = Z (m^2 + p^2 + ..)` has the mass :math:`m^2 = 2 \sigma_w^2 / d`, and
    a contact coupling in canonical normalisation goes as :math:`\sigma_w^{4 - d}` where all
    :math:`\sigma_w |x| \ll 1`; at larger ones the shape of the four-point function, which is none
    of a contact, is in the numbers: see ``residual``. At coincident points the dimensionless
    coupling is :math:`-4^d \pi^{d/2}` times the excess kurtosis.

    Examples
    --------
    >>> from nnrg.theory.correlators import CosNet
    >>> flow = sigma_flow(CosNet(width=10), [-0.01, 0.0, 0.01], [1, 2, 4])
    >>> flow.predicted[:, 0].round(6).tolist()
    [2.0, 0.5, 0.125]
    >>> [round(y, 3) for y in flow.predicted_exponents]
    [2.0, 3.0]
    """
    points, each = _checked(architecture, inputs, factors, change)
    widest = architecture.sigma_w / each.min()
    if not np.abs(points).max() * max(widest, 1.0) < _FARTHEST:
        raise AnalysisError(_OVERFLOW.format(widest))
    grid = Grid.of(points)
    networks = [replace(architecture, sigma_w=architecture.sigma_w / b) for b in each.tolist()]
    sigmas = np.array([net.sigma_w for net in networks])
    predicted, errors = np.empty((2, len(each), len(COLUMNS)))
    for at, net in enumerate(networks):
        predicted[at], errors[at] = _predicted(net, points, grid)
    found: list[Measured] = []
    if n_networks is not None:
        count = as_count("n_networks", n_networks, 100, hint="fewer have no fourth cumulants")
        sets = [points / b for b in each] if change == "inputs" else [points] * len(each)
        drawn = [architecture] * len(each) if change == "inputs" else networks
        found = measure(drawn, sets, grid, count, as_seed(rng), together=change == "inputs")
    data = _joined(found, together=change == "inputs")
    unknown = np.full(predicted.shape, np.nan)
    measured = unknown if data is None else data.values.reshape(predicted.shape).copy()
    spread = unknown if data is None else data.errors().reshape(predicted.shape)
    fits = [_exponent(sigmas, data, column) for column in (0, 1)]
    known = tuple(
        _formula_exponent(sigmas, predicted[:, column], data, column) for column in (0, 1)
    )
    flags = [_flag(row) for row in predicted]
    for at, one in enumerate(found):
        flags[at] = "; ".join(filter(None, (flags[at], one.flag)))
    return SigmaFlow(
        architecture=architecture.name,
        change=change,
        width=architecture.width,
        dimension=grid.dimension,
        factors=each,
        sigmas=sigmas,
        predicted=predicted,
        predicted_errors=errors,
        measured=measured.copy(),
        measured_errors=spread.copy(),
        mass_fits=tuple(one.fit for one in found) or (None,) * len(each),
        replicates=data,
        mass_exponent=fits[0],
        quartic_exponent=fits[1],
        predicted_exponents=(known[0], known[1]),
        n_networks=0 if n_networks is None else int(n_networks),
        assumptions=(
            *architecture.assumptions,
            "the mass is that of the expansion of 1/G(p) in p^2, to first order",
            "one contact vertex stands for the whole four-point function",
        ),
        flags=tuple(flags),
        notes=_notes(architecture, predicted),
    )


def _checked(
    architecture: CosNet | GaussNet, inputs: npt.ArrayLike, factors: Sequence[float], change: str
) -> tuple[Floats, Floats]:
    if not isinstance(architecture, CosNet | GaussNet):
        raise ArgumentError(
            "architecture must be a CosNet or a GaussNet, whose kernel depends on sigma_w (x - y) "
            f"alone, got {shown(architecture)}; of other networks sigma_w changes more than a scale"
        )
    if architecture.output_sigma_b or not architecture.sigma_w or not architecture.output_sigma_w:
        raise ArgumentError(
            "the network must have sigma_w and output_sigma_w above zero and no output bias, which "
            "is a constant field without a scale; set output_sigma_b=0"
        )
    points = as_inputs(inputs)
    if len(np.unique(points, axis=0)) < 2:
        raise ArgumentError("inputs must hold two different points: a mass needs a distance")
    if change not in ("weights", "inputs"):
        raise ArgumentError(f"change must be 'weights' or 'inputs', got {shown(change)}")
    if not isinstance(factors, Sequence | np.ndarray):
        raise ArgumentError(f"factors must be one or more numbers, got {shown(factors)}")
    each = np.array([as_real("factor", b) for b in factors], dtype=np.float64)
    if not each.size or not (each > 0).all():
        raise ArgumentError(f"factors must be one or more numbers above zero, got {shown(factors)}")
    return points, each


def _predicted(net: CosNet | GaussNet, points: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """Return the couplings by formula, and the errors of rounding."""
    mass2 = 2 * net.sigma_w**2 / grid.dimension
    two, error2, _ = net.cumulants_of(points, grid.pairs)
    four, error4, _ = net.cumulants_of(points, grid.quads)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value = couplings(grid, two, four, mass2)
    if not np.isfinite(value).all():
        raise AnalysisError(_OVERFLOW.format(net.sigma_w))
    relative = np.abs(error4).max() / np.abs(four).max() + np.abs(error2).max() / np.abs(two).max()
    size = np.abs(value) * (relative * np.array([0.0, 4, 4, 4]) + _ROUNDING)
    size[3] = max(size[3], relative + _ROUNDING)
    return value, size


def _joined(found: list[Measured], *, together: bool) -> Replicates | None:
    """Return all couplings with one covariance: of the same networks, or of independent ones."""
    if not found:
        return None
    parts = [one.couplings for one in found]
    if not together:
        return Replicates.join(parts)
    return parts[0].derived(
        np.concatenate([p.values for p in parts]), np.hstack([p.replicates for p in parts])
    )


def _column(data: Replicates, column: int) -> Replicates:
    return data.select(np.arange(column, data.values.size, len(COLUMNS)))


def _exponent(sigmas: Floats, data: Replicates | None, column: int) -> FitResult | None:
    """Fit ln |g| = a + y ln sigma, if the numbers can tell."""
    if data is None or len(np.unique(sigmas)) < 3:
        return None
    numbers = _column(data, column)
    values, clear = numbers.values, 4 * numbers.errors()
    if not np.all(np.abs(values) > clear) or np.ptp(np.sign(values)) > 0:
        return None
    logs = numbers.map(lambda row: np.log(np.abs(row)))
    if not np.isfinite(logs.replicates).all():
        return None
    return correlated_fit(_line(sigmas), sigmas, logs, names=("ln_amplitude", "y"))


def _formula_exponent(
    sigmas: Floats, predicted: Floats, data: Replicates | None, column: int
) -> float:
    if len(np.unique(sigmas)) < 2:
        return float("nan")
    y = np.log(np.abs(predicted))
    fit = None if data is None else _exponent(sigmas, data, column)
    if fit is None or data is None:
        return float(np.linalg.lstsq(_line(sigmas), y)[0][1])
    logs = _column(data, column).map(lambda row: np.log(np.abs(row)))
    shifted = logs.map(lambda row: row - logs.values + y)
    return float(correlated_fit(_line(sigmas), sigmas, shifted).parameters.values[1])


def _line(sigmas: Floats) -> Floats:
    logs = np.log(sigmas)
    return np.stack([np.ones_like(logs), logs - logs.mean()], axis=1)


def _notes(architecture: CosNet | GaussNet, predicted: Floats) -> tuple[str, ...]:
    """Return what is to be known of the coupling, right or wrong."""
    notes = []
    if (predicted[:, 1] < 0).any():
        notes.append("negative quartic coupling: the action is bounded by higher ones")
    if isinstance(architecture, GaussNet):
        notes.append("the four-point function of a Gauss-net depends on the origin of the inputs")
    return tuple(notes)


def _flag(predicted: Floats) -> str:
    if predicted[3] > _NONLOCAL:
        return "no contact vertex makes this four-point function: see residual"
    return ""
