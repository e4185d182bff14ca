"""Whether a flow, or the eigenvalues of its RG matrix, stand still away from the trivial ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import align
from nnrg.rg.scaling._coordinates import (
    Results,
    coordinates,
    default_names,
    is_correlation,
    trivial_values,
)
from nnrg.rg.scaling.derived import as_members
from nnrg.rg.scaling.linearised import LinearisedRG, Sector
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates

__all__ = ["Criticality", "Evidence", "criticality"]

Array = npt.NDArray[np.float64]

# Every statement is made at this two-sided level.
_LEVEL = 0.001
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number behind the verdict.

    Attributes
    ----------
    name : str
        What is followed from scale to scale.
    value : Estimate
        At the last scale.
    distance : Estimate
        From the nearest trivial fixed point.
    drift : tuple of Estimate
        Its last two steps as fractions of the distance; of an eigenvalue the last step, and the
        change as the last operator was added.
    verdict : str
        ``"stationary"``, ``"moving"``, ``"trivial"`` (no distance can be told at any of three
        scales), ``"lost"`` (none at the last scale, but two scales before), ``"open"`` (errors
        allow both rest and motion), or ``"alone"`` (an eigenvalue from a single operator).
    """

    name: str
    value: Estimate
    distance: Estimate
    drift: tuple[Estimate, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class Criticality:
    """The outcome of the criticality and step-drift tests.

    Attributes
    ----------
    passed : bool
        Whether exponents may be read off.
    reason : str
        Why, in words.
    evidence : tuple of Evidence
        The numbers with their errors.
    scales : tuple of float
        The block lengths over which the flow stands still; empty where it is not known to.
    """

    passed: bool
    reason: str
    evidence: tuple[Evidence, ...]
    scales: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        head = f"criticality test {'passed' if self.passed else 'failed'}: {self.reason}"
        if not self.evidence:
            return head
        eigenvalues = self.evidence[0].name in ("y_t", "y_h")
        steps = ("last step", "last operator") if eigenvalues else ("step before", "last step")
        lines = [["", "last value", "from trivial", *steps, ""]]
        for one in self.evidence:
            drift = [str(d) for d in one.drift]
            lines.append([one.name, str(one.value), str(one.distance), *drift, one.verdict])
        return f"{head}\n{align(lines, left=(0, 5))}\n  steps as fractions of the distance"


def criticality(
    flow: Results | LinearisedRG, *, names: Sequence[str] | None = None, tolerance: float = 0.1
) -> Criticality:
    r"""Test whether a flow stands still at a fixed point that is not a trivial one.

    Parameters
    ----------
    flow : Couplings, Cumulants, a list of them, or LinearisedRG
        Numbers at three scales or more; several members are averaged.
    names : sequence of str, optional
        What is followed; by default all couplings, or of cumulants the ratios of order 3 and 4 and
        the correlation of neighbours. Not for a `LinearisedRG`, of which the leading eigenvalues of
        both sectors are.
    tolerance : float
        How far a step may lead, as a fraction of the distance from the nearest trivial fixed point.

    Returns
    -------
    Criticality

    Raises
    ------
    ArgumentError
        If the argument or a name is unknown.

    Notes
    -----
    The linearised RG and every exponent presuppose samples of one critical action. Trained weights
    are not: their exponents are regression slopes unless the flow itself stands still. Of the
    coarsest three scales at which the correlations could be told, take the distance D of a
    dimensionless number x from the trivial fixed points (independent Gaussian sites; for
    correlations also a frozen field) and the two steps :math:`s_1, s_2`; each ratio
    :math:`s / D` is evaluated in every jackknife replicate. A number is *trivial* if D at the last
    scale is within its error of zero, *lost* if that was not so two scales before, *moving* if
    :math:`|s_2| / D` is above the tolerance, *stationary* if both :math:`|s| / D` are below it,
    *open* otherwise, all at p = 0.001 of Student's t.

    The test is passed if no number moves, no correlation is open, and one correlation at least is
    stationary. Of a `LinearisedRG` the numbers are y_t, whose trivial value is 0, and y_h, whose
    trivial values are d/2 and d; the change as the last operator is added must be below the
    tolerance too.

    Examples
    --------
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(100, 256))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(256)))
    >>> criticality(flow.cumulants(order=4, nulls=())).reason
    'no correlation between blocks can be told from zero over b = 32 to 128'
    """
    limit = as_real("tolerance", tolerance)
    if not 0 < limit < 1:
        raise ArgumentError(f"tolerance must lie between 0 and 1, got {limit}; try 0.1")
    if isinstance(flow, LinearisedRG):
        if names is not None:
            raise ArgumentError("names are for couplings and cumulants, not for eigenvalues")
        return _of_eigenvalues(flow, limit)
    return _of_flow(flow, default_names(flow) if names is None else tuple(names), limit)


def _of_flow(results: Results, names: tuple[str, ...], tolerance: float) -> Criticality:
    scales = as_members(results)[0].scales
    if scales.size < _FEWEST:
        return Criticality(
            False, f"cannot be told: {scales.size} scales, at least {_FEWEST} are needed", ()
        )
    table, _ = coordinates(results, names)
    finite = np.isfinite(table.values) & np.isfinite(table.replicates).all(axis=0)
    told = finite.reshape(scales.size, -1)
    linked = [a for a, name in enumerate(names) if is_correlation(name)]
    # The coarsest scales may have too few blocks for any number.
    ends = [k for k in range(_FEWEST, scales.size + 1) if told[k - _FEWEST : k, linked].all()]
    end = max(ends, default=scales.size)
    evidence = [
        _judged(
            name,
            table.select([(end - j) * len(names) + a for j in (3, 2, 1)]),
            trivial_values(name),
            tolerance,
        )
        for a, name in enumerate(names)
        if told[end - _FEWEST : end, a].all()
    ]
    return _verdict(tuple(evidence), scales[end - _FEWEST : end].tolist())


def _judged(name: str, last: Replicates, trivial: tuple[float, ...], tolerance: float) -> Evidence:
    """Judge a number by its values at the last three scales."""
    nearest = min(trivial, key=lambda t: abs(last.values[2] - t))
    at = last.map(lambda x: x - nearest)
    value, distance = last.estimates()[2], at.estimates()[2]
    drift = at.map(lambda x: np.diff(x) / x[2]).estimates()
    before = at.estimates()[0]
    t = _quantile(last.dof)
    if not abs(distance.value) > t * distance.error:
        verdict = "lost" if abs(before.value) > t * before.error else "trivial"
    elif abs(drift[1].value) - t * drift[1].error > tolerance:
        verdict = "moving"
    elif all(abs(d.value) + t * d.error < tolerance for d in drift):
        verdict = "stationary"
    else:
        verdict = "open"
    return Evidence(name, value, distance, drift, verdict)


def _verdict(evidence: tuple[Evidence, ...], scales: list[int]) -> Criticality:
    span = f"b = {scales[0]:g} to {scales[-1]:g}"
    moving = [e.name for e in evidence if e.verdict == "moving"]
    linked = [e for e in evidence if is_correlation(e.name)]
    still = [e.name for e in linked if e.verdict == "stationary"]
    unclear = [e.name for e in linked if e.verdict == "open"]
    if not linked:
        return Criticality(
            False,
            "cannot be told: no correlation of sites was measured at three scales in a row",
            evidence,
        )
    lost = [e.name for e in linked if e.verdict == "lost"]
    if lost and not still and not moving:
        words = f"seen at b = {scales[0]:g}, within errors of trivial at b = {scales[-1]:g}"
        return Criticality(
            False, f"cannot be told: {_few(lost)} {words}; fewer levels may tell", evidence
        )
    if all(e.verdict == "trivial" for e in linked):
        words = f"no correlation between blocks can be told from zero over {span}"
        return Criticality(False, words, evidence)
    if moving:
        return Criticality(False, f"the flow still moves over {span}: {_few(moving)}", evidence)
    if unclear or not still:
        return Criticality(
            False,
            f"cannot be told: errors over {span} allow both rest and motion of {_few(unclear)}",
            evidence,
        )
    return Criticality(
        True,
        f"the flow stands still over {span}: {_few(still)}, away from trivial",
        evidence,
        tuple(scales),
    )


def _of_eigenvalues(rg: LinearisedRG, tolerance: float) -> Criticality:
    if rg.n_steps < 2:
        return Criticality(False, "cannot be told: one RG step, at least 2 are needed", ())
    bad = [flag for flag in rg.flags if flag.startswith("not symmetric")]
    d = float(rg.dimension)
    found = tuple(
        _judged_eigenvalue(rg, sector, (d / 2, d) if sector == "odd" else (0.0,), tolerance)
        for sector in rg.sectors
    )
    if bad:
        return Criticality(False, f"{bad[0]}; pass symmetric=False", found)
    for verdict, words in (
        ("trivial", "cannot be told from its value at a trivial fixed point"),
        ("moving", "still changes from step to step or with the number of operators"),
        ("open", "cannot be told: errors allow both rest and motion"),
        ("alone", "cannot be told: one operator only, and more may change it"),
    ):
        names = [e.name for e in found if e.verdict == verdict]
        if names:
            return Criticality(False, f"{_few(names)}: {words}", found)
    if not any(e.name != "y_h" for e in found):
        return Criticality(False, "cannot be told: there are no even operators", found)
    return Criticality(
        True,
        f"{_few([e.name for e in found])} stand still over the last two steps, away from trivial",
        found,
        tuple(rg.lengths[-_FEWEST:].tolist()),
    )


def _judged_eigenvalue(
    rg: LinearisedRG, sector: Sector, trivial: tuple[float, ...], tolerance: float
) -> Evidence:
    operators = len(rg.sectors[sector])
    last = rg.leading_replicates(rg.n_steps, sector)
    before = rg.leading_replicates(rg.n_steps - 1, sector)
    fewer = rg.leading_replicates(rg.n_steps, sector, max(1, operators - 1))
    nearest = min(trivial, key=lambda t: abs(last[0] - t))
    away = last - nearest
    numbers = np.stack([last, away, (last - before) / away, (last - fewer) / away], axis=1)
    value, distance, step, added = Replicates.from_jackknife(
        numbers[0], numbers[1:], rg.weights
    ).estimates(n_samples=float(rg.weights.sum()))
    t = _quantile(rg.weights.size - 1)
    relevant = sector == "odd" or distance.value > 0
    if not (relevant and abs(distance.value) > t * distance.error):
        verdict = "trivial"
    elif any(abs(x.value) - t * x.error > tolerance for x in (step, added)):
        verdict = "moving"
    elif operators < 2:
        verdict = "alone"
    elif all(abs(x.value) + t * x.error < tolerance for x in (step, added)):
        verdict = "stationary"
    else:
        verdict = "open"
    drift = (step, added) if operators > 1 else (step, Estimate(np.nan, np.nan))
    return Evidence("y_h" if sector == "odd" else "y_t", value, distance, drift, verdict)


def _quantile(dof: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(dof, 1 - _LEVEL / 2) if np.isfinite(dof) else ndtri(1 - _LEVEL / 2))


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
