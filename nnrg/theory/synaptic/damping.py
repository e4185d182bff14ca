"""Late-time weights of modes of the synaptic field, in continuous and in discrete time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training.optimisers import HeavyBall, Nesterov
from nnrg.stats.estimate import shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._samples import finite
from nnrg.theory.synaptic.friction_maps import friction

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DeSitterWeights", "de_sitter_weights"]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

_ROWS = 10
# Of two numbers that are called equal.
_CLOSE = 1e-12
_LARGEST = 1e100


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DeSitterWeights:
    r"""Exponents of the modes of a quadratic cost under a motion of second order.

    Attributes
    ----------
    curvatures, errors : array of shape (M,)
        lambda = m^2, eigenvalues of V_2, and their errors; zero where they are given as exact.
    hubble : float
        H = (1 - mu) / (d sqrt(eta)).
    dimension : int
    weights : complex array of shape (M, 2)
        Delta_+, Delta_-: modes fall off as exp(-Delta H t) = a^-Delta in continuous time.
    discrete : complex array of shape (M, 2)
        The same of the steps as they are: -ln z / (H h), z the roots of the optimiser.
    invariant, invariant_error : array of shape (M,)
        m^2 / H^2 = d^2 eta lambda / (1 - mu)^2, whatever the unit of time.
    regimes, discrete_regimes : tuple of str
        ``overdamped`` (complementary series), ``critical``, ``underdamped`` (principal series),
        ``massless``, ``growing`` for negative curvature; of steps alone also ``alternating``, of
        sign at each step, and ``unstable``, which are too long.
    """

    curvatures: Array
    errors: Array
    hubble: float
    dimension: int
    weights: Complex
    discrete: Complex
    invariant: Array
    invariant_error: Array
    regimes: tuple[str, ...]
    discrete_regimes: tuple[str, ...]

    def __post_init__(self) -> None:
        names = ("curvatures", "errors", "weights", "discrete", "invariant", "invariant_error")
        for name in names:
            getattr(self, name).flags.writeable = False

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each mode; rates are real parts of the exponents."""
        import pandas as pd

        return pd.DataFrame(
            {
                "curvature": self.curvatures,
                "error": self.errors,
                "invariant": self.invariant,
                "invariant_error": self.invariant_error,
                "delta_plus": self.weights[:, 0].real,
                "delta_minus": self.weights[:, 1].real,
                "frequency": self.weights[:, 1].imag,
                "regime": list(self.regimes),
                "discrete_delta_plus": self.discrete[:, 0].real,
                "discrete_delta_minus": self.discrete[:, 1].real,
                "discrete_frequency": self.discrete[:, 1].imag,
                "discrete_regime": list(self.discrete_regimes),
            }
        )

    def __str__(self) -> str:
        lines = [f"{self.curvatures.size} modes, H = {self.hubble:.9g}, d = {self.dimension}"]
        for i in range(min(_ROWS, self.curvatures.size)):
            plus, minus = self.weights[i]
            lines.append(
                f"  m^2/H^2 {shown_number(self.invariant[i], self.invariant_error[i])}  Delta "
                f"{plus:.5g}, {minus:.5g}  {self.regimes[i]}; in steps "
                f"{self.discrete[i, 0]:.5g}, {self.discrete[i, 1]:.5g}  {self.discrete_regimes[i]}"
            )
        if self.curvatures.size > _ROWS:
            lines.append(f"  and {self.curvatures.size - _ROWS} more; see to_dataframe")
        return "\n".join(lines)


