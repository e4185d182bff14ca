"""One seed of a record of training with the data it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import (
    Adam,
    CosineDecay,
    ExponentialDecay,
    GradientDescent,
    HeavyBall,
    Model,
    Nesterov,
    StepDecay,
    TrainingRecord,
)
from nnrg.simulate.training._group import Batches
from nnrg.simulate.training._identity import digest
from nnrg.simulate.training.data import as_training_data
from nnrg.simulate.training.losses import Loss, as_loss
from nnrg.simulate.training.optimisers import Optimiser
from nnrg.simulate.training.schedules import Schedule
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._passages import pass_through, sample_slopes
from nnrg.theory.synaptic.layer_chain import LayerChain

__all__ = ["Recorded"]

Array = npt.NDArray[np.float64]

# Of the numbers that training may have been given.
_TYPES = ("float64", "float32", "int64")

_SCHEDULES: dict[str, Any] = {
    kind.__name__: kind for kind in (StepDecay, ExponentialDecay, CosineDecay)
}
_OPTIMISERS: dict[str, Any] = {
    kind.__name__: kind for kind in (GradientDescent, HeavyBall, Nesterov, Adam)
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recorded:
    """What laws of motion ask of one seed of a record.

    Attributes
    ----------
    record : TrainingRecord
    model : Model
    seed : int
    inputs, targets : array
        All data, flat; no samples where there are none.
    loss : Loss
    flags : tuple of str
    """

    record: TrainingRecord
    model: Model
    seed: int
    inputs: Array
    targets: Array
    loss: Loss
    flags: tuple[str, ...]

    @classmethod
    def of(
        cls, record: TrainingRecord, inputs: npt.ArrayLike, targets: npt.ArrayLike, seed: int
    ) -> Recorded:
        """Return a seed with its data.

        Raises
        ------
        ArgumentError
            If there is no such seed, the model is not told, or the data do not fit it.
        """
        bare = cls.without_data(record, seed)
        if targets is None:
            raise ArgumentError("targets must be those it was trained on, got None")
        x, y = as_training_data((inputs, targets), bare.model, bare.loss)
        known = record.configuration.get("data", {})
        flags = []
        if known.get("n_samples", len(x)) != len(x):
            raise ArgumentError(
                f"data must be those of the record, {known['n_samples']} samples, got {len(x)}"
            )
        for name, array in (("inputs", x), ("targets", y)):
            if not _same(array, known.get(f"{name}_sha256")):
                raise ArgumentError(
                    f"{name} must be those of the record, got others of the same shape: laws of "
                    "motion hold with the data it was trained on alone"
                )
        if record.configuration.get("dtype") == "float32":
            flags.append("recorded in single precision: laws hold to about 1e-6 of their terms")
        return cls(
            record=record,
            model=bare.model,
            seed=bare.seed,
            inputs=x.reshape(len(x), -1).astype(np.float64),
            targets=y.astype(np.float64),
            loss=bare.loss,
            flags=tuple(flags),
        )

    @classmethod
    def without_data(cls, record: TrainingRecord, seed: int) -> Recorded:
        """Return a seed alone.

        Raises
        ------
        ArgumentError
            If there is no such seed, or the model or the optimiser is not told.
        """
        as_kind("record", record, TrainingRecord)
        member = as_count("seed", seed, 0, record.n_seeds - 1)
        model, described = record.model, record.configuration.get("optimiser", {})
        if model is None:
            raise ArgumentError(
                "the record does not tell its model; take trajectory_action and step_continuity"
            )
        if described.get("optimiser") not in _OPTIMISERS:
            raise ArgumentError(
                f"optimiser of the record must be one of {', '.join(_OPTIMISERS)}, got "
                f"{described.get('optimiser')}"
            )
        nothing = np.empty((0, 0))
        return cls(
            record=record,
            model=model,
            seed=member,
            inputs=nothing,
            targets=nothing,
            loss=as_loss(record.configuration["loss"]),
            flags=(),
        )

    @property
    def described(self) -> Mapping[str, Any]:
        """The optimiser as the record has it."""
        found: Mapping[str, Any] = self.record.configuration["optimiser"]
        return found

    @property
    def kind(self) -> str:
        """Name of the optimiser."""
        return str(self.described["optimiser"])

    @property
    def momentum(self) -> float:
        """Factor mu of the heavy ball; zero of others."""
        return float(self.described.get("momentum", 0.0))

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the numbers come from."""
        record = self.record
        found = {
            "record": dict(record.provenance),
            "data": dict(record.configuration.get("data", {})),
            "seeds": list(record.configuration.get("seed", ())),
            "seed": self.seed,
        }
        if record.path is not None:
            found["path"] = str(record.path)
        return MappingProxyType(found)

    def optimiser(self, learning_rate: Schedule) -> Optimiser:
        """Return the optimiser with a learning rate."""
        rest = {k: v for k, v in self.described.items() if k not in ("optimiser", "learning_rate")}
        made: Optimiser = _OPTIMISERS[self.kind](learning_rate, **rest)
        return made

    def rates(self, steps: npt.NDArray[np.int64]) -> Array:
        """Return the learning rates of steps; that after the last of a foreign schedule is its."""
        return np.array([self.rate(int(step)) for step in steps])

    def rate(self, step: int) -> float:
        """Return the learning rate of a step.

        Raises
        ------
        AnalysisError
            If it is not recorded and the schedule is a caller's own.
        """
        told = self.described["learning_rate"]
        if not isinstance(told, Mapping):
            return float(told)
        schedule = _SCHEDULES.get(str(told.get("schedule")))
        if schedule is not None:
            return float(schedule(**{k: v for k, v in told.items() if k != "schedule"})(step))
        # A frame keeps the rate of the step before it.
        at = np.flatnonzero(self.record.steps == min(step + 1, self.record.steps[-1]))
        if not at.size:
            raise AnalysisError(
                f"the learning rate of step {step} is not recorded; record every step"
            )
        return float(self.record.learning_rates[at[0]])

    def every_step(self, least: int) -> npt.NDArray[np.int64]:
        """Return the recorded steps, which must follow each other.

        Raises
        ------
        AnalysisError
            If they do not, or are fewer than `least`.
        """
        steps = self.record.steps
        if len(steps) < least or np.any(np.diff(steps) != 1):
            raise AnalysisError(
                f"{least} steps or more, one after the other, are needed, got {len(steps)} from "
                f"{steps[0]} to {steps[-1]}; record every step"
            )
        return steps

    def chain(self, slot: str, step: int) -> LayerChain:
        """Return the weights, or the optimiser's state, of a recorded step as layers."""
        if slot == "weights":
            return LayerChain.of_model(self.model, self.record.tensors(self.seed, step))
        at = self.record.steps.tolist().index(as_count("step", step, 0))
        state = self.record.optimiser_state[slot]
        return LayerChain.of_model(
            self.model, {name: values[self.seed, at] for name, values in state.items()}
        )

    def row(self, slot: str, step: int) -> Array:
        """Return the same as one row of numbers."""
        return self.chain(slot, step).row()

    def ahead(self, step: int) -> LayerChain:
        """Return the network where the next step takes its gradient."""
        if self.kind != "Nesterov":
            return self.chain("weights", step)
        tensors = self.record.tensors(self.seed, step)
        at = self.record.steps.tolist().index(step)
        state = self.record.optimiser_state["velocity"]
        return LayerChain.of_model(
            self.model,
            {
                name: np.asarray(w, np.float64) + self.momentum * state[name][self.seed, at]
                for name, w in tensors.items()
            },
        )

    def batch(self, step: int) -> tuple[Array, Array]:
        """Return the data that the step after this one sees."""
        size = self.record.configuration.get("batch")
        if size is None:
            return self.inputs, self.targets
        entropy, *key = (int(word) for word in self.record.configuration["seed"])
        batches = Batches(
            len(self.inputs), size, np.random.SeedSequence(entropy, spawn_key=tuple(key))
        )
        epoch, start = batches.place(step)
        chosen = batches.order(self.seed, epoch)[start : start + batches.size]
        return self.inputs[chosen], self.targets[chosen]

    def cost(self, chain: LayerChain, x: Array, y: Array) -> float:
        """Return the cost of a network on data."""
        return sample_slopes(self.loss, chain.activities(x)[-1], y)[1]

    def adam(self, step: int, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Return the last change of each weight, and the eta and mu of Adam's next one.

        With c the learning rate over (1 - beta_1^t) (sqrt(v) + epsilon), a step is -c m: that of
        the heavy ball with eta = c (1 - beta_1) and mu = beta_1 c / (c of the step before).
        """
        adam = self.optimiser(self.rate(step))
        assert isinstance(adam, Adam)
        now = self.chain("weights", step)
        found = pass_through(now, x, y, self.loss, np.zeros(now.n_parameters), np.zeros_like(x))
        gradient = found.gradient(now)
        first, second = (self.row(slot, step) for slot in ("first_moment", "second_moment"))

        def factor(moments: Array, t: int, rate: float) -> Array:
            size = np.sqrt(moments / (1 - adam.beta2**t)) + adam.epsilon
            return np.asarray(rate / (1 - adam.beta1**t) / size)

        after = factor(
            adam.beta2 * second + (1 - adam.beta2) * gradient**2, step + 1, self.rate(step)
        )
        eta = after * (1 - adam.beta1)
        if step == 0:
            return np.zeros_like(eta), eta, np.zeros_like(eta)
        before = factor(second, step, self.rate(step - 1))
        return -before * first, eta, adam.beta1 * after / before


def _same(array: npt.NDArray[Any], known: str | None) -> bool:
    """Tell whether numbers have a digest, in their own type or in another that holds them."""
    if known is None or digest(array) == known:
        return True
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that another type cannot hold
        casts = [array.astype(kind) for kind in _TYPES]
    return any(digest(cast) == known for cast in casts if np.array_equal(cast, array))
