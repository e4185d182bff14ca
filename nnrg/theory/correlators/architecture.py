"""Connected correlators of the output of one hidden layer, at any width."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, permutations
from typing import Self

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate._inputs import as_inputs
from nnrg.stats.estimate import Estimate
from nnrg.theory.correlators.correlator import ConnectedCorrelator

__all__ = ["Architecture", "as_architecture"]

Floats = npt.NDArray[np.float64]
Tuples = npt.NDArray[np.intp]

HIGHEST_ORDER = 8
_MOST_ENTRIES = 20_000_000
_LARGEST_ERROR = 0.02
# Errors below this share of what Gaussian outputs of such variances would have in a cumulant's
# terms are small, even where the terms add up to nothing.
_SMALL_ERROR = 1e-6


@dataclass(frozen=True, kw_only=True)
class Architecture(ABC):
    r"""A network of one hidden layer, :math:`\phi(x) = N^{-1/2} \sum_i h_i(x) + b`.

    Parameters
    ----------
    width : int
        Neurons N of the hidden layer, at least two.
    output_sigma_b : float
        Standard deviation of the output bias b, in the unit of the output.
    """

    width: int
    output_sigma_b: float = 0.0

    # -- what a kind of network defines ------------------------------------------------------------

    @abstractmethod
    def with_width(self, width: int) -> Self:
        """Return the same kind of network with another width."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the network is called in tables."""

    @property
    @abstractmethod
    def assumptions(self) -> tuple[str, ...]:
        """What the formulas rest on."""

    @abstractmethod
    def cumulants_of(self, points: Floats, tuples: Tuples) -> tuple[Floats, Floats, str]:
        """Return values, errors (m,) and the method of joint cumulants of the output.

        Parameters
        ----------
        points : array of shape (k, d)
        tuples : int array of shape (m, r)
            Points of each cumulant.
        """

    @abstractmethod
    def draw_neurons(self, inputs: Floats, n_networks: int, rng: np.random.Generator) -> Floats:
        """Draw h_i(x), weighted by the output weights, shape (n_networks, width, k)."""

    # -- what follows ------------------------------------------------------------------------------

    def kernel(self, x: npt.ArrayLike, y: npt.ArrayLike | None = None) -> ConnectedCorrelator:
        """Return the two-point functions between two sets of inputs.

        Parameters
        ----------
        x, y : array_like of shape (k, d) and (m, d)
            Inputs; in one dimension also (k,). `y` is `x` if left out.

        Returns
        -------
        ConnectedCorrelator
            Values of shape (k, m).

        Raises
        ------
        ArgumentError
            If the shapes do not fit.
        """
        first = as_inputs(x, name="x")
        second = first if y is None else as_inputs(y, name="y")
        if first.shape[1] != second.shape[1]:
            raise ArgumentError(
                f"x and y must have inputs of one dimension, got {first.shape} and {second.shape}"
            )
        points = np.concatenate([first, second])
        pairs = np.indices((len(first), len(second))).reshape(2, -1).T
        pairs[:, 1] += len(first)
        return self._result(points, pairs, (len(first), len(second)))

    def cumulant4(self, points: npt.ArrayLike) -> ConnectedCorrelator:
        """Return the connected four-point function; see `cumulant`."""
        return self.cumulant(points, 4)

    def cumulant6(self, points: npt.ArrayLike) -> ConnectedCorrelator:
        """Return the connected six-point function; see `cumulant`."""
        return self.cumulant(points, 6)

    def cumulant(self, points: npt.ArrayLike, order: int) -> ConnectedCorrelator:
        """Return the connected r-point function at one set of r inputs, or at several sets.

        Parameters
        ----------
        points : array_like of shape (r, d), (r,) or (n, r, d)
        order : int
            r = 2, 4, 6 or 8; odd ones vanish.

        Returns
        -------
        ConnectedCorrelator
            A single value, or values of shape (n,).

        Raises
        ------
        ArgumentError
            If `points` are not r inputs.
        """
        order = _as_order(order)
        sets = np.asarray(points)
        if sets.ndim == 3 and len(sets):
            every = np.stack([as_inputs(one, name="points") for one in sets])
        else:
            every = as_inputs(points, name="points")[None]
        if every.shape[1] != order:
            raise ArgumentError(
                f"points of an {order}-point function must have shape ({order}, d), "
                f"got {np.shape(points)}; for all products of k points use cumulant_tensor"
            )
        one = np.arange(order)[None]
        found = [self._result(each, one, ()) for each in every]
        if sets.ndim != 3:
            return found[0]
        worst = max(found, key=lambda f: bool(f.flag))
        return replace(
            worst,
            values=np.array([float(f.values) for f in found]),
            errors=np.array([float(f.errors) for f in found]),
        )

    def cumulant_tensor(self, points: npt.ArrayLike, order: int) -> ConnectedCorrelator:
        """Return the connected r-point functions at all products of r of k inputs.

        Parameters
        ----------
        points : array_like of shape (k, d) or (k,)
        order : int
            r = 2, 4, 6 or 8.

        Returns
        -------
        ConnectedCorrelator
            Symmetric values of shape (k,) * r.

        Raises
        ------
        ArgumentError
            If the order is not one of these or the points have another shape.
        AnalysisError
            If the tensor would have more than 2e7 entries.
        """
        order = _as_order(order)
        every = as_inputs(points, name="points")
        if len(every) ** order > _MOST_ENTRIES:
            raise AnalysisError(
                f"a tensor of {len(every)}^{order} numbers is more than {_MOST_ENTRIES:.0e}; "
                "take fewer points, or cumulant at chosen ones"
            )
        tuples = np.array(list(combinations_with_replacement(range(len(every)), order)))
        found = self._result(every, tuples, (len(tuples),))
        shape = (len(every),) * order
        values, errors = np.empty(shape), np.empty(shape)
        for axes in permutations(range(order)):
            where = tuple(tuples[:, list(axes)].T)
            values[where] = found.values
            errors[where] = found.errors
        return replace(found, values=values, errors=errors)

    def excess_kurtosis(self, points: npt.ArrayLike) -> tuple[Estimate, ...]:
        r"""Return :math:`G_c^{(4)}(x, x, x, x) / G(x, x)^2` of every input, dimensionless.

        Parameters
        ----------
        points : array_like of shape (k, d) or (k,)

        Returns
        -------
        tuple of Estimate
            One for each input; the error is that of the computation.

        Raises
        ------
        AnalysisError
            If the output does not fluctuate at an input.
        """
        every = as_inputs(points, name="points")
        out = []
        for one in every:
            zeros = np.zeros((1, 4), dtype=np.intp)
            (two,), (error2,), _ = self.cumulants_of(one[None], zeros[:, :2])
            (four,), (error4,), _ = self.cumulants_of(one[None], zeros)
            if not 0 < two < np.inf or not np.isfinite(four):
                raise AnalysisError(
                    f"the output must have finite fluctuations at {one.tolist()}, got variance "
                    f"{two:g} and fourth cumulant {four:g}; take another input, or add a bias"
                )
            error = error4 / two**2 + 2 * abs(four) * error2 / two**3
            out.append(Estimate(float(four / two**2), float(error)))
        return tuple(out)

    def _result(
        self, points: Floats, tuples: Tuples, shape: tuple[int, ...]
    ) -> ConnectedCorrelator:
        # Equal points are one variable: an average over fewer of them.
        distinct, where = np.unique(points, axis=0, return_inverse=True)
        values, errors, method = self.cumulants_of(distinct, where.ravel()[tuples])
        flag = ""
        if not np.isfinite(values).all():
            flag = "beyond double precision: the moments overflow at these inputs"
        elif np.any(errors > _LARGEST_ERROR * np.abs(values).max()) and np.any(
            errors > _SMALL_ERROR * self._natural_size(distinct, where.ravel()[tuples])
        ):
            flag = "the quadrature has not converged to two per cent of the largest number"
        return ConnectedCorrelator(
            values=values.reshape(shape),
            errors=errors.reshape(shape),
            order=tuples.shape[1],
            width=self.width,
            architecture=self.name,
            method=method,
            assumptions=self.assumptions,
            flag=flag,
        )

    def _natural_size(self, points: Floats, tuples: Tuples) -> Floats:
        """Return N^(1 - r/2) times the product of the deviations at the points, shape (m,)."""
        pairs = np.repeat(np.arange(len(points))[:, None], 2, axis=1)
        variances = self.cumulants_of(points, pairs)[0] - self.output_sigma_b**2
        sizes = np.prod(np.sqrt(np.maximum(variances, 0.0))[tuples], axis=1)
        return np.asarray(sizes * float(self.width) ** (1 - tuples.shape[1] / 2))


def as_architecture(value: object) -> Architecture:
    """Return a network of one hidden layer.

    Raises
    ------
    ArgumentError
        If it is none.
    """
    if not isinstance(value, Architecture):
        raise ArgumentError(
            f"architecture must be a network, got {shown(value)}; try CosNet(width=8)"
        )
    return value


def _as_order(order: object) -> int:
    number = as_count("order", order, 2, HIGHEST_ORDER, hint="try 4")
    if number % 2:
        raise ArgumentError(
            f"order must be even, got {number}: the output weights have a symmetric law, so that "
            "odd correlators vanish"
        )
    return number
