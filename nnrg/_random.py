"""One way from whatever a caller passes as `rng` to generators, with the seed on record."""

from __future__ import annotations

import numpy as np

from nnrg._validate import shown
from nnrg.errors import ArgumentError

__all__ = ["as_seed"]


def as_seed(rng: object) -> np.random.SeedSequence:
    """Return a seed sequence from an int, a generator, a seed sequence, or None (drawn afresh).

    A generator gives its next 128 bits, so that two calls with one generator differ. The entropy of
    what is returned is what results record.
    """
    if isinstance(rng, np.random.SeedSequence):  # a copy: spawning changes what it is called on
        return np.random.SeedSequence(rng.entropy, spawn_key=rng.spawn_key)
    if isinstance(rng, np.random.Generator):
        words = rng.integers(0, 2**32, size=4, dtype=np.uint64)
        return np.random.SeedSequence(sum(int(w) << (32 * i) for i, w in enumerate(words)))
    if rng is None:
        return np.random.SeedSequence()
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return np.random.SeedSequence(int(rng))
    raise ArgumentError(
        f"rng must be a non-negative integer, a numpy Generator or None, got {shown(rng)}"
    )
