"""Networks of one hidden layer whose parameters have the density of a chosen field theory."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count
from nnrg.errors import ArgumentError
from nnrg.simulate._ball import draw_momenta
from nnrg.simulate._engineered_theory import EngineeredTheory, constants
from nnrg.simulate._parameters import Parameters, as_parameters
from nnrg.simulate._waves import LineWaves, SquareWaves

__all__ = ["EngineeredNetwork"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EngineeredNetwork(EngineeredTheory):
    r"""A network with one hidden layer of cosines and the density of its parameters.

    Attributes
    ----------
    mass : float
        m > 0 of the propagator, in inverse units of length.
    coupling : float
        :math:`\lambda \ge 0` of :math:`\lambda \phi^4 / 4!`, of dimension m to the 4 - d.
    cutoff : float
        :math:`\Lambda`, radius of the ball of momenta.
    box : float
        Side of the interval (d = 1) or square (d = 2) about the origin that interacts.
    dimension : int
        d, 1 or 2.
    width : int
        N, number of neurons.
    split : float
        :math:`\alpha`, how much of the propagator is in the amplitudes, 0 to 1: the rest is in the
        density of the momenta.
    normal_ordered : bool
        Whether the quartic term comes with the mass term that removes its tadpoles.

    Raises
    ------
    ArgumentError
        If a value is out of range. A negative coupling has no normalisable density at any
        finite width: along one amplitude the prior falls as :math:`e^{-a^2/2}` and the
        interaction grows as :math:`e^{|\lambda| a^4}`.

    Notes
    -----
    With :math:`Z_\alpha = \int_{|p|<\Lambda} \frac{d^dp}{(2\pi)^d} (p^2 + m^2)^{\alpha - 1}`,

    .. math:: \phi(x) = \sqrt{\frac{2 Z_\alpha}{N}} \sum_{i=1}^N
              \frac{a_i \cos(b_i \cdot x + c_i)}{(b_i^2 + m^2)^{\alpha / 2}},

    .. math:: P(a, b, c) \propto e^{-\frac12 \sum a_i^2} \prod_i
              (b_i^2 + m^2)^{\alpha - 1} \theta(\Lambda - |b_i|)\;
              e^{-\int_\text{box} \left[ \frac{\lambda}{4!} \phi^4 + \frac{\delta}{2} \phi^2
              \right] d^dx},

    c uniform on the circle. At :math:`\lambda = 0` the two-point function is
    :math:`G(x - y) = \int_{|p|<\Lambda} \frac{d^dp}{(2\pi)^d} \frac{e^{ip(x-y)}}{p^2 + m^2}` at any
    width, and for infinite width the field is Gaussian, so that with :math:`\lambda` it is that of
    :math:`\phi^4` theory with this cutoff. :math:`\delta = -\frac\lambda2 G(0)` if normal ordered,
    else zero. For :math:`\alpha = 1` this is the density of M. Demirtas et al., arXiv:2307.03223,
    with amplitudes in units of their standard deviation.

    Examples
    --------
    >>> network = EngineeredNetwork(mass=1.0, coupling=2.0, cutoff=4.0, box=6.0, width=32)
    >>> print(network)
    phi^4 network, d = 1: m = 1, lambda = 2, cutoff 4, box 6, width 32, split 0
    >>> a, b, c = network.draw_free(5, rng=1)
    >>> network.fields(a, b, c, [[0.0], [1.0]]).shape
    (5, 2)
    """

    # -- parameters and fields --------------------------------------------------------------------

    def draw_free(
        self, n_networks: int, rng: np.random.Generator | np.random.SeedSequence | int | None = None
    ) -> Parameters:
        """Draw independent parameters of the free theory, the density without interaction.

        Returns
        -------
        amplitudes (n, N), momenta (n, d, N) and phases (n, N), all ndarrays
        """
        number = as_count("n_networks", n_networks)
        source = np.random.default_rng(as_seed(rng))
        a = source.standard_normal((number, self.width))
        c = source.uniform(-pi, pi, a.shape)
        shape = (number, self.dimension, self.width)
        return a, draw_momenta(source, shape, self.mass, self.cutoff, self.split), c

    def fields(
        self, a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike, points: npt.ArrayLike
    ) -> Floats:
        """Return the outputs of networks, shape (n, K).

        Parameters
        ----------
        a, c : array_like of shape (n, N)
        b : array_like of shape (n, d, N)
        points : array_like of shape (K, d)

        Raises
        ------
        ArgumentError
            If shapes do not fit.
        """
        a, b, c = as_parameters(a, b, c, self.dimension, self.width)
        x = np.asarray(points, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ArgumentError(
                f"points must have shape (K, {self.dimension}), got {x.shape}; one row a point"
            )
        strength = self.strengths(a, b)
        out = np.empty((len(a), len(x)))
        for row, (s, momenta, phases) in enumerate(zip(strength, b, c, strict=True)):
            out[row] = s @ np.cos(momenta.T @ x.T + phases[:, None])
        return out

    def strengths(self, a: Floats, b: Floats) -> Floats:
        """Return the amplitudes of the waves, shape (n, N)."""
        return np.asarray(self.norm * a * self._energy(b) ** (-0.5 * self.split))

    def _energy(self, b: Floats) -> Floats:
        return np.asarray((b**2).sum(axis=1) + self.mass**2)

    def waves(self, a: Floats, b: Floats, c: Floats) -> LineWaves | SquareWaves:
        """Return the waves of networks at the nodes of the box."""
        return self._waves(self.strengths(a, b), b, c)

    def _waves(self, strength: Floats, b: Floats, c: Floats) -> LineWaves | SquareWaves:
        kind = LineWaves if self.dimension == 1 else SquareWaves
        return kind(constants(self).side, strength, b, c)

    # -- the density ------------------------------------------------------------------------------

    def log_density(self, a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike) -> Floats:
        r"""Return ln P of networks, normalised without the interaction, shape (n,).

        With it the constant :math:`-\ln \langle e^{-S_\text{int}} \rangle` is left out. Outside the
        ball of momenta it is minus infinity.

        Raises
        ------
        ArgumentError
            If shapes do not fit.
        """
        a, b, c = as_parameters(a, b, c, self.dimension, self.width)
        energy = self._energy(b)
        inside = (energy <= self.mass**2 + self.cutoff**2).all(axis=1)
        free = (
            -0.5 * (a**2).sum(axis=1)
            - (1 - self.split) * np.log(energy).sum(axis=1)
            - self.width * (1.5 * log(2 * pi) + log(constants(self).volume))
        )
        return np.where(inside, free - self.interaction(self.waves(a, b, c).field())[0], -np.inf)

    def gradient(self, a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike) -> Parameters:
        """Return the derivatives of ln P by amplitudes (n, N), momenta (n, d, N), phases (n, N).

        Raises
        ------
        ArgumentError
            If shapes do not fit.
        """
        a, b, c = as_parameters(a, b, c, self.dimension, self.width)
        _, by_a, by_b, by_c = self.potential(a, b, c)
        return -a - by_a, -by_b, -by_c

    def potential(self, a: Floats, b: Floats, c: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return minus ln P but for the Gaussian of a and constants, and its derivatives."""
        energy, strength = self._energy(b), self.strengths(a, b)
        waves = self._waves(strength, b, c)
        action, force = self.interaction(waves.field())
        cos, sin, along = waves.pull(force)
        value = action + (1 - self.split) * np.log(energy).sum(axis=1)
        logarithmic = 2 * (1 - self.split) - self.split * strength * cos
        by_b = b * (logarithmic / energy)[:, None] - strength[:, None] * along
        by_a = self.norm * energy ** (-0.5 * self.split) * cos
        return value, by_a, by_b, -strength * sin

    def interaction(self, field: Floats) -> tuple[Floats, Floats]:
        """Return the interaction (n,) of fields at the nodes, and its derivatives (n, K)."""
        weights, delta, square = constants(self).weights, self.counterterm, field**2
        action = (self.coupling / 24 * square + 0.5 * delta) * square
        force = (self.coupling / 6 * square + delta) * field
        return action @ weights, force * weights
