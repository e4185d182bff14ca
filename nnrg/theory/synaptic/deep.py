"""Vertices of a deep network at a stated point, contracted without making a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training.losses import Loss
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._activation_series import activation_series
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._costs import cost_derivative, cost_slope, known_loss
from nnrg.theory.synaptic._nilpotent import compose, linear, multiply, outer
from nnrg.theory.synaptic._samples import averages, data_arrays, finite, mean_estimate
from nnrg.theory.synaptic.feed_forward import FeedForward

__all__ = ["NetworkVertices", "network_vertices"]

Array = npt.NDArray[np.float64]

HIGHEST = 6
LARGEST_TENSOR = 1_000_000
# Numbers of one layer, all directions and samples of a part, held at a time.
_PART = 1 << 21
_GROUPS = 32


@dataclass(frozen=True, slots=True, eq=False)
class NetworkVertices:
    r"""Derivative tensors V_n of the cost in all parameters.

    The cost is <|z_L - y|^2> / 2, or the cross-entropy of the softmax of z_L.

    A field is a row of `FeedForward.n_parameters` numbers, as `FeedForward.row` and
    `FeedForward.field` make them.

    Attributes
    ----------
    network : FeedForward
        The expansion point.
    inputs : array of shape (P, n_in)
    targets : array of shape (P, n_out)
    loss : Loss
    """

    network: FeedForward
    inputs: Array
    targets: Array
    loss: Loss

    def __post_init__(self) -> None:
        for array in (self.inputs, self.targets):
            array.flags.writeable = False

    @property
    def n_samples(self) -> int:
        """Number of training samples P."""
        return len(self.inputs)

    def contract(self, *fields: npt.ArrayLike) -> Estimate:
        """Return V_n contracted with n fields, n = 0 .. 6, with the error of the data sample.

        Raises
        ------
        ArgumentError
            If a field has the wrong length.
        """
        rows = self._fields(fields)
        parts = [self._forward(rows, at, slopes=False)[2] for at in self._parts(len(rows))]
        return mean_estimate(np.concatenate(parts))

    def strengths(self, field: npt.ArrayLike | None = None, order: int = 4) -> Replicates:
        """Return V_n contracted with n copies of a field, n = 1 .. order, with one covariance.

        Along the gradient, of norm one, if no field is given.

        Raises
        ------
        ArgumentError
            If the field has the wrong length, or the order is not from 1 to 6.
        """
        last = as_count("order", order, 1, HIGHEST)
        along = self._along() if field is None else field
        rows = self._fields([along] * last)
        columns = []
        for n in range(1, last + 1):
            parts = [self._forward(rows[:n], at, slopes=False)[2] for at in self._parts(n)]
            columns.append(np.concatenate(parts))
        return averages(np.stack(columns, axis=1))

    def apply(self, *fields: npt.ArrayLike) -> Array:
        """Return V_n with n - 1 fields and one index left open: a field; n = 1 .. 6.

        With one field a Hessian-vector product.

        Raises
        ------
        ArgumentError
            As `contract`.
        """
        rows = self._fields(fields, free=1)
        total = np.zeros(self.network.n_parameters)
        for at in self._parts(len(rows)):
            total += self._backward(rows, at)
        return total / self.n_samples

    def errors(self, *fields: npt.ArrayLike) -> Array:
        """Return the errors of what `apply` returns, by leaving out groups of samples.

        Raises
        ------
        ArgumentError
            As `contract`.
        """
        rows = self._fields(fields, free=1)
        group = sample_groups(self.n_samples, _GROUPS)
        sizes = np.bincount(group)
        parts = np.zeros((len(sizes), self.network.n_parameters))
        for g, stop in enumerate(np.cumsum(sizes)):
            for at in self._parts(len(rows), int(stop - sizes[g]), int(stop)):
                parts[g] += self._backward(rows, at)
        mean = parts.sum(axis=0) / self.n_samples
        left_out = leave_one_out(parts) / (self.n_samples - sizes)[:, None]
        return Replicates.from_jackknife(mean, left_out, sizes).errors()

    def tensor(self, n: int) -> Array:
        """Return V_n as an array of n axes over all parameters, up to a million numbers.

        Raises
        ------
        ArgumentError
            If n is out of range or the tensor is too large.
        """
        n = as_count("n", n, 1, HIGHEST)
        size = self.network.n_parameters
        if size**n > LARGEST_TENSOR:
            raise ArgumentError(
                f"V_{n} over {size} parameters has {size**n:.3g} numbers; use contract or apply"
            )
        unit = np.eye(size)
        out = np.empty((size,) * n)
        for at in np.ndindex(*(size,) * (n - 1)):
            # Symmetric: each row is computed once.
            out[at] = self.apply(*(unit[k] for k in at)) if list(at) == sorted(at) else 0
        for at in np.ndindex(*(size,) * (n - 1)):
            out[at] = out[tuple(sorted(at))]
        return out

    def between(self, first: int, second: int) -> float:
        """Return the largest element of V_2 between the parameters of two layers, in magnitude.

        Raises
        ------
        ArgumentError
            If there are no such layers.
        """
        for layer in (first, second):
            as_count("layer", layer, 1, self.network.depth)
        columns = np.arange(self.network.n_parameters)[self.network.bounds(first)]
        largest = 0.0
        for k in columns:
            unit = np.zeros(self.network.n_parameters)
            unit[k] = 1
            found = self.apply(unit)[self.network.bounds(second)]
            largest = max(largest, float(np.abs(found).max()))
        return largest

    def __str__(self) -> str:
        widths = [self.inputs.shape[1], *(len(w) for w in self.network.weights)]
        lines = [
            f"vertices of a network {'-'.join(map(str, widths))}, "
            f"{self.network.n_parameters} parameters, {self.loss.name}, {self.n_samples} samples",
            f"  V_0 {self.contract()}",
        ]
        if self._along().any():
            found = self.strengths().estimates()
            lines += [f"  V_{n} along the gradient {v}" for n, v in enumerate(found, start=1)]
        return "\n".join(lines)

    def _along(self) -> Array:
        """Return the gradient, of norm one, or zero."""
        gradient = self.apply()
        norm = float(np.sqrt(gradient @ gradient))
        return gradient / norm if norm > 0 else gradient

    def _fields(self, fields: Sequence[npt.ArrayLike], free: int = 0) -> Array:
        if len(fields) + free > HIGHEST:
            raise ArgumentError(f"vertices go to V_{HIGHEST}, got {len(fields)} fields")
        rows = np.zeros((len(fields), self.network.n_parameters))
        for k, field in enumerate(fields):
            row = finite("field", field)
            if row.shape != rows.shape[1:]:
                raise ArgumentError(f"a field must have shape {rows.shape[1:]}, got {row.shape}")
            rows[k] = row
        return rows

    def _parts(self, n: int, start: int = 0, stop: int | None = None) -> list[slice]:
        widest = max(self.inputs.shape[1], *(len(w) for w in self.network.weights))
        size = max(1, _PART // (widest << n))
        end = self.n_samples if stop is None else stop
        return [slice(i, min(i + size, end)) for i in range(start, end, size)]

    def _forward(
        self, rows: Array, at: slice, *, slopes: bool = True
    ) -> tuple[list[Array], list[Array], Array]:
        """Return activities and slopes of all layers, and the derivative of each sample's cost."""
        n = len(rows)
        z = np.zeros((1 << n, *self.inputs[at].shape))
        z[0] = self.inputs[at]
        activities, derivatives = [z], []
        layers = [self.network.split(row) for row in rows]
        for i, activation in enumerate(self.network.activations):
            weight, bias = self.network.weights[i], self.network.biases[i]
            h = linear(z, weight, np.array([one[i][0] for one in layers]), transpose=True)
            h[0] += bias
            for k, one in enumerate(layers):
                h[1 << k] += one[i][1]
            series = activation_series(activation, h[0], n + slopes)
            z = compose(series[: n + 1], h)
            if slopes:
                factors = np.arange(1.0, n + 2).reshape(-1, 1, 1)
                derivatives.append(compose(series[1:] * factors, h))
            activities.append(z)
        if not np.isfinite(z).all():
            raise AnalysisError("the network's derivatives leave double precision; rescale it")
        return activities, derivatives, cost_derivative(self.loss, z, self.targets[at])

    def _backward(self, rows: Array, at: slice) -> Array:
        activities, slopes, _ = self._forward(rows, at)
        layers = [self.network.split(row) for row in rows]
        carried = cost_slope(self.loss, activities[-1], self.targets[at])
        gradient = []
        for i in reversed(range(self.network.depth)):
            delta = multiply(carried, slopes[i])
            gradient.append((outer(delta, activities[i]), delta[-1].sum(axis=0)))
            directions = np.array([one[i][0] for one in layers])
            carried = linear(delta, self.network.weights[i], directions, transpose=False)
        return self.network.row(gradient[::-1])


