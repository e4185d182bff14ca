"""Records of training read as histories of synaptic fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.simulate.training import MLP, TrainingRecord
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._passages import pass_through
from nnrg.theory.synaptic._recorded import Recorded
from nnrg.theory.synaptic.continuity import DepthContinuity
from nnrg.theory.synaptic.currents import step_continuity
from nnrg.theory.synaptic.feed_forward import FeedForward
from nnrg.theory.synaptic.friction_maps import Discretisation, FrictionMap, friction
from nnrg.theory.synaptic.histories import CosmicHistory, cosmic_history
from nnrg.theory.synaptic.layer_chain import LayerChain
from nnrg.theory.synaptic.trajectories import TrajectoryAction, trajectory_action

__all__ = [
    "record_action",
    "record_continuity",
    "record_friction",
    "record_history",
    "recorded_chain",
    "recorded_network",
]

Array = npt.NDArray[np.float64]


def record_action(
    record: TrainingRecord, inputs: npt.ArrayLike, targets: npt.ArrayLike, *, seed: int = 0
) -> TrajectoryAction:
    """Evaluate the synaptic action on recorded training of any model.

    Parameters
    ----------
    record : TrainingRecord
        By the heavy ball or Nesterov's method, every step recorded.
    inputs, targets : array
        Those it was trained on; of mini-batches all, which step saw which is found.
    seed : int
        Which of its starts.

    Returns
    -------
    TrajectoryAction
        Gradients are computed again from the weights: steps are not used to check themselves.
        With mini-batches the cost is that of the batch, a source that changes with time.

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
    >>> from nnrg.theory.synaptic import record_action
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> y = x @ [1, 2, 3, 4]
    >>> made = train(MLP((4, 5, 1)), (x, y), optimiser=HeavyBall(0.05, 0.8), steps=40, record=1,
    ...              rng=1)
    >>> found = record_action(made, x, y)
    >>> bool(found.stationarity.max() < 1e-10), found.relative_energy_residual < 1e-10
    (True, True)
    """
    run = Recorded.of(record, inputs, targets, seed)
    if run.kind not in ("HeavyBall", "Nesterov") or not run.momentum > 0:
        raise AnalysisError(
            "motion of second order is needed, HeavyBall or Nesterov with momentum, got "
            f"{run.described}"
        )
    steps = run.every_step(3)
    rows, gradients, costs = [], [], []
    for step in steps:
        rows.append(run.row("weights", step))
        at, (x, y) = run.ahead(step), run.batch(step)
        still = np.zeros(at.n_parameters)
        found = pass_through(at, x, y, run.loss, still, np.zeros_like(x))
        gradients.append(found.gradient(at))
        costs.append(
            found.cost if run.kind == "HeavyBall" else run.cost(run.chain("weights", step), x, y)
        )
    action = trajectory_action(
        np.array(rows),
        np.array(costs),
        np.array(gradients),
        learning_rates=run.rates(steps),
        momenta=run.momentum,
    )
    return replace(action, flags=run.flags, provenance=run.provenance)


def recorded_network(
    record: TrainingRecord, *, seed: int = 0, step: int | None = None
) -> FeedForward:
    """Return the multilayer perceptron of one seed at one recorded step, by default the last.

    Raises
    ------
    ArgumentError
        If the model is another, or there is no such seed or step.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic import recorded_network
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(MLP((4, 5, 1)), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=20,
    ...              record=1, rng=1)
    >>> recorded_network(made).depth
    2
    """
    model = as_kind("record", record, TrainingRecord).model
    if not isinstance(model, MLP):
        raise ArgumentError(
            f"layers of a multilayer perceptron are needed, got {type(model).__name__}; "
            "recorded_chain takes others"
        )
    tensors = record.tensors(seed, step)
    layers = range(len(model.widths) - 1)
    return FeedForward.of(
        [tensors[f"layers.{i}.weight"] for i in layers],
        [tensors.get(f"layers.{i}.bias") for i in layers],
        activation=model.activation,
        output=model.output_activation,
    )


def recorded_chain(record: TrainingRecord, *, seed: int = 0, step: int | None = None) -> LayerChain:
    """Return the network of one seed at one recorded step, by default the last, as layers.

    Raises
    ------
    ArgumentError
        If the record does not tell the model, or there is no such seed or step.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic import recorded_chain
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(MLP((4, 5, 1)), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=20,
    ...              record=1, rng=1)
    >>> recorded_chain(made, step=3).names
    ('layer 1', 'layer 2')
    """
    model = as_kind("record", record, TrainingRecord).model
    if model is None:
        raise ArgumentError("the record does not tell its model; make a LayerChain of its tensors")
    return LayerChain.of_model(model, record.tensors(seed, step))


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
        Of a perceptron, a convolutional or a recurrent network, by any optimiser.
    inputs, targets : array
        Those it was trained on; of mini-batches all, which the step saw is found.
    seed : int
    step : int, optional
        A recorded one, by default the last.

    Returns
    -------
    DepthContinuity
        Of Adam with the momentum and the learning rate that each weight has in this step.

    Raises
    ------
    ArgumentError
        If the model is not told, or there is no such seed or step.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic import record_continuity
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(MLP((4, 5, 1)), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=20,
    ...              record=1, rng=1)
    >>> record_continuity(made, x, x[:, 0], step=7).relative_residual < 1e-12
    True
    """
    run = Recorded.of(record, inputs, targets, seed)
    at = int(record.steps[-1]) if step is None else step
    x, y = run.batch(at)
    network = run.ahead(at)
    eta: npt.ArrayLike = run.rate(at)
    mu: npt.ArrayLike = run.momentum
    if run.kind == "GradientDescent":
        before = None
    elif run.kind == "Adam":
        before, eta, mu = run.adam(at, x, y)
    else:
        before = run.row("velocity", at)
    found = step_continuity(network, x, y, before, learning_rate=eta, momentum=mu, loss=run.loss)
    note = f"step {at} of {run.kind}: {found.note}"
    return replace(found, note=note, provenance=run.provenance)


