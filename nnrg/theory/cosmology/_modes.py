"""Projections of the outputs on the mean over data, or on modes of the tangent kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.simulate.training import Model, TrainingRecord
from nnrg.stats._arrays import real_array
from nnrg.theory.cosmology.kernels import tangent_kernel

__all__ = [
    "NULL",
    "Kernels",
    "Modes",
    "as_record",
    "kernels_of",
    "modes_of",
    "rank_of",
    "recorded_outputs",
]

Array = npt.NDArray[np.float64]

# Outputs and costs are worked out again this well, in double and in single precision.
_SAME = {"float64": 1e-7, "float32": 1e-3}
# An eigenvalue is zero below this share of the largest.
NULL = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """Residuals of a record and the tangent kernels that move them.

    Attributes
    ----------
    record : TrainingRecord
    inputs : array
    left : array of shape (S, T, N)
        Outputs minus targets; N is the number of inputs times that of outputs.
    first : array of shape (S, N, N)
        Kernel of each seed at the first frame.
    """

    record: TrainingRecord
    model: Model
    inputs: Array
    left: Array
    first: Array

    @property
    def rounding(self) -> Array:
        """Rounding (S,) of the amplitude of a mode, of outputs as they are recorded."""
        outputs = self.record.outputs
        assert outputs is not None
        start = np.abs(outputs[:, 0]).reshape(len(outputs), -1).max(axis=1)
        largest = np.maximum(start, np.abs(self.left[:, 0]).max(axis=1))
        return np.asarray(float(np.finfo(outputs.dtype).eps) * largest, np.float64)

    def drift(self, frame: int) -> Array:
        """Return how much the kernel of each seed has changed at a frame, relative to itself."""
        step = int(self.record.steps[frame])
        found = np.empty(len(self.first))
        for seed, kernel in enumerate(self.first):
            last = tangent_kernel(self.model, self.record.tensors(seed, step), self.inputs)
            found[seed] = np.linalg.norm(last - kernel) / np.linalg.norm(kernel)
        return found

    def eigen(self) -> tuple[Array, Array]:
        """Return eigenvalues (S, N), largest first, and eigenvectors (S, N, N) in columns."""
        values, vectors = np.linalg.eigh(self.first)
        return np.maximum(values[:, ::-1], 0.0), vectors[:, :, ::-1]


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """One mode of every seed.

    Attributes
    ----------
    series : array of shape (S, T)
        Of outputs minus targets.
    eigenvalues, misalignment : array of shape (S,)
    """

    series: Array
    eigenvalues: Array
    misalignment: Array


def as_record(record: object) -> TrainingRecord:
    """Return a record, or raise ArgumentError."""
    if not isinstance(record, TrainingRecord):
        raise ArgumentError(f"record must be a TrainingRecord, got {shown(record)}")
    return record


def recorded_outputs(record: object) -> Array:
    """Return outputs (S, T, N) in double precision, or raise ArgumentError."""
    made = as_record(record)
    if made.outputs is None:
        raise ArgumentError("the record holds no outputs; record with outputs=True")
    return np.asarray(made.outputs, np.float64).reshape(*made.outputs.shape[:2], -1)


def kernels_of(record: object, inputs: npt.ArrayLike, targets: npt.ArrayLike) -> Kernels:
    """Return residuals and kernels of a record of training by the mean squared error.

    Raises
    ------
    ArgumentError
        If the record holds no outputs or tells no model, or data are not those it was trained on.
    NonFiniteError
        If data hold NaN or infinity.
    """
    made = as_record(record)
    outputs = recorded_outputs(made)
    model = made.model
    if model is None:
        raise ArgumentError("the record does not tell its model; there is no tangent kernel")
    if made.configuration.get("loss") != "mse":
        raise ArgumentError("the record must be of the mean squared error")
    x, y = real_array("inputs", inputs), real_array("targets", targets)
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise NonFiniteError("inputs or targets hold values that are NaN or infinite; drop them")
    size, (n_outputs,) = outputs.shape[2], model.output_shape
    count = size // n_outputs
    if x.ndim < 1 or len(x) != count or y.size != size or len(y) != count:
        raise ArgumentError(
            f"inputs and targets must be those of the {count} recorded inputs, {n_outputs} "
            f"outputs each, got {x.shape} and {y.shape}"
        )
    left = outputs - y.ravel()
    _require_same(made, model, x, outputs, left)
    first = np.stack(
        [
            tangent_kernel(model, made.tensors(seed, int(made.steps[0])), x)
            for seed in range(made.n_seeds)
        ]
    )
    return Kernels(made, model, x, left, first)


def _require_same(
    record: TrainingRecord, model: Model, x: Array, outputs: Array, left: Array
) -> None:
    """Raise ArgumentError unless data give the outputs and the cost that were recorded."""
    again = model.outputs(record.tensors(0, int(record.steps[0])), x).ravel()
    within = _SAME.get(str(record.configuration.get("dtype")), _SAME["float32"])
    scale = float(np.abs(outputs[0, 0]).max()) or 1.0
    if np.abs(again - outputs[0, 0]).max() > within * scale:
        raise ArgumentError(
            "inputs are not those of the record: they do not give its outputs at the first step"
        )
    cost, known = 0.5 * float((left[0, 0] ** 2).sum()) / len(x), float(record.losses[0, 0])
    if np.isfinite(known) and abs(cost - known) > within * max(abs(known), scale**2):
        raise ArgumentError(
            f"targets are not those of the record, or its outputs are of a probe: the cost at the "
            f"first step was {known:.6g}, got {cost:.6g}"
        )


def rank_of(eigenvalues: Array) -> int:
    """Return how many eigenvalues (S, N), largest first, are not zero in any seed."""
    return int((eigenvalues > NULL * eigenvalues[:, :1]).sum(axis=1).min())


def modes_of(kernels: Kernels, mode: object) -> Modes:
    """Return a mode of every seed.

    Raises
    ------
    ArgumentError
        If the mode is unknown.
    AnalysisError
        If the kernel does not move it.
    """
    if mode != "mean" and isinstance(mode, str):
        raise ArgumentError(f'mode must be "mean" or an integer, got {shown(mode)}')
    size = kernels.left.shape[2]
    if mode == "mean":
        unit = np.full((len(kernels.first), size), size**-0.5)
    else:
        number = as_count("mode", mode, 0, size - 1)
        unit = kernels.eigen()[1][:, :, number]
    turned = np.einsum("sij,sj->si", kernels.first, unit)
    eigenvalues = np.einsum("si,si->s", unit, turned)
    if (eigenvalues <= NULL * np.linalg.norm(kernels.first, axis=(1, 2))).any():
        raise AnalysisError(
            f"the tangent kernel does not move mode {mode}: its eigenvalue is zero; take a lower "
            "number"
        )
    off = np.linalg.norm(turned - eigenvalues[:, None] * unit, axis=1)
    return Modes(
        np.einsum("stj,sj->st", kernels.left, unit),
        eigenvalues,
        off / np.linalg.norm(turned, axis=1),
    )
