"""Records of training read as histories of synaptic fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import MLP, TrainingRecord, cost_gradient
from nnrg.theory.synaptic.continuity import DepthContinuity
from nnrg.theory.synaptic.currents import step_continuity
from nnrg.theory.synaptic.feed_forward import FeedForward
from nnrg.theory.synaptic.trajectories import TrajectoryAction, trajectory_action

__all__ = ["record_action", "record_continuity", "recorded_network"]

Array = npt.NDArray[np.float64]


def record_action(
    record: TrainingRecord, inputs: npt.ArrayLike, targets: npt.ArrayLike, *, seed: int = 0
) -> TrajectoryAction:
    """Evaluate the synaptic action on recorded training of any model.

    Parameters
    ----------
    record : TrainingRecord
        By the heavy ball on all data at once, every step recorded.
    inputs, targets : array
        Those it was trained on.
    seed : int
        Which of its starts.

    Returns
    -------
    TrajectoryAction
        Gradients are computed again from the weights: steps are not used to check themselves.

    Raises
    ------
    ArgumentError
        If there is no such seed, or the data do not fit the model.
    AnalysisError
        If the training was another, or steps are missing.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic.records import record_action
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> y = x @ [1, 2, 3, 4]
    >>> made = train(MLP((4, 5, 1)), (x, y), optimiser=HeavyBall(0.05, 0.8), steps=40, record=1,
    ...              rng=1)
    >>> found = record_action(made, x, y)
    >>> bool(found.stationarity.max() < 1e-10), found.relative_energy_residual < 1e-10
    (True, True)
    """
    momentum = _momentum(record)
    model = record.model
    if model is None or record.configuration.get("batch") is not None:
        raise AnalysisError(
            "the action needs a known model trained on all data at once, got "
            f"{'no model' if model is None else 'mini-batches'}; try trajectory_action"
        )
    steps = record.steps
    if len(steps) < 3 or np.any(np.diff(steps) != 1):
        raise AnalysisError(
            f"the action needs three steps or more, one after the other, got {len(steps)} from "
            f"{steps[0]} to {steps[-1]}; record every step"
        )
    member = as_count("seed", seed, 0, record.n_seeds - 1)
    loss = str(record.configuration["loss"])
    rows, gradients = [], []
    for step in steps:
        tensors = record.tensors(member, int(step))
        slope = cost_gradient(model, tensors, inputs, targets, loss=loss)
        rows.append(np.concatenate([np.ravel(tensors[name]) for name in model.shapes]))
        gradients.append(np.concatenate([np.ravel(slope[name]) for name in model.shapes]))
    # A frame keeps the rate of the step before it; the action takes that of the step after.
    rates = np.append(record.learning_rates[1:], record.learning_rates[-1])
    return trajectory_action(
        np.array(rows),
        record.losses[member],
        np.array(gradients),
        learning_rates=rates,
        momenta=momentum,
    )


def recorded_network(
    record: TrainingRecord, *, seed: int = 0, step: int | None = None
) -> FeedForward:
    """Return the multilayer perceptron of one seed at one recorded step, by default the last.

    Raises
    ------
    ArgumentError
        If the model is another, or there is no such seed or step.
    """
    model = record.model
    if not isinstance(model, MLP):
        raise ArgumentError(
            f"layers of a multilayer perceptron are needed, got {type(model).__name__}"
        )
    tensors = record.tensors(seed, step)
    layers = range(len(model.widths) - 1)
    return FeedForward.of(
        [tensors[f"layers.{i}.weight"] for i in layers],
        [tensors.get(f"layers.{i}.bias") for i in layers],
        activation=model.activation,
        output=model.output_activation,
    )


def record_continuity(
    record: TrainingRecord,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    seed: int = 0,
    step: int | None = None,
) -> DepthContinuity:
    """Return energies and currents along the depth of recorded training, in the step that follows.

    Parameters
    ----------
    record : TrainingRecord
        Of a multilayer perceptron by the heavy ball, squared error.
    inputs, targets : array
        Of the step that follows the recorded one.
    seed : int
    step : int, optional
        A recorded one, by default the last; its learning rate is taken.

    Returns
    -------
    DepthContinuity

    Raises
    ------
    ArgumentError
        If the model is another, or there is no such seed or step.
    AnalysisError
        If it was trained otherwise.
    """
    momentum = _momentum(record)
    if record.configuration["loss"] != "mse":
        raise AnalysisError(f"the cost must be mse, got {record.configuration['loss']}")
    network = recorded_network(record, seed=seed, step=step)
    at = int(np.flatnonzero(record.steps == (record.steps[-1] if step is None else step))[0])
    velocity = record.optimiser_state["velocity"]
    layers = [
        (
            np.asarray(velocity[f"layers.{i}.weight"][seed, at], dtype=np.float64),
            np.asarray(velocity[f"layers.{i}.bias"][seed, at], dtype=np.float64)
            if f"layers.{i}.bias" in velocity
            else np.zeros_like(b),
        )
        for i, b in enumerate(network.biases)
    ]
    return step_continuity(
        network,
        inputs,
        targets,
        network.row(layers),
        learning_rate=float(record.learning_rates[at]),
        momentum=momentum,
    )


def _momentum(record: TrainingRecord) -> float:
    optimiser = record.configuration.get("optimiser", {})
    if optimiser.get("optimiser") != "HeavyBall" or not optimiser.get("momentum", 0) > 0:
        raise AnalysisError(
            f"motion of second order is needed, HeavyBall with momentum, got {optimiser}"
        )
    return float(optimiser["momentum"])
