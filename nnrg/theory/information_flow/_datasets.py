"""Training sets: features of all modes at independent inputs, and a function of each of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.simulate._network_weights import available_threads
from nnrg.theory.information_flow.modes import KernelModes

__all__ = ["over_datasets"]

Floats = npt.NDArray[np.float64]
Measure: TypeAlias = Callable[[Floats, np.random.Generator], npt.ArrayLike]

_MOST_DATA = 8000
_MOST_FEATURES = 200_000_000


def over_datasets(
    modes: KernelModes,
    n_data: int,
    n_datasets: int,
    seed: np.random.SeedSequence,
    measure: Measure,
    columns: int,
) -> Floats:
    """Return what `measure` says of each training set, shape (n_datasets, columns).

    Parameters
    ----------
    modes : KernelModes
        Gaussian numbers, or features at inputs drawn with replacement from the measure of the data.
    n_data, n_datasets : int
    seed : numpy.random.SeedSequence
        Each training set has its own child: the same for any number of threads.
    measure : callable
        Of features (n_data, M) and of a generator for targets.
    columns : int

    Raises
    ------
    ArgumentError
        If a training set does not fit into memory.
    """
    from threadpoolctl import threadpool_limits

    if n_data > _MOST_DATA or n_data * modes.n_modes > _MOST_FEATURES:
        raise ArgumentError(
            f"a training set of {n_data} inputs and {modes.n_modes} modes does not fit: at most "
            f"{_MOST_DATA} inputs and {_MOST_FEATURES:.0e} features; take fewer, or the formula "
            "alone"
        )

    def one(child: np.random.SeedSequence) -> npt.ArrayLike:
        rng = np.random.default_rng(child)
        if modes.functions is None:
            features = rng.standard_normal((n_data, modes.n_modes))
        else:
            features = modes.functions[rng.integers(0, modes.n_points, n_data)]
        return measure(features, rng)

    rows = np.empty((n_datasets, columns))
    # Matrices are small: threads of linear algebra would wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(available_threads()) as pool:
        for row, found in zip(rows, pool.map(one, seed.spawn(n_datasets)), strict=True):
            row[:] = found
    return rows
