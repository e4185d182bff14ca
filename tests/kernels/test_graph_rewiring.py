"""Double edge swaps, against a naive twin that keeps a set of the edges."""

import numpy as np
import pytest

from nnrg_kernels._jit import python_version
from nnrg_kernels._random import bits
from nnrg_kernels.graph_rewiring import swap_edges


def naive(a, b, first, last, turns, key, steps):
    """The same chain with a Python set."""
    draw = python_version(bits)
    a, b = a.tolist(), b.tolist()
    edges = {frozenset(e) for e in zip(a, b, strict=True)}
    swapped = 0
    with np.errstate(over="ignore"):
        pairs = [
            [int(draw(np.uint64(key), np.uint64(2 * step + i))) for i in (1, 2)]
            for step in range(steps)
        ]
    for x, y in pairs:
        one = (x >> 32) * len(a) >> 32
        other = int(first[one]) + ((y >> 32) * int(last[one] - first[one]) >> 32)
        if other == one:
            continue
        if turns[one] and x & 1:
            a[other], b[other] = b[other], a[other]
        p, q, r, s = a[one], b[one], a[other], b[other]
        if p == s or r == q or {frozenset((p, s)), frozenset((r, q))} & edges:
            continue
        edges -= {frozenset((p, q)), frozenset((r, s))}
        edges |= {frozenset((p, s)), frozenset((r, q))}
        b[one], b[other] = s, q
        swapped += 1
    return a, b, swapped


@pytest.mark.parametrize(("n", "m"), [(6, 6), (30, 200), (300, 900), (40, 770)])
def test_equals_the_naive_twin(n, m):
    rng = np.random.default_rng(n)
    low, high = np.triu_indices(n, 1)
    chosen = rng.choice(low.size, m, replace=False)
    a, b = low[chosen].astype(np.int64), high[chosen].astype(np.int64)
    # Two kinds of edges, the ends of the second may not change places.
    cut = m // 3
    kind = np.arange(m) >= cut
    first, last = np.where(kind, cut, 0), np.where(kind, m, cut)
    key = int(rng.integers(0, 2**64, dtype=np.uint64))
    wanted = naive(a, b, first, last, ~kind, key, 20 * m)
    swapped = swap_edges(a, b, first, last, ~kind, key, 20 * m)
    assert (a.tolist(), b.tolist(), swapped) == wanted
    assert swapped > 0
    assert len({frozenset(e) for e in zip(a.tolist(), b.tolist(), strict=True)}) == m
