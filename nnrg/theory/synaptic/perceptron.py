"""Training data as external sources of one layer: nonlocal vertices of any order, in CP form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.lattice import Lattice
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._activation_series import activation_series, squared_error_series
from nnrg.theory.synaptic._samples import averages, data_arrays, finite, mean_estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PerceptronVertices", "perceptron_vertices"]

Array = npt.NDArray[np.float64]

HIGHEST = 6
# Numbers of one tensor that are made without asking twice.
LARGEST_TENSOR = 10_000_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PerceptronVertices:
    r"""Vertices V_n of the cost of one layer in its weights, as sums of rank-1 tensors.

    Attributes
    ----------
    inputs : array of shape (P, n_in)
    factors : array of shape (order + 1, P, n_out)
        F^(n)(h_0; y) of each sample and output.
    activation : Activation
    sites : Lattice
        Where the input index lives.
    spacing : float
        Lattice spacing of the input index.
    assumptions : tuple of str

    Notes
    -----
    .. math:: C = \sum_n \frac{1}{n!} \sum V_n(o; i_1 .. i_n)\,
              \delta w_{o i_1} .. \delta w_{o i_n}, \\
              V_n(o; i_1 .. i_n) = \langle F^{(n)}(h_o; y_o)\, x_{i_1} .. x_{i_n} \rangle,

    with F = (f(h) - y)^2 / 2: ultralocal in the output index, nonlocal in the input index. No
    vertex is a contact term, whatever the data.
    """

    inputs: Array
    factors: Array
    activation: Activation
    sites: Lattice
    spacing: float
    assumptions: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in (self.inputs, self.factors):
            array.flags.writeable = False

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
        return mean_estimate(self._rows(fields).sum(axis=1))

    def apply(self, *fields: npt.ArrayLike) -> tuple[Array, Array]:
        """Return V_n with n - 1 fields and one index left open, and errors; (n_out, n_in) each.

        Raises
        ------
        ArgumentError
            As `contract`.
        """
        rows = self._rows(fields, free=1)
        value = rows.T @ self.inputs / self.n_samples
        square = (rows**2).T @ self.inputs**2 / self.n_samples
        # Variance of the mean: of independent samples.
        spread = np.maximum(square - value**2, 0) / (self.n_samples - 1)
        return np.asarray(value), np.asarray(np.sqrt(spread))

    def at(self, indices: npt.ArrayLike, *, output: int = 0) -> Replicates:
        """Return V_n(i_1 .. i_n) for rows of n input sites, shape (m, n).

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
            raise ArgumentError(f"indices must be sites 0..{self.inputs.shape[1] - 1}, got {at}")
        o = as_count("output", output, 0, self.shape[0] - 1)
        product = self.inputs[:, at].prod(axis=2)
        return averages(self.factors[at.shape[1], :, o, None] * product)

    def tensor(self, n: int, *, output: int = 0) -> Array:
        """Return V_n of one output as an array of n axes: n_in^n numbers.

        Raises
        ------
        ArgumentError
            If n is out of range or the tensor has more than ten million numbers.
        """
        n = as_count("n", n, 1, self.order)
        o = as_count("output", output, 0, self.shape[0] - 1)
        size = self.inputs.shape[1]
        if size**n > LARGEST_TENSOR:
            raise ArgumentError(
                f"V_{n} over {size} sites has {size**n:.3g} numbers; use contract, apply or at"
            )
        half = n // 2
        left, right = _powers(self.inputs, half), _powers(self.inputs, n - half)
        weighted = left * self.factors[n, :, o, None] / self.n_samples
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

    def _rows(self, fields: tuple[npt.ArrayLike, ...], free: int = 0) -> Array:
        n = len(fields) + free
        if not 1 <= n <= self.order:
            raise ArgumentError(
                f"V_n is known for n from 1 to {self.order}, got {len(fields)} fields; raise order"
            )
        rows: Array = self.factors[n].copy()
        for field in fields:
            phi = finite("field", field)
            phi = phi[None] if phi.ndim == 1 else phi
            if phi.shape != self.shape:
                raise ArgumentError(f"a field must have shape {self.shape}, got {np.shape(field)}")
            rows *= self.inputs @ phi.T
        return rows

    def strengths(self) -> Replicates:
        """Return V_n contracted with n copies of the field along J, of norm one, n = 1 .. order."""
        along = self.source()[0]
        norm = float(np.sqrt((along**2).sum()))
        along = along / norm if norm > 0 else np.full(self.shape, 1 / math.sqrt(along.size))
        h = self.inputs @ along.T
        rows = [(self.factors[n] * h**n).sum(axis=1) for n in range(1, self.order + 1)]
        return averages(np.stack(rows, axis=1))

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
            f"vertices of a {self.activation.name} layer {self.shape[1]} -> {self.shape[0]} from "
            f"{self.n_samples} samples, spacing {self.spacing:g}; along J of norm 1:"
        ]
        lines += [
            f"  V_{n + 1} {shown_number(v, e)}"
            for n, (v, e) in enumerate(zip(found.values, found.errors(), strict=True))
        ]
        return "\n".join([*lines, *(f"  assumed: {a}" for a in self.assumptions)])


