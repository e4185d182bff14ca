"""Which null models are run when nothing is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnrg.rg.flow import Flow
from nnrg.rg.nulls.model import NullModel, null_models

__all__ = ["DefaultNulls", "Nulls", "chosen_nulls"]

_ON_LATTICES = ("permutation",)
# What the labels of units, the wiring, the free field of the wiring, and the units alone give.
_ON_GRAPHS = ("permutation", "configuration", "gaussian", "independent")


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
    """

    draws: int = 20
    also: tuple[NullModel, ...] = ()

    def on(self, flow: Flow) -> tuple[NullModel, ...]:
        """Return the null models for a flow."""
        names = _ON_LATTICES if flow.arrangement is None else _ON_GRAPHS
        return null_models([*(NullModel(name, self.draws) for name in names), *self.also])


Nulls = str | NullModel | Sequence[str | NullModel] | DefaultNulls | None


def chosen_nulls(nulls: Nulls, flow: Flow) -> tuple[NullModel, ...]:
    """Return the null models asked for; for None those that the sites of the flow call for."""
    if nulls is None:
        nulls = DefaultNulls()
    return nulls.on(flow) if isinstance(nulls, DefaultNulls) else null_models(nulls)
