"""Where independent estimates of one coupling agree, and where theory says that they need not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.progress import reporter
from nnrg.rg.basis import Basis
from nnrg.rg.cross_check.edgeworth import NAMES, EdgeworthCouplings, edgeworth_couplings
from nnrg.rg.cross_check.exponential_family import OneSitePotential, maximum_entropy
from nnrg.rg.cross_check.pseudo_likelihood import pseudo_likelihood
from nnrg.rg.cumulants import Cumulants, align
from nnrg.rg.flow import Flow
from nnrg.rg.level_fit import LevelFit, fit_level
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.jackknife import jackknife_bias, jackknife_covariance

__all__ = ["Comparison", "CrossCheck", "cross_check"]

Array = npt.NDArray[np.float64]

_BASIS = Basis.scalar(order=4)
# Couplings between sites beyond so many errors say that sites are not independent.
_INTERACTING = 3.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two estimates of one coupling at one scale.

    Attributes
    ----------
    scale : int
    coupling : str
        ``phi4`` in the unit of the block mean; ``g4`` times kappa_2^2, dimensionless.
    methods : pair of str
    first, second : Estimate
    pull : float
        Their difference in its own error, jackknifed with both estimates in every replicate.
    must_agree : bool
    reason : str
        Why they must, or why they need not.
    """

    scale: float
    coupling: str
    methods: tuple[str, str]
    first: Estimate
    second: Estimate
    pull: float
    must_agree: bool
    reason: str


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """All comparisons of a flow."""

    rows: tuple[Comparison, ...]
    skipped: tuple[str, ...] = ()

    def disagreements(self, chance: float = 0.01) -> tuple[Comparison, ...]:
        """Return the pairs that must agree and do not, at this chance of any by noise alone.

        The chance is shared out over all pairs that must agree (Bonferroni), pulls being normal.
        """
        from scipy.special import ndtri

        bound = [r for r in self.rows if r.must_agree and np.isfinite(r.pull)]
        if not bound:
            return ()
        limit = -float(ndtri(chance / (2 * len(bound))))
        return tuple(r for r in bound if abs(r.pull) > limit)

    def __str__(self) -> str:
        lines = [[" b", "coupling", "by", "", "and by", "", "pull", ""]]
        for r in self.rows:
            lines.append(
                [
                    f"{r.scale:>2d}",
                    r.coupling,
                    r.methods[0],
                    format_value_error(r.first.value, r.first.error),
                    r.methods[1],
                    format_value_error(r.second.value, r.second.error),
                    f"{r.pull:+.1f}",
                    f"{'must agree' if r.must_agree else 'may differ'}: {r.reason}",
                ]
            )
        wrong = len(self.disagreements())
        bound = sum(r.must_agree for r in self.rows)
        text = align(lines, left=(1, 2, 4, 7))
        text += f"\n{bound} pairs must agree, {wrong} do not (1 % chance of any by noise)"
        return "\n".join([text, *self.skipped])


