"""Which null models are run when nothing is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnrg.rg.flow import Flow
from nnrg.rg.nulls.model import NullModel, null_models

__all__ = ["FURTHER_NULLS", "DefaultNulls", "Nulls", "WherePossible", "chosen_nulls"]

_ON_LATTICES = ("permutation",)
# What the labels of units, the wiring, the free field of the wiring, and the units alone give.
_ON_GRAPHS = ("permutation", "configuration", "gaussian", "independent")
FURTHER_NULLS = len(_ON_GRAPHS) - len(_ON_LATTICES)
"""Null models that a field on a graph has and one on a lattice has not."""


@dataclass(frozen=True, slots=True)
class DefaultNulls:
    """The null models that the sites of a field call for.

    On a lattice ``"permutation"``; on a graph also ``"configuration"``, ``"gaussian"`` and
    ``"independent"``. One that a field does not have, such as independent units of a single sample,
    is left out with a note.

    Parameters
    ----------
    draws : int
        Draws of each, as in `NullModel`.
    also : tuple of NullModel
        Others to run besides.
    brief : bool
        Whether graphs too have ``"permutation"`` alone, with a note that says so.
    """

    draws: int = 20
    also: tuple[NullModel, ...] = ()
    brief: bool = False

    def on(self, flow: Flow) -> tuple[NullModel, ...]:
        """Return the null models for a flow."""
        on_lattice = flow.arrangement is None or self.brief
        names = _ON_LATTICES if on_lattice else _ON_GRAPHS
        return null_models([*(NullModel(name, self.draws) for name in names), *self.also])

    def notes(self, flow: Flow) -> tuple[str, ...]:
        """Say which null models a flow calls for and does not have, to be brief."""
        if not self.brief or flow.arrangement is None:
            return ()
        had = {model.name for model in self.on(flow)}
        more = ", ".join(repr(name) for name in _ON_GRAPHS if name not in had)
        return (
            f"null models {more} not run on a field of so large a network: nulls= asks for them",
        )


@dataclass(frozen=True, slots=True)
class WherePossible:
    """Null models asked for of many fields: one that a field does not have is left out of it."""

    models: tuple[NullModel, ...]


Nulls = str | NullModel | Sequence[str | NullModel] | DefaultNulls | WherePossible | None


def chosen_nulls(nulls: Nulls, flow: Flow) -> tuple[NullModel, ...]:
    """Return the null models asked for; for None those that the sites of the flow call for."""
    if nulls is None:
        nulls = DefaultNulls()
    if isinstance(nulls, WherePossible):
        return nulls.models
    return nulls.on(flow) if isinstance(nulls, DefaultNulls) else null_models(nulls)
