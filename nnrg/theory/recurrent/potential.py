"""The correlation function of a recurrent network as motion of a particle in a potential."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from nnrg._validate import as_real, shown
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import ArgumentError
from nnrg.theory._quadrature import legendre_panels
from nnrg.theory.recurrent._overlap import Overlap, overlaps

__all__ = ["NewtonianPotential", "newtonian_potential", "parameters"]

Array = npt.NDArray[np.float64]

_LARGEST, _FAINTEST = 1e9, 1e-30
_NODES, _NODES_OF_A_PERIOD = 24, 160
_MEANT = {
    "sigma_w": "weights have variance sigma_w^2 / N",
    "sigma_b": "biases have variance sigma_b^2",
    "noise": "it is the variance that white noise adds in a unit of time",
}
# Relative to the variance: where the energy is that of the rest position, or of the turning point.
_SAME = 1e-9


@dataclass(frozen=True)
class NewtonianPotential:
    r"""V(c) of the stationary correlation function of a continuous-time recurrent network.

    Parameters
    ----------
    activation : Activation
    sigma_w, sigma_b : float, dimensionless
    decay : float
        gamma, in inverse units of time.
    noise : float
        D of the white noise, <xi xi> = D delta.
    variance : float
        c_0 = c(0), on which the potential itself depends.

    Notes
    -----
    .. math:: \ddot c = -V'(c), \quad V(c) = -\tfrac12 \gamma^2 c^2 + \sigma_w^2 \int_0^c f(c') dc'
              + \sigma_b^2 c, \quad f(c) = \langle \phi(z) \phi(z') \rangle_{c_0, c} .

    Motion begins at c_0 with velocity -D / 2 (the white noise is a kick), so that its energy is
    V(c_0) + D^2 / 8. H. Sompolinsky, A. Crisanti, H. J. Sommers, Phys. Rev. Lett. 61, 259 (1988).
    """

    activation: Activation
    sigma_w: float
    sigma_b: float
    decay: float
    noise: float
    variance: float

    @cached_property
    def overlap(self) -> Overlap:
        """<phi phi> and <phi' phi'> as functions of c."""
        return Overlap(self.activation, self.variance)

    def force(self, c: npt.ArrayLike) -> Array:
        """Return V'(c) = sigma_w^2 f(c) + sigma_b^2 - gamma^2 c, minus the acceleration."""
        c = np.asarray(c, dtype=np.float64)
        return self.sigma_w**2 * self.overlap.value(c) + self.sigma_b**2 - self.decay**2 * c

    def curvature(self, c: npt.ArrayLike) -> Array:
        """Return V''(c) = sigma_w^2 <phi' phi'> - gamma^2."""
        return self.sigma_w**2 * self.overlap.slope(c) - self.decay**2

    def difference(self, low: float, high: float) -> float:
        """Return V(high) - V(low), as an integral over the angle, which has no cancellation."""
        ends = self.overlap.angle([high, low])
        # No more than a quarter of a turn in one panel: the series change at pi / 2.
        cuts = np.unique([*ends, *(x for x in (np.pi / 4, np.pi / 2) if ends[0] < x < ends[1])])
        angle, weights = legendre_panels(cuts, _NODES)
        values = self.force(self.variance * np.cos(angle)) * self.variance * np.sin(angle)
        return float((values * weights).sum())

    def value(self, c: npt.ArrayLike) -> Array:
        """Return V(c) for c from -c_0 to c_0; V(0) = 0."""
        c = np.asarray(c, dtype=np.float64)
        flat = [self.difference(0.0, x) if x >= 0 else -self.difference(x, 0.0) for x in c.ravel()]
        return np.array(flat).reshape(c.shape)

    @cached_property
    def rest(self) -> float | None:
        """The maximum of V at which the motion can end, c >= 0; None if there is none.

        The force is convex for c >= 0, all coefficients of the Hermite series being squares, so
        that it has at most two zeros; V is largest at the lower one.
        """
        q = self.variance
        scale = self.decay**2 * q
        one = np.array([q])
        square = overlaps(self.activation.function, self.activation.kinks, one, one, np.zeros(1))
        source = self.sigma_w**2 * float(square[0]) + self.sigma_b**2
        if source <= 1e-12 * scale:
            # By Price's theorem, without a series for <phi' phi'>.
            slope = -float(self.overlap.angular_slope(np.pi / 2)) / q
            return 0.0 if self.sigma_w**2 * slope < self.decay**2 else None

        def force(c: float) -> float:
            # At c = 0 without the rounding of the series.
            return source if c == 0 else float(self.force(c))

        if force(q) < 0:
            return float(brentq(force, 0.0, q, xtol=1e-15 * q, rtol=1e-14))
        angle = np.linspace(0.0, np.pi / 2, 65)
        values = self.force(q * np.cos(angle))
        k = int(values.argmin())
        if values[k] >= 0:
            low, high = angle[max(k - 1, 0)], angle[min(k + 1, 64)]
            fine = np.linspace(low, high, 65)
            values = self.force(q * np.cos(fine))
            angle, k = fine, int(values.argmin())
            if values[k] >= 0:
                return None
        bottom = q * float(np.cos(angle[k]))
        return float(brentq(force, 0.0, bottom, xtol=1e-15 * q, rtol=1e-14))

    @property
    def kick(self) -> float:
        """D^2 / 8, the kinetic energy at the start."""
        return self.noise**2 / 8

    @cached_property
    def excess(self) -> float:
        """V(c_0) + D^2 / 8 - V(c_infinity): zero for the solution that decays.

        Where the motion has no place to end, V(c_0) + D^2 / 8, which is positive.
        """
        rest = 0.0 if self.rest is None else self.rest
        return self.difference(rest, self.variance) + self.kick

    @cached_property
    def turning_point(self) -> float:
        """Where the motion that begins at c_0 comes to rest first; -c_0 if it does not before."""
        q = self.variance

        def kinetic(c: float) -> float:
            return self.kick + self.difference(c, q)

        angle = np.linspace(0.0, np.pi, 181)[1:]
        places = q * np.cos(angle)
        energy = np.array([kinetic(float(c)) for c in places])
        below = np.flatnonzero(energy < 0)
        if not below.size:
            return -q
        k = int(below[0])
        if k == 0:
            return q
        return float(brentq(kinetic, places[k], places[k - 1], xtol=1e-13 * q))

    @cached_property
    def motion(self) -> str:
        """Kind of solution for this c_0: "constant", "decaying", "periodic" or "unbounded".

        "constant": no force and no kick at c_0. "decaying": the energy is that of the maximum of
        V. "periodic": less, the motion turns before the maximum (or at -c_0, for odd functions).
        "unbounded": it leaves |c| <= c_0, which no correlation function does.
        """
        q = self.variance
        scale = self.decay**2 * q
        if abs(float(self.force(q))) <= _SAME * scale and self.kick == 0:
            return "constant"
        if self.rest is not None and abs(self.excess) <= _SAME * scale * q:
            return "decaying"
        if float(self.force(q)) < 0 and self.kick == 0:
            return "unbounded"
        turn = self.turning_point
        if turn > -q:
            return "periodic" if self.kick == 0 else "unbounded"
        return "periodic" if abs(self.difference(-q, q)) <= _SAME * scale * q else "unbounded"

    @cached_property
    def period(self) -> float:
        """Time between two maxima of a periodic solution; infinite or NaN for the others.

        T = 2 int dc / sqrt(2 (V(c_0) - V(c))) from the turning point to c_0, by the substitution
        that takes the square roots at both ends out.
        """
        if self.motion != "periodic":
            return float("inf") if self.motion == "decaying" else float("nan")
        q, turn = self.variance, self.turning_point
        middle, half = (q + turn) / 2, (q - turn) / 2
        angle, weights = (x[0] for x in legendre_panels([0.0, np.pi], _NODES_OF_A_PERIOD))
        c = middle + half * np.cos(angle)
        kinetic = np.array([self.kick + self.difference(float(p), q) for p in c])
        integrand = half * np.sin(angle) / np.sqrt(2 * kinetic)
        return float(2 * (integrand @ weights))

    def __str__(self) -> str:
        rest = "none" if self.rest is None else f"{self.rest:.8g}"
        return (
            f"Newtonian potential of {self.activation} at c_0 = {self.variance:.8g}: motion "
            f"{self.motion}, c_infinity {rest}, excess energy {self.excess:.3g}"
        )


def newtonian_potential(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float = 0.0,
    *,
    variance: float,
    decay: float = 1.0,
    noise: float = 0.0,
) -> NewtonianPotential:
    """Return the potential in which the correlation function of variance c_0 moves.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
        Weights have variance sigma_w^2 / N, biases sigma_b^2.
    variance : float
        c_0 > 0. The one for which the motion decays is that of `rnn_dmft`.
    decay : float
        gamma > 0.
    noise : float
        D >= 0.

    Raises
    ------
    ArgumentError
        If a number is out of range, or the activation unknown.

    Examples
    --------
    For g = 2 any smaller variance oscillates about zero:

    >>> from nnrg.theory.recurrent.potential import newtonian_potential
    >>> v = newtonian_potential("tanh", 2.0, variance=0.3)
    >>> v.motion, round(v.period, 3), round(v.turning_point, 3)
    ('periodic', 4.942, -0.3)
    """
    phi, w, b, gamma, d = parameters(activation, sigma_w, sigma_b, decay, noise)
    q = as_real("variance", variance)
    if not q > 0:
        raise ArgumentError(f"variance must be above zero, got {shown(variance)}")
    return NewtonianPotential(phi, w, b, gamma, d, q)


def parameters(
    activation: str | Activation | Function,
    sigma_w: float,
    sigma_b: float,
    decay: float,
    noise: float,
) -> tuple[Activation, float, float, float, float]:
    """Return checked parameters of a network in continuous time."""
    values = []
    for name, value in (("sigma_w", sigma_w), ("sigma_b", sigma_b), ("noise", noise)):
        number = as_real(name, value)
        if not 0 <= number <= _LARGEST:
            raise ArgumentError(
                f"{name} must be at least zero, and at most {_LARGEST:g}, got {number:g}; "
                f"{_MEANT[name]}"
            )
        values.append(number)
    if 0 < values[2] < _FAINTEST:
        raise ArgumentError(
            f"noise must be zero, or at least {_FAINTEST:g}, got {values[2]:g}; take zero"
        )
    gamma = as_real("decay", decay)
    if not 1 / _LARGEST <= gamma <= _LARGEST:
        raise ArgumentError(
            f"decay must be above zero, from {1 / _LARGEST:g} to {_LARGEST:g}, got {gamma:g}; 1 "
            "sets the unit of time"
        )
    return as_activation(activation), values[0], values[1], gamma, values[2]
