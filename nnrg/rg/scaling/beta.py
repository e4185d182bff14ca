"""Discrete beta functions of measured flows, and their linear form near a fixed point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.cumulants import align
from nnrg.rg.scaling._coordinates import Results, Unit, coordinates, default_names
from nnrg.rg.scaling._errors_in_variables import regress
from nnrg.rg.scaling.derived import as_members
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.jackknife import FEWEST_SAMPLES
from nnrg.stats.replicates import Replicates

__all__ = ["BetaFunctions", "LinearFlow", "beta_functions", "fit_linear_flow"]

Array = npt.NDArray[np.float64]

# Above this share of the spread of the couplings that is noise, its correction is a guess.
_NOISY = 0.5
_ILL = 1e4


@dataclass(frozen=True, slots=True, eq=False)
class BetaFunctions:
    """beta_i(ln b) of dimensionless couplings, between neighbouring scales.

    Attributes
    ----------
    names : tuple of str
    scales : array of shape (n_steps,)
        b half-way between two scales, their geometric mean.
    couplings : Replicates
        Mean of the couplings at both ends of each step, step by step, all names of one together.
    beta : Replicates
        d g / d ln b, dimensionless, likewise.
    n_members : int
        Flows that were averaged.
    """

    names: tuple[str, ...]
    scales: Array
    couplings: Replicates
    beta: Replicates
    n_members: int

    def __post_init__(self) -> None:
        self.scales.flags.writeable = False

    @property
    def values(self) -> Array:
        """beta_i, shape (n_steps, n_names)."""
        return np.asarray(self.beta.values.reshape(self.scales.size, -1))

    @property
    def errors(self) -> Array:
        """Standard errors of beta_i, shape (n_steps, n_names)."""
        return np.asarray(self.beta.errors().reshape(self.scales.size, -1))

    def covariance(self) -> Array:
        """Return the covariance over (step, name), shape (n_steps * n_names,) twice."""
        return self.beta.covariance()

    def estimate(self, name: str, step: int) -> Estimate:
        """Return beta of one coupling in one step, counted from 0."""
        if name not in self.names or step not in range(-self.scales.size, self.scales.size):
            raise ArgumentError(
                f"no beta function of {name!r} in step {step}; there are {', '.join(self.names)} "
                f"in steps 0 to {self.scales.size - 1}"
            )
        at = (step % self.scales.size) * len(self.names) + self.names.index(name)
        return self.beta.select(at).estimates()[0]

    def __str__(self) -> str:
        lines = [["b", *self.names]]
        for b, values, errors in zip(self.scales, self.values, self.errors, strict=True):
            cells = [format_value_error(v, e) for v, e in zip(values, errors, strict=True)]
            lines.append([f"{b:.3g}", *cells])
        return f"beta = d g / d ln b, dimensionless, {self.n_members} flow(s):\n{align(lines)}"


@dataclass(frozen=True, slots=True, eq=False)
class LinearFlow:
    """beta_i = sum_j A_ij (g - g*)_j fitted over an ensemble of flows.

    Attributes
    ----------
    names : tuple of str
    matrix : tuple of tuple of Estimate
        A, dimensionless.
    fixed_point : tuple of Estimate
        g*, dimensionless.
    eigenvalues : tuple of Estimate
        Real parts of those of A, the most relevant first, each made exact for steps of finite
        length.
    condition : float
        Condition number of the covariance of the couplings, each scaled to unit variance.
    noise : float
        Largest share of the variance of a coupling over the points that is measurement error.
    n_points : int
        Steps of all members together.
    flag : str
        Why the fit should not be trusted.
    """

    names: tuple[str, ...]
    matrix: tuple[tuple[Estimate, ...], ...]
    fixed_point: tuple[Estimate, ...]
    eigenvalues: tuple[Estimate, ...]
    condition: float
    noise: float
    n_points: int
    flag: str

    def __str__(self) -> str:
        lines = [["", "g*", *self.names]]
        for name, g, row in zip(self.names, self.fixed_point, self.matrix, strict=True):
            lines.append([name, str(g), *map(str, row)])
        text = (
            f"beta = A (g - g*) from {self.n_points} points, cond = {self.condition:.3g}, "
            f"noise {100 * self.noise:.2g} % of the variance\n{align(lines, left=(0,))}\n"
            f"eigenvalues: {', '.join(map(str, self.eigenvalues))}"
        )
        return f"{text}\n! {self.flag}" if self.flag else text


def beta_functions(
    results: Results, *, names: Sequence[str] | None = None, unit: Unit = "variance"
) -> BetaFunctions:
    r"""Return the discrete beta functions of a flow, or of the mean over an ensemble of flows.

    Parameters
    ----------
    results : Couplings, Cumulants or a list of them
        Members must have equal scales and operators. Ten or more are left out one at a time for
        the errors, of fewer the jackknife groups inside each.
    names : sequence of str, optional
        Couplings; all of them if left out.
    unit : {"variance", "first"}
        Couplings are :math:`g_n \sigma^n` with sigma the field's standard deviation at the same
        scale, or at b = 1, which keeps the growth that a prescribed rescaling gives.

    Returns
    -------
    BetaFunctions

    Raises
    ------
    ArgumentError
        If a name is unknown or the members differ.
    AnalysisError
        If there are fewer than two scales.

    Notes
    -----
    .. math:: \beta_i(\ell) = \frac{g_i(\ell + \delta) - g_i(\ell - \delta)}{2 \delta}, \quad
              \ell = \ln b,

    at the middle of each step, which has length :math:`2 \delta`.

    Examples
    --------
    The standardised fourth cumulant of independent sites falls as 1/b:

    >>> import nnrg
    >>> values = np.random.default_rng(1).exponential(size=(400, 256))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(256)), levels=3)
    >>> beta = beta_functions(flow.cumulants(order=4, nulls=()), names=["ratio_4"])
    >>> exact = 6 * (1 / 2 - 1) / np.log(2)
    >>> bool(abs(beta.values[0, 0] - exact) < 3 * beta.errors[0, 0])
    True
    """
    members = as_members(results)
    chosen = default_names(members) if names is None else tuple(names)
    steps = members[0].scales.size - 1
    if steps < 1:
        raise AnalysisError("one scale has no beta function; renormalize with two levels or more")
    table, ell = coordinates(members, chosen, unit=unit)
    length = np.diff(ell)[:, None]

    def ends(flat: Array) -> tuple[Array, Array]:
        g = flat.reshape(steps + 1, -1)
        return g[:-1], g[1:]

    def middle(flat: Array) -> Array:
        low, high = ends(flat)
        return ((low + high) / 2).ravel()

    def slope(flat: Array) -> Array:
        low, high = ends(flat)
        return np.asarray(((high - low) / length).ravel())

    return BetaFunctions(
        chosen,
        np.exp((ell[1:] + ell[:-1]) / 2),
        table.map(middle),
        table.map(slope),
        len(members),
    )


def fit_linear_flow(
    results: Results,
    *,
    names: Sequence[str],
    scales: Sequence[int] | None = None,
    unit: Unit = "variance",
) -> LinearFlow:
    r"""Fit beta_i = sum_j A_ij (g - g*)_j to the steps of an ensemble of flows.

    Parameters
    ----------
    results : Couplings, Cumulants or a list of them
        An ensemble; ten members or more, so that its error can be told. One flow serves if it has
        many scales.
    names : sequence of str
        The few couplings that are followed; there must be more points than twice as many.
    scales : sequence of int, optional
        Neighbouring scales of equal ratio whose steps are fitted; all by default.
    unit : {"variance", "first"}
        See `beta_functions`.

    Returns
    -------
    LinearFlow

    Raises
    ------
    ArgumentError
        If a name or scale is unknown, or the scales have unequal ratios.
    AnalysisError
        If there are too few points, or the couplings do not vary over them.

    Notes
    -----
    Regression of beta on g over all (member, step). Couplings carry measurement error, which would
    draw A towards zero; its covariance, of g and between beta and g, is known from the jackknife
    inside each member and taken off before the solve (W. A. Fuller, *Measurement Error Models*,
    Wiley 1987, section 2.2). Errors: each member left out; of a single flow, its groups. A linear
    flow over a step of length delta in ln b has :math:`\beta = (2/\delta) \tanh(A \delta / 2)
    (g - g^*)` with g at the middle as the mean of both ends: eigenvalues and A are those of the
    exact A, by the inverse of that function.

    Examples
    --------
    Independent sites of unequal skewness: lambda_3 falls as b^{-1/2}.

    >>> import nnrg
    >>> rng = np.random.default_rng(1)
    >>> members = []
    >>> for shape in np.linspace(0.5, 1.5, 24) ** -2:
    ...     values = rng.gamma(shape, size=(64, 512))
    ...     flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(512)), levels=3)
    ...     members.append(flow.cumulants(order=4, nulls=()))
    >>> fit = fit_linear_flow(members, names=["ratio_3"])
    >>> y = fit.eigenvalues[0]
    >>> abs(y.value + 0.5) < 3 * y.error
    True
    """
    members = as_members(results)
    chosen = tuple(names)
    at = members[0].scales.tolist() if scales is None else [int(b) for b in scales]
    step = _step(members[0].scales.tolist(), at)
    points = len(members) * (len(at) - 1)
    if not chosen or isinstance(names, str) or points < 2 * len(chosen) + 2:
        raise AnalysisError(
            f"{points} steps of {len(members)} flow(s) are too few for {len(chosen)} couplings: at "
            f"least {2 * len(chosen) + 2} are needed; give more members or fewer couplings"
        )
    keep = [members[0].scales.tolist().index(b) for b in at]
    tables = []
    for one in members:
        whole, _ = coordinates(one, chosen, unit=unit)
        index = [k * len(chosen) + a for k in keep for a in range(len(chosen))]
        tables.append(whole.select(index))
    fit = regress(tables, len(chosen), step)
    flags = []
    if fit.noise > _NOISY:
        flags.append(
            f"noisy: {100 * fit.noise:.0f} % of the variance of a coupling is measurement error"
        )
    if fit.condition > _ILL:
        flags.append(f"the couplings vary together: condition number {fit.condition:.1e}")
    if 1 < len(members) < FEWEST_SAMPLES:
        flags.append(f"errors from {len(members)} members are rough")
    if fit.complex_pair:
        flags.append("a complex pair of eigenvalues: real parts are given")
    a = len(chosen)
    found = fit.numbers.estimates(n_samples=len(members))
    return LinearFlow(
        chosen,
        tuple(tuple(found[i * a : (i + 1) * a]) for i in range(a)),
        found[a * a : a * a + a],
        found[a * a + a :],
        fit.condition,
        fit.noise,
        points,
        "; ".join(flags),
    )


def _step(scales: list[int], at: list[int]) -> float:
    missing = [b for b in at if b not in scales]
    if missing:
        raise ArgumentError(f"no scale b = {missing[0]}; there are {scales}")
    ratios = np.diff(np.log(at))
    if len(at) < 2 or np.any(ratios <= 0) or not np.allclose(ratios, ratios[0], rtol=1e-9):
        raise ArgumentError(
            f"scales must be two or more that grow by one factor, got {at}; try {scales}"
        )
    return float(ratios[0])
