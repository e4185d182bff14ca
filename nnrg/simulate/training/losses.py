"""Cost functions, as means over samples: their values for each seed, and their slopes."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training._fingerprint import digest
from nnrg.simulate.training._model import Array, real_array

__all__ = ["CrossEntropy", "Loss", "MeanSquaredError", "as_loss", "describe_loss"]


class Loss(ABC):
    """A cost function of outputs (S, P, n) and targets (P, n) or (S, P, n)."""

    name = ""

    @abstractmethod
    def targets(self, y: npt.ArrayLike, n_samples: int, n_outputs: int) -> Array:
        """Return targets as an array of shape (P, n)."""

    @abstractmethod
    def evaluate(self, outputs: Array, y: Array, delta: Array) -> Array:
        """Write the derivatives by the outputs to `delta` and return the cost of each seed."""


class MeanSquaredError(Loss):
    r"""Half of the mean squared error, :math:`C = \frac{1}{2P} \sum_a |f_a - y_a|^2`.

    Examples
    --------
    >>> import numpy as np
    >>> out, y = np.array([[[1.0], [3.0]]]), np.zeros((2, 1))
    >>> MeanSquaredError().evaluate(out, y, np.empty_like(out)).tolist()
    [2.5]
    """

    name = "mse"

    def targets(self, y: npt.ArrayLike, n_samples: int, n_outputs: int) -> Array:
        """Return targets as an array of shape (P, n)."""
        return _matrix(y, n_samples, n_outputs)

    def evaluate(self, outputs: Array, y: Array, delta: Array) -> Array:
        """Write the derivatives by the outputs to `delta` and return the cost of each seed."""
        samples = outputs.shape[1]
        np.subtract(outputs, y, out=delta)
        flat = delta.reshape(len(delta), -1)
        cost = np.vecdot(flat, flat)
        cost *= 0.5 / samples
        delta *= 1 / samples
        return np.asarray(cost)


class CrossEntropy(Loss):
    r"""Cross-entropy of the softmax, :math:`C = -\frac1P \sum_{a i} y_{a i} \ln p_{a i}`.

    Targets are integer classes (P,), or probabilities (P, n) with rows that sum to one.

    Examples
    --------
    >>> import numpy as np
    >>> loss, out = CrossEntropy(), np.zeros((1, 3, 4))
    >>> y = loss.targets([0, 3, 1], 3, 4)
    >>> loss.evaluate(out, y, np.empty_like(out)).round(4).item()  # ln 4
    1.3863
    """

    name = "cross_entropy"

    def targets(self, y: npt.ArrayLike, n_samples: int, n_outputs: int) -> Array:
        """Return targets as an array of shape (P, n)."""
        if n_outputs < 2:
            raise ArgumentError("a cross-entropy needs two outputs or more; give a model those")
        classes = real_array("targets", y, finite=False)
        if classes.ndim == 1 and classes.dtype.kind in "iu":
            if classes.shape != (n_samples,):
                raise ArgumentError(
                    f"targets must be {n_samples} classes, one an input, got {classes.shape}"
                )
            if classes.size and not 0 <= classes.min() <= classes.max() < n_outputs:
                raise ArgumentError(
                    f"classes must be integers from 0 to {n_outputs - 1}, got "
                    f"{classes.min()} to {classes.max()}"
                )
            one_hot: Array = np.eye(n_outputs)[classes]
            return one_hot
        chances = _matrix(y, n_samples, n_outputs)
        if chances.min() < 0 or np.abs(chances.sum(axis=1) - 1).max() > 1e-6:
            raise ArgumentError(
                "targets of a cross-entropy must be integer classes, or probabilities that sum to "
                "one in each row"
            )
        return chances

    def evaluate(self, outputs: Array, y: Array, delta: Array) -> Array:
        """Write the derivatives by the outputs to `delta` and return the cost of each seed."""
        samples = outputs.shape[1]
        # The largest is taken off first: exponentials then do not overflow.
        shifted = outputs - outputs.max(axis=2, keepdims=True)
        np.exp(shifted, out=delta)
        total = delta.sum(axis=2, keepdims=True)
        cost = np.log(total).sum(axis=(1, 2)) - (shifted * y).sum(axis=(1, 2))
        delta /= total
        delta -= y
        delta *= 1 / samples
        return np.asarray(cost / samples)


_KINDS: tuple[type[Loss], ...] = (MeanSquaredError, CrossEntropy)


def as_loss(loss: object) -> Loss:
    """Return a cost function of a name.

    Raises
    ------
    ArgumentError
        If the name is unknown.
    """
    if isinstance(loss, Loss):
        return loss
    for kind in _KINDS:
        if loss == kind.name:
            return kind()
    raise ArgumentError(f"loss must be 'mse' or 'cross_entropy', got {shown(loss)}")


def describe_loss(loss: Loss, y: Array) -> dict[str, str | None]:
    """Return a cost function as JSON: its name, and its values if it is a caller's own.

    Parameters
    ----------
    loss : Loss
    y : array of shape (P, n)
        Targets, for which outputs from -2 to 2 are compared.
    """
    if type(loss) in _KINDS:
        return {"loss": loss.name, "loss_sha256": None}
    named = loss.name not in ("", *(kind.name for kind in _KINDS))
    targets = np.array(y, np.float64)
    outputs = np.linspace(-2.0, 2.0, targets.size).reshape(1, *targets.shape)
    delta = np.empty_like(outputs)
    with np.errstate(all="ignore"):
        cost = np.asarray(loss.evaluate(outputs, targets, delta), np.float64)
    return {
        "loss": loss.name if named else type(loss).__name__,
        "loss_sha256": digest(cost, delta),
    }


def _matrix(y: npt.ArrayLike, n_samples: int, n_outputs: int) -> Array:
    values = real_array("targets", y, finite=False)
    if values.ndim == 1 and n_outputs == 1:
        values = values[:, None]
    if values.shape != (n_samples, n_outputs):
        raise ArgumentError(
            f"targets must have shape {(n_samples, n_outputs)}, one row an input, got "
            f"{values.shape}"
        )
    return real_array("targets", values)
