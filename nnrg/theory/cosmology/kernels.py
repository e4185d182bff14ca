"""The tangent kernel of a network: how fast each output moves when training moves the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.simulate.training import Model
from nnrg.stats._arrays import real_array

__all__ = ["output_jacobian", "tangent_kernel"]

Array = npt.NDArray[np.float64]


def output_jacobian(
    model: Model, weights: Mapping[str, npt.ArrayLike], inputs: npt.ArrayLike
) -> Array:
    r"""Return :math:`\partial f_a / \partial w_j` of one network.

    Parameters
    ----------
    model : Model
        Of `nnrg.simulate.training`.
    weights : mapping of str to array
        Tensors of one network.
    inputs : array of shape (P, \*input_shape)

    Returns
    -------
    array of shape (P * n, n_parameters)
        Outputs of one input after the other; parameters in the order of ``model.shapes``.

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    NonFiniteError
        If a derivative is not finite.

    Examples
    --------
    >>> from nnrg.simulate.training import perceptron
    >>> output_jacobian(perceptron(2), {"layers.0.weight": [[1.0, 0.0]]}, [[3.0, 4.0]])
    array([[3., 4.]])
    """
    if not isinstance(model, Model):
        raise ArgumentError(f"model must be of nnrg.simulate.training, got {shown(model)}")
    if not isinstance(weights, Mapping):
        raise ArgumentError(f"weights must be tensors by name, got {shown(weights)}")
    x = real_array("inputs", inputs)
    weights = {name: real_array(f"weights of {name}", w) for name, w in weights.items()}
    if not x.size:
        raise ArgumentError("inputs must be one at least, got none")
    outputs = model.outputs(weights, x)  # which checks all shapes
    if outputs.ndim != 2:
        raise ArgumentError("weights must be those of one network; take one seed of a record")
    samples, n_outputs = outputs.shape
    # Each input takes the place of a seed, so that its gradient is its own.
    copies = {
        name: np.broadcast_to(weights[name], (samples, *shape))
        for name, shape in model.shapes.items()
    }
    found = np.empty((samples, n_outputs, model.n_parameters))
    for output in range(n_outputs):
        tape = model.tape(samples, 1, np.float64)
        tape.forward(copies, x[:, None])
        delta = np.zeros((samples, 1, n_outputs))
        delta[:, 0, output] = 1
        gradients: dict[str, npt.NDArray[Any]] = {
            name: np.empty((samples, *shape)) for name, shape in model.shapes.items()
        }
        tape.backward(copies, x[:, None], delta, gradients)
        rows = [gradients[name].reshape(samples, -1) for name in model.shapes]
        found[:, output] = np.concatenate(rows, axis=1)
    if not np.isfinite(found).all():
        raise NonFiniteError("derivatives of the outputs are not finite at these weights")
    return found.reshape(samples * n_outputs, -1)


def tangent_kernel(
    model: Model, weights: Mapping[str, npt.ArrayLike], inputs: npt.ArrayLike
) -> Array:
    r"""Return the tangent kernel, :math:`\Theta_{ab} = \sum_w \partial_w f_a \partial_w f_b / P`.

    Parameters
    ----------
    model, weights, inputs
        As of `output_jacobian`.

    Returns
    -------
    array of shape (P * n, P * n)
        Symmetric, positive semi-definite, dimensionless.

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    NonFiniteError
        If a derivative is not finite.

    Notes
    -----
    Divided by the number P of inputs, since the cost of `nnrg.simulate.training.train` is a mean:
    gradient flow is :math:`\dot f = -\eta \Theta (f - y)` with it.

    Examples
    --------
    >>> from nnrg.simulate.training import perceptron
    >>> tangent_kernel(perceptron(2), {"layers.0.weight": [[1.0, 0.0]]}, [[3.0, 4.0]])
    array([[25.]])
    """
    jacobian = output_jacobian(model, weights, inputs)
    kernel: Array = jacobian @ jacobian.T / len(np.asarray(inputs))
    return kernel