def network_vertices(
    network: FeedForward,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    loss: str | Loss = "mse",
) -> NetworkVertices:
    """Return the vertices that training data make of the parameters of a network.

    Parameters
    ----------
    network : FeedForward
        The expansion point: what vanishes at zero weights need not at trained ones.
    inputs : array of shape (P, n_in)
    targets : array of shape (P,) or (P, n_out)
        Of a cross-entropy integer classes (P,), or probabilities.
    loss : {"mse", "cross_entropy"} or Loss

    Returns
    -------
    NetworkVertices

    Raises
    ------
    ArgumentError
        If the shapes do not fit.

    Notes
    -----
    Exact, no differences: numbers with n infinitesimal parts of square zero, 3^n products a layer;
    the open index by back-propagation of these. Order by order the couplings that arXiv:2503.08827
    calls external sources.

    Examples
    --------
    At zero weights the first of two layers has no mass, the last one from the activation's value
    at zero alone, which tanh does not have and cos does:

    >>> import numpy as np
    >>> from nnrg.theory.synaptic.deep import network_vertices
    >>> from nnrg.theory.synaptic.feed_forward import FeedForward
    >>> zero = [np.zeros((2, 3)), np.zeros((1, 2))]
    >>> x, y = np.arange(12.0).reshape(4, 3), np.ones(4)
    >>> for name in ("tanh", "cos"):
    ...     v = network_vertices(FeedForward.of(zero, activation=name), x, y)
    ...     first = v.network.field(1, weights=np.ones((2, 3)))
    ...     last = v.network.field(2, weights=np.ones((1, 2)))
    ...     print(name, v.contract(first, first), v.contract(last, last))
    tanh 0.0(0) 0.0(0)
    cos 0.0(0) 4.0(0)
    """
    cost = known_loss(loss)
    as_kind("network", network, FeedForward)
    x, _ = data_arrays(inputs, None)
    if x.shape[1] != network.weights[0].shape[1]:
        raise ArgumentError(
            f"inputs must have shape (P, {network.weights[0].shape[1]}), got {np.shape(inputs)}"
        )
    y = cost.targets(targets, len(x), len(network.weights[-1])).astype(np.float64)
    return NetworkVertices(network, x, y, cost)
