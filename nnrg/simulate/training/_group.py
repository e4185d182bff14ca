"""Seeds that are trained together: their weights, gradients and tapes stay in a core's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.simulate.training._lanes import LANES
from nnrg.simulate.training._model import Array, Model, views
from nnrg.simulate.training.losses import Loss
from nnrg.simulate.training.optimisers import Optimiser

__all__ = ["Batches", "SeedGroup", "seeds_a_group"]

# Numbers of all seeds of a group, about: two million bytes in double precision.
_NUMBERS = 1 << 18


def seeds_a_group(model: Model, optimiser: Optimiser, n_samples: int, n_seeds: int) -> int:
    """Return how many seeds are trained together."""
    each = (2 + len(optimiser.slots)) * model.n_parameters + model.numbers(n_samples)
    size = max(1, min(n_seeds, _NUMBERS // each))
    # Small networks are trained in lanes, all of which should be in use.
    return size - size % LANES if size > LANES else size


class Batches:
    """Which samples each step sees: all, or the next few of an order that is drawn every epoch.

    Parameters
    ----------
    n_samples : int
    size : int or None
        Samples of a batch; None for all. What remains of an epoch is left out.
    seed : SeedSequence
        The order of seed s in epoch e is drawn from a child of it that only (s, e) decide.
    """

    def __init__(self, n_samples: int, size: int | None, seed: np.random.SeedSequence) -> None:
        self.size = n_samples if size is None else size
        self._all = size is None
        self._samples, self._seed = n_samples, seed
        self._an_epoch = n_samples // self.size

    @property
    def is_whole(self) -> bool:
        """Whether every step sees all samples."""
        return self._all

    def order(self, member: int, epoch: int) -> npt.NDArray[np.int64]:
        """Return the samples in the order in which a seed sees them."""
        key = (*self._seed.spawn_key, member, 1, epoch)
        seed = np.random.SeedSequence(self._seed.entropy, spawn_key=key)
        return np.random.Generator(np.random.SFC64(seed)).permutation(self._samples)

    def place(self, step: int) -> tuple[int, int]:
        """Return epoch and first sample of a step."""
        epoch, batch = divmod(step, self._an_epoch)
        return epoch, batch * self.size


class SeedGroup:
    """Seeds `first` and following, which make steps together.

    Parameters
    ----------
    model, loss, optimiser
    x, y : array
        Inputs (P, ...) and targets (P, n), of the type of the weights.
    weights : array of shape (S, n_parameters)
        Changed in place.
    state : dict of str to array of shape (S, n_parameters)
        Of the optimiser, changed in place.
    first : int
        Number of the first seed.
    batches : Batches
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        optimiser: Optimiser,
        x: Array,
        y: Array,
        weights: Array,
        state: dict[str, Array],
        first: int,
        batches: Batches,
    ) -> None:
        self._model, self._loss, self._optimiser = model, loss, optimiser
        self._x, self._y, self._batches = x, y, batches
        self._flat, self._state, self._first = weights, state, first
        self._weights = views(model, weights)
        self._gradient = np.empty_like(weights)
        self._gradients = views(model, self._gradient)
        seeds = len(weights)
        self._tape = model.tape(seeds, batches.size, weights.dtype)
        self._delta = np.empty((seeds, batches.size, *model.output_shape), weights.dtype)
        self._epoch = -1
        self._order = np.empty((0, 0), np.int64)

    @property
    def members(self) -> slice:
        """The seeds of this group among all."""
        return slice(self._first, self._first + len(self._flat))

    def _batch(self, step: int) -> tuple[Array, Array]:
        if self._batches.is_whole:
            return self._x, self._y
        epoch, at = self._batches.place(step)
        if epoch != self._epoch:
            members = range(self.members.start, self.members.stop)
            self._order = np.stack([self._batches.order(m, epoch) for m in members])
            self._epoch = epoch
        chosen = self._order[:, at : at + self._batches.size]
        return self._x[chosen], self._y[chosen]

    def slope(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the cost of each seed, and its gradient, which the next call overwrites."""
        out = self._tape.forward(self._weights, x)
        cost = self._loss.evaluate(out, y, self._delta)
        self._tape.backward(self._weights, x, self._delta, self._gradients)
        return cost, self._gradient

    def advance(
        self,
        start: int,
        rates: npt.NDArray[np.float64],
        limit: npt.NDArray[np.float64],
        stopped: Callable[[], bool],
    ) -> tuple[int, int] | None:
        """Make a step for each of the rates; return (step, seed) of the first cost above `limit`.

        Parameters
        ----------
        start : int
            Number of the first step.
        rates : array
        limit : array of shape (S,)
            Of the cost of each seed.
        stopped : callable
            Whether to end before all steps are made.
        """
        optimiser, state = self._optimiser, self._state
        for step, rate in enumerate(rates.tolist(), start):
            if stopped():
                return None
            x, y = self._batch(step)
            optimiser.look_ahead(self._flat, state)
            cost, gradient = self.slope(x, y)
            # A cost that is NaN is not below the limit either.
            fine = cost <= limit
            if not fine.all():
                return step, self._first + int(np.flatnonzero(~fine)[0])
            optimiser.update(self._flat, gradient, state, rate, step)
        return None

    def evaluate(self, x: Array, y: Array | None) -> tuple[Array, Any]:
        """Return outputs on other inputs, and the cost of each seed if there are targets."""
        tape = self._model.tape(len(self._flat), len(x), self._flat.dtype)
        out = tape.forward(self._weights, x)
        cost = None if y is None else self._loss.evaluate(out, y, np.empty_like(out))
        return out, cost
