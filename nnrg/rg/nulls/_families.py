"""The null models by name: what each keeps, what it destroys, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnrg.fields import SynapticField
from nnrg.rg.blocks import permute_sites
from nnrg.rg.flow import Flow
from nnrg.rg.nulls._matrices import columns, rotation, rows, shuffle

__all__ = ["FAMILIES", "VALUES_KEPT", "Family"]

# A draw is a field for the blocks of the flow, or a whole flow where blocks are chosen again.
Draw = Callable[[np.random.Generator], SynapticField | Flow]


@dataclass(frozen=True, slots=True)
class Family:
    """A null model in words, and what prepares its draws from a flow."""

    label: str
    keeps: str
    destroys: str
    prepare: Callable[[Flow], Draw] | None
    needs: str = "nothing but the field"
    factorises: bool = False


# What these draws differ by in one-point numbers at b = 1 is rounding.
VALUES_KEPT = frozenset(
    {"permutation", "shuffle", "rows", "columns", "configuration", "independent"}
)


def _permutation(flow: Flow) -> Draw:
    return lambda rng: permute_sites(flow.field, rng)


def _shuffle(flow: Flow) -> Draw:
    return shuffle(flow.field)


def _rows(flow: Flow) -> Draw:
    return rows(flow.field)


def _columns(flow: Flow) -> Draw:
    return columns(flow.field)


def _rotation(flow: Flow) -> Draw:
    return rotation(flow.field)


def _phase(flow: Flow) -> Draw:
    if flow.graphs:
        from nnrg.rg.nulls._graphs import phase_on_graphs

        return phase_on_graphs(flow)
    from nnrg.rg.nulls._surrogates import phase

    return phase(flow.field)


def _gaussian(flow: Flow) -> Draw:
    if flow.graphs:
        from nnrg.rg.nulls._graphs import gaussian_on_graphs

        return gaussian_on_graphs(flow)
    from nnrg.rg.nulls._free_field import gaussian

    return gaussian(flow.field)


def _configuration(flow: Flow) -> Draw:
    from nnrg.rg.nulls._graphs import configuration

    return configuration(flow)


def _independent(flow: Flow) -> Draw:
    from nnrg.rg.nulls._graphs import independent

    return independent(flow)


FAMILIES: dict[str, Family] = {
    "permutation": Family(
        "N1",
        "every value, the products of samples, the norms of rows",
        "what the order of the sites, or the place of units on the graph, says",
        _permutation,
    ),
    "shuffle": Family(
        "N2",
        "the one-point law of the layer",
        "all else: order of sites, samples, their norms",
        _shuffle,
    ),
    "rows": Family(
        "N3",
        "the values of each row (of each sample; of each out neuron of a matrix)",
        "the order within a row, and what rows share",
        _rows,
    ),
    "columns": Family(
        "N3",
        "the values at each column (at each site; at each in neuron of a matrix)",
        "what the numbers of one row have in common",
        _columns,
    ),
    "phase": Family(
        "N4",
        "the two-point function: amplitudes of the Fourier modes of each sample on a periodic "
        "lattice; on an open one, and on a graph, means and covariances of all sites; or the "
        "correlogram where samples are few; unequal variances of samples, and of sites",
        "cumulants of order three and more: interactions",
        _phase,
        factorises=True,
    ),
    "initialisation": Family(
        "N5",
        "what the tensor was before training",
        "training",
        None,
        "reference=, the same tensor at initialisation",
    ),
    "rotation": Family(
        "N6",
        "the singular values of the matrix (samples x sites, or out x in)",
        "the singular vectors: order, one-point law, the mean",
        _rotation,
        factorises=True,
    ),
    "gaussian": Family(
        "N7",
        "mean, variance and mean square difference of neighbours along each axis, on average; "
        "on a graph along its edges",
        "all else: longer-ranged correlation, interactions",
        _gaussian,
    ),
    "configuration": Family(
        "N7",
        "the field, the degree of every node of the graph, the weights of its edges",
        "what else the wiring says: blocks are chosen again, by the same rule on a random graph",
        _configuration,
        "a graph that the blocks are chosen on, or that the field lives on",
    ),
    "independent": Family(
        "N8",
        "the one-point law of every unit over the samples",
        "what units have in common",
        _independent,
        "two samples at least",
    ),
}
