"""Which tensors of a network are measured, and on which sites: what names and patterns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.networks._label import label
from nnrg.networks.network import Network

__all__ = ["Sites", "check_sites", "choose", "field_of", "is_natural"]

Sites = Mapping[str, Lattice] | Lattice | None

_SPATIAL = "DHWK"
_FEWEST_TAPS = 4


def choose(net: Network, tensors: tuple[str, ...]) -> list[str]:
    """Return the names to measure, in the order of the file."""
    for pattern in tensors:
        if not any(_matches(name, pattern) for name in net.tensors):
            reason = next((s.reason for s in net.skipped if s.name == pattern), None)
            if reason is not None:
                raise ArgumentError(f"tensor {label(pattern)!r} is left out: {label(reason, 200)}")
            there = ", ".join(label(name, 60) for name in list(net.tensors)[:6])
            raise ArgumentError(
                f"no trained tensor matches {label(pattern)!r}; there are {there}"
                f"{', ...' if len(net.tensors) > 6 else ''} (nnrg inspect lists all)"
            )
    # A name with brackets is a pattern too; where a tensor has it, it means that tensor.
    named = {p for p in tensors if p in net.tensors}
    wild = [p for p in tensors if p not in named]
    return [n for n in net.tensors if n in named or any(fnmatchcase(n, p) for p in wild)]


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def check_sites(sites: Sites, chosen: Sequence[str], net: Network) -> None:
    """Raise ArgumentError unless each lattice is for a tensor that is measured, and may fit it."""
    if not isinstance(sites, Mapping | Lattice | None):
        raise ArgumentError(
            f"sites must be a Lattice, or a mapping from names of tensors to lattices, got "
            f"{shown(sites)}; try nnrg.Lattice((28, 28))"
        )
    given = {"*": sites} if isinstance(sites, Lattice) else sites or {}
    for pattern, lattice in given.items():
        if not (isinstance(pattern, str) and isinstance(lattice, Lattice)):
            raise ArgumentError(
                f"sites: expected a name and its Lattice, got {shown(pattern)}: "
                f"{shown(lattice)}; try nnrg.Lattice((28, 28))"
            )
        found = [pattern] if pattern in chosen else [n for n in chosen if fnmatchcase(n, pattern)]
        if not found:
            raise ArgumentError(
                f"sites name a lattice for {label(pattern)!r}, which matches no tensor that is "
                "measured; nnrg inspect lists the names"
            )
        if not any(_may_fit(net, name, lattice) for name in found):
            which = f"tensor {label(found[0])!r}" if len(found) == 1 else "any tensor measured"
            lengths = sorted({n for name in found for n in net.specs[name].shape}, reverse=True)
            shown_lengths = ", ".join(map(str, lengths[:6])) + (", ..." if lengths[6:] else "")
            raise ArgumentError(
                f"no axis of {which} has the {lattice.n_sites} sites of {lattice!r}; there are "
                f"axes of {shown_lengths}; give a lattice whose lengths multiply to one of them"
            )


def _may_fit(net: Network, name: str, lattice: Lattice) -> bool:
    """Whether an axis, the whole tensor, or the taps of its kernels may lie on a lattice."""
    spec = net.specs[name]
    axes = zip(spec.layout, spec.shape, strict=False)
    taps = tuple(n for axis, n in axes if axis in _SPATIAL and n > 1)
    return lattice.n_sites in (*spec.shape, spec.size) or lattice.shape == taps


def _lattice_for(name: str, sites: Sites) -> Lattice | None:
    if sites is None or isinstance(sites, Lattice):
        return sites
    if name in sites:
        return sites[name]
    return next((lattice for p, lattice in sites.items() if fnmatchcase(name, p)), None)


def field_of(net: Network, name: str, sites: Sites, *, by_name: bool) -> SynapticField:
    """Read a tensor as a field; it must have an axis for the lattice if it is asked for by name."""
    lattice = _lattice_for(name, sites)
    by_name = by_name or (isinstance(sites, Mapping) and name in sites)
    if lattice is not None and not by_name and not _may_fit(net, name, lattice):
        lattice = None
    return net.field(name, sites=lattice)


def is_natural(net: Network, name: str, sites: Sites) -> bool:
    """Tell from names and shapes alone whether a tensor's sites will have a natural order."""
    spec = net.specs[name]
    lattice = _lattice_for(name, sites)
    return (
        (lattice is not None and _may_fit(net, name, lattice))
        or f"nnrg.lattice.{name}" in net.metadata
        or "L" in spec.layout
        or any(
            letter in _SPATIAL and length >= _FEWEST_TAPS
            for letter, length in zip(spec.layout, spec.shape, strict=False)
        )
    )
