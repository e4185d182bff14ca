"""Members of an ensemble of dense networks, by the exact law of their layers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.simulate.architectures import DenseNetwork

__all__ = ["LawSampler", "factors"]

Floats = npt.NDArray[np.float64]

_MEMBERS = 4096
# Numbers that a layer of a few members takes where it is drawn in NumPy.
_NUMBERS = 1 << 21
# As in the kernel: a pivot this small relative to its diagonal is rounding.
_SINGULAR = 1e-14


class LawSampler:
    """Metrics and outputs of members of an ensemble, each with random numbers of its own.

    Parameters
    ----------
    net : DenseNetwork
        With normal weights.
    metric : array of shape (k, k)
        Of the first layer.
    seed : SeedSequence
    """

    def __init__(self, net: DenseNetwork, metric: Floats, seed: np.random.SeedSequence) -> None:
        self._net = net
        self._k = len(metric)
        self._metric = metric[np.tril_indices(self._k)]
        self._key = seed.generate_state(1, np.uint64)[0]
        self._variances = net.sigmas**2
        self._compiled = all(a.code >= 0 for a in net.activations)

    @property
    def members(self) -> int:
        """How many members to ask for at a time: many, as one takes microseconds."""
        return _MEMBERS

    def draw(self, first: int, stop: int) -> tuple[Floats, Floats]:
        """Return metrics (members, T + 1, pairs) and outputs (members, n_outputs, k)."""
        metrics = np.empty((stop - first, self._net.n_hidden + 1, self._metric.size))
        metrics[:, 0] = self._metric
        outputs = np.empty((stop - first, self._k, self._net.n_outputs))
        if self._compiled:
            self._propagate(first, metrics, outputs)
        else:
            widest = max(*self._net.widths, self._net.n_outputs) * self._k
            size = max(1, _NUMBERS // widest)
            for start in range(0, stop - first, size):
                part = slice(start, start + size)
                # What overflows is named by those who sum it.
                with np.errstate(over="ignore", invalid="ignore"):
                    self._propagate_arrays(first + start, metrics[part], outputs[part])
        return metrics, outputs.transpose(0, 2, 1)

    def _propagate(self, first: int, metrics: Floats, outputs: Floats) -> None:
        from nnrg_kernels.layer_law import propagate

        net = self._net
        constants = np.zeros((net.n_hidden, 6))
        constants[:, :2] = [a.slopes or (0.0, 0.0) for a in net.activations]
        constants[:, 2:4] = self._variances[1:]
        constants[1:, 4] = constants[:-1, 5] = net.residual
        codes = np.array([a.code for a in net.activations], dtype=np.int64)
        widths = np.array(net.widths, dtype=np.int64)
        propagate(widths, codes, constants, True, self._key, first, metrics, outputs)

    def _propagate_arrays(self, first: int, metrics: Floats, outputs: Floats) -> None:
        """Do the same where an activation function is one of Python's."""
        from nnrg_kernels.layer_law import member_normals

        net, members, k = self._net, len(metrics), self._k
        rows, columns = np.tril_indices(k)
        covariance, counter = np.empty((members, k, k)), 1

        def layer(width: int) -> Floats:
            nonlocal counter
            g = np.empty((members, k * width))
            member_normals(self._key, first, counter, g)
            counter += (k * width + 1) // 2
            return np.asarray(factors(covariance) @ g.reshape(members, k, width))

        covariance[:, rows, columns] = covariance[:, columns, rows] = metrics[:, 0]
        z = np.zeros((members, k, 1))
        for t, (width, activation) in enumerate(zip(net.widths, net.activations, strict=True)):
            z = net.residual * z + layer(width) if t and net.residual else layer(width)
            phi = activation(z)
            covariance = self._variances[t + 1, 0] / width * (phi @ phi.transpose(0, 2, 1))
            covariance += self._variances[t + 1, 1]
            whole = covariance
            if t + 1 < net.n_hidden and net.residual:
                whole = covariance + net.residual**2 / width * (z @ z.transpose(0, 2, 1))
            metrics[:, t + 1] = whole[:, rows, columns]
        outputs[:] = layer(net.n_outputs)


def factors(matrices: Floats) -> Floats:
    """Return lower Cholesky factors of positive semi-definite matrices, shape (members, k, k)."""
    out = np.zeros_like(matrices)
    for b in range(matrices.shape[1]):
        column = matrices[:, b:, b] - np.einsum("mac,mc->ma", out[:, b:, :b], out[:, b, :b])
        square = matrices[:, b, b]
        small = (column[:, 0] <= _SINGULAR * square) & np.isfinite(square)
        pivot = np.sqrt(np.where(small, 1.0, column[:, 0]))
        out[:, b:, b] = np.where(small[:, None], 0.0, column / pivot[:, None])
    return out
