"""Training data as external sources of one layer: nonlocal vertices of any order, in CP form."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.lattice import Lattice
from nnrg.simulate.training.losses import CrossEntropy, Loss, MeanSquaredError
from nnrg.theory.synaptic._activation_series import activation_series
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._costs import cost_series, known_loss
from nnrg.theory.synaptic._samples import data_arrays, finite
from nnrg.theory.synaptic.vertices import PerceptronVertices

__all__ = ["PerceptronVertices", "perceptron_vertices"]

Array = npt.NDArray[np.float64]

_LARGEST = 1e40

HIGHEST = 6


def perceptron_vertices(
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike | None = None,
    *,
    activation: str | Activation | Function = "tanh",
    weights: npt.ArrayLike | None = None,
    biases: npt.ArrayLike | None = None,
    order: int = HIGHEST,
    loss: str | Loss = "mse",
    sites: Lattice | None = None,
    spacing: float = 1.0,
) -> PerceptronVertices:
    r"""Return the vertices that training data make of the weights of one layer.

    Parameters
    ----------
    inputs : array of shape (P, n_in)
    targets : array of shape (P,) or (P, n_out), optional
        Zero for one output if left out. Of a cross-entropy integer classes (P,), of which there
        are as many as weights have rows, or else as are named; or probabilities (P, n_out).
    activation : str, Activation or callable
        f of the output.
    weights : array of shape (n_in,) or (n_out, n_in), optional
        The expansion point; zero if left out.
    biases : array of shape (n_out,), optional
    order : int
        Highest vertex, 1 to 6.
    loss : {"mse", "cross_entropy"} or Loss
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
    cost = known_loss(loss)
    if isinstance(cost, MeanSquaredError):
        x, y = data_arrays(inputs, targets)
    else:
        x, _ = data_arrays(inputs, None)
        y = _classes(cost, targets, weights, len(x))
    if not max(np.abs(x).max(), np.abs(y).max()) < _LARGEST:
        raise ArgumentError(
            f"inputs and targets must be below {_LARGEST:g}: sixth powers are taken; rescale them"
        )
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
    lattice = Lattice(shape[1]) if sites is None else as_kind("sites", sites, Lattice)
    if lattice.n_sites != shape[1]:
        raise ArgumentError(f"sites must be {shape[1]} for the inputs, got {lattice!r}")
    outputs = activation_series(phi, h, n)
    series = cost_series(cost, outputs, y)
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
            *(("no targets: y = 0",) if targets is None else ()),
            "samples independent: the errors are of another draw of the data",
        ),
        loss=cost,
        series=outputs if isinstance(cost, CrossEntropy) else None,
        targets=y if isinstance(cost, CrossEntropy) else None,
    )


def _classes(
    cost: Loss, targets: npt.ArrayLike | None, weights: npt.ArrayLike | None, n_samples: int
) -> Array:
    """Return the probabilities of classes, (P, n_out)."""
    if targets is None:
        raise ArgumentError("a cross-entropy needs targets: classes, or probabilities (P, n_out)")
    given = np.asarray(targets)
    if weights is not None and np.ndim(weights) == 2:
        n_out = len(np.asarray(weights))
    elif given.ndim == 2:
        n_out = given.shape[1]
    else:
        n_out = int(given.max(initial=0)) + 1 if given.dtype.kind in "iu" else 1
    if n_out < 2:
        raise ArgumentError("a cross-entropy needs two classes or more, got one output")
    return cost.targets(targets, n_samples, n_out).astype(np.float64)
