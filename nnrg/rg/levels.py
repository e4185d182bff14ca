"""How many scales a lattice has under repeated blocking, and the lengths of their blocks."""

from __future__ import annotations

from math import log, prod

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField

__all__ = [
    "as_levels",
    "block_lengths",
    "check_exponent",
    "choose_levels",
    "count_levels",
    "scale_label",
]

# Blocks at least double, and no axis has 2^64 sites.
_MOST = 64
# The eighth power of exp(75) is still far within double precision.
_MOST_GROWTH = 600.0


def scale_label(b: float) -> str:
    """Return a scale for a table: an integer as it is, units in a block to four digits."""
    return f"{b:.0f}" if b == round(b) else f"{b:.4g}"


def as_levels(levels: object) -> int:
    """Return a number of scales asked for, b = 1 included."""
    return as_count(
        "levels", levels, 1, _MOST, hint="it counts scales, b = 1 included; None takes all that fit"
    )


def count_levels(shape: tuple[int, ...], factors: tuple[int, ...], fewest: int) -> int:
    """Return how many scales leave at least `fewest` blocks along every axis that is blocked."""
    count = 1
    while all(
        n // f**count >= (fewest if f > 1 else 1) for n, f in zip(shape, factors, strict=True)
    ):
        count += 1
    return count


def choose_levels(
    field: SynapticField, factors: tuple[int, ...], levels: object, fewest: int
) -> int:
    """Return the levels asked for if the lattice holds them, or as many as leave `fewest` blocks.

    Raises
    ------
    ArgumentError
        If more are asked for than there are.
    AnalysisError
        If none are asked for and there are fewer than two.
    """
    shape = field.sites.shape
    if levels is not None:
        count = as_levels(levels)
        if any(n // f ** (count - 1) < 1 for n, f in zip(shape, factors, strict=True)):
            raise ArgumentError(
                f"{count} scales with blocks {factors} need an axis of {max(factors)}^{count - 1} "
                f"sites, got {shape}; ask for fewer levels"
            )
        return count
    count = count_levels(shape, factors, fewest)
    if count < 2:
        raise AnalysisError(
            f"field {field.name!r} on {field.sites!r} with {field.n_samples} samples is too small "
            f"for two scales with blocks {factors}: at b = {max(factors)} each axis must keep "
            f"{fewest} blocks; give levels= to go on regardless"
        )
    return count


def block_lengths(factors: tuple[int, ...], levels: int) -> npt.NDArray[np.float64]:
    """Return the effective length of a block at each scale, shape (levels,), in lattice spacings.

    The volume of the block to the power 1/d, so that b^(d/2) times the mean of independent sites
    keeps their variance however the factors differ.
    """
    d, volume = len(factors), prod(factors)
    b = volume ** (1 / d)
    # Roots that are integers are exact: 27 ** (1 / 3) is 3.0000000000000004 on some machines.
    b = float(round(b)) if round(b) ** d == volume else b
    return np.asarray(b ** np.arange(levels, dtype=np.float64))


def check_exponent(exponent: float, longest: float) -> None:
    """Refuse an exponent Delta for which powers of b^Delta leave double precision."""
    growth = 8 * abs(exponent) * log(longest)
    if growth > _MOST_GROWTH:
        raise ArgumentError(
            f"rescale must be an exponent Delta with b^(8 |Delta|) below exp({_MOST_GROWTH:.0f}), "
            f"got {exponent:g} and blocks of length {longest:g}; try 'clt' or fewer levels"
        )
