"""The largest curvature of a cost, which decides what learning rates are stable."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.simulate.training._group import Batches, SeedGroup
from nnrg.simulate.training._model import Array, Model, as_batch, views
from nnrg.simulate.training.data import as_training_data
from nnrg.simulate.training.losses import Loss, as_loss
from nnrg.simulate.training.optimisers import GradientDescent

__all__ = ["cost_gradient", "largest_curvature"]

_MOST_PRODUCTS = 200
_VECTORS = 8


class _Cost:
    """The cost of one network as a function of all its weights, in double precision."""

    def __init__(self, model: Model, weights: Array, loss: Loss, x: Array, y: Array) -> None:
        self._x, self._y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self._w = np.array(weights, np.float64)[None]
        batches = Batches(len(x), None, np.random.SeedSequence(0))
        optimiser = GradientDescent(1.0)
        self._group = SeedGroup(model, loss, optimiser, self._x, self._y, self._w, {}, 0, batches)

    def gradient(self, w: Array) -> Array:
        self._w[0] = w
        # What overflows is seen in the gradient.
        with np.errstate(over="ignore", invalid="ignore"):
            slope: Array = self._group.slope(self._x, self._y)[1][0].copy()
        return slope


def _flat(model: Model, weights: Mapping[str, npt.ArrayLike]) -> Array:
    tensors, single = as_batch(model, weights)
    if not single:
        raise ArgumentError("weights must be those of one network, without an axis of seeds")
    return np.concatenate([tensors[name][0].ravel() for name in model.shapes]).astype(np.float64)


def cost_gradient(
    model: Model,
    weights: Mapping[str, npt.ArrayLike],
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    loss: str | Loss = "mse",
) -> dict[str, Array]:
    """Return the derivatives of the cost of one network by each of its tensors.

    Parameters
    ----------
    model : Model
    weights : mapping of str to array
        Tensors of one network.
    inputs : array of shape (P, *input_shape)
    targets : array of shape (P, n), or (P,) classes
    loss : str or Loss

    Returns
    -------
    dict of str to float64 array

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    NonFiniteError
        If data hold NaN or infinity.

    Examples
    --------
    >>> from nnrg.simulate.training.dense import perceptron
    >>> model = perceptron(2)
    >>> cost_gradient(model, {"layers.0.weight": [[1.0, 0.0]]}, [[1.0, 2.0]], [3.0])
    {'layers.0.weight': array([[-2., -4.]])}
    """
    cost_of = as_loss(loss)
    x, y = as_training_data((inputs, targets), model, cost_of)
    w = _flat(model, weights)
    found = _Cost(model, w, cost_of, x, y).gradient(w)
    return {name: value[0] for name, value in views(model, found[None]).items()}


def largest_curvature(
    model: Model,
    weights: Mapping[str, npt.ArrayLike],
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    loss: str | Loss = "mse",
    tolerance: float = 1e-4,
) -> float:
    r"""Return the largest eigenvalue of the Hessian of the cost of one network.

    Parameters
    ----------
    model, weights, inputs, targets, loss
        As of `cost_gradient`.
    tolerance : float
        Relative accuracy of the eigenvalue.

    Returns
    -------
    float
        Dimensionless: cost over weight squared.

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    NonFiniteError
        If data are not finite, or the gradient at these weights is not.
    AnalysisError
        If the iteration does not converge.

    Notes
    -----
    Lanczos iteration (`scipy.sparse.linalg.eigsh`, the power method with all its powers) on
    :math:`H v \approx [\nabla C(w + \epsilon v) - \nabla C(w - \epsilon v)] / 2 \epsilon`. With the
    heavy ball a mode is stable if :math:`\eta \lambda < 2 (1 + \mu)`.

    Examples
    --------
    >>> from nnrg.simulate.training.dense import perceptron
    >>> model = perceptron(2)
    >>> round(largest_curvature(model, {"layers.0.weight": [[1.0, 0.0]]}, [[1.0, 2.0]], [3.0]), 6)
    5.0
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
    from threadpoolctl import threadpool_limits

    cost_of = as_loss(loss)
    x, y = as_training_data((inputs, targets), model, cost_of)
    if not 0 < as_real("tolerance", tolerance) < 1:
        raise ArgumentError(f"tolerance must be between 0 and 1, got {tolerance}; try 1e-4")
    w = _flat(model, weights)
    cost = _Cost(model, w, cost_of, x, y)
    step = 1e-5 * max(1.0, float(np.abs(w).max()))

    def product(v: Array) -> Array:
        unit = v.ravel() / np.linalg.norm(v)
        ends = [cost.gradient(w + step * unit), cost.gradient(w - step * unit)]
        if not np.isfinite(ends).all():
            raise NonFiniteError("the gradient of the cost is not finite at these weights")
        change = ends[0] - ends[1]
        found: Array = change * (np.linalg.norm(v) / (2 * step))
        return found

    if w.size < 3:  # fewer than the iteration takes
        columns = np.stack([product(e) for e in np.eye(w.size)])
        return float(np.linalg.eigvalsh((columns + columns.T) / 2)[-1])
    operator = LinearOperator((w.size, w.size), product, dtype=np.float64)
    start = np.random.default_rng(w.size).standard_normal(w.size)
    if not product(start).any():  # a cost that does not depend on the weights
        return 0.0
    try:
        # Threads do not pay for the small products of one network.
        with threadpool_limits(1):
            values = eigsh(
                operator,
                1,
                which="LA",
                v0=start,
                ncv=min(_VECTORS, w.size),
                tol=tolerance,
                maxiter=_MOST_PRODUCTS,
                return_eigenvectors=False,
            )
    except ArpackError as error:
        raise AnalysisError(
            f"the largest curvature did not converge ({error}); try a larger tolerance"
        ) from None
    return float(values[0])
