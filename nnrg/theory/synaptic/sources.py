"""Sources that change with time: other data, another step size, or another expansion point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as field_of
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_items
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.deep import NetworkVertices, network_vertices
from nnrg.theory.synaptic.vertices import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

    from nnrg.simulate.training import TrainingRecord

__all__ = ["SourceHistory", "record_sources", "source_history"]

Array = npt.NDArray[np.float64]

_LEVEL = 0.01
_ROWS = 16
_STAGES = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SourceHistory:
    r"""Vertices along one fixed field at each stage of training, V_n(t).

    Attributes
    ----------
    times : array of shape (S,)
        Beginning of each stage.
    stages : tuple of Replicates of n numbers
        V_1 .. V_n contracted with copies of the field, times eta / eta_0 of the stage: the
        forces in the time unit of the first stage.
    field : array of shape (n_out, n_in) or (n_parameters,)
        Of norm one.
    scales : array of shape (S,)
        eta / eta_0.
    same_data : bool
        Whether all stages have the same data, so that their errors have much in common.
    n_samples : int
        Of the first stage.
    provenance : mapping
        Of the record that it is from, if it is from one.
    """

    times: Array
    stages: tuple[Replicates, ...]
    field: Array
    scales: Array
    same_data: bool
    n_samples: int
    provenance: Mapping[str, Any] = field_of(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for array in (self.times, self.field, self.scales):
            array.flags.writeable = False

    @property
    def order(self) -> int:
        """Highest n."""
        return int(self.stages[0].values.size)

    def changes(self) -> Array:
        """Return the change of each vertex from stage to stage in its errors, (S - 1, n).

        Other data are taken as independent, of the same data the common part of the errors cancels;
        NaN where neither stage has an error.
        """
        out = np.full((len(self.stages) - 1, self.order), np.nan)
        for i in range(len(out)):
            before, after = self.stages[i], self.stages[i + 1]
            change = after.values - before.values
            if self.same_data:
                rows = after.replicates - before.replicates
                spread = Replicates.from_jackknife(change, rows, before.sizes).errors()
            else:
                spread = np.hypot(before.errors(), after.errors())
            np.divide(change, spread, out=out[i], where=spread > 0)
        return out

    @property
    def static(self) -> bool:
        """Whether no vertex changes at the 1 % level, Holm's correction over all."""
        from scipy.stats import t

        from nnrg.stats.multiple_testing import adjust_p_values

        z = self.changes().ravel()
        z = z[np.isfinite(z)]
        p = 2 * t.sf(np.abs(z), min(stage.dof for stage in self.stages))
        return bool(p.size == 0 or np.min(adjust_p_values(p, "holm")) > _LEVEL)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each stage and order."""
        import pandas as pd

        rows = [
            {
                "time": t,
                "order": n + 1,
                "strength": v,
                "error": e,
                "scale": s,
                "n_samples": self.n_samples,
            }
            for t, stage, s in zip(self.times, self.stages, self.scales, strict=True)
            for n, (v, e) in enumerate(zip(stage.values, stage.errors(), strict=True))
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        kind = "static" if self.static else "time-dependent"
        lines = [
            f"sources of {len(self.stages)} stages, V_n along one field of norm 1 in "
            f"{self.field.size} weights, times eta / eta_0: {kind}"
        ]
        for t, stage in list(zip(self.times, self.stages, strict=True))[:_ROWS]:
            numbers = zip(stage.values, stage.errors(), strict=True)
            text = "  ".join(f"V_{n + 1} {shown_number(v, e)}" for n, (v, e) in enumerate(numbers))
            lines.append(f"  t = {t:g}: {text}")
        if len(self.stages) > _ROWS:
            lines.append(f"  and {len(self.stages) - _ROWS} more; see to_dataframe")
        return "\n".join(lines)


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
    -gamma w'^2 + dC_t/dt at fixed w: what changing data bring.

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
    found = []
    for one, scale in zip(stages, scales, strict=True):
        if isinstance(one, PerceptronVertices):
            numbers = one.strengths(phi).select(np.arange(last))
        else:
            numbers = one.strengths(phi, last)
        found.append(numbers.map(partial(np.multiply, float(scale))))
    return SourceHistory(
        times=t,
        stages=tuple(found),
        field=phi,
        scales=scales,
        same_data=all(np.array_equal(stages[0].inputs, one.inputs) for one in stages[1:]),
        n_samples=stages[0].n_samples,
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
    >>> record_sources(made, x, x[:, 0], steps=[0, 20]).static
    False
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
    return replace(found, provenance=run.provenance)


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
