"""A chain of dense layers, checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._arrays import real_array

__all__ = ["checked_chain"]

Array = npt.NDArray[np.float64]


def checked_chain(
    layers: Sequence[tuple[npt.ArrayLike, npt.ArrayLike | None]],
) -> list[tuple[Array, Array]]:
    """Return weights and biases, zero where there are none, of layers that follow one another.

    Raises
    ------
    ArgumentError
        If shapes do not fit one another.
    NonFiniteError
        If a weight or bias is NaN or infinite.
    AnalysisError
        If a layer is zero.
    """
    chain: list[tuple[Array, Array]] = []
    for number, pair in enumerate(layers, 1):
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise ArgumentError(
                f"layer {number} must be a pair of weights and biases, got {shown(pair)}; None for "
                "no biases"
            )
        weights, biases = pair
        w = real_array(f"layer {number}", weights)
        if w.ndim != 2 or min(w.shape) < 2:
            raise ArgumentError(
                f"layer {number}: weights must have shape (units, inputs), got {w.shape}"
            )
        b = np.zeros(w.shape[0]) if biases is None else real_array("biases", biases).reshape(-1)
        if b.size != w.shape[0]:
            raise ArgumentError(f"layer {number}: {b.size} biases for {w.shape[0]} units")
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise NonFiniteError(f"layer {number} holds NaN or infinity")
        if chain and chain[-1][0].shape[0] != w.shape[1]:
            raise ArgumentError(
                f"layer {number} takes {w.shape[1]} inputs and gets {chain[-1][0].shape[0]}; "
                "layers must follow one another"
            )
        if not (w.any() or b.any()):
            raise AnalysisError(f"layer {number} is zero throughout: no signal passes it")
        chain.append((w, b))
    if not chain:
        raise ArgumentError("layers must hold one layer or more, got none")
    return chain
