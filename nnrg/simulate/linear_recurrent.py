"""Linear recurrent networks of any width by their exact law, without drawing the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.progress import Progress

__all__ = ["LinearRecurrentGrowth", "linear_recurrent_growth"]

Array = npt.NDArray[np.float64]

# Networks that share a stream of random numbers, and numbers held at a time.
_BLOCK = 32
_HELD = 1 << 22


@dataclass(frozen=True, slots=True)
class LinearRecurrentGrowth:
    """|W^T e|^2 of linear recurrent networks for T = 0, 1, ..., averaged over networks.

    Attributes
    ----------
    width, n_networks : int
    sigma_w : float
    steps : ndarray of shape (steps + 1,)
        T.
    mean, error : ndarray of shape (steps + 1,)
        E tr(W^T W^T^T) / N, and one standard deviation of it over networks.
    seed : int
        Entropy of the random numbers.
    """

    width: int
    n_networks: int
    sigma_w: float
    steps: npt.NDArray[np.int64]
    mean: Array
    error: Array
    seed: int

    def __str__(self) -> str:
        return (
            f"{self.n_networks} linear recurrent networks of width {self.width}: E|W^T e|^2 = "
            f"{self.mean[-1]:.6g} +- {self.error[-1]:.2g} at T = {self.steps[-1]}"
        )


def linear_recurrent_growth(
    width: int,
    steps: int,
    n_networks: int,
    *,
    sigma_w: float = 1.0,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LinearRecurrentGrowth:
    r"""Measure how a linear recurrent network with shared weights carries a signal.

    Parameters
    ----------
    width : int
        N >= 2.
    steps : int
        Largest T >= 1.
    n_networks : int
        At least 2.
    sigma_w : float, dimensionless
        W_ij ~ N(0, sigma_w^2 / N).
    rng : numpy.random.Generator, SeedSequence, int or None
        Each 32 networks have random numbers of their own.
    progress : callable, optional
        Called with (networks done, n_networks); by default a bar on stderr, if that is a terminal.

    Returns
    -------
    LinearRecurrentGrowth

    Raises
    ------
    ArgumentError
        If a number is out of range.
    AnalysisError
        If the signal leaves double precision.

    Notes
    -----
    In the orthonormal basis that e, W e, W^2 e, ... span one after another W is an upper Hessenberg
    matrix of independent entries: h_ij ~ N(0, sigma_w^2 / N) for i <= j, and h_{j+1,j} ~ sigma_w
    chi_{N-j} / sqrt(N), for a direction W has not acted on is rotated by nothing but chance. So
    |W^T e|^2 needs T^2 random numbers instead of N^2, at any width, exactly. By rotation
    invariance its mean is E tr(W^T W^T^T) / N.

    Examples
    --------
    E|W^2 e|^2 = 1 + 2 / N^2 exactly, unlike two layers with weights of their own, which give 1:

    >>> from nnrg.simulate.linear_recurrent import linear_recurrent_growth
    >>> found = linear_recurrent_growth(2, 2, 40_000, rng=1)
    >>> bool(abs(found.mean[2] - 1.5) < 4 * found.error[2])
    True
    """
    n = as_count("width", width, 2)
    total = as_count("steps", steps, 1)
    members = as_count("n_networks", n_networks, 2, hint="errors are over networks")
    gain = as_real("sigma_w", sigma_w)
    if gain < 0:
        raise ArgumentError(f"sigma_w must be at least zero, got {gain:g}")
    size = min(total + 1, n)
    if size * size > _HELD:
        raise ArgumentError(
            f"steps must be below {int(_HELD**0.5)} for this width, got {total}; memory grows as "
            "their square"
        )
    seed = as_seed(rng)
    bar = Progress() if progress is None else None
    sums, squares = np.zeros(total + 1), np.zeros(total + 1)
    blocks = -(-members // _BLOCK)
    for index, child in enumerate(seed.spawn(blocks)):
        count = min(_BLOCK, members - index * _BLOCK)
        growth = _block(n, total, size, gain, np.random.default_rng(child))[:count]
        sums += growth.sum(axis=0)
        squares += (growth**2).sum(axis=0)
        done = index * _BLOCK + count
        if progress is not None:
            progress(done, members)
        elif bar is not None:
            bar("linear recurrent networks", done, members)
    if bar is not None:
        bar.close()
    mean = sums / members
    if not np.isfinite(squares).all():
        raise AnalysisError(
            f"the signal must stay in double precision, but with sigma_w = {gain:g} it does not "
            f"over {total} steps; try sigma_w near 1, or fewer steps"
        )
    error = np.sqrt(np.maximum(squares / members - mean**2, 0) / (members - 1))
    times = np.arange(total + 1)
    for array in (times, mean, error):
        array.flags.writeable = False
    return LinearRecurrentGrowth(n, members, gain, times, mean, error, int(str(seed.entropy)))


def _block(n: int, steps: int, size: int, gain: float, generator: np.random.Generator) -> Array:
    """|W^t e|^2 of a block of networks, shape (_BLOCK, steps + 1)."""
    growth = np.empty((_BLOCK, steps + 1))
    below = n - np.arange(1, size)
    at_once = max(1, _HELD // (size * size))
    for start in range(0, _BLOCK, at_once):
        count = min(at_once, _BLOCK - start)
        h = np.triu(generator.standard_normal((count, size, size)))
        h[:, np.arange(1, size), np.arange(size - 1)] = np.sqrt(
            generator.chisquare(below, (count, size - 1))
        )
        h *= gain / np.sqrt(n)
        state = np.zeros((count, size, 1))
        state[:, 0] = 1.0
        growth[start : start + count, 0] = 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            for t in range(1, steps + 1):
                state = h @ state
                growth[start : start + count, t] = (state[..., 0] ** 2).sum(axis=1)
    return growth
