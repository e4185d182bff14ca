"""What is compared: the flows that a mapping of runs, measurements and tables holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.comparison._table import (
    Table,
    dimensionless_couplings,
    dimensionless_cumulants,
    is_same_flow,
    ranges_table,
)
from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.results import Measurement, Run
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants
from nnrg.rg.observables import Observables

__all__ = ["Flowing", "gather_flows"]

Array = npt.NDArray[np.float64]

_SHAPE = re.compile(r"\(([\d x]*\d)")
_FACTORS = re.compile(r"b=\(([\d, ]+)\)")
Fields = str | Sequence[str] | Mapping[str, str | Sequence[str]] | None


@dataclass(frozen=True, slots=True, eq=False)
class Flowing:
    """One flow of a comparison.

    Attributes
    ----------
    name : str
        What the comparison calls it.
    network : str
        sha256 of the weights it was measured on; empty if it is not known.
    results : tuple of Observables
        What was given.
    tables : mapping from kind to Table
    scales : array of shape (n_scales,)
        b, in sites.
    shape : tuple of int
        Sites along each axis, or units of a graph.
    blocks_left : array of shape (n_scales,)
    """

    name: str
    network: str
    results: tuple[Observables, ...]
    tables: Mapping[str, Table]
    scales: Array
    shape: tuple[int, ...]
    blocks_left: Array

    @property
    def attrs(self) -> Mapping[str, object]:
        """Settings, of the first of the results."""
        return self.results[0].attrs

    @property
    def n_numbers(self) -> float:
        """Values that the field has: samples times sites."""
        return float(prod(self.shape)) * float(str(self.attrs["samples"]))

    def positions(self, at: str) -> Array:
        """Return the scales in the measure that is to be equal, shape (n_scales,)."""
        if at == "relative":
            return np.asarray(self.scales / prod(self.shape) ** (1 / len(self.shape)))
        return self.blocks_left if at == "blocks" else self.scales


def gather_flows(
    runs: object, field: Fields, ranges: Mapping[str, Observables] | None
) -> tuple[Flowing, ...]:
    """Return every flow that the arguments of `compare` name, in their order.

    Raises
    ------
    ArgumentError
        If there are fewer than two, or something else is given.
    """
    if not isinstance(runs, Mapping):
        raise ArgumentError(
            f"compare takes a mapping from names to runs, got {shown(runs)}; "
            'try {"a": run_a, "b": run_b}'
        )
    found: dict[str, tuple[str, tuple[Observables, ...]]] = {}
    for name, network, results in _flatten(runs, field, ""):
        if name in found:
            raise ArgumentError(f"two flows are called {label(name)!r}; give each its own name")
        found[name] = network, results
    given = dict(ranges or {})
    if unknown := sorted(set(given) - set(found)):
        raise ArgumentError(
            f"ranges are given for {label(unknown[0])!r}, which is no flow of the comparison; "
            f"there are {', '.join(label(n, 40) for n in found)}"
        )
    if len(found) < 2:
        raise ArgumentError(
            f"a comparison needs two flows or more, got {len(found)}; give another run, or several "
            "fields of one with field="
        )
    return tuple(
        _flowing(name, network, results, given.get(name))
        for name, (network, results) in found.items()
    )


def _flatten(
    runs: Mapping[object, object], field: Fields, prefix: str
) -> Iterator[tuple[str, str, tuple[Observables, ...]]]:
    for key, one in runs.items():
        if not isinstance(key, str) or not key:
            raise ArgumentError(f"the name of a flow must be text, got {shown(key)}")
        name = prefix + key
        if isinstance(one, Run):
            yield from _fields_of(name, one, field)
        elif isinstance(one, Measurement):
            yield name, "", (one.couplings, one.cumulants)
        elif isinstance(one, Couplings | Cumulants):
            yield name, "", (one,)
        elif isinstance(one, Mapping):
            yield from _flatten(one, field, f"{name}/")
        else:
            raise ArgumentError(
                f"{label(name)!r} must be a Run, a Measurement, Couplings, Cumulants or a mapping "
                f"of them, got {shown(one)}; nnrg.open_results reads what nnrg flow wrote"
            )


def _fields_of(
    name: str, run: Run, field: Fields
) -> Iterator[tuple[str, str, tuple[Observables, ...]]]:
    """Yield the flows of a run that `field` asks for; several are called run/field."""
    wanted = field.get(name) if isinstance(field, Mapping) else field
    several = wanted is not None and not isinstance(wanted, str)
    names = [run.leading.name] if wanted is None else list(wanted) if several else [str(wanted)]
    if not names:
        raise ArgumentError(f"no field of {label(name)!r} is asked for; leave field= out")
    network = str(run.attrs.get("weights_sha256", ""))
    for one in names:
        try:
            measured = run[one]
        except ArgumentError as error:
            raise ArgumentError(f"{label(name)!r}: {error}") from None
        called = f"{name}/{one}" if several else name
        yield called, network, (measured.couplings, measured.cumulants)


def _flowing(
    name: str, network: str, results: tuple[Observables, ...], report: Observables | None
) -> Flowing:
    couplings = next((r for r in results if isinstance(r, Couplings)), None)
    cumulants = next((r for r in results if isinstance(r, Cumulants)), None)
    tables: dict[str, Table] = {}
    if couplings is not None:
        tables["coupling"] = dimensionless_couplings(couplings, cumulants)
    if cumulants is not None:
        tables["cumulant"] = dimensionless_cumulants(cumulants)
    if report is not None:
        if not isinstance(report, Observables) or report.kind != "nonlocality":
            raise ArgumentError(
                f"ranges of {label(name)!r} must be a report of nnrg.nonlocality, got "
                f"{shown(report)}"
            )
        tables["range"] = ranges_table(report)
        results = (*results, report)
    scales = results[0].scales
    if any(not np.array_equal(r.scales, scales) for r in results):
        raise ArgumentError(
            f"the results of {label(name)!r} have different scales; measure all on one flow"
        )
    shape = _shape(results[0])
    left = cumulants.series["sites"] if cumulants is not None else _blocks_left(results[0], shape)
    return Flowing(
        name=name,
        network=network,
        results=results,
        tables=tables,
        scales=scales.astype(np.float64),
        shape=shape,
        blocks_left=np.asarray(left, dtype=np.float64),
    )


def _shape(result: Observables) -> tuple[int, ...]:
    """Return the sites along each axis, as the record of the flow has them."""
    match = _SHAPE.search(str(result.attrs.get("lattice", "")))
    if match is None:
        raise ArgumentError(
            "results to be compared must say on which sites they were measured; make them with "
            "nnrg.fit_couplings, Flow.cumulants or nnrg flow"
        )
    return tuple(int(word) for word in match[1].split("x"))


def _blocks_left(result: Observables, shape: tuple[int, ...]) -> Array:
    """Return the blocks at each scale of a lattice from its shape and its blocks alone."""
    match = _FACTORS.search(str(result.attrs.get("blocks", "")))
    factors = [int(word) for word in match[1].split(",")] if match else [2] * len(shape)
    largest = max(factors)
    along = [np.log(f) / np.log(largest) if largest > 1 else 1.0 for f in factors]
    counts = [
        np.floor(n / np.rint(result.scales.astype(np.float64) ** power))
        for n, power in zip(shape, along, strict=True)
    ]
    return np.asarray(np.prod(counts, axis=0))


def sigma_is_refitted(flow: Flowing) -> bool:
    """Tell whether the errors of the couplings hold that of sigma."""
    couplings = next((r for r in flow.results if isinstance(r, Couplings)), None)
    cumulants = next((r for r in flow.results if isinstance(r, Cumulants)), None)
    return couplings is None or (cumulants is not None and is_same_flow(couplings, cumulants))