def record_friction(
    record: TrainingRecord,
    *,
    seed: int = 0,
    step: int | None = None,
    dimension: int = 1,
    discretisation: Discretisation = "backward",
) -> FrictionMap:
    """Return friction and Hubble rate of recorded training after a step, by default the last.

    Parameters
    ----------
    record : TrainingRecord
        By any optimiser; of Adam the recorded second moments of one seed are taken.
    seed : int
    step : int, optional
        A recorded one.
    dimension, discretisation
        As of `friction`.

    Returns
    -------
    FrictionMap

    Raises
    ------
    ArgumentError
        If there is no such seed or step.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic import record_friction
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(MLP((4, 5, 1)), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=20,
    ...              record=1, rng=1)
    >>> round(record_friction(made).hubble, 12)
    1.0
    """
    run = Recorded.without_data(record, seed)
    at = int(record.steps[-1]) if step is None else step
    moments = None
    if run.kind == "Adam":
        if at == 0:
            raise ArgumentError("Adam has no second moments at step 0; take a later one")
        moments = run.row("second_moment", at) / (1 - run.described["beta2"] ** at)
    found = friction(
        run.optimiser(run.rate(at)),
        dimension=dimension,
        discretisation=discretisation,
        second_moments=moments,
    )
    if isinstance(run.described["learning_rate"], Mapping):
        stays = f"the learning rate stays what it is at step {at}"
        found = replace(found, assumptions=(*found.assumptions, stays))
    return found


def record_history(record: TrainingRecord, *, seed: int = 0, dimension: int = 1) -> CosmicHistory:
    """Return the history of the scale factor of recorded training.

    Parameters
    ----------
    record : TrainingRecord
        By any optimiser; of Adam, and of a schedule that is a caller's own, every step recorded.
    seed : int
        Of Adam, whose friction is that of the gradients.
    dimension : int

    Returns
    -------
    CosmicHistory

    Raises
    ------
    AnalysisError
        If learning rates or second moments of steps are not recorded.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic import record_history
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(MLP((4, 5, 1)), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=20,
    ...              record=1, rng=1)
    >>> print(record_history(made))
    history of 20 steps in d = 1: de Sitter, H from 1 to 1 (within 1 .. 1), 1.9 e-folds
    """
    run = Recorded.without_data(record, seed)
    last = int(record.steps[-1])
    rates = run.rates(np.arange(last))
    moments = None
    if run.kind == "Adam":
        steps = run.every_step(2)[1:]
        moments = np.array([run.row("second_moment", int(step)) for step in steps])
        rates = rates[steps[0] - 1 :]
    return cosmic_history(
        run.optimiser(lambda step: float(rates[step])),
        len(rates),
        dimension=dimension,
        second_moments=moments,
    )
