"""The synaptic action of a recorded trajectory: where it is stationary, where its energy goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.synaptic._samples import finite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrajectoryAction", "trajectory_action"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrajectoryAction:
    r"""Action, stationarity and energy of training, step by step.

    Attributes
    ----------
    times : array of shape (T,)
        In units of sqrt(eta) summed up.
    action : float
        S, with the factor exp(int gamma dt) equal to 1 in the last interval.
    kinetic : array of shape (T - 1,)
        w'^2 / 2 of each interval between steps.
    cost : array of shape (T,)
    stationarity : array of shape (T - 2,)
        Size of dS/dw_n over the largest of its three terms: zero on solutions.
    dissipated, work : array of shape (T - 2,)
        What friction takes, and the cost's gradient, at each inner step.
    energy_residual : array of shape (T - 2,)
        Change of the kinetic energy + dissipated + work: zero on solutions, at any step length.
    cost_residual : array of shape (T - 1,)
        Change of the cost less the work along an interval: O(h^3), of the length of steps alone,
        where the cost is one function of the weights.
    flags : tuple of str
    provenance : mapping
        Of the record that it is from, if it is from one.
    """

    times: Array
    action: float
    kinetic: Array
    cost: Array
    stationarity: Array
    dissipated: Array
    work: Array
    energy_residual: Array
    cost_residual: Array
    flags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def energy(self) -> Array:
        """E = w'^2 / 2 + C at inner steps, kinetic energy averaged over both sides, (T - 2,)."""
        return np.asarray((self.kinetic[1:] + self.kinetic[:-1]) / 2 + self.cost[1:-1])

    @property
    def relative_energy_residual(self) -> float:
        """Largest residual of the energy law over the largest of its terms."""
        parts = (np.diff(self.kinetic), self.dissipated, self.work)
        scale = max(float(np.abs(part).max()) for part in parts)
        return float(np.abs(self.energy_residual).max()) / scale if scale > 0 else 0.0

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each inner step."""
        import pandas as pd

        return pd.DataFrame(
            {
                "time": self.times[1:-1],
                "cost": self.cost[1:-1],
                "kinetic": self.kinetic[1:],
                "energy": self.energy,
                "dissipated": self.dissipated,
                "work": self.work,
                "energy_residual": self.energy_residual,
                "stationarity": self.stationarity,
            }
        )

    def __str__(self) -> str:
        return "\n".join(
            [
                f"action of {self.times.size} steps, time {self.times[-1]:.6g}: S = "
                f"{self.action:.9g}",
                f"  |dS/dw| at most {self.stationarity.max():.2g} of its terms",
                f"  energy {self.energy[0]:.6g} to {self.energy[-1]:.6g}, lost to friction "
                f"{self.dissipated.sum():.6g}",
                f"  energy law holds to {self.relative_energy_residual:.2g} of its terms; cost "
                f"and work differ by {np.abs(self.cost_residual).max():.2g}",
                *(f"  flag: {flag}" for flag in self.flags),
            ]
        )


def trajectory_action(
    weights: npt.ArrayLike,
    costs: npt.ArrayLike,
    gradients: npt.ArrayLike,
    *,
    learning_rates: npt.ArrayLike,
    momenta: npt.ArrayLike,
) -> TrajectoryAction:
    r"""Evaluate the synaptic action on a trajectory recorded at every step.

    Parameters
    ----------
    weights : array of shape (T, ...)
        w_0, w_1, .. before each step; three steps at least.
    costs : array of shape (T,)
    gradients : array of shape (T, ...)
        Of the cost at these weights; those of the mini-batches, if there are any.
    learning_rates, momenta : float or array of shape (T,)
        eta_n and mu_n of the step from w_n to w_{n+1}; momenta above zero.

    Returns
    -------
    TrajectoryAction

    Raises
    ------
    ArgumentError
        If shapes do not fit.
    AnalysisError
        If a momentum is zero: motion of first order has no action.

    Notes
    -----
    :math:`S = \sum_n A_n |w_{n+1} - w_n|^2 / 2 h_n - \sum_n A_n h_n C_n` with :math:`h_n =
    \sqrt{\eta_n}` and :math:`A_n / A_{n-1} = h_n / (\mu_n h_{n-1})`, the exponential of the
    friction. :math:`\partial S / \partial w_n = 0` is the heavy ball itself, v = mu v - eta g, at
    any step length and schedule; for short steps S is :math:`\int dt\, e^{\int \gamma}
    [\dot w^2 / 2 - C]` (arXiv:2503.08827). With Nesterov's rule give gradients taken ahead: the
    residuals then hold, while S has the costs at w.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.trajectories import trajectory_action
    >>> w, v, path = np.array([1.0, -2.0]), np.zeros(2), []
    >>> for _ in range(50):
    ...     path.append(w)
    ...     v = 0.9 * v - 0.01 * w**3
    ...     w = w + v
    >>> w = np.array(path)
    >>> found = trajectory_action(
    ...     w, (w**4).sum(axis=1) / 4, w**3, learning_rates=0.01, momenta=0.9)
    >>> bool(found.stationarity.max() < 1e-12), found.relative_energy_residual < 1e-12
    (True, True)
    """
    w, g = finite("weights", weights), finite("gradients", gradients)
    cost = finite("costs", costs)
    if w.ndim < 1 or len(w) < 3 or g.shape != w.shape or cost.shape != w.shape[:1]:
        raise ArgumentError(
            "weights and gradients must have one shape (T, ...) with three steps or more, and "
            f"costs (T,), got {w.shape}, {g.shape} and {cost.shape}"
        )
    eta, mu = (
        _schedule("learning_rates", learning_rates, len(w)),
        _schedule("momenta", momenta, len(w)),
    )
    if not eta.min() > 0 or mu.max() > 1 or mu.min() < 0:
        raise ArgumentError("learning rates must be positive and momenta from 0 to 1")
    if mu.min() == 0:
        raise AnalysisError(
            "motion of first order has no action: a momentum is zero; gradient descent is the "
            "limit of high friction only, see friction"
        )
    w, g = w.reshape(len(w), -1), g.reshape(len(w), -1)
    h = np.sqrt(eta)
    u = np.diff(w, axis=0) / h[:-1, None]
    ratio = mu[1:-1] * h[:-2] / h[1:-1]  # A_{n-1} / A_n
    log_a = np.concatenate([[0.0], -np.cumsum(np.log(ratio))])
    a = np.exp(log_a - log_a[-1])
    kinetic = (u * u).sum(axis=1) / 2
    inner = g[1:-1] * h[1:-1, None]
    residual = ratio[:, None] * u[:-1] - u[1:] - inner
    parts = (ratio[:, None] * u[:-1], u[1:], inner)
    scale = np.max([np.sqrt((p * p).sum(axis=1)) for p in parts], axis=0)
    middle = (u[1:] + u[:-1]) / 2
    dissipated = (1 - ratio) * (u[:-1] * middle).sum(axis=1)
    work = (inner * middle).sum(axis=1)
    along = ((g[1:] + g[:-1]) / 2 * np.diff(w, axis=0)).sum(axis=1)
    return TrajectoryAction(
        times=np.concatenate([[0.0], np.cumsum(h[:-1])]),
        action=float((a * h[:-1] * (kinetic - cost[:-1])).sum()),
        kinetic=kinetic,
        cost=cost,
        stationarity=np.sqrt((residual**2).sum(axis=1)) / np.where(scale > 0, scale, 1.0),
        dissipated=dissipated,
        work=work,
        energy_residual=np.diff(kinetic) + dissipated + work,
        cost_residual=np.diff(cost) - along,
    )


def _schedule(name: str, values: npt.ArrayLike, steps: int) -> Array:
    array = finite(name, values)
    if array.shape not in ((), (steps,)):
        raise ArgumentError(f"{name} must be one number or {steps}, got shape {array.shape}")
    return np.broadcast_to(array, (steps,)).copy()
