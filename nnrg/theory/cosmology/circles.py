"""Inputs on a circle: data for which momenta of perturbations mean something."""

from __future__ import annotations

import numpy as np

from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.simulate.training import TrainingData

__all__ = ["circle_data"]

_HARMONICS = 3


def circle_data(n_data: int) -> TrainingData:
    r"""Return inputs at equal distances on a circle, and a smooth target with a mean.

    Parameters
    ----------
    n_data : int
        A power of two, at least 2.

    Returns
    -------
    TrainingData
        Inputs (n_data, 2) of squared length 2, in such an order that the first 2, 4, 8, ... lie at
        equal distances, too; targets (n_data, 1).

    Raises
    ------
    ArgumentError
        If it is no power of two.

    Notes
    -----
    :math:`y = 1 + \cos\varphi + \cos(2 \varphi) / 2 + \cos(3 \varphi) / 3`. The tangent kernel of
    an infinitely wide network is a function of the angle between inputs: its modes are Fourier
    modes, the mean over data among them. At finite width they are so up to a rest of relative order
    width^(-1/2).

    Examples
    --------
    >>> data = circle_data(4)
    >>> data.inputs.round(3).tolist()
    [[1.414, 0.0], [-1.414, 0.0], [0.0, 1.414], [-0.0, -1.414]]
    """
    n = as_count("n_data", n_data, 2, 1 << 20)
    bits = n.bit_length() - 1
    if n != 1 << bits:
        raise ArgumentError(f"n_data must be a power of two, got {n}; try {1 << bits}")
    number = np.arange(n)
    order = sum(((number >> bit) & 1) << (bits - 1 - bit) for bit in range(bits))
    angle = 2 * np.pi * np.asarray(order) / n
    inputs = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    target = 1 + sum(np.cos(k * angle) / k for k in range(1, _HARMONICS + 1))
    return TrainingData(inputs, np.asarray(target)[:, None])