def de_sitter_weights(
    curvatures: npt.ArrayLike | Replicates,
    optimiser: HeavyBall,
    *,
    step: int = 0,
    dimension: int = 1,
) -> DeSitterWeights:
    r"""Return the late-time weights of modes of given curvature.

    Parameters
    ----------
    curvatures : array of shape (M,), or Replicates
        Eigenvalues lambda of the Hessian of the cost.
    optimiser : HeavyBall or Nesterov
        Of `nnrg.simulate.training`, with momentum above zero.
    step : int
        Which step of a schedule; its learning rate is taken as if it stayed.
    dimension : int
        Number d of index directions.

    Returns
    -------
    DeSitterWeights

    Raises
    ------
    ArgumentError
        If the optimiser has no momentum, or a number is out of range.

    Notes
    -----
    :math:`\Delta_\pm = d/2 \pm \sqrt{d^2/4 - m^2/H^2}` with :math:`m^2 = \lambda` and
    :math:`\gamma = dH = (1 - \mu)/\sqrt\eta`; the transition m^2 = d^2 H^2 / 4 is critical damping.
    In steps z^2 - (1 + mu - eta lambda) z + mu = 0: critical at eta lambda = (1 - sqrt(mu))^2,
    stable for eta lambda < 2 (1 + mu), and where underdamped |z| = sqrt(mu) for all lambda. With
    Nesterov's method gamma is gamma + mu h lambda, and z^2 - (1 + mu) q z + mu q = 0, q = 1 - eta
    lambda. Of de Sitter space these are the modes of k = 0: static data do not redshift k, see
    `compare_modes`.

    Examples
    --------
    >>> from nnrg.simulate.training import HeavyBall
    >>> from nnrg.theory.synaptic import de_sitter_weights
    >>> found = de_sitter_weights([0.09, 1.25], HeavyBall(0.01, 0.9))
    >>> found.weights.round(9).tolist()
    [[(0.9+0j), (0.1+0j)], [(0.5+1j), (0.5-1j)]]
    >>> found.discrete_regimes
    ('overdamped', 'underdamped')
    """
    if not isinstance(optimiser, HeavyBall) or not optimiser.momentum > 0:
        raise ArgumentError(
            "motion of second order is needed, HeavyBall or Nesterov with momentum, got "
            f"{shown(optimiser)}"
        )
    if isinstance(curvatures, Replicates):
        lam, errors = curvatures.values.copy(), curvatures.errors()
    else:
        lam = np.atleast_1d(finite("curvatures", curvatures))
        errors = np.zeros_like(lam)
    if lam.ndim != 1 or not lam.size:
        raise ArgumentError(f"curvatures must have shape (M,), got {lam.shape}")
    found = friction(optimiser, step=step, dimension=dimension)
    d, eta, mu = as_count("dimension", dimension), found.learning_rate, found.momentum
    if np.abs(lam).max() > _LARGEST:
        raise ArgumentError(f"curvatures up to {_LARGEST:g} are understood, got {lam.max():g}")
    scale = (d / (1 - mu)) ** 2 * eta
    invariant = scale * lam
    half = found.damping(lam) / (2 * found.hubble)
    root = np.sqrt(half**2 - invariant + 0j)
    # The small one by the product of both: m^2 / H^2 is theirs, and nothing cancels.
    plus = half + root
    weights = np.stack([plus, invariant / plus], axis=1)
    x = eta * lam
    if isinstance(optimiser, Nesterov):
        total, product = (1 + mu) * (1 - x), mu * (1 - x)
        edges = (((1 - mu) / (1 + mu)) ** 2, 1.0)
    else:
        total, product = 1 + mu - x, np.full_like(x, mu)
        edges = ((1 - np.sqrt(mu)) ** 2, (1 + np.sqrt(mu)) ** 2)
    gap = np.sqrt(total**2 / 4 - product + 0j)
    large = total / 2 + np.where(total >= 0, gap, -gap)
    with np.errstate(divide="ignore", invalid="ignore"):  # a mode that is gone after one step
        rates = -np.log(np.stack([product / large, large], axis=1))
    rates[large == 0] = np.inf
    overdamped = half**2 - invariant > 0
    close = np.abs(half**2 - invariant) <= _CLOSE * half**2
    discrete = np.select(
        [x >= optimiser.stability_bound(), x > edges[1], np.abs(x - edges[0]) <= _CLOSE * edges[0]],
        ["unstable", "alternating", "critical"],
        np.where(x < edges[0], "overdamped", "underdamped"),
    )
    return DeSitterWeights(
        curvatures=lam,
        errors=errors,
        hubble=found.hubble,
        dimension=d,
        weights=weights,
        discrete=rates / (found.hubble * found.time_step),
        invariant=invariant,
        invariant_error=scale * errors,
        regimes=_regimes(
            lam, np.select([close, overdamped], ["critical", "overdamped"], "underdamped")
        ),
        discrete_regimes=_regimes(lam, discrete),
    )


def _regimes(lam: Array, names: npt.NDArray[np.str_]) -> tuple[str, ...]:
    found = np.select([lam < 0, lam == 0], ["growing", "massless"], names)
    return tuple(str(name) for name in found)
