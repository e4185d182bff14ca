"""Sources that change with time: other data, another step size, or another expansion point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training._identity import digest
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_items
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.deep import NetworkVertices, network_vertices
from nnrg.theory.synaptic.source_histories import SourceHistory
from nnrg.theory.synaptic.vertices import PerceptronVertices

if TYPE_CHECKING:
    from nnrg.simulate.training import TrainingRecord

__all__ = ["record_sources", "source_history"]

Array = npt.NDArray[np.float64]

_STAGES = 8


def source_history(
    times: npt.ArrayLike,
    stages: Sequence[PerceptronVertices | NetworkVertices],
    *,
    learning_rates: npt.ArrayLike = 1.0,
    field: npt.ArrayLike | None = None,
    order: int | None = None,
) -> SourceHistory:
    r"""Return the vertices of training whose data or step size change.

    Parameters
    ----------
    times : array of shape (S,)
        Beginning of each stage, increasing.
    stages : sequence of PerceptronVertices, or of NetworkVertices
        Of the data of each stage, all of one network.
    learning_rates : float or array of shape (S,)
        eta of each stage. A step size that changes multiplies all forces in a fixed unit of time.
    field : array of the shape of the network's fields, optional
        Along which the vertices are followed; along J of the first stage if left out.
    order : int, optional
        Highest vertex: all that the stages have, 4 of a deep network, if left out.

    Returns
    -------
    SourceHistory

    Raises
    ------
    ArgumentError
        If the stages do not fit each other.

    Notes
    -----
    w'' + gamma w' + (eta(t) / eta_0) dC_t / dw = 0 where h_0^2 = eta_0 sets the unit of time; the
    other reading, a unit of time that follows eta, is `cosmic_history`. The energy law is dE/dt =
    -gamma w'^2 + dC_t/dt at fixed w: what changing data bring. A deep network's stages about
    different weights are expanded about those of the first as well: that tells sources that change
    from a point that moves.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic import perceptron_vertices, source_history
    >>> x = np.random.default_rng(1).normal(size=(2, 400, 5))
    >>> y = x[:, :, 0] * np.array([[1.0], [-1.0]])
    >>> stages = [perceptron_vertices(a, b, order=2) for a, b in zip(x, y)]
    >>> source_history([0.0, 10.0], stages).static
    False
    """
    t, stages = finite("times", times), as_items("stages", stages)
    if not stages or t.shape != (len(stages),) or (t.size > 1 and np.diff(t).min() <= 0):
        raise ArgumentError(
            f"times must be increasing, one for each of {len(stages)} stages, got shape {t.shape}"
        )
    shapes = {_shape(one) for one in stages}
    if len(shapes) > 1:
        raise ArgumentError(f"stages must have one shape and order, got {sorted(shapes, key=str)}")
    shape, known = shapes.pop()
    last = known if order is None else as_count("order", order, 1, max(known, _most(stages[0])))
    eta = finite("learning_rates", learning_rates)
    if eta.shape not in ((), t.shape) or not eta.min() > 0:
        raise ArgumentError(
            f"learning_rates must be positive, one number or one for each stage, got {eta.shape}"
        )
    scales = np.broadcast_to(eta, t.shape) / eta.flat[0]
    phi = _along(stages[0]) if field is None else finite("field", field)
    phi = phi[None] if phi.ndim == 1 and len(shape) == 2 else phi
    with np.errstate(over="ignore"):
        norm = float(np.sqrt((phi**2).sum()))
    if phi.shape != shape or not 0 < norm < np.inf:
        raise ArgumentError(
            f"field must have shape {shape} and not be zero, got {phi.shape}; without a source "
            "give one"
        )
    phi = phi / norm
    found = _scaled([_strengths(one, phi, last) for one in stages], scales)
    still = _about_the_first(stages)
    # Of data that come again once.
    of_data = {key: _strengths(one, phi, last) for key, one in dict(still).items()}
    fixed = _scaled([of_data[key] for key, _ in still], scales) if still else found
    # A perceptron's vertices do not keep the weights that they are expanded about.
    points = sorted({one.assumptions[0] for one in stages if isinstance(one, PerceptronVertices)})
    return SourceHistory(
        times=t,
        stages=found,
        at_first_point=fixed,
        point_moves=bool(still),
        field=phi,
        scales=scales,
        same_data=all(np.array_equal(stages[0].inputs, one.inputs) for one in stages[1:]),
        n_samples=stages[0].n_samples,
        assumptions=tuple(f"{point}, taken as one point of all stages" for point in points),
    )


def record_sources(
    record: TrainingRecord,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    seed: int = 0,
    steps: Sequence[int] | None = None,
    order: int = 4,
) -> SourceHistory:
    """Return the vertices about recorded weights, along the way from the first to the last.

    The data are all of them at every step: what changes the sources is the learning rate, all else
    is the point of the expansion, which moves.

    Parameters
    ----------
    record : TrainingRecord
        Of a multilayer perceptron.
    inputs, targets : array
        Those it was trained on.
    seed : int
    steps : sequence of int, optional
        Recorded ones; eight of them if left out.
    order : int
        Highest vertex, 1 to 6.

    Returns
    -------
    SourceHistory
        With the learning rate of each step; times are steps.

    Raises
    ------
    ArgumentError
        If the model is another, or there is no such seed or step.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, MLP, train
    >>> from nnrg.theory.synaptic import record_sources
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(MLP((4, 5, 1)), (x, x[:, 0]), optimiser=HeavyBall(0.01, 0.9), steps=20,
    ...              record=1, rng=1)
    >>> found = record_sources(made, x, x[:, 0], steps=[0, 20])
    >>> found.static, found.point_moves
    (True, True)
    """
    from nnrg.theory.synaptic._recorded import Recorded
    from nnrg.theory.synaptic.records import recorded_network

    run = Recorded.of(record, inputs, targets, seed)
    if steps is None:
        places = np.linspace(0, len(record.steps) - 1, _STAGES).round().astype(int)
        steps = [int(step) for step in np.unique(record.steps[np.unique(places)])]
    steps = [as_count("a step", step, 0) for step in as_items("steps", steps)]
    networks = [recorded_network(record, seed=seed, step=step) for step in steps]
    stages = [network_vertices(n, run.inputs, run.targets, loss=run.loss) for n in networks]
    way = recorded_network(record, seed=seed).row()
    way = way - recorded_network(record, seed=seed, step=int(record.steps[0])).row()
    found = source_history(
        np.array(steps, dtype=np.float64),
        stages,
        learning_rates=[run.rate(step) for step in steps],
        field=way,
        order=order,
    )
    assumptions = found.assumptions
    if record.configuration.get("batch") is not None:
        assumptions += ("of all data: those of mini-batches scatter about them",)
    return replace(found, assumptions=assumptions, provenance=run.provenance)


def _strengths(one: PerceptronVertices | NetworkVertices, phi: Array, order: int) -> Replicates:
    """Return V_1 .. V_n along a field."""
    if isinstance(one, PerceptronVertices):
        return one.strengths(phi).select(np.arange(order))
    return one.strengths(phi, order)


def _scaled(strengths: Sequence[Replicates], scales: Array) -> tuple[Replicates, ...]:
    pairs = zip(strengths, scales, strict=True)
    return tuple(one.map(partial(np.multiply, float(scale))) for one, scale in pairs)


def _about_the_first(
    stages: Sequence[PerceptronVertices | NetworkVertices],
) -> list[tuple[tuple[str, ...], NetworkVertices]]:
    """Return the data of deep stages about the first's weights; nothing if all stand there."""
    deep = [one for one in stages if isinstance(one, NetworkVertices)]
    if not deep or all(np.array_equal(one.network.row(), deep[0].network.row()) for one in deep):
        return []
    return [
        (
            (digest(one.inputs), digest(one.targets), one.loss.name),
            NetworkVertices(deep[0].network, one.inputs, one.targets, one.loss),
        )
        for one in deep
    ]


def _shape(one: PerceptronVertices | NetworkVertices) -> tuple[tuple[int, ...], int]:
    if isinstance(one, PerceptronVertices):
        return one.shape, one.order
    if isinstance(one, NetworkVertices):
        return (one.network.n_parameters,), 4
    raise ArgumentError(
        f"stages must be PerceptronVertices or NetworkVertices, got {shown(type(one).__name__)}"
    )


def _most(one: PerceptronVertices | NetworkVertices) -> int:
    return one.order if isinstance(one, PerceptronVertices) else 6


def _along(one: PerceptronVertices | NetworkVertices) -> Array:
    return one.source()[0] if isinstance(one, PerceptronVertices) else -one.apply()
