"""Observables from the named arrays of a results file, every one of them checked.

The names and dimensions are those of `Observables.to_group`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from nnrg._netcdf_reader import Arrays
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.moments import cumulant_names
from nnrg.rg.observables import Observables
from nnrg.rg.operators import HIGHEST_POWER, is_operator_name

__all__ = ["from_arrays"]

O = TypeVar("O", bound=Observables)  # noqa: E741

# What reports and figures read; a file without them is not what was saved.
_SERIES = {
    "cumulants": {"sites", "factor"},
    "nonlocality": {"random_range2"},
    "couplings": {"sites", "factor", "sigma", "chi2", "dof", "p", "condition"},
}
_ATTRIBUTES = {
    "field": str,
    "samples": int,
    "sample_is": str,
    "lattice": str,
    "axes": str,
    "natural_order": int,
    "blocks": str,
    "rescale": str,
    "jackknife_over": str,
    "jackknife_groups": int,
    "notes": str,
}


# Attributes that say how to read a group, and are none of the result.
_OWN = ("nnrg_kind", "nnrg_nulls")


def from_arrays(cls: type[O], group: Arrays) -> O:
    """Rebuild a result from its arrays.

    Raises
    ------
    KeyError or ValueError
        If something is missing, of another type, or of a shape that does not fit the rest.
    """
    if group.attrs["nnrg_kind"] != cls.kind:
        raise ValueError(f"{cls.kind} expected")
    # Units in a block, on a graph, may be no integers.
    scales = _numbers(group, "scale", group.arrays["scale"].dtype.kind, 1)
    names = _texts(group, "operator", 1)
    k, a = scales.size, names.size
    values = _numbers(group, "value", "f", 2)
    replicates = _numbers(group, "replicate", "f", 3)
    weights = _numbers(group, "group_weight", "f", 2)
    n_samples = _numbers(group, "n_samples", "i", 1)
    flags = _texts(group, "flag", 2)
    nulls = _in_order(_prefixed(group, "null_", 3), group.attrs.get("nnrg_nulls"))
    series = _prefixed(group, "series_", 1)
    fits = (
        k > 0
        and bool(np.all(np.diff(scales) > 0) and scales[0] > 0 and np.isfinite(scales[-1]))
        and values.shape == flags.shape == (k, a)
        and replicates.shape == (len(weights), k, a)
        and weights.shape == (len(weights), k)
        and all(draws.shape[1:] == (k, a) for draws in nulls.values())
        and all(row.shape == (k,) for row in (*series.values(), n_samples))
    )
    if not fits:
        raise ValueError("arrays whose shapes do not fit each other")
    if not _SERIES.get(cls.kind, set()) <= set(series):
        raise KeyError("a series")
    attrs = {key: value for key, value in group.attrs.items() if key not in _OWN}
    for key, kind in _ATTRIBUTES.items():
        if not isinstance(attrs[key], kind):
            raise ValueError(f"attribute {key}")
    _check_names(cls, [str(n) for n in names], attrs, k)
    return cls(
        scales=scales,
        names=tuple(str(n) for n in names),
        values=values,
        replicates=replicates,
        weights=weights,
        nulls=nulls,
        flags=tuple(tuple(str(f) for f in row) for row in flags),
        n_samples=n_samples,
        attrs=attrs,
        series=series,
    )


def _check_names(
    cls: type[Observables], names: list[str], attrs: dict[str, Any], n_scales: int
) -> None:
    if issubclass(cls, Couplings):
        fields = [int(word) for word in str(attrs["fields"]).split()]
        if len(fields) != len(names) or not all(0 <= n <= HIGHEST_POWER for n in fields):
            raise ValueError("powers of the operators")
        if len(set(names)) < len(names) or not all(map(is_operator_name, names)):
            raise ValueError("names of operators")
    elif cls.kind == "nonlocality":
        for key in ("verdicts", "evidence", "statement"):
            if not isinstance(attrs[key], str):
                raise ValueError(f"attribute {key}")
        lines = {len(attrs[key].split("\n")) for key in ("verdicts", "evidence")}
        if lines != {n_scales}:
            raise ValueError("one verdict a scale")
        if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
            raise ValueError("names of ranges")
    elif issubclass(cls, Cumulants):
        order = sum(n.startswith("kappa_") for n in names)
        dimension = sum(n.startswith("neighbour:") for n in names)
        if tuple(names) != cumulant_names(order, dimension) or order < 2:
            raise ValueError("names of cumulants")


def _in_order(nulls: dict[str, npt.NDArray[Any]], order: object) -> dict[str, npt.NDArray[Any]]:
    """Return the draws of null models in the order that a file names; older files name none."""
    names = str(order).split("\n") if order else list(nulls)
    if set(names) != set(nulls):
        raise ValueError("names of null models")
    return {name: nulls[name] for name in names}


def _numbers(group: Arrays, name: str, kind: str, ndim: int) -> npt.NDArray[Any]:
    values = group.arrays[name]
    if values.dtype.kind != kind or kind not in "if" or values.ndim != ndim:
        raise ValueError(f"numbers of {name}")
    return values.astype(np.int64 if kind == "i" else np.float64)


def _texts(group: Arrays, name: str, ndim: int) -> npt.NDArray[Any]:
    values = group.arrays[name]
    if values.dtype.kind != "O" or values.ndim != ndim:
        raise ValueError(f"words of {name}")
    return values


def _prefixed(group: Arrays, prefix: str, ndim: int) -> dict[str, npt.NDArray[Any]]:
    return {
        name[len(prefix) :]: _numbers(group, name, "f", ndim)
        for name in group.arrays
        if name.startswith(prefix)
    }
