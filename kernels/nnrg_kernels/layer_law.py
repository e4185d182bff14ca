"""Random dense networks drawn by the law of their layers instead of by their weights.

Given the activations of one layer, the preactivations of the next are independent over its neurons
and Gaussian over the inputs, with the Gram matrix of the activations as covariance: N k^2 steps a
layer for k inputs, not N^2. Every member has random numbers of its own, so that neither the order
of the members nor the number of threads matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import numpy.typing as npt

from nnrg_kernels._activate import TANH, activate
from nnrg_kernels._jit import borrowing_kernel
from nnrg_kernels._normals import chi_square, fill_normals, successes
from nnrg_kernels._random import bits

__all__ = ["member_normals", "propagate"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Neurons at a time: their numbers for a few inputs stay in the first cache.
TILE = 256
# A pivot this small relative to its diagonal is rounding: the input is a combination of others.
_SINGULAR = 1e-14
_LARGEST = 1.7e308
# A thread takes so many members at a time at most, so that all end together.
_MEMBERS_A_TASK = 256


@borrowing_kernel
def _factor(metric: Floats, root: Floats) -> None:
    """Write the lower Cholesky factor of a positive semi-definite matrix, packed by rows."""
    k = root.shape[0]
    for a in range(k):
        for b in range(a + 1):
            total = metric[a * (a + 1) // 2 + b]
            for c in range(b):
                total -= root[a, c] * root[b, c]
            if a > b:
                root[a, b] = total / root[b, b] if root[b, b] > 0.0 else 0.0
            else:
                # What is not finite must not count as small: its root is infinite or NaN.
                square = metric[a * (a + 1) // 2 + a]
                small = total <= _SINGULAR * square and square < _LARGEST
                root[a, a] = 0.0 if small else math.sqrt(total)


@borrowing_kernel
def _mix(root: Floats, g: Floats, carry: float, z: Floats, start: int, count: int) -> None:
    """Overwrite z[:, start : start + count] with carry * z + root @ g."""
    k = root.shape[0]
    for a in range(k):
        row = z[a, start : start + count]
        if carry != 0.0:
            for i in range(count):
                row[i] *= carry
        else:
            for i in range(count):
                row[i] = 0.0
        for b in range(a + 1):
            factor, source = root[a, b], g[b, :count]
            if factor != 0.0:
                for i in range(count):
                    row[i] += factor * source[i]


@borrowing_kernel
def _add_gram(rows: Floats, start: int, count: int, gram: Floats) -> None:
    """Add the sums of products of rows[:, start : start + count], packed by rows."""
    k = rows.shape[0]
    at = 0
    for a in range(k):
        left = rows[a, start : start + count]
        for b in range(a + 1):
            right = rows[b, start : start + count]
            total = 0.0
            for i in range(count):
                total += left[i] * right[i]
            gram[at] += total
            at += 1


@borrowing_kernel
def _scale_invariant(
    width: int, below: float, above: float, key: np.uint64, counter: np.uint64
) -> tuple[float, np.uint64]:
    """Return sum_i phi(g_i)^2 of unit normal g: chi-square numbers of either sign's neurons."""
    if below == -above or below == above:
        total, counter = chi_square(key, counter, width)
        return above * above * total, counter
    positive, counter = successes(key, counter, width)
    up, counter = chi_square(key, counter, positive)
    down = 0.0
    if below != 0.0:
        down, counter = chi_square(key, counter, width - positive)
    return above * above * up + below * below * down, counter