def cross_check(flow: Flow, *, scales: Sequence[int] | None = None) -> CrossCheck:
    """Estimate the couplings of a flow in four ways and compare them.

    Parameters
    ----------
    flow : Flow
    scales : sequence of int, optional
        Values of b; all by default.

    Returns
    -------
    CrossCheck
        Schwinger-Dyson equations and pseudo-likelihood for phi to phi^4 and the stiffnesses, which
        must agree wherever the action is of this form; maximum entropy for the law of one site,
        which agrees with them if sites are independent; the Edgeworth series, which agrees with
        maximum entropy where it converges.

    Raises
    ------
    ArgumentError
        If this is no flow, or it has no such scale.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> from nnrg.rg.cross_check.table import cross_check
    >>> values = np.random.default_rng(1).normal(size=(400, 64))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    >>> cross_check(flow, scales=[1]).disagreements()
    ()
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    wanted = list(flow.scales) if scales is None else list(scales)
    absent = [b for b in wanted if b not in flow.scales]
    if absent:
        raise ArgumentError(f"no scale b = {absent[0]}; there are {list(flow.scales)}")
    cumulants = flow.cumulants(order=8, nulls=())
    series = edgeworth_couplings(cumulants)
    rows: list[Comparison] = []
    skipped: list[str] = []
    tell, close = reporter("cross-checks, scales", None)
    try:
        for done, b in enumerate(wanted):
            tell(done, len(wanted))
            try:
                rows += _at_scale(flow, flow.scales.index(b), cumulants, series)
            except AnalysisError as error:
                skipped.append(f"b = {b} left out: {error}")
    finally:
        close()
    return CrossCheck(tuple(rows), tuple(skipped))


def _at_scale(
    flow: Flow, level: int, cumulants: Cumulants, series: EdgeworthCouplings
) -> list[Comparison]:
    basis = _BASIS.on(flow.field.sites.dimension)
    fit = fit_level(flow, level, basis)
    if fit.refused:
        raise AnalysisError("; ".join(fit.flags))
    rows, b = [], flow.scales[level]
    likely = pseudo_likelihood(flow, level, basis=basis)
    exact = not any(flag.startswith("poor fit") for flag in fit.flags)
    reason = "one action, two estimators" if exact else "the basis does not describe the field"
    for a, name in enumerate(basis.names):
        c = likely.names.index(name)
        other = likely.values[c], likely.replicates[:, c]
        rows.append(
            _compare(
                b,
                name,
                ("Schwinger-Dyson", "pseudo-likelihood"),
                _whole(fit, a),
                other,
                fit,
                exact,
                reason,
            )
        )
    marginal = maximum_entropy(flow, level, order=4)
    independent = exact and not _interacts(fit, basis)
    reason = (
        "independent sites" if independent else "sites interact: the law of one site is marginal"
    )
    for name in ("phi2", "phi4"):
        a, c = basis.names.index(name), marginal.names.index(name)
        other = marginal.values[c], marginal.replicates[:, c]
        rows.append(
            _compare(
                b,
                name,
                ("Schwinger-Dyson", "maximum entropy"),
                _whole(fit, a),
                other,
                fit,
                independent,
                reason,
            )
        )
    return [*rows, *_series(flow, level, cumulants, series, fit)]


def _series(
    flow: Flow, level: int, cumulants: Cumulants, series: EdgeworthCouplings, fit: LevelFit
) -> list[Comparison]:
    """Compare maximum entropy to order 8 with the Edgeworth series, both of the law of one site."""
    marginal: OneSitePotential = maximum_entropy(flow, level, order=8)
    flag = series.flags[level][0]
    at = cumulants.names.index("kappa_2")
    variance = cumulants.values[level, at], cumulants.replicates[:, level, at]
    reason = flag or "the series converges, up to its order"
    rows = []
    for name in NAMES[:2]:
        n = int(name[1:])
        a, c = NAMES.index(name), marginal.names.index(f"phi{n}")
        first = (
            marginal.values[c] * variance[0] ** (n / 2),
            marginal.replicates[:, c] * variance[1] ** (n / 2),
        )
        other = series.values[level, a], series.replicates[:, level, a]
        rows.append(
            _compare(
                flow.scales[level],
                name,
                ("maximum entropy", "Edgeworth"),
                first,
                other,
                fit,
                False,
                reason,
            )
        )
    return rows


def _whole(fit: LevelFit, a: int) -> tuple[float, Array]:
    """Return a coupling less its jackknife bias, and its replicates."""
    value, replicates = fit.solutions[0, a : a + 1], fit.solutions[1:, a : a + 1]
    bias = jackknife_bias(replicates, value, fit.system.weights)
    return float((value - bias)[0]), replicates[:, 0]


def _interacts(fit: LevelFit, basis: Basis) -> bool:
    """Tell whether a stiffness differs from zero."""
    at = [a for a, o in enumerate(basis) if not o.local]
    covariance = jackknife_covariance(
        fit.solutions[1:, at], fit.solutions[0, at], fit.system.weights
    )
    return bool(np.any(np.abs(fit.solutions[0, at]) > _INTERACTING * np.sqrt(np.diag(covariance))))


def _compare(
    scale: float,
    coupling: str,
    methods: tuple[str, str],
    first: tuple[float, Array],
    second: tuple[float, Array],
    fit: LevelFit,
    must_agree: bool,
    reason: str,
) -> Comparison:
    values = np.array([first[0], second[0], first[0] - second[0]])
    replicates = np.column_stack([first[1], second[1], first[1] - second[1]])
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(jackknife_covariance(replicates, values, fit.system.weights)))
        pull = float(values[2] / errors[2]) if errors[2] > 0 else float("nan")
    n = fit.system.filled
    return Comparison(
        scale,
        coupling,
        methods,
        Estimate(float(values[0]), float(errors[0]), n_samples=n),
        Estimate(float(values[1]), float(errors[1]), n_samples=n),
        pull,
        must_agree,
        reason,
    )
