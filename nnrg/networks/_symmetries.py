"""Which populations of neurons can be rescaled, flipped or permuted without any effect."""

from __future__ import annotations

from nnrg.errors import ArgumentError
from nnrg.networks._label import label
from nnrg.networks._tied import tied_names
from nnrg.networks.network import Network
from nnrg.networks.topology import Population, Topology

__all__ = ["activation_symmetries", "fixed_units", "tied_tensors"]

_HOMOGENEOUS = ("relu", "leaky_relu", "prelu", "linear")
_ODD = ("tanh", "erf", "arctan", "sin", "softsign", "hardtanh", "linear")
_NEITHER = ("sigmoid", "gelu", "silu", "elu", "selu", "softplus")


def activation_symmetries(activation: str) -> tuple[bool, bool]:
    """Return whether f(c z) = c f(z) for c > 0, and whether f(-z) = -f(z)."""
    known = dict.fromkeys((*_HOMOGENEOUS, *_ODD, *_NEITHER))
    if not isinstance(activation, str) or activation not in known:
        raise ArgumentError(f"activation must be one of {', '.join(known)}, got {activation!r}")
    return activation in _HOMOGENEOUS, activation in _ODD


def tied_tensors(net: Network) -> set[str]:
    """Return the trained tensors whose numbers have a second name."""
    tied = tied_names(net.roles.values())
    return {*tied, *tied.values()}


def fixed_units(net: Network, topology: Topology) -> dict[str, str]:
    """Return the populations whose units have no scale or sign of their own, and why.

    What is left are neurons that one layer feeds, through weights and a bias, and others read.
    """
    tied = tied_tensors(net)
    reasons = {p.name: _reason(net, p, tied) for p in topology.populations}
    return {name: reason for name, reason in reasons.items() if reason}


def _reason(net: Network, population: Population, tied: set[str]) -> str:
    kinds = {end.tensor: net.roles[end.tensor].kind for end in population.ends}
    sides: dict[str, list[str]] = {"in": [], "out": [], "unit": []}
    for end in population.ends:
        sides[end.side].append(end.tensor)
    if any("contracted" in why or "output of attention" in why for why in population.evidence):
        return "attention: any rotation within a head is a symmetry, not only that of single units"
    if not sides["in"] or not sides["out"]:
        return "not between two layers"
    if tied & set(kinds):
        return f"{label(min(tied & set(kinds)), 60)} is tied to another tensor"
    if any(kinds[tensor] == "recurrent" for tensor in sides["out"]):
        return "gates saturate: the state of a recurrent layer has a scale and a sign"
    if "embedding" in kinds.values() or len(sides["out"]) > 1:
        return "several layers add to it or multiply in it"
    if "normalisation" in kinds.values():
        return (
            "a normalisation stands in between, before or after the activation: whether its scale "
            "can be moved is not in the file"
        )
    if set(sides["in"]) & set(sides["out"]):
        return "connected with itself"
    if any(end.copies > 1 and end.side != "in" for end in population.ends):
        return "several entries of a layer make one unit"
    for tensor in sides["unit"]:
        if kinds[tensor] != "bias" and "prelu" not in tensor.lower():
            return f"what {label(tensor, 60)} does to it is not known"
    return ""