@borrowing_kernel
def _wishart(
    width: int, key: np.uint64, counter: np.uint64, root: Floats, lower: Floats, gram: Floats
) -> np.uint64:
    """Write root A A^T root^T with A A^T of the Wishart law (Bartlett's decomposition)."""
    k = root.shape[0]
    for a in range(k):
        fill_normals(key, counter, lower[a, :a])
        counter = np.uint64(counter + np.uint64((a + 1) // 2))
        square, counter = chi_square(key, counter, width - a)
        lower[a, a] = math.sqrt(square)
    # root @ lower, row by row from the left: an entry needs those of `lower` below its column.
    for b in range(k):
        for a in range(k - 1, b - 1, -1):
            total = 0.0
            for c in range(b, a + 1):
                total += root[a, c] * lower[c, b]
            lower[a, b] = total
    at = 0
    for a in range(k):
        for b in range(a + 1):
            total = 0.0
            for c in range(b + 1):
                total += lower[a, c] * lower[b, c]
            gram[at] = total
            at += 1
    return counter


@borrowing_kernel
def _members(
    first: int,
    widths: Integers,
    codes: Integers,
    constants: Floats,
    short: bool,
    seed: np.uint64,
    metrics: Floats,
    outputs: Floats,
    root: Floats,
    g: Floats,
    phi: Floats,
    z: Floats,
    gram: Floats,
    branch: Floats,
) -> None:
    # In one piece: a function that is called from here is compiled, and optimised, twice.
    k = root.shape[0]
    pairs = gram.size
    for m in range(metrics.shape[0]):
        key = bits(seed, np.uint64(first + m + 1))
        counter = np.uint64(1)
        metric, out = metrics[m], outputs[m]
        for p in range(pairs):
            branch[p] = metric[0, p]
        for t in range(widths.size):
            width, code = widths[t], codes[t]
            below, above, variance, offset, carry, next_carry = (
                constants[t, 0], constants[t, 1], constants[t, 2], constants[t, 3],
                constants[t, 4], constants[t, 5],
            )  # fmt: skip
            _factor(branch, root)
            plain = short and carry == 0.0 and next_carry == 0.0 and code < TANH
            for p in range(pairs):
                gram[p] = 0.0
                metric[t + 1, p] = 0.0
            if plain and k == 1:
                total, counter = _scale_invariant(width, below, above, key, counter)
                gram[0] = branch[0] * total
            elif plain and below == above and width >= k:
                counter = _wishart(width, key, counter, root, g[:, :k], gram)
                for p in range(pairs):
                    gram[p] *= above * above
            else:
                for start in range(0, width, TILE):
                    count = min(TILE, width - start)
                    for a in range(k):
                        fill_normals(key, counter, g[a, :count])
                        counter = np.uint64(counter + np.uint64((count + 1) // 2))
                    _mix(root, g, carry, z, start, count)
                    for a in range(k):
                        activate(code, below, above, z[a, start : start + count], phi[a, :count])
                    _add_gram(phi, 0, count, gram)
                    if next_carry != 0.0:
                        _add_gram(z, start, count, metric[t + 1])
            scale, kept = variance / width, next_carry * next_carry / width
            for p in range(pairs):
                branch[p] = scale * gram[p] + offset
                metric[t + 1, p] = kept * metric[t + 1, p] + branch[p]
        if out.shape[1] > 0:
            _factor(branch, root)
            for start in range(0, out.shape[1], TILE):
                count = min(TILE, out.shape[1] - start)
                for a in range(k):
                    fill_normals(key, counter, g[a, :count])
                    counter = np.uint64(counter + np.uint64((count + 1) // 2))
                _mix(root, g, 0.0, out, start, count)


@borrowing_kernel
def _fill_members(first: int, key: np.uint64, start: np.uint64, out: Floats) -> None:
    for m in range(out.shape[0]):
        fill_normals(bits(key, np.uint64(first + m + 1)), start, out[m])


def _shared(work: Callable[[int, int], None], members: int) -> None:
    """Run ``work(start, stop)`` over all members, some at a time, on the threads of Numba."""
    threads = numba.get_num_threads()
    size = max(1, min(_MEMBERS_A_TASK, -(-members // threads)))
    starts = range(0, members, size)
    if threads == 1 or len(starts) == 1:
        work(0, members)
        return
    with ThreadPoolExecutor(min(threads, len(starts))) as pool:
        for done in [pool.submit(work, s, min(s + size, members)) for s in starts]:
            done.result()


def member_normals(key: np.uint64, first: int, start: int, out: Floats) -> None:
    """Fill row m with normal numbers of member `first` + m, from its counter `start` >= 1 on.

    Parameters
    ----------
    key : uint64
        Seed.
    first, start : int
        Number of the first member; n numbers use (n + 1) // 2 counters.
    out : float64 array of shape (members, n), C-contiguous
        Overwritten.
    """
    _shared(lambda a, b: _fill_members(first + a, key, np.uint64(start), out[a:b]), out.shape[0])


def propagate(
    widths: Integers,
    codes: Integers,
    constants: Floats,
    short: bool,
    key: np.uint64,
    first: int,
    metrics: Floats,
    outputs: Floats,
) -> None:
    r"""Draw the metrics of all layers, and outputs, of members `first`, `first` + 1, ...

    Parameters
    ----------
    widths : int64 array of shape (T,)
        Neurons of each hidden layer.
    codes : int64 array of shape (T,)
        Activation function of each.
    constants : float64 array of shape (T, 6)
        Of each hidden layer the slopes of phi below and above zero (codes 0 to 2); variances
        sigma_w^2 and sigma_b^2 of weights, times their number, and biases that follow it; factors
        with which the preactivations of the layer before are added to its own, and its own to those
        of the next.
    short : bool
        Whether the chi-square law of a scale-invariant layer with one input, and Wishart's of a
        linear one, stand for the neurons.
    key : uint64
        Seed.
    first : int
        Number of the first member.
    metrics : float64 array of shape (members, T + 1, k (k + 1) / 2), C-contiguous
        Entry [:, 0] holds the metric of the first layer, lower triangle by rows: a covariance.
        The others are overwritten:
        :math:`K_{ab} = \frac1n \sum_i (\sigma_w^2 \phi_{ia} \phi_{ib} + r^2 z_{ia} z_{ib}) +
        \sigma_b^2`.
    outputs : float64 array of shape (members, k, n_out), C-contiguous
        Overwritten with preactivations of the layer after the last hidden one.
    """
    k, pairs = outputs.shape[1], metrics.shape[2]
    widest = int(widths.max(initial=1))

    def work(start: int, stop: int) -> None:
        _members(
            first + start, widths, codes, constants, short, key,
            metrics[start:stop], outputs[start:stop],
            np.zeros((k, k)), np.empty((k, max(TILE, k))), np.empty((k, TILE)),
            np.zeros((k, widest)), np.empty(pairs), np.empty(pairs),
        )  # fmt: skip

    _shared(work, metrics.shape[0])
