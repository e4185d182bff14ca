"""Vertices of the cost of one layer in its weights, as sums of rank-1 tensors: the result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.activation_functions import Activation
from nnrg.errors import ArgumentError
from nnrg.lattice import Lattice
from nnrg.simulate.training._identity import digest
from nnrg.simulate.training.losses import Loss, MeanSquaredError
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._costs import cost_derivative, cost_slope
from nnrg.theory.synaptic._nilpotent import compose, multiply
from nnrg.theory.synaptic._samples import averages, finite, mean_estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PerceptronVertices"]

Array = npt.NDArray[np.float64]

# Numbers of one tensor that are made without asking twice.
LARGEST_TENSOR = 10_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PerceptronVertices:
    r"""Vertices V_n of the cost of one layer in its weights, as sums of rank-1 tensors.

    Attributes
    ----------
    inputs : array of shape (P, n_in)
    factors : array of shape (order + 1, P, n_out)
        F^(n)(h_0; y) of each sample and output, by the preactivation of that output alone.
    activation : Activation
    loss : Loss
    sites : Lattice
        Where the input index lives.
    spacing : float
        Lattice spacing of the input index.
    assumptions : tuple of str
    series, targets : array of shape (order + 1, P, n_out) and (P, n_out), or None
        Of a cross-entropy: the outputs as series, and the probabilities of the classes.

    Notes
    -----
    .. math:: C = \sum_n \frac{1}{n!} \sum V_n(o; i_1 .. i_n)\,
              \delta w_{o i_1} .. \delta w_{o i_n}, \\
              V_n(o; i_1 .. i_n) = \langle F^{(n)}(h_o; y_o)\, x_{i_1} .. x_{i_n} \rangle,

    with F = (f(h) - y)^2 / 2: ultralocal in the output index, nonlocal in the input index. No
    vertex is a contact term, whatever the data. The softmax of a cross-entropy couples the outputs
    as well: V_n(o_1 i_1 .. o_n i_n) has the joint cumulants of the classes in place of F^(n), such
    as p_o (delta_oo' - p_o') in V_2.
    """

    inputs: Array
    factors: Array
    activation: Activation
    sites: Lattice
    spacing: float
    assumptions: tuple[str, ...]
    loss: Loss = field(default_factory=MeanSquaredError)
    series: Array | None = None
    targets: Array | None = None

    def __post_init__(self) -> None:
        for array in (self.inputs, self.factors, self.series, self.targets):
            if array is not None:
                array.flags.writeable = False

    @property
    def couples_outputs(self) -> bool:
        """Whether vertices have elements between outputs: those of a softmax do."""
        return (
            self.series is not None and self.shape[0] > 1 and self.series.shape[2] == self.shape[0]
        )

    @property
    def provenance(self) -> dict[str, str]:
        """SHA-256 of inputs and factors: which data, at which point."""
        return {"inputs_sha256": digest(self.inputs), "factors_sha256": digest(self.factors)}

    @property
    def order(self) -> int:
        """Highest order n."""
        return len(self.factors) - 1

    @property
    def n_samples(self) -> int:
        """Number of training samples P."""
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_out, n_in) of a weight field."""
        return self.factors.shape[2], self.inputs.shape[1]

    def contract(self, *fields: npt.ArrayLike) -> Estimate:
        """Return V_n contracted with n fields of shape (n_out, n_in), or (n_in,) for one output.

        No tensor is made: n P n_in n_out multiplications. The error is that of the data sample.

        Raises
        ------
        ArgumentError
            If there are more fields than the order, or a shape does not fit.
        """
        return mean_estimate(self._contracted(self._fields(fields)))

    def apply(self, *fields: npt.ArrayLike) -> tuple[Array, Array]:
        """Return V_n with n - 1 fields and one index left open, and errors; (n_out, n_in) each.

        Raises
        ------
        ArgumentError
            As `contract`.
        """
        rows = self._open(self._fields(fields, free=1))
        value = rows.T @ self.inputs / self.n_samples
        square = (rows**2).T @ self.inputs**2 / self.n_samples
        # Variance of the mean: of independent samples.
        spread = np.maximum(square - value**2, 0) / (self.n_samples - 1)
        return np.asarray(value), np.asarray(np.sqrt(spread))

    def at(self, indices: npt.ArrayLike, *, output: int | Sequence[int] = 0) -> Replicates:
        """Return V_n(i_1 .. i_n) for rows of n input sites, shape (m, n).

        Parameters
        ----------
        indices : int array of shape (m, n)
        output : int or sequence of n int
            One output neuron, or one for each index.

        Raises
        ------
        ArgumentError
            If an index is no site, or n is above the order.
        """
        at = np.array(indices)
        if at.ndim != 2 or at.dtype.kind not in "iu" or not 0 < at.shape[1] <= self.order:
            raise ArgumentError(
                f"indices must be integers of shape (m, n) with n from 1 to {self.order}, got "
                f"{at.dtype} of shape {at.shape}"
            )
        if at.size and not 0 <= at.min() <= at.max() < self.inputs.shape[1]:
            raise ArgumentError(
                f"indices must be sites 0..{self.inputs.shape[1] - 1}, got {at.min()} to {at.max()}"
            )
        product = self.inputs[:, at].prod(axis=2)
        return averages(self._factor(at.shape[1], output)[:, None] * product)

    def tensor(self, n: int, *, output: int | Sequence[int] = 0) -> Array:
        """Return V_n of one output, or between n of them, as an array of n axes: n_in^n numbers.

        Raises
        ------
        ArgumentError
            If n is out of range or the tensor has more than ten million numbers.
        """
        n = as_count("n", n, 1, self.order)
        factor = self._factor(n, output)
        size = self.inputs.shape[1]
        if size**n > LARGEST_TENSOR:
            raise ArgumentError(
                f"V_{n} over {size} sites has {size**n:.3g} numbers; use contract, apply or at"
            )
        half = n // 2
        left, right = _powers(self.inputs, half), _powers(self.inputs, n - half)
        weighted = left * factor[:, None] / self.n_samples
        return np.asarray((weighted.T @ right).reshape((size,) * n))

    def source(self) -> tuple[Array, Array]:
        """Return J(x) = -V_1 and its error, (n_out, n_in) each."""
        value, error = self.apply()
        return np.negative(value), error

    def kernel(self, *, output: int = 0) -> Array:
        """Return the quadratic kernel V_2 of one output, shape (n_in, n_in)."""
        return self.tensor(2, output=output)

    def continuum_factor(self, n: int, *, canonical: bool = True) -> float:
        r"""Return what takes V_n on sites to the continuum: :math:`\epsilon^{-nd}`.

        With a canonical kinetic term, :math:`\phi = w / \epsilon^{d/2}`, it is
        :math:`\epsilon^{-nd/2}`.
        """
        n = as_count("n", n, 1)
        power = n * self.sites.dimension / (2 if canonical else 1)
        return math.exp(-power * math.log(self.spacing))

    def strengths(self, field: npt.ArrayLike | None = None) -> Replicates:
        """Return V_n contracted with n copies of a field, n = 1 .. order, with one covariance.

        Along J, of norm one, if no field is given; along ones if J is zero.

        Raises
        ------
        ArgumentError
            If the field has another shape.
        """
        phi = self._along() if field is None else field
        step = self._fields([phi])
        rows = [self._contracted(np.repeat(step, n, axis=0)) for n in range(1, self.order + 1)]
        return averages(np.stack(rows, axis=1))

    def _along(self) -> Array:
        along = self.source()[0]
        norm = float(np.sqrt((along**2).sum()))
        return along / norm if norm > 0 else np.full(self.shape, 1 / math.sqrt(along.size))

    def _fields(self, fields: Sequence[npt.ArrayLike], free: int = 0) -> Array:
        """Return what n fields add to the preactivations, shape (n, P, n_out)."""
        n = len(fields) + free
        if not 1 <= n <= self.order:
            raise ArgumentError(
                f"V_n is known for n from 1 to {self.order}, got {len(fields)} fields; raise order"
            )
        steps = np.empty((len(fields), self.n_samples, self.shape[0]))
        for k, one in enumerate(fields):
            phi = finite("field", one)
            phi = phi[None] if phi.ndim == 1 else phi
            if phi.shape != self.shape:
                raise ArgumentError(f"a field must have shape {self.shape}, got {np.shape(one)}")
            steps[k] = self.inputs @ phi.T
        return steps

    def _contracted(self, steps: Array) -> Array:
        """Return the derivative of each sample's cost along steps of the preactivations."""
        if not self.couples_outputs:
            return np.asarray((self.factors[len(steps)] * steps.prod(axis=0)).sum(axis=1))
        z = self._moved(steps)
        return cost_derivative(self.loss, z, self._given(self.targets))

    def _open(self, steps: Array) -> Array:
        """Return the same with one preactivation left open, (P, n_out)."""
        if not self.couples_outputs:
            return np.asarray(self.factors[len(steps) + 1] * steps.prod(axis=0))
        z, series = self._moved(steps), self._given(self.series)
        slopes = series[1:] * np.arange(1.0, len(series)).reshape(-1, 1, 1)
        rates = compose(slopes[: len(steps) + 1], self._parts(steps))
        return np.asarray(multiply(cost_slope(self.loss, z, self._given(self.targets)), rates)[-1])

    def _factor(self, n: int, output: int | Sequence[int]) -> Array:
        """Return F^(n) of each sample by the preactivations of n outputs, or n times of one."""
        given = output if isinstance(output, Sequence) else [output] * n
        outputs = [as_count("output", o, 0, self.shape[0] - 1) for o in given]
        if len(outputs) != n:
            raise ArgumentError(f"output must be one number or {n}, got {len(outputs)}")
        if len(set(outputs)) == 1:
            return np.asarray(self.factors[n, :, outputs[0]])
        if not self.couples_outputs:
            return np.zeros(self.n_samples)
        unit = np.eye(self.shape[0])[outputs]
        return self._contracted(np.broadcast_to(unit[:, None], (n, self.n_samples, len(unit[0]))))

    def _parts(self, steps: Array) -> Array:
        """Return preactivations with an infinitesimal part for each step, but for their values."""
        z = np.zeros((1 << len(steps), *steps.shape[1:]))
        for k, step in enumerate(steps):
            z[1 << k] = step
        return z

    def _moved(self, steps: Array) -> Array:
        """Return the outputs with an infinitesimal part for each step."""
        return compose(self._given(self.series)[: len(steps) + 1], self._parts(steps))

    @staticmethod
    def _given(values: Array | None) -> Array:
        assert values is not None  # where outputs are coupled
        return values

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each order: the strength along J with its error."""
        import pandas as pd

        found = self.strengths()
        return pd.DataFrame(
            {
                "order": np.arange(1, self.order + 1),
                "strength": found.values,
                "error": found.errors(),
                "n_samples": self.n_samples,
                "continuum_factor": [self.continuum_factor(n) for n in range(1, self.order + 1)],
            }
        )

    def __str__(self) -> str:
        found = self.strengths()
        lines = [
            f"vertices of a {self.activation.name} layer {self.shape[1]} -> {self.shape[0]}, "
            f"{self.loss.name}, from {self.n_samples} samples, spacing {self.spacing:g}; along "
            f"{'J' if self.source()[0].any() else 'ones, for J is zero,'} of norm 1:"
        ]
        lines += [
            f"  V_{n + 1} {shown_number(v, e)}"
            for n, (v, e) in enumerate(zip(found.values, found.errors(), strict=True))
        ]
        return "\n".join([*lines, *(f"  assumed: {a}" for a in self.assumptions)])


def _powers(x: Array, n: int) -> Array:
    """Return x_i1 .. x_in of each sample, shape (P, n_in^n)."""
    out = np.ones((len(x), 1))
    for _ in range(n):
        out = (out[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    return out
