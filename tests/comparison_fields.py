"""Measured fields for comparisons: stationary chains of many widths, cheap enough for hundreds."""

from functools import cache

import numpy as np

import nnrg
from nnrg.results import Measurement
from nnrg.rg.action import measure
from nnrg.simulate.gaussian import ar1
from nnrg.stats.jackknife import pseudo_deviations

NULLS = (nnrg.NullModel("permutation", 6),)


def chain(n, rho, rng, length=32, scale=1.0):
    """A field of n independent chains, in units of `scale`."""
    values = scale * ar1(length, n, rho=rho, rng=rng)
    return nnrg.SynapticField(values, nnrg.Lattice(length), name=f"rho{rho}")


def measured(field, *, levels=None, order=4, nulls=(), rng=1, rescale="variance", blocks=None):
    """Cumulants and couplings of one field."""
    flow = nnrg.renormalize(field, blocks, levels, rescale)
    basis = nnrg.Basis.scalar(order=order)
    return Measurement(*measure(flow, order=order, basis=basis, nulls=nulls, rng=rng))


@cache
def flows():
    """Two widths of one ensemble, a third ensemble, all with null draws."""
    widths = {"tiny": (128, 0.5), "full": (1024, 0.5), "other": (128, 0.75)}
    return {
        name: measured(chain(n, rho, np.random.default_rng(7 + i)), nulls=NULLS, rng=i)
        for i, (name, (n, rho)) in enumerate(widths.items())
    }


def degrees_of_freedom(table, level, name):
    """Groups less one, or fewer if a few of them make the error: what a comparison should take."""
    i = table.names.index(name)
    left_out, value = table.replicates[:, level, i], table.values[level, i]
    u = pseudo_deviations(left_out[:, None], [value], table.weights[:, level])[:, 0]
    excess = np.sum(u**4) / np.sum(u**2) ** 2 - 1 / u.size
    return min(u.size - 1, 2 / excess)
