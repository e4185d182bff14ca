"""Late-time weights of modes of the synaptic field, in continuous and in discrete time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import ArgumentError
from nnrg.stats.estimate import shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._samples import finite

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DeSitterWeights", "de_sitter_weights"]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

_ROWS = 10


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DeSitterWeights:
    r"""Exponents of the modes of a quadratic cost under the heavy ball.

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
        The same of the steps as they are: -ln z / (H h), z the roots of the heavy ball.
    invariant, invariant_error : array of shape (M,)
        m^2 / H^2 = d^2 eta lambda / (1 - mu)^2, whatever the unit of time.
    regimes, discrete_regimes : tuple of str
        ``overdamped`` (complementary series), ``critical``, ``underdamped`` (principal series),
        ``massless``, ``growing`` for negative curvature, ``unstable`` for steps that are too long.
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
    *,
    learning_rate: float,
    momentum: float,
    dimension: int = 1,
) -> DeSitterWeights:
    r"""Return the late-time weights of modes of given curvature.

    Parameters
    ----------
    curvatures : array of shape (M,), or Replicates
        Eigenvalues lambda of the Hessian of the cost.
    learning_rate, momentum : float
        eta > 0, and mu from above 0 to below 1.
    dimension : int
        Number d of index directions.

    Returns
    -------
    DeSitterWeights

    Raises
    ------
    ArgumentError
        If a number is out of range.

    Notes
    -----
    :math:`\Delta_\pm = d/2 \pm \sqrt{d^2/4 - m^2/H^2}` with :math:`m^2 = \lambda` and
    :math:`\gamma = dH = (1 - \mu)/\sqrt\eta`; the transition m^2 = d^2 H^2 / 4 is critical damping.
    In steps z^2 - (1 + mu - eta lambda) z + mu = 0: critical at eta lambda = (1 - sqrt(mu))^2,
    stable for eta lambda < 2 (1 + mu), and where underdamped |z| = sqrt(mu) for all lambda. Of de
    Sitter space these are the modes of k = 0: static data do not redshift k, see `compare_modes`.

    Examples
    --------
    >>> from nnrg.theory.synaptic.damping import de_sitter_weights
    >>> found = de_sitter_weights([0.09, 1.25], learning_rate=0.01, momentum=0.9)
    >>> found.weights.round(9).tolist()
    [[(0.9+0j), (0.1+0j)], [(0.5+1j), (0.5-1j)]]
    >>> found.discrete_regimes
    ('overdamped', 'underdamped')
    """
    if isinstance(curvatures, Replicates):
        lam, errors = curvatures.values.copy(), curvatures.errors()
    else:
        lam = np.atleast_1d(finite("curvatures", curvatures))
        errors = np.zeros_like(lam)
    eta, mu = as_real("learning_rate", learning_rate), as_real("momentum", momentum)
    d = as_count("dimension", dimension)
    if lam.ndim != 1 or not lam.size:
        raise ArgumentError(f"curvatures must have shape (M,), got {lam.shape}")
    if not eta > 0 or not 0 < mu < 1:
        raise ArgumentError(
            f"learning_rate > 0 and momentum between 0 and 1 are needed, got {eta:g} and {mu:g}"
        )
    h = np.sqrt(eta)
    hubble = float((1 - mu) / (d * h))
    scale = (d / (1 - mu)) ** 2 * eta
    invariant = scale * lam
    root = np.sqrt(d**2 / 4 - invariant + 0j)
    # The small one by the product of both: m^2 / H^2 is theirs, and nothing cancels.
    plus = d / 2 + root
    weights = np.stack([plus, invariant / plus], axis=1)
    half = (1 + mu - eta * lam) / 2
    step = np.sqrt(half**2 - mu + 0j)
    large = np.where(half >= 0, half + step, half - step)
    slow = -np.log(large) / (hubble * h)
    fast = -np.log(mu / large) / (hubble * h)
    return DeSitterWeights(
        curvatures=lam,
        errors=errors,
        hubble=hubble,
        dimension=d,
        weights=weights,
        discrete=np.stack([fast, slow], axis=1),
        invariant=invariant,
        invariant_error=scale * errors,
        regimes=_regimes(lam, invariant, d**2 / 4),
        discrete_regimes=_regimes(lam, eta * lam, (1 - np.sqrt(mu)) ** 2, 2 * (1 + mu)),
    )


def _regimes(lam: Array, value: Array, critical: float, last: float = np.inf) -> tuple[str, ...]:
    names: Any = np.select(
        [
            lam < 0,
            lam == 0,
            value >= last,
            np.abs(value - critical) <= 1e-12 * critical,
            value < critical,
        ],
        ["growing", "massless", "unstable", "critical", "overdamped"],
        "underdamped",
    )
    return tuple(str(name) for name in names)
