"""The linearised RG matrix of Swendsen's Monte Carlo renormalization group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.flow import Flow
from nnrg.rg.scaling._rg_matrix import connected
from nnrg.rg.scaling.linearised import LinearisedRG, Sector, condition_number
from nnrg.rg.scaling.operator_record import Names, OperatorRecord, block_operators
from nnrg.stats.jackknife import Jackknife
from nnrg.stats.partition import sample_groups

__all__ = ["linearised_rg"]

Array = npt.NDArray[np.float64]

# Below so many configurations for each operator the regression behind T is not to be trusted.
_FEW = 10
# A correlation matrix worse than this has lost half the digits of what is solved with it, or more.
_SINGULAR = 1e10
_FEWEST_GROUPS = 4


def linearised_rg(
    record: OperatorRecord | Flow,
    operators: Names | None = None,
    *,
    symmetric: bool = True,
    errors: Jackknife | None = None,
) -> LinearisedRG:
    r"""Measure the linearised RG matrix of each step from configurations of one critical action.

    Parameters
    ----------
    record : OperatorRecord or Flow
        Operators of every configuration at every scale; a flow is measured with `operators`.
    operators : names, optional
        For a flow only: see `nnrg.rg.scaling.lattice_operators.as_operators`.
    symmetric : bool
        Whether the action is unchanged by phi -> -phi, so that even and odd operators do not mix.
        That of trained weights is not.
    errors : Jackknife, optional
        ``Jackknife(blocks=64)`` leaves out 64 groups of consecutive configurations.

    Returns
    -------
    LinearisedRG

    Raises
    ------
    ArgumentError
        If an option is not usable.
    AnalysisError
        If there are too few scales or configurations, an operator does not fluctuate, or operators
        coincide.

    Notes
    -----
    .. math:: T_{ij} = \frac{\partial K'_i}{\partial K_j}, \quad
              T = \langle S' S' \rangle_c^{-1} \langle S' S \rangle_c

    (R. H. Swendsen, Phys. Rev. Lett. 42 (1979) 859, doi:10.1103/PhysRevLett.42.859), truncated to
    the operators given; y = ln(eigenvalue)/ln b. Configurations must be samples of **one** action
    near criticality: of anything else, trained weights among it, the eigenvalues are regression
    slopes. `nnrg.rg.scaling.criticality.criticality` tests for it.

    A change of the field's amplitude, direction :math:`e = \langle S S \rangle_c^{-1}
    \langle \sum \phi\, \partial S / \partial \phi \rangle`, is redundant: linear blocks send it
    to itself, a marginal eigenvalue that means nothing. Where the rescaling fixes the variance the
    direction is taken out. The rescaling factor is measured again without each jackknife group.

    Examples
    --------
    Independent Gaussian numbers in one dimension: y_4 = -d and y_1 = d/2.

    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(4000, 64))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    >>> t = linearised_rg(flow, ("hermite2", "hermite4", "phi", "hermite3"))
    >>> abs(t.leading(1).value + 1) < 0.2, abs(t.leading(1, "odd").value - 0.5) < 0.1
    (True, True)
    """
    if isinstance(record, Flow):
        if operators is None:
            raise ArgumentError("a flow needs operators, such as ('phi2', 'phi4', 'nn', 'phi')")
        record = block_operators(record, operators)
    elif not isinstance(record, OperatorRecord):
        raise ArgumentError(f"expected an OperatorRecord or a Flow, got {type(record).__name__}")
    elif operators is not None:
        raise ArgumentError("the operators of a record are those it was measured with")
    policy = Jackknife(blocks=64) if errors is None else errors
    if not isinstance(policy, Jackknife):
        raise ArgumentError(f"errors must be a Jackknife, got {shown(errors)}")
    record = _in_order(record)
    sectors = _sectors(record, symmetric)
    labels = _labels(record, policy, max(len(rows) for rows in sectors.values()))
    _check_fluctuations(record)
    within, across, stretching = connected(record, labels)
    largest = max(
        condition_number(within[0, level][np.ix_(rows, rows)])
        for level in range(1, len(within[0]))
        for rows in sectors.values()
    )
    if not largest < _SINGULAR:
        raise AnalysisError(
            f"operators coincide on a block lattice: the scaled <S'S'>_c has condition number "
            f"{largest:.1e}; use fewer levels or fewer operators"
        )
    return LinearisedRG(
        names=tuple(o.name for o in record.operators),
        sectors=sectors,
        lengths=record.lengths.copy(),
        dimension=record.dimension,
        within=within,
        across=across,
        stretching=stretching,
        weights=np.bincount(labels).astype(np.float64),
        projected=record.moments is not None,
        rule=record.rule,
        flags=_flags(record, sectors, within),
    )


def _in_order(record: OperatorRecord) -> OperatorRecord:
    """Return the record with configurations that repeat one another next to one another."""
    if not np.any(np.diff(record.groups) < 0):
        return record
    order = np.argsort(record.groups, kind="stable")
    return replace(
        record,
        values=record.values[:, order],
        stretched=record.stretched[:, order],
        moments=None if record.moments is None else record.moments[:, order],
        groups=record.groups[order],
    )


def _sectors(record: OperatorRecord, symmetric: object) -> Mapping[Sector, tuple[int, ...]]:
    if not isinstance(symmetric, bool):
        raise ArgumentError(f"symmetric must be True or False, got {shown(symmetric)}")
    if not symmetric:
        return {"all": tuple(range(len(record.operators)))}
    mixed = [o.name for o in record.operators if o.even is None]
    if mixed:
        raise ArgumentError(
            f"operators {', '.join(mixed)} are neither even nor odd; pass symmetric=False"
        )
    even = tuple(i for i, o in enumerate(record.operators) if o.even)
    odd = tuple(i for i, o in enumerate(record.operators) if not o.even)
    both: dict[Sector, tuple[int, ...]] = {"even": even, "odd": odd}
    return {sector: rows for sector, rows in both.items() if rows}


def _labels(record: OperatorRecord, policy: Jackknife, n_operators: int) -> npt.NDArray[np.int64]:
    levels, n, _ = record.values.shape
    if levels < 2:
        raise AnalysisError("one scale holds no RG step; at least 2 are needed")
    if n < max(_FEWEST_GROUPS, 2 * n_operators + 2):
        raise AnalysisError(
            f"{n} configurations are too few for {n_operators} operators, at least "
            f"{max(_FEWEST_GROUPS, 2 * n_operators + 2)} are needed; give more samples"
        )
    units = int(record.groups.max()) + 1
    labels = sample_groups(units, policy.max_groups).astype(np.int64)[record.groups]
    if int(labels.max()) + 1 < _FEWEST_GROUPS:
        raise AnalysisError(
            f"{int(labels.max()) + 1} groups of configurations tell no error; give at least "
            f"{_FEWEST_GROUPS} independent samples"
        )
    return labels


def _check_fluctuations(record: OperatorRecord) -> None:
    for level, values in enumerate(record.values):
        spread, size = values.std(axis=0), np.abs(values).max(axis=0)
        for i, operator in enumerate(record.operators):
            if not spread[i] > 1e-12 * size[i]:
                raise AnalysisError(
                    f"operator {operator.name} is the same on every configuration at "
                    f"b = {record.lengths[level]:g}; leave it out"
                )


def _flags(
    record: OperatorRecord, sectors: Mapping[Sector, tuple[int, ...]], within: Array
) -> tuple[str, ...]:
    flags = []
    n = record.values.shape[1]
    most = max(len(rows) for rows in sectors.values())
    if n < _FEW * most:
        flags.append(f"few configurations: {n} for {most} operators")
    if {"even", "odd"} <= set(sectors):
        flags += _asymmetry(within[0, 0], sectors, n)
    return tuple(flags)


def _asymmetry(matrix: Array, sectors: Mapping[Sector, tuple[int, ...]], n: int) -> list[str]:
    """Say so where even and odd operators are correlated by more than chance, five in s.d."""
    scale = np.sqrt(np.diag(matrix))
    mixed = (matrix / scale / scale[:, None])[np.ix_(sectors["even"], sectors["odd"])]
    worst = float(np.abs(mixed).max())
    if worst <= 5 / np.sqrt(n):
        return []
    return [f"not symmetric: even and odd operators have correlation {worst:.2f}"]
