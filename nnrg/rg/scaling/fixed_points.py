"""Fixed points of measured flows: where the step between scales is smallest, and of which kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import align
from nnrg.rg.observables import Observables
from nnrg.rg.scaling._coordinates import Results, Unit, coordinates
from nnrg.rg.scaling.derived import as_members, dimension
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates

__all__ = ["FixedPoint", "find_fixed_point"]

Array = npt.NDArray[np.float64]
Scales = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Kind = Literal["trivial", "nontrivial", "moving", "cannot be told"]

# Scales are called at rest together if their fit has a larger p; an interaction is called there, or
# a decay excluded, at the other level.
_AT_REST = 0.01
_LEVEL = 0.001
# Interactions below this, in units of the field's standard deviation, count as none.
_SMALL = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class FixedPoint:
    """Where a flow rests.

    Attributes
    ----------
    names : tuple of str
        Dimensionless couplings, or cumulant ratios.
    values : tuple of Estimate
        g*, of all scales of the plateau together.
    scales : tuple of int
        The plateau.
    chi2, dof, p : float
        Of the weighted distance of these scales from g*.
    steps : array of shape (n_scales - 1,)
        p-value of each single step being none.
    kind : {"trivial", "nontrivial", "moving", "cannot be told"}
    reason : str
        Why, in words.
    """

    names: tuple[str, ...]
    values: tuple[Estimate, ...]
    scales: tuple[int, ...]
    chi2: float
    dof: int
    p: float
    steps: Array
    kind: Kind
    reason: str

    def __post_init__(self) -> None:
        self.steps.flags.writeable = False

    def __str__(self) -> str:
        head = "no fixed point" if self.kind == "moving" else f"fixed point, {self.kind}"
        if self.kind == "cannot be told":
            head = "fixed point: cannot be told"
        lines = [[name, str(value)] for name, value in zip(self.names, self.values, strict=True)]
        scales = ", ".join(map(str, self.scales))
        return (
            f"{head}: {self.reason}\n{align(lines, left=(0,))}\n"
            f"of b = {scales}; chi2/dof = {self.chi2:.1f}/{self.dof}, p = {self.p:.2g}"
        )


def find_fixed_point(
    results: Results, *, names: Sequence[str], unit: Unit = "variance"
) -> FixedPoint:
    r"""Find the plateau of a flow, and tell a Gaussian fixed point from an interacting one.

    Parameters
    ----------
    results : Couplings, Cumulants or a list of them
        Numbers at three scales or more; several members are averaged.
    names : sequence of str
        What must stand still: a few couplings, or ratios. One that vanishes for a Gaussian field
        must be among them for the kind to be told.
    unit : {"variance", "first"}
        See `nnrg.rg.scaling.beta.beta_functions`.

    Returns
    -------
    FixedPoint

    Raises
    ------
    ArgumentError
        If a name is unknown.
    AnalysisError
        If there are fewer than three scales at which all numbers could be told.

    Notes
    -----
    g* minimises :math:`\sum_{b b'} (g(b) - g^*)^T C^{-1}_{b b'} (g(b') - g^*)` over neighbouring
    scales with the covariance over (scale, name). The plateau is the longest run of scales whose
    p-value exceeds 0.01, of equally long ones that with the larger p.

    The kind, each statement at p = 0.001: *nontrivial* if an interaction is there and a decay
    towards the Gaussian one, :math:`\kappa_n / \kappa_2^{n/2} \sim b^{d (1 - n/2)}` as of
    independent blocks, is excluded over the plateau; *trivial* if none exceeds 0.1 in units of the
    standard deviation, errors included; *moving* if no two scales rest; else *cannot be told*.

    Examples
    --------
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(400, 512))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(512)), levels=4)
    >>> find_fixed_point(flow.cumulants(order=4, nulls=()), names=["ratio_4", "neighbour:0"]).kind
    'trivial'
    """
    members = as_members(results)
    chosen = tuple(names)
    if not chosen or isinstance(names, str):
        raise ArgumentError(f"names must be a list of one or more, got {names!r}")
    table, _ = coordinates(members, chosen, unit=unit)
    table, scales = _known(table, members[0].scales, len(chosen))
    windows = [
        (start, stop)
        for start in range(scales.size - 1)
        for stop in range(start + 2, scales.size + 1)
    ]
    fits = {w: _rest(table, scales, w, chosen) for w in windows}
    steps = np.array([fits[k, k + 2].p for k in range(scales.size - 1)])
    resting = [w for w in windows if fits[w].p > _AT_REST]
    if resting:
        best = max(resting, key=lambda w: (w[1] - w[0], fits[w].p))
        kind, reason = _kind(table, scales, best, chosen, members[0], fits[best])
    else:
        best = max(((k, k + 2) for k in range(scales.size - 1)), key=lambda w: fits[w].p)
        kind, reason = "moving", "no two neighbouring scales have the same couplings"
    fit = fits[best]
    return FixedPoint(
        chosen,
        fit.parameters.estimates(),
        tuple(int(b) for b in scales[slice(*best)]),
        fit.chi2,
        fit.dof,
        fit.p,
        steps,
        kind,
        reason,
    )


def _known(table: Replicates, scales: Scales, a: int) -> tuple[Replicates, Scales]:
    """Drop scales at which a number or its error could not be told."""
    finite = np.isfinite(table.values) & np.isfinite(table.replicates).all(axis=0)
    keep = np.flatnonzero(finite.reshape(-1, a).all(axis=1))
    if keep.size < 3:
        raise AnalysisError(
            f"{keep.size} scales with all of {a} numbers are too few for a fixed point, at least 3 "
            "are needed; use more levels or fewer names"
        )
    if np.any(np.diff(keep) > 1):
        raise AnalysisError("a scale between others has numbers that could not be told; drop them")
    index = (keep[:, None] * a + np.arange(a)).ravel()
    return table.select(index), scales[keep]


def _rest(
    table: Replicates,
    scales: Scales,
    window: tuple[int, int],
    names: tuple[str, ...],
) -> FitResult:
    start, stop = window
    a = len(names)
    design = np.tile(np.eye(a), (stop - start, 1))
    x = np.repeat(np.log(scales[start:stop].astype(np.float64)), a)
    return correlated_fit(design, x, table.select(np.arange(start * a, stop * a)), names=names)


def _kind(
    table: Replicates,
    scales: Scales,
    window: tuple[int, int],
    names: tuple[str, ...],
    first: Observables,
    fit: FitResult,
) -> tuple[Kind, str]:
    from scipy.special import ndtri, stdtrit

    orders = _interactions(names, first)
    if not orders:
        return "cannot be told", "no interaction is among the names"
    t = float(
        stdtrit(table.dof, 1 - _LEVEL / 2) if np.isfinite(table.dof) else ndtri(1 - _LEVEL / 2)
    )
    a, (start, stop) = len(names), window
    span = f"over b = {scales[start]} to {scales[stop - 1]}"
    ratio = float(scales[stop - 1] / scales[start])
    values = fit.parameters.estimates()
    present, excluded, small = [], [], True
    for column, order in orders.items():
        g = values[column]
        small = small and abs(g.value) + t * g.error < _SMALL
        if not abs(g.value) > t * g.error:
            continue
        present.append(names[column])
        ends = table.select([start * a + column, (stop - 1) * a + column])
        shrink = np.array([-(ratio ** (-dimension(first) * (order / 2 - 1))), 1.0])
        (left,) = ends.map(shrink.dot).estimates()
        if abs(left.value) > t * left.error:
            excluded.append(names[column])
    if excluded:
        return "nontrivial", f"{', '.join(excluded)} does not vanish and does not decay {span}"
    if present:
        return (
            "cannot be told",
            f"{', '.join(present)} does not vanish, but a decay to zero {span} is not excluded",
        )
    if small:
        return "trivial", f"Gaussian: no interaction above {_SMALL:g} {span}"
    return "cannot be told", f"errors {span} allow interactions above {_SMALL:g} and none"


def _interactions(names: tuple[str, ...], first: Observables) -> dict[int, int]:
    """Return which of the names vanish for a Gaussian field, and the order of each."""
    if isinstance(first, Couplings):
        fields = [int(first.fields[first.names.index(name)]) for name in names]
        return {i: n for i, n in enumerate(fields) if n > 2}
    return {
        i: int(name.partition("_")[2]) for i, name in enumerate(names) if name.startswith("ratio_")
    }
