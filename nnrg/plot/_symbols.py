"""Observables and scales as they are written in a figure."""

from __future__ import annotations

from collections.abc import Sequence

from nnrg.networks._label import label

__all__ = ["scale_name", "symbol"]

_SYMBOLS = {"phi": r"$g_1$", "phi2": r"$r$", "phi4": r"$u$"}

# Couplings between sites at a distance.
_PAIRS = {"J": "J", "U": "U", "phi3phi": r"\phi^3\phi"}


def symbol(name: str, axes: Sequence[str]) -> str:
    """Return an observable as it is written in a figure."""
    kind, _, axis = name.partition(":")
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    if kind in _PAIRS:
        return rf"${_PAIRS[kind]}({axis})$"
    if kind == "phi2grad2":
        return r"$\phi^2(\nabla\phi)^2$"
    if kind.startswith("phi") and kind[3:].isdigit():
        return rf"$g_{kind[3:]}$"
    if kind in ("grad2", "neighbour"):
        along = axes[int(axis)] if axis.isdigit() and int(axis) < len(axes) else axis
        along = label(along, 12).replace("$", r"\$")
        return rf"$Z$ {along}" if kind == "grad2" else along
    if kind.startswith("ratio_"):
        return rf"$\lambda_{kind[6:]}$"
    return name


def scale_name(kind: object) -> str:
    """Return what b is called where sites are a lattice, a graph, or a product of two."""
    if kind == "graph":
        return "units in a block, mean $b$"
    if kind == "product":
        return r"block length $b$, $\sqrt{\mathrm{entries}}$"
    return "block length $b$ (sites)"
