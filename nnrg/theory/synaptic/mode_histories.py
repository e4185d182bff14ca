"""Modes of recorded training beside the exact solution: a damped field in de Sitter time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError
from nnrg.simulate.training import HeavyBall, Nesterov, TrainingRecord
from nnrg.theory.synaptic._passages import pass_through
from nnrg.theory.synaptic._recorded import Recorded
from nnrg.theory.synaptic.damping import DeSitterWeights, de_sitter_weights
from nnrg.theory.synaptic.layer_chain import LayerChain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrainingModes", "record_modes"]

Array = npt.NDArray[np.float64]

# Of differences of gradients, over the largest weight: rounding and the sixth derivative meet.
_STEP = 1e-3
_VECTORS = 8
_DENSE = 400
# A curvature, or a curve over its amplitude, that is another by so much is flagged.
_FAR = 0.1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainingModes:
    r"""Amplitudes of modes of the Hessian in recorded training, and what theory makes of the start.

    Attributes
    ----------
    steps : int array of shape (T,)
    hubble_times : array of shape (T,)
        H t.
    fields : array of shape (T, M)
        Recorded amplitude of each mode less its minimum, in weights.
    discrete : array of shape (T, M)
        The optimiser's own steps of a quadratic cost, from the first two recorded ones.
    continuous : array of shape (T, M)
        phi'' + gamma phi' + lambda phi = 0 from the same amplitude and velocity.
    weights : DeSitterWeights
        Curvatures, exponents and regimes of the modes.
    curvature_drift : array of shape (M,)
        Curvature along each mode at the first step over that at the last: 1 for a quadratic cost.
    learning_rate, momentum : float
    flags : tuple of str
    provenance : mapping
    """

    steps: npt.NDArray[np.int64]
    hubble_times: Array
    fields: Array
    discrete: Array
    continuous: Array
    weights: DeSitterWeights
    curvature_drift: Array
    learning_rate: float
    momentum: float
    flags: tuple[str, ...]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray) and value.flags.owndata:
                value.flags.writeable = False

    @property
    def n_modes(self) -> int:
        """Number of modes M."""
        return int(self.fields.shape[1])

    def deviation(self) -> Array:
        """Return the largest difference to `discrete` over the largest amplitude, of each mode."""
        size = np.abs(self.fields).max(axis=0)
        apart = np.abs(self.fields - self.discrete).max(axis=0)
        return np.asarray(apart / np.where(size > 0, size, 1.0))

    def continuum_deviation(self) -> Array:
        """Return the same of the continuous solution: of the length of the steps."""
        size = np.abs(self.fields).max(axis=0)
        apart = np.abs(self.fields - self.continuous).max(axis=0)
        return np.asarray(apart / np.where(size > 0, size, 1.0))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each step and mode."""
        import pandas as pd

        times, modes = self.fields.shape
        return pd.DataFrame(
            {
                "step": np.repeat(self.steps, modes),
                "hubble_time": np.repeat(self.hubble_times, modes),
                "mode": np.tile(np.arange(modes), times),
                "curvature": np.tile(self.weights.curvatures, times),
                "field": self.fields.ravel(),
                "discrete": self.discrete.ravel(),
                "continuous": self.continuous.ravel(),
            }
        )

    def __str__(self) -> str:
        lines = [
            f"{self.n_modes} modes of recorded training, H t up to {self.hubble_times[-1]:.4g}, "
            f"eta {self.learning_rate:g}, mu {self.momentum:g}"
        ]
        steps, time = self.deviation(), self.continuum_deviation()
        for i in range(self.n_modes):
            lines.append(
                f"  lambda {self.weights.curvatures[i]:.5g}  m^2/H^2 "
                f"{self.weights.invariant[i]:.5g}  {self.weights.regimes[i]}: steps differ "
                f"by {steps[i]:.2g}, continuous time by {time[i]:.2g}; curvature at the "
                f"start {self.curvature_drift[i]:.3g} of the end's"
            )
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def record_modes(
    record: TrainingRecord,
    inputs: npt.ArrayLike,
    targets: npt.ArrayLike,
    *,
    count: int = 3,
    seed: int = 0,
    dimension: int = 1,
) -> TrainingModes:
    r"""Project recorded training on modes of the Hessian at its end, and follow them by theory.

    Parameters
    ----------
    record : TrainingRecord
        By the heavy ball or Nesterov's method at one learning rate, on all data at once; the first
        two steps and some more.
    inputs, targets : array
        Those it was trained on.
    count : int
        Number of modes, those of largest curvature first.
    seed : int
        Which of its starts.
    dimension : int
        Number d of index directions, of H = gamma / d.

    Returns
    -------
    TrainingModes
        What differs from `discrete` is not quadratic: the higher vertices at work.

    Raises
    ------
    ArgumentError
        If there is no such seed, or the data do not fit the model.
    AnalysisError
        If the training was another, or the modes are not found.

    Notes
    -----
    The minimum along a mode is where its gradient at the last step vanishes, w - g / lambda: for a
    linear network everything here is exact. One trajectory of one seed: no statistical errors.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, perceptron, train
    >>> from nnrg.theory.synaptic import record_modes
    >>> x = np.random.default_rng(1).standard_normal((50, 6)) * np.arange(1, 7)
    >>> made = train(perceptron(6), (x, x.sum(axis=1)), optimiser=HeavyBall(0.01, 0.9), steps=200,
    ...              record=1, rng=1)
    >>> found = record_modes(made, x, x.sum(axis=1))
    >>> bool(found.deviation().max() < 1e-10), found.weights.regimes
    (True, ('underdamped', 'underdamped', 'underdamped'))
    """
    run = Recorded.of(record, inputs, targets, seed)
    many = as_count("count", count, 1, run.model.n_parameters)
    steady = not isinstance(run.described["learning_rate"], Mapping)
    if run.kind not in ("HeavyBall", "Nesterov") or not run.momentum > 0 or not steady:
        raise AnalysisError(
            "modes need the heavy ball or Nesterov's method with momentum and one learning rate, "
            f"got {dict(run.described)}"
        )
    if record.configuration.get("batch") is not None:
        raise AnalysisError("modes need training on all data at once, got mini-batches")
    steps = record.steps
    if len(steps) < 3 or steps[0] != 0 or steps[1] != 1:
        raise AnalysisError(
            "modes need the steps 0, 1 and a later one, got "
            f"{', '.join(map(str, steps[:3]))}; record every step"
        )
    last = run.chain("weights", int(steps[-1]))
    curvatures, vectors = _modes(run, last, many)
    rows = np.array([run.row("weights", int(step)) for step in steps])
    minimum = vectors @ rows[-1] - (vectors @ _gradient(run, last)) / curvatures
    fields = rows @ vectors.T - minimum
    optimiser = run.optimiser(run.rate(0))
    assert isinstance(optimiser, HeavyBall)
    weights = de_sitter_weights(curvatures, optimiser, dimension=dimension)
    times = steps.astype(np.float64) * float(np.sqrt(run.rate(0)))
    first = run.chain("weights", int(steps[0]))
    start = np.array([v @ _curved(run, first, v) for v in vectors])
    drift = start / curvatures
    flags = list(run.flags)
    if np.abs(drift - 1).max() > _FAR:
        flags.append(
            "the curvature of a mode changes by more than a tenth in training: the cost is not "
            "quadratic here"
        )
    low = curvatures <= 1e-8 * np.abs(curvatures).max()
    if low.any():
        flags.append(f"{int(low.sum())} modes have no restoring force: no minimum along them")
    found = TrainingModes(
        steps=steps,
        hubble_times=times * weights.hubble,
        fields=fields,
        discrete=_steps(fields, steps, optimiser, curvatures),
        continuous=_continuous(fields, times, weights),
        weights=weights,
        curvature_drift=drift,
        learning_rate=run.rate(0),
        momentum=run.momentum,
        flags=tuple(flags),
        provenance=run.provenance,
    )
    far = ~(found.deviation() <= _FAR)
    if far.any():
        flags.append(
            f"{int(far.sum())} of {many} modes leave the recursion of a quadratic cost by up to "
            f"{found.deviation().max():.2g} of their largest amplitude"
        )
    return replace(found, flags=tuple(flags))


