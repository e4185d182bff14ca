"""Which of ever coarser partitions become levels of a flow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.levels import as_levels

__all__ = ["STEP", "nested_levels"]

Ints = npt.NDArray[np.int64]

# A level has at most this share of the blocks of the one before; smaller steps are taken together.
STEP = 0.75


def nested_levels(
    partitions: Iterable[Ints],
    n_sites: int,
    levels: int | None,
    fewest: int,
    *,
    name: str,
    step: float = STEP,
    hint: str = "give a graph with more edges",
) -> list[Ints]:
    """Return the sites themselves and the partitions that become levels.

    Parameters
    ----------
    partitions : iterable of int arrays of shape (n_sites,)
        Nested, finest first.
    n_sites : int
    levels : int, optional
        How many to return, the sites included; by default all that leave `fewest` blocks.
    fewest : int
        Fewest blocks of a level.
    name : str
        What the field is called.
    step : float
        Largest share of the blocks of the level before; a partition with more is passed over.
    hint : str
        What to try where there is no level.

    Raises
    ------
    ArgumentError
        If there are fewer levels than asked for.
    AnalysisError
        If no number is asked for and there is no level but the sites.
    """
    most = None if levels is None else as_levels(levels)
    kept = [np.arange(n_sites, dtype=np.int64)]
    before = n_sites
    for labels in partitions:
        if len(kept) == most:
            break
        count = int(labels.max()) + 1
        if most is None and count < fewest:
            break
        if count < before and count <= step * before:
            kept.append(labels)
            before = count
    if most is not None and len(kept) < most:
        raise ArgumentError(
            f"{most} scales were asked of field {name!r}, and its blocks make {len(kept)}, the "
            f"last one of {before} blocks; ask for fewer levels"
        )
    if most is None and len(kept) < 2:
        raise AnalysisError(
            f"no blocks can be formed on the {n_sites} sites of field {name!r} that leave at least "
            f"{fewest} blocks; {hint}, or levels= to go on regardless"
        )
    return kept
