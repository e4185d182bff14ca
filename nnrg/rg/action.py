"""Measuring the effective action of a flow at every scale, by Schwinger-Dyson equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.progress import reporter
from nnrg.rg._null_numbers import numbers_of_draws, numbers_of_flows, units
from nnrg.rg.basis import Basis
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants, assemble
from nnrg.rg.flow import Flow
from nnrg.rg.level_fit import LevelFit, fit_level
from nnrg.rg.moments import observe
from nnrg.rg.nulls import Nulls, chosen_nulls, measure_nulls
from nnrg.rg.record import describe_flow, flag_groups
from nnrg.rg.renormalize import with_errors
from nnrg.stats.jackknife import Jackknife, jackknife_bias

__all__ = ["fit_couplings", "measure"]

Array = npt.NDArray[np.float64]


def fit_couplings(
    flow: Flow,
    *,
    basis: Basis | None = None,
    errors: Jackknife | None = None,
    nulls: Nulls = None,
    rng: object = None,
) -> Couplings:
    """Measure the effective action of the block field at every scale of a flow.

    Parameters
    ----------
    flow : Flow
    basis : Basis, optional
        Operators fitted together; ``Basis.scalar(order=6)`` by default.
    errors : Jackknife, optional
        What is left out for the errors, if not what the flow was made with.
    nulls : names, NullModel objects or DefaultNulls, optional
        Null models run through the same flow and fit; ``()`` for none. By default the permutation
        of the sites; on a graph also rewired graphs, the free field and independent units.
    rng : int, numpy Generator or None
        Seed of the null draws; recorded in the result.

    Returns
    -------
    Couplings
        At b = 1 the couplings of the field as given, at b > 1 those of the rescaled block field,
        in the unit of the field to the minus n for a term with n powers. NaN with a flag where
        the estimator's assumptions fail.

    Raises
    ------
    ArgumentError
        If an option is unknown.

    Notes
    -----
    A g = h with A_ab = <dO_a/dphi_x dO_b/dphi_x> and h_a = <d^2 O_a/dphi_x^2>, averaged over the
    sites that have all their neighbours. Exact up to the truncation of the basis if exp(-S)
    vanishes at the edge of the support; see *Definitions* in the documentation, and A. Hyvarinen,
    Journal of Machine Learning Research 6 (2005) 695.

    Examples
    --------
    Independent Gaussian numbers of variance 1/4 have phi2 = 4 and nothing else:

    >>> import numpy as np
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(scale=0.5, size=(100, 64))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    >>> fit = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "grad2")), rng=1)
    >>> r = fit.estimate("phi2", 1)
    >>> abs(r.value - 4) < 3 * r.error
    True
    """
    if errors is not None:
        flow = with_errors(flow, errors)
    tell, close = reporter("couplings, null draws", None)
    try:
        return measure(flow, basis=basis, nulls=nulls, rng=rng, progress=tell)[1]
    finally:
        close()


def measure(
    flow: Flow,
    *,
    order: int = 8,
    basis: Basis | None = None,
    nulls: Nulls = None,
    rng: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Cumulants, Couplings]:
    """Return cumulants and couplings of a flow, with every null draw made once for both.

    `progress` is called with the number of fits done and their total.
    """
    if not isinstance(flow, Flow):
        raise ArgumentError(f"expected a Flow, got {type(flow).__name__}; try nnrg.renormalize")
    if not isinstance(basis, Basis | None):
        raise ArgumentError(f"basis must be a Basis, got {shown(basis)}; try nnrg.Basis.scalar()")
    on = (Basis.scalar(order=6) if basis is None else basis).on(flow.field.sites.dimension)
    # What is wrong with the null models is said before the work, not after it.
    total = 1 + sum(model.draws for model in chosen_nulls(nulls, flow))
    tick = progress or (lambda done, of: None)
    seed = as_seed(rng)
    fits = [fit_level(flow, level, on) for level in range(len(flow))]
    tick(1, total)
    of_field = numbers_of_draws(flow, fits, on, order) if total > 1 else None
    if of_field is not None:
        # Neither draws nor results look at the block fields, which take more memory than the field.
        flow = replace(flow, means=flow.means[:1])
    flow, drawn = measure_nulls(
        flow,
        nulls,
        seed,
        numbers_of_flows(fits, on, order),
        lambda done, of: tick(1 + done, 1 + of),
        of_field=of_field,
    )
    kappa = {name: np.stack([k for k, _ in pairs]) for name, pairs in drawn.items()}
    couplings = {name: np.stack([g for _, g in pairs]) for name, pairs in drawn.items()}
    return assemble(flow, order, kappa, seed), _couplings(flow, on, fits, couplings, seed)


def _couplings(
    flow: Flow,
    basis: Basis,
    fits: list[LevelFit],
    draws: dict[str, Array],
    seed: np.random.SeedSequence,
) -> Couplings:
    variances = observe(flow.statistics, 2, replicates=True)[:, :, 1]
    numbers = np.stack([f.solutions for f in fits], axis=1) * units(flow, basis, variances)
    tests = sorted({test for fit in fits for test in fit.residuals})
    kinds = ["chi2", "dof", "p", "condition", "sites", "spread_samples", "spread_sites"]
    series = {
        name: np.full(len(flow), np.nan) for name in [*kinds, *(f"residual:{t}" for t in tests)]
    }
    flags = []
    regions = flag_groups(flow)
    for level, fit in enumerate(fits):
        notes = [*fit.flags, *([regions] if regions else [])]
        if fit.refused:
            numbers[:, level] = np.nan
        else:
            # A^-1 h has a bias of order one over the number of sites. The null draws have the same
            # one, and are moved along, so that z compares like with like.
            bias = jackknife_bias(numbers[1:, level], numbers[0, level], fit.system.weights)
            numbers[0, level] -= bias
            for drawn in draws.values():
                drawn[:, level] -= bias
            told = [a for a, name in enumerate(basis.names) if name not in fit.dropped]
            if np.isnan(numbers[0, level, told]).any():
                notes.append("unstable: there is no solution without some of the groups")
        series["condition"][level], series["sites"][level] = fit.condition, fit.system.sites
        for over, (spread, _) in fit.spreads.items():
            series[f"spread_{over}"][level] = spread
        if fit.quality is not None:
            for name in ("chi2", "dof", "p"):
                series[name][level] = getattr(fit.quality, name)
            for test, residual in fit.residuals.items():
                series[f"residual:{test}"][level] = residual
        shared = "; ".join(notes)
        flags.append(tuple(fit.dropped.get(name, shared) for name in basis.names))
    return Couplings(
        scales=np.array(flow.scales),
        names=basis.names,
        values=numbers[0],
        replicates=numbers[1:],
        weights=np.column_stack([fit.system.weights for fit in fits]),
        nulls=draws,
        flags=tuple(flags),
        n_samples=np.array([f.system.filled for f in fits], dtype=np.int64),
        attrs={
            **describe_flow(flow, seed),
            "tests_outside_basis": ", ".join(tests),
            "bias": "jackknife estimate subtracted",
            "fields": " ".join(map(str, basis.fields)),
            "ranges": " ".join(f"{o.range:.6g}" for o in basis),
        },
        series={
            **series,
            "factor": flow.factors(),
            "sigma": flow.factors() * np.sqrt(flow.variances()),
        },
    )
