"""The independence rule: the numbers that choose blocks are not those that are measured.

Blocks chosen by the numbers that are then averaged over them manufacture scaling: a field of
independent values, sorted and cut into neighbours, has the variance exponent 2 of a smooth field
instead of 1, and the pairs of largest sample correlation keep what chance gave them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnrg._validate import as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.rg.neighbourhoods._split import Split, at_random

__all__ = ["as_share", "check_independence", "split_samples"]

# Samples that must be left on either side of a split.
_FEWEST = 4


def check_independence(field: SynapticField, sources: Iterable[str]) -> tuple[str, ...]:
    """Refuse blocks that were chosen by the numbers that are measured.

    Parameters
    ----------
    field : SynapticField
        What is measured; its `sources` name the tensors or data of its values.
    sources : iterable of str
        Names of the tensors or data whose numbers chose the blocks.

    Returns
    -------
    tuple of str
        Nothing, or a note that the rule could not be checked: one side has no names.

    Raises
    ------
    AnalysisError
        If a name is on both sides.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.neighbourhoods.independence import check_independence
    >>> field = nnrg.SynapticField(
    ...     np.ones((2, 3)), nnrg.Lattice(3), sources=frozenset({"fc2.weight"})
    ... )
    >>> check_independence(field, {"fc1.weight"})
    ()
    """
    chosen = frozenset(sources)
    shared = sorted(chosen & field.sources)
    if shared:
        raise AnalysisError(
            f"the blocks of field {field.name!r} were chosen by {', '.join(map(repr, shared))}, "
            "which is what is measured: that manufactures scaling; take a graph from other "
            "layers, from activations on held-out probes, or give split= to choose on some of the "
            "samples and measure the others"
        )
    if chosen and field.sources:
        return ()
    if not chosen and not field.sources:
        unknown = "neither the blocks nor the field say"
    else:
        unknown = "the field does not say" if chosen else "the blocks do not say"
    return (f"independence not checked: {unknown} which numbers they come from (sources=)",)


def split_samples(field: SynapticField, share: float, seed: int) -> Split:
    """Return which samples choose and which are measured.

    Drawn at random; samples that repeat one another (a correlation above 0.7 of either sign) are on
    one side.

    Parameters
    ----------
    field : SynapticField
    share : float
        Share of the samples that choose, between 0 and 1.
    seed : int
        Seed of the draw, at least 0.

    Raises
    ------
    ArgumentError
        If the share is not between 0 and 1.
    AnalysisError
        If samples are not independent, or fewer than four are left on a side.
    """
    part = as_share(share)
    if not field.independent:
        raise AnalysisError(
            f"samples of field {field.name!r} are not independent: those that choose would tell of "
            "those that are measured; take a graph from other layers or held-out activations"
        )
    halves = at_random(field.values.reshape(field.n_samples, -1), part, seed)
    apart = np.unique(halves.group).size
    if min(halves.choosing.size, apart) < _FEWEST:
        raise AnalysisError(
            f"split={part:g} of the {field.n_samples} samples of field {field.name!r} leaves "
            f"{halves.choosing.size} to choose and {apart} independent ones to measure, fewer than "
            f"{_FEWEST}; give more samples or a graph"
        )
    return halves


def as_share(share: object) -> float:
    """Return a share of samples, between 0 and 1."""
    value = as_real("split", share, hint="try 0.5")
    if not 0 < value < 1:
        raise ArgumentError(
            f"split must be a share of the samples between 0 and 1, got {shown(share)}; try 0.5"
        )
    return value
