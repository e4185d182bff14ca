"""The null models by name: what each keeps, what it destroys, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nnrg.fields import SynapticField
from nnrg.rg.blocks import permute_sites
from nnrg.rg.nulls._matrices import columns, rotation, rows, shuffle

__all__ = ["FAMILIES", "VALUES_KEPT", "Family"]

Draw = Callable[[np.random.Generator], SynapticField]


@dataclass(frozen=True, slots=True)
class Family:
    """A null model in words, and what prepares its draws from a field."""

    label: str
    keeps: str
    destroys: str
    prepare: Callable[[SynapticField], Draw] | None
    needs: str = "nothing but the field"
    factorises: bool = False


# What these draws differ by in one-point numbers at b = 1 is rounding.
VALUES_KEPT = frozenset({"permutation", "shuffle", "rows", "columns"})


def _permutation(field: SynapticField) -> Draw:
    return lambda rng: permute_sites(field, rng)


def _phase(field: SynapticField) -> Draw:
    from nnrg.rg.nulls._surrogates import phase

    return phase(field)


def _gaussian(field: SynapticField) -> Draw:
    from nnrg.rg.nulls._free_field import gaussian

    return gaussian(field)


FAMILIES: dict[str, Family] = {
    "permutation": Family(
        "N1",
        "every value, the products of samples, the norms of rows",
        "what the order of the sites says",
        _permutation,
    ),
    "shuffle": Family(
        "N2",
        "the one-point law of the layer",
        "all else: order of sites, samples, their norms",
        shuffle,
    ),
    "rows": Family(
        "N3",
        "the values of each row (of each sample; of each out neuron of a matrix)",
        "the order within a row, and what rows share",
        rows,
    ),
    "columns": Family(
        "N3",
        "the values at each column (at each site; at each in neuron of a matrix)",
        "what the numbers of one row have in common",
        columns,
    ),
    "phase": Family(
        "N4",
        "the two-point function: amplitudes of the Fourier modes of each sample on a periodic "
        "lattice; on an open one means and covariances of all sites, or the correlogram where "
        "samples are few",
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
        rotation,
        factorises=True,
    ),
    "gaussian": Family(
        "N7",
        "mean, variance and mean square difference of neighbours along each axis, on average",
        "all else: longer-ranged correlation, interactions",
        _gaussian,
    ),
}
