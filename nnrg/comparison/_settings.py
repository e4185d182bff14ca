"""What flows must share to be compared, and how the errors of two of them belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from nnrg.comparison._flows import Flowing
from nnrg.errors import ArgumentError
from nnrg.networks._label import label

__all__ = ["BOUND", "INDEPENDENT", "PAIRED", "common_settings", "other_nulls", "relation"]

INDEPENDENT = "independent"
PAIRED = "one network, same groups: correlated replicates"
BOUND = "one network, other groups: errors hold under any correlation"

# The graph that blocks were made on and the numbers of blocks are the network's own, seeds may
# differ: the rule is what must be the same.
_GRAPH = re.compile(r"ConnectionGraph\([^()]*\)|<[^<>]*>")
_OWN = re.compile(r"\d+(?: -> \d+)* (?=blocks)|(?:, |(?<=\())seed=[^,()]*")
_STANDARDISED = "each site standardised over the samples"
_MEANING = {"coupling": "basis", "cumulant": "highest order of the cumulants", "range": "ranges"}


def common_settings(flows: Sequence[Flowing]) -> dict[str, str]:
    """Return the settings that all flows share.

    Raises
    ------
    ArgumentError
        If one of them differs, naming it and both values.
    """
    if not any(all(k in flow.tables for flow in flows) for k in ("coupling", "cumulant")):
        raise ArgumentError(
            "these flows have no table in common: "
            + "; ".join(f"{label(f.name, 40)!r} has {', '.join(f.tables)}s" for f in flows[:4])
            + "; give couplings, or cumulants, of all"
        )
    shared: dict[str, tuple[str, str]] = {}
    # Which null models a field can have depends on its samples and graph: one in common will do.
    common = set.intersection(*(_nulls(flow) for flow in flows))
    for flow in flows:
        for key, value in _settings(flow, common).items():
            owner, wanted = shared.setdefault(key, (flow.name, value))
            if wanted != value:
                advice = "measure both alike"
                if key == "dimension":
                    advice = "choose fields of one dimension (field=, --field RUN=NAME)"
                raise ArgumentError(
                    f"{key} differs: {label(owner, 40)!r} has {label(wanted, 120)}, "
                    f"{label(flow.name, 40)!r} has {label(value, 120)}; {advice}"
                )
    return {key: value for key, (_, value) in shared.items()}


def other_nulls(flows: Sequence[Flowing], common: str) -> tuple[str, ...]:
    """Say which null models were not run on all flows, and so are not compared."""
    known = set(common.split(", "))
    return tuple(
        f"{label(flow.name, 60)}: null model {', '.join(more)} not compared, not run on all flows"
        for flow in flows
        if (more := sorted(_nulls(flow) - known))
    )


def _settings(flow: Flowing, common: set[str]) -> dict[str, str]:
    attrs: Mapping[str, object] = flow.attrs
    out = {
        "dimension": str(len(flow.shape)),
        "blocks": _OWN.sub("", _GRAPH.sub("graph", str(attrs["blocks"]))),
        "rescale": str(attrs["rescale"]),
        "standardised": "yes" if _STANDARDISED in str(attrs["notes"]) else "no",
        "null models": ", ".join(sorted(common or _nulls(flow))) or "none",
    }
    for kind in flow.tables:
        names = flow.tables[kind].names
        highest = [name.partition("_")[2] for name in names if name.startswith("ratio_")]
        out[_MEANING[kind]] = highest[-1] if highest else ", ".join(names)
    for result in flow.results:
        if result.kind == "nonlocality":
            out["mean of the two-point functions"] = str(result.attrs["mean"])
    return out


def _nulls(flow: Flowing) -> set[str]:
    """Return the null models of couplings and cumulants; those of the ranges are optional."""
    found = [set(t.nulls) for kind, t in flow.tables.items() if kind != "range"]
    return set.intersection(*found) if found else set()


def relation(first: Flowing, second: Flowing) -> str:
    """Say how the errors of two flows belong together.

    Raises
    ------
    ArgumentError
        If both are the same numbers.
    """
    kinds = [k for k in first.tables if k in second.tables]
    same = [
        np.array_equal(first.tables[k].values, second.tables[k].values, equal_nan=True)
        and bool(np.isfinite(first.tables[k].values).any())
        for k in kinds
    ]
    if kinds and all(same):
        raise ArgumentError(
            f"{label(first.name, 40)!r} and {label(second.name, 40)!r} hold the same numbers: "
            "one field was given twice; leave one out"
        )
    if not first.network or first.network != second.network:
        return INDEPENDENT
    return PAIRED if _same_groups(first, second) else BOUND


def _same_groups(first: Flowing, second: Flowing) -> bool:
    """Tell whether the j-th groups of both are the same units."""
    keys = ("jackknife_over", "jackknife_groups", "sample_is", "samples", "lattice")
    if any(first.attrs.get(key) != second.attrs.get(key) for key in keys):
        return False
    kinds = [k for k in first.tables if k in second.tables]
    return all(
        np.array_equal(_first_weights(first, kind), _first_weights(second, kind)) for kind in kinds
    )


def _first_weights(flow: Flowing, kind: str) -> np.ndarray:
    return flow.tables[kind].weights[:, 0]