def perceptron_vertices(
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike | None = None,
    *,
    activation: str | Activation | Function = "tanh",
    weights: npt.ArrayLike | None = None,
    biases: npt.ArrayLike | None = None,
    order: int = HIGHEST,
    sites: Lattice | None = None,
    spacing: float = 1.0,
) -> PerceptronVertices:
    r"""Return the vertices that training data make of the weights of one layer.

    Parameters
    ----------
    inputs : array of shape (P, n_in)
    targets : array of shape (P,) or (P, n_out), optional
        Zero for one output if left out.
    activation : str, Activation or callable
        f of the output, cost (f(h) - y)^2 / 2 averaged over samples, summed over outputs.
    weights : array of shape (n_in,) or (n_out, n_in), optional
        The expansion point; zero if left out.
    biases : array of shape (n_out,), optional
    order : int
        Highest vertex, 1 to 6.
    sites : Lattice, optional
        Where the inputs live; an open chain if left out.
    spacing : float
        Lattice spacing epsilon.

    Returns
    -------
    PerceptronVertices

    Raises
    ------
    ArgumentError
        If shapes do not fit, or the expansion point is a kink.
    NonFiniteError
        If a number is not finite.

    Notes
    -----
    The vertices are derivative tensors of the cost at the expansion point, on which they depend.
    arXiv:2503.08827; the rank-1 form is derived here.

    Examples
    --------
    Derivatives of (tanh h - y)^2 / 2 at h = 0, for y = 1/2:

    >>> import numpy as np
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> v = perceptron_vertices(np.ones((2, 1)), [0.5, 0.5])
    >>> [round(v.contract(*[[1.0]] * n).value, 9) for n in range(1, 7)]
    [-0.5, 1.0, 1.0, -8.0, -8.0, 136.0]
    """
    x, y = data_arrays(inputs, targets)
    phi = as_activation(activation)
    n = as_count("order", order, 1, HIGHEST)
    epsilon = as_real("spacing", spacing)
    if not epsilon > 0:
        raise ArgumentError(f"spacing must be above zero, got {spacing}")
    shape = (y.shape[1], x.shape[1])
    h = np.zeros_like(y)
    if weights is not None:
        w = finite("weights", weights)
        w = w[None] if w.ndim == 1 else w
        if w.shape != shape:
            raise ArgumentError(f"weights must have shape {shape}, got {np.shape(weights)}")
        h += x @ w.T
    if biases is not None:
        b = np.atleast_1d(finite("biases", biases))
        if b.shape != shape[:1]:
            raise ArgumentError(f"biases must have shape {shape[:1]}, got {b.shape}")
        h += b
    lattice = Lattice(shape[1]) if sites is None else sites
    if lattice.n_sites != shape[1]:
        raise ArgumentError(f"sites must be {shape[1]} for the inputs, got {lattice!r}")
    series = squared_error_series(activation_series(phi, h, n), y)
    factorials = np.array([math.factorial(k) for k in range(n + 1)])
    point = "zero" if weights is None else "the given weights"
    return PerceptronVertices(
        inputs=x,
        factors=series * factorials[:, None, None],
        activation=phi,
        sites=lattice,
        spacing=epsilon,
        assumptions=(
            f"expanded about {point}",
            "samples independent: the errors are of another draw of the data",
        ),
    )


def _powers(x: Array, n: int) -> Array:
    """Return x_i1 .. x_in of each sample, shape (P, n_in^n)."""
    out = np.ones((len(x), 1))
    for _ in range(n):
        out = (out[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    return out
