"""Comparing flows at equal scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np

from nnrg._validate import as_real, shown
from nnrg.comparison._flows import Fields, Flowing, gather_flows, sigma_is_refitted
from nnrg.comparison._pair import pair_of
from nnrg.comparison._scales import Common, common_scales
from nnrg.comparison._settings import (
    BOUND,
    INDEPENDENT,
    PAIRED,
    common_settings,
    other_nulls,
    relation,
)
from nnrg.comparison.difference import (
    Difference,
    adjust_together,
    differences,
    exponent_difference,
)
from nnrg.comparison.distance import Distance, flow_distance
from nnrg.comparison.result import Comparison, Curves
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks._label import label
from nnrg.rg.observables import Observables
from nnrg.rg.scaling.exponents import Exponents
from nnrg.stats.estimate import Estimate
from nnrg.stats.multiple_testing import adjust_p_values

__all__ = ["compare"]

_MEASURES = ("relative", "blocks", "scale")
_SIGMA = (
    "{}: without the cumulants of the same flow the error of sigma is not in that of g_n sigma^n; "
    "give measurements"
)


def compare(
    runs: Mapping[str, object],
    *,
    at: Literal["relative", "blocks", "scale"] = "relative",
    field: Fields = None,
    ranges: Mapping[str, Observables] | None = None,
    exponents: Mapping[str, Exponents | Mapping[str, Estimate]] | None = None,
    interpolate: bool = False,
    tolerance: float = 0.1,
    null: str | None = None,
    level: float = 0.05,
) -> Comparison:
    """Compare any number of flows at equal scale.

    Parameters
    ----------
    runs : mapping from name to Run, Measurement, Couplings, Cumulants, or a mapping of them
        Two flows or more; inside a mapping they are called outer/inner.
    at : {"relative", "blocks", "scale"}
        What is equal: b over the width of the lattice, the number of blocks left, or b itself.
    field : str, sequence of str, or mapping from name of a run to one of them
        Which field of a run; its leading one by default. Of several each is a flow run/field.
    ranges : mapping from name to Nonlocality, optional
        Reports of `nnrg.nonlocality` on the same flows.
    exponents : mapping from name to Exponents or mapping of Estimate, optional
        Exponents by name; those that both flows have are compared.
    interpolate : bool
        Whether a flow may be read between two of its scales, linearly in ln b, replicates and null
        draws too; the curvature is part of the error. Nothing is extrapolated.
    tolerance : float
        Without interpolation: how far scales may lie apart in ln b and still be equal.
    null : str, optional
        The null model that each flow is compared with; the first that all have by default.
    level : float
        Chance of one false claim among all that is compared.

    Returns
    -------
    Comparison

    Raises
    ------
    ArgumentError
        If there are fewer than two flows, or they differ in basis, blocks or rescaling, or have
        null models and none in common, or two of them are one field.
    AnalysisError
        If two flows have no scale, or no number, in common.

    Notes
    -----
    Couplings are compared as g_n sigma^n. Variances of independent flows add. Flows of runs of one
    weight file are not independent: where the jackknife leaves out the same units, replicates of
    the difference are used; else the variance is taken as twice the sum, its largest value under
    any correlation. Give runs, not their parts, so that one file is seen to be one. The distance is
    `nnrg.comparison.distance.flow_distance`.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.gaussian import ar1
    >>> def cumulants(n, rho, seed):
    ...     field = nnrg.SynapticField(ar1(64, n, rho=rho, rng=seed), nnrg.Lattice(64))
    ...     return nnrg.renormalize(field, levels=4).cumulants(order=4, rng=seed)
    >>> flows = {"a": cumulants(128, 0.5, 1), "b": cumulants(512, 0.5, 2)}
    >>> nnrg.compare(flows | {"c": cumulants(128, 0.8, 3)}).told_apart()
    (('a', 'c'), ('b', 'c'))
    """
    if at not in _MEASURES:
        raise ArgumentError(
            f"at must be one of {', '.join(map(repr, _MEASURES))}, got {shown(at)}; "
            "'relative' is b over the width"
        )
    alpha, reach = as_real("level", level), as_real("tolerance", tolerance)
    if not 0 < alpha < 1:
        raise ArgumentError(f"level must lie between 0 and 1, got {shown(level)}; try 0.05")
    if not 0 <= reach < 0.35:
        raise ArgumentError(
            f"tolerance must be from 0 to 0.34, less than half a doubling of b, got "
            f"{shown(tolerance)}; interpolate=True goes between scales"
        )
    flows = gather_flows(runs, field, ranges)
    settings = common_settings(flows)
    model = _null(settings, null)
    powers = _exponents(exponents, [f.name for f in flows])
    rows: list[Difference] = []
    distances: list[Distance] = []
    notes = [_SIGMA.format(label(f.name, 60)) for f in flows if not sigma_is_refitted(f)]
    notes += other_nulls(flows, settings["null models"])
    for first, second in combinations(flows, 2):
        joint = relation(first, second)
        common = common_scales(
            first.positions(at), second.positions(at), tolerance=reach, interpolate=interpolate
        )
        if not common.positions.size:
            raise AnalysisError(_nothing_common(first, second, at))
        pair_rows, distance = _compare_two(first, second, common, joint, model)
        rows += pair_rows
        distances.append(distance)
        if joint != INDEPENDENT:
            notes.append(f"{label(first.name, 60)} and {label(second.name, 60)}: {joint}")
        both = powers.get(first.name, {}), powers.get(second.name, {})
        rows += [
            exponent_difference(
                name,
                (first.name, both[0][name]),
                (second.name, both[1][name]),
                one_network=joint in (PAIRED, BOUND),
            )
            for name in both[0]
            if name in both[1]
        ]
    if not any(np.isfinite(row.difference) for row in rows):
        raise AnalysisError(
            "no number has a value in two of these flows; the flags of their couplings and "
            "cumulants say why"
        )
    adjusted = adjust_p_values([d.p for d in distances], "holm")
    return Comparison(
        at=at,
        level=alpha,
        null=model or "",
        settings=settings,
        curves=tuple(_curves(flow, at, model) for flow in flows),
        rows=adjust_together(rows),
        distances=tuple(
            replace(d, adjusted=float(p)) for d, p in zip(distances, adjusted, strict=True)
        ),
        notes=tuple(notes),
    )


def _compare_two(
    first: Flowing, second: Flowing, common: Common, joint: str, null: str | None
) -> tuple[list[Difference], Distance]:
    kinds = [kind for kind in first.tables if kind in second.tables]
    lengths = common.first.read(first.scales, -1), common.second.read(second.scales, -1)
    rows: list[Difference] = []
    told = []
    for kind in kinds:
        pair = pair_of(kind, first, second, common, joint, null)
        rows += differences(pair, first.name, second.name, common, lengths)
        if kind != "range":
            told.append(pair)
    numbers = first.n_numbers, second.n_numbers
    return rows, flow_distance(told, first.name, second.name, numbers)


def _nothing_common(first: Flowing, second: Flowing, at: str) -> str:
    spans = [
        f"{label(f.name, 40)!r} has {', '.join(f'{x:.4g}' for x in f.positions(at))}"
        for f in (first, second)
    ]
    what = {"relative": "b / width", "blocks": "blocks left", "scale": "b"}[at]
    return (
        f"no common scale: of {what}, {spans[0]}, {spans[1]}; try another at= (--at), or "
        "interpolate=True (--interpolate) if they overlap"
    )


def _null(settings: Mapping[str, str], null: str | None) -> str | None:
    ran = [] if settings["null models"] == "none" else settings["null models"].split(", ")
    if null is None:
        return "permutation" if "permutation" in ran else (ran[0] if ran else None)
    if null not in ran:
        raise ArgumentError(
            f"no null model {shown(null)} was run on all flows, only {settings['null models']}"
        )
    return null


def _exponents(
    exponents: Mapping[str, Exponents | Mapping[str, Estimate]] | None, names: Sequence[str]
) -> dict[str, dict[str, Estimate]]:
    """Return the exponents of each flow by name."""
    out: dict[str, dict[str, Estimate]] = {}
    for name, given in (exponents or {}).items():
        if name not in names:
            raise ArgumentError(
                f"exponents are given for {label(name)!r}, which is no flow of the comparison; "
                f"there are {', '.join(label(n, 40) for n in names)}"
            )
        if isinstance(given, Exponents):
            out[name] = {one.name: one.estimate for one in given}
            continue
        items: Iterable[tuple[str, object]] = given.items() if isinstance(given, Mapping) else ()
        out[name] = {key: e for key, e in items if isinstance(e, Estimate)}
        if not out[name] or len(out[name]) < len(given):
            raise ArgumentError(
                f"exponents of {label(name)!r} must be nnrg.fit_exponents(...) or a mapping from "
                f"names to Estimate, got {shown(given)}"
            )
    return out


def _curves(flow: Flowing, at: str, null: str | None) -> Curves:
    """Return what a figure shows of one flow."""
    tables = list(flow.tables.values())
    blank = [np.full(t.values.shape, np.nan) for t in tables]
    drawn = [t.nulls.get(null) if null is not None else None for t in tables]
    means = [b if d is None else d.mean(axis=0) for b, d in zip(blank, drawn, strict=True)]
    spreads = [b if d is None else d.std(axis=0, ddof=1) for b, d in zip(blank, drawn, strict=True)]
    return Curves(
        name=flow.name,
        field=str(flow.attrs["field"]),
        samples=int(str(flow.attrs["samples"])),
        sites=str(flow.attrs["lattice"]),
        positions=flow.positions(at).copy(),
        block_lengths=flow.scales.copy(),
        quantities=tuple(name for t in tables for name in t.names),
        values=np.concatenate([t.values for t in tables], axis=1),
        errors=np.concatenate([t.errors() for t in tables], axis=1),
        null_mean=np.concatenate(means, axis=1),
        null_spread=np.concatenate(spreads, axis=1),
        flags=tuple(
            tuple(flag for t in tables for flag in t.flags[k]) for k in range(flow.scales.size)
        ),
    )
