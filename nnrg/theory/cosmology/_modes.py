"""Projections of the outputs on the mean over data, or on modes of the tangent kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training import TrainingRecord
from nnrg.theory.cosmology.kernels import tangent_kernel

__all__ = ["Modes", "modes_of", "residuals"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """One mode of every seed.

    Attributes
    ----------
    series : array of shape (S, T)
        Of outputs minus targets.
    eigenvalues, kernel_drift, misalignment : array of shape (S,)
    """

    series: Array
    eigenvalues: Array
    kernel_drift: Array
    misalignment: Array


def residuals(record: TrainingRecord, targets: npt.ArrayLike) -> Array:
    """Return outputs minus targets, (S, T, P * n).

    Raises
    ------
    ArgumentError
        If the record has no outputs on these data.
    """
    if record.outputs is None:
        raise ArgumentError("the record holds no outputs; record with outputs=True")
    shape = record.outputs.shape
    y = np.asarray(targets, np.float64)
    if y.size != shape[2] * shape[3] or len(y) != shape[2]:
        raise ArgumentError(
            f"targets must be those of the {shape[2]} recorded inputs, {shape[3]} each, got "
            f"{y.shape}"
        )
    return np.asarray(record.outputs, np.float64).reshape(*shape[:2], -1) - y.ravel()


def modes_of(
    record: TrainingRecord, inputs: npt.ArrayLike, targets: npt.ArrayLike, mode: str | int
) -> Modes:
    """Return a mode of every seed.

    Raises
    ------
    ArgumentError
        If the mode is unknown, or data do not fit the record.
    """
    if record.model is None:
        raise ArgumentError("the record does not tell its model; there is no tangent kernel")
    left = residuals(record, targets)
    seeds, _, size = left.shape
    if mode != "mean" and isinstance(mode, str):
        raise ArgumentError(f'mode must be "mean" or an integer, got {shown(mode)}')
    number = -1 if mode == "mean" else as_count("mode", mode, 0, size - 1)
    series = np.empty(left.shape[:2])
    eigenvalues, drift, sine = np.empty(seeds), np.empty(seeds), np.empty(seeds)
    for seed in range(seeds):
        kernel = tangent_kernel(record.model, record.tensors(seed, 0), inputs)
        if kernel.shape != (size, size):
            raise ArgumentError(
                f"inputs must be the {size // record.model.output_shape[0]} of the record, got "
                f"{len(kernel) // record.model.output_shape[0]}"
            )
        last = tangent_kernel(record.model, record.tensors(seed), inputs)
        unit = np.full(size, size**-0.5)
        if number >= 0:
            unit = np.linalg.eigh(kernel)[1][:, size - 1 - number]
        turned = kernel @ unit
        eigenvalues[seed] = unit @ turned
        length = float(np.linalg.norm(turned))
        off = float(np.linalg.norm(turned - eigenvalues[seed] * unit))
        sine[seed] = off / length if length else 0.0
        drift[seed] = np.linalg.norm(last - kernel) / np.linalg.norm(kernel)
        series[seed] = left[seed] @ unit
    return Modes(series, eigenvalues, drift, sine)