def _gradient(run: Recorded, chain: LayerChain) -> Array:
    still = np.zeros(chain.n_parameters)
    found = pass_through(chain, run.inputs, run.targets, run.loss, still, np.zeros_like(run.inputs))
    return found.gradient(chain)


def _curved(run: Recorded, chain: LayerChain, v: Array) -> Array:
    """Return the Hessian times a vector by differences of gradients, of fourth order."""
    row = chain.row()
    e = _STEP * max(1.0, float(np.abs(row).max())) / float(np.sqrt(v @ v))
    near, far = (
        _gradient(run, chain.at(row + k * e * v)) - _gradient(run, chain.at(row - k * e * v))
        for k in (1, 2)
    )
    return np.asarray((8 * near - far) / (12 * e))


def _modes(run: Recorded, chain: LayerChain, count: int) -> tuple[Array, Array]:
    """Return the largest curvatures and their vectors, (M,) and (M, n)."""
    n = chain.n_parameters
    if n <= _DENSE:
        matrix = np.stack([_curved(run, chain, e) for e in np.eye(n)])
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return values[::-1][:count].copy(), vectors.T[::-1][:count].copy()
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    operator = LinearOperator((n, n), lambda v: _curved(run, chain, np.ravel(v)), dtype=np.float64)
    start = np.random.default_rng(n).standard_normal(n)
    try:
        values, vectors = eigsh(
            operator, count, which="LA", v0=start, ncv=min(n, 2 * count + _VECTORS), tol=1e-10
        )
    except ArpackError as error:
        raise AnalysisError(f"modes were not found ({error}); ask for fewer") from None
    order = np.argsort(values)[::-1]
    return values[order], np.ascontiguousarray(vectors.T[order])


def _steps(
    fields: Array, steps: npt.NDArray[np.int64], optimiser: HeavyBall, curvatures: Array
) -> Array:
    """Return the optimiser's recursion from the first two amplitudes."""
    mu, pull = optimiser.momentum, optimiser.rates(1)[0] * curvatures
    total, product = 1 + mu - pull, np.full_like(pull, mu)
    if isinstance(optimiser, Nesterov):
        total, product = (1 + mu) * (1 - pull), mu * (1 - pull)
    out = np.empty((int(steps[-1]) + 1, len(pull)))
    out[0], out[1] = fields[0], fields[1]
    for n in range(2, len(out)):
        out[n] = total * out[n - 1] - product * out[n - 2]
    return out[steps]


def _continuous(fields: Array, times: Array, weights: DeSitterWeights) -> Array:
    """Return phi'' + gamma phi' + lambda phi = 0 through the first two amplitudes."""
    rates = -weights.weights * weights.hubble
    out = np.empty_like(fields)
    for i, (a, b) in enumerate(rates):
        with np.errstate(over="ignore", under="ignore"):
            one = np.exp(a * times)
            # As the two exponents meet, t exp(s t) takes the place of the second.
            two = times * one if abs(a - b) <= 1e-9 * abs(a) else np.exp(b * times)
        c = np.linalg.solve(np.array([one[:2], two[:2]]).T, fields[:2, i].astype(complex))
        out[:, i] = (c[0] * one + c[1] * two).real
    return out
