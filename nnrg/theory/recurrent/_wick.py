"""Exact moments of a real Gaussian matrix by Wick's theorem, as polynomials in its size."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

__all__ = ["power_moment"]

# A trace of W (+1) and W^T (-1); a product of traces; powers of N with their coefficients.
Word = tuple[int, ...]
Traces = tuple[Word, ...]
Polynomial = tuple[tuple[int, int], ...]


@lru_cache(maxsize=64)
def power_moment(steps: int) -> tuple[int, ...]:
    """Return the coefficients of 1, 1/N, 1/N^2, ... of E tr(W^T (W^T)^t) / N, W_ij ~ N(0, 1/N).

    The first letter is contracted with every other one: <W_ij W_kl> = delta_ik delta_jl / N gives
    tr(W A W B) -> tr(A^t B), tr(W A W^t B) -> tr(A) tr(B), and joins two traces likewise. Words
    that are rotations or transposes of each other are one.
    """
    terms = dict(_expectation((_canonical((1,) * steps + (-1,) * steps),), {}))
    return tuple(terms.get(steps + 1 - power, 0) for power in range(steps + 1))


def _transposed(word: Word) -> Word:
    return tuple(-letter for letter in reversed(word))


def _canonical(word: Word) -> Word:
    turns = (w[k:] + w[:k] for w in (word, _transposed(word)) for k in range(len(word)))
    return min(turns)


def _expectation(traces: Traces, known: dict[Traces, Polynomial]) -> Polynomial:
    """Return the expectation of a product of traces, but for the 1/N of each contraction."""
    if not traces:
        return ((0, 1),)
    if traces in known:
        return known[traces]
    total: Counter[int] = Counter()
    first, rest = traces[0], traces[1:]
    letter, after = first[0], first[1:]
    results: list[tuple[tuple[Word, ...], Traces]] = []
    for k, other in enumerate(after):
        left, right = after[:k], after[k + 1 :]
        joined = (_transposed(left) + right,) if other == letter else (left, right)
        results.append((joined, rest))
    for j, word in enumerate(rest):
        remaining = rest[:j] + rest[j + 1 :]
        for k, other in enumerate(word):
            turned = word[k + 1 :] + word[:k]
            start = _transposed(after) if other == letter else after
            results.append(((start + turned,), remaining))
    for made, remaining in results:
        words = [_canonical(word) for word in made if word]
        closed = len(made) - len(words)  # each empty trace is a factor N
        ordered = sorted([*words, *remaining], key=lambda w: (len(w), w))
        for power, count in _expectation(tuple(ordered), known):
            total[power + closed] += count
    known[traces] = tuple(sorted(total.items()))
    return known[traces]
