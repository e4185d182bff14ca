"""What a finite width adds to an engineered action: the bare four-point function and its effect."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.engineered_network import EngineeredNetwork
from nnrg.simulate.engineered_sample import LimitSample
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates
from nnrg.theory.engineering._connected import Connected
from nnrg.theory.engineering._sums import blocked, field_sums, propagator_matrix

__all__ = ["Contamination", "bare_four_point", "contamination", "free_contamination"]

Floats = npt.NDArray[np.float64]

# Numbers of one block of samples that are worked on together.
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Contamination:
    """Couplings that a finite width adds to those asked for, at first order in 1/N.

    Attributes
    ----------
    network : EngineeredNetwork
    shifts : Replicates
        Of the mass shift and the coupling, at the width of `network`.
    assumptions : tuple of str
    """

    network: EngineeredNetwork
    shifts: Replicates
    assumptions: tuple[str, ...] = (
        "first order in 1/N",
        "measured by the Schwinger-Dyson equations of phi and phi^3 with the propagator of "
        "infinite width",
    )

    @property
    def mass_shift(self) -> Estimate:
        """Coefficient of phi^2 / 2, in units of mass squared."""
        return self.shifts.estimate(0)

    @property
    def coupling(self) -> Estimate:
        """Coefficient of phi^4 / 24."""
        return self.shifts.estimate(1)

    def at_width(self, width: int) -> Contamination:
        """Return the same of another width."""
        factor = self.network.width / as_count("width", width, 2)
        network = EngineeredNetwork(
            mass=self.network.mass,
            coupling=self.network.coupling,
            cutoff=self.network.cutoff,
            box=self.network.box,
            width=width,
            dimension=self.network.dimension,
            split=self.network.split,
            normal_ordered=self.network.normal_ordered,
        )
        return Contamination(network, self.shifts.map(lambda x: factor * x), self.assumptions)

    def __str__(self) -> str:
        return (
            f"{self.network}\nadded by the width: mass shift {self.mass_shift}, "
            f"coupling {self.coupling}\nassumed: {'; '.join(self.assumptions)}"
        )


def bare_four_point(
    network: EngineeredNetwork,
    x1: npt.ArrayLike,
    x2: npt.ArrayLike,
    x3: npt.ArrayLike,
    x4: npt.ArrayLike,
) -> Floats:
    r"""Return the connected four-point function of the free network of this width.

    Parameters
    ----------
    network : EngineeredNetwork
        Its coupling is taken to be zero.
    x1, x2, x3, x4 : array_like of shape (..., d)
        Points, in units of length; broadcast against each other.

    Returns
    -------
    ndarray
        In units of the field to the fourth.

    Raises
    ------
    ArgumentError
        If the last axis of a point is not d long.

    Notes
    -----
    .. math:: G_c^{(4)} = \frac1N \sum_{(ab|cd)} \left[ \tfrac32 Z_\alpha I_{1 + \alpha}(x_a + x_b -
              x_c - x_d) - G(x_a - x_b)\, G(x_c - x_d) \right],

    three pairings, :math:`I_s` the Fourier transform of :math:`(p^2 + m^2)^{-s}` from the ball and
    :math:`Z_\alpha = I_{1 - \alpha}(0)`: the average of four cosines over phase and momentum, and
    :math:`\langle a^4 \rangle = 3`. By the inequality of Cauchy and Schwarz
    :math:`Z_\alpha I_{1+\alpha}(0) \ge G(0)^2`, with equality for :math:`\alpha = 0` only, where
    all amplitudes have one size. For :math:`\alpha = 1` it grows as :math:`\Lambda^d m^{d - 4}`.
    It depends on sums of positions and does not fall off where pairs are drawn apart, so that
    it is no local interaction (A.4.1 of the Cos-net, M. Demirtas et al., arXiv:2307.03223,
    with a momentum density; derived here).

    Examples
    --------
    >>> from nnrg.theory.engineering import engineer
    >>> network = engineer(1.0, 0.0, 4.0, 6.0, width=10)
    >>> g = network.tadpole
    >>> round(float(bare_four_point(network, [0.0], [0.0], [0.0], [0.0])) / g**2, 12)
    0.15
    """
    points = [np.asarray(x, dtype=np.float64) for x in (x1, x2, x3, x4)]
    if any(x.ndim < 1 or x.shape[-1] != network.dimension for x in points):
        raise ArgumentError(
            f"points must have a last axis of {network.dimension}, got shapes "
            f"{', '.join(str(x.shape) for x in points)}"
        )
    a, b, c, d = points
    factor = 1.5 * float(network.spectral(0.0, 1 - network.split)[0])
    total = np.zeros(np.broadcast_shapes(*(x.shape[:-1] for x in points)))
    for p, q, r, s in ((a, b, c, d), (a, c, b, d), (a, d, b, c)):
        joint = network.spectral(_length(p + q - r - s), 1 + network.split)[0]
        apart = network.two_point(_length(p - q)) * network.two_point(_length(r - s))
        total = total + factor * joint - apart
    return np.asarray(total / network.width)


def free_contamination(network: EngineeredNetwork) -> tuple[float, float]:
    r"""Return the (mass shift, coupling) that the width adds where the coupling is zero.

    Exact at first order in 1/N: with averages over the Gaussian field,

    .. math:: \begin{pmatrix} \langle \phi G \phi \rangle & \frac16 \langle \phi G \phi^3 \rangle \\
              \cdot & \frac1{36} \langle \phi^3 G \phi^3 \rangle \end{pmatrix}
              \begin{pmatrix} \delta_N \\ \lambda_N \end{pmatrix} =
              \begin{pmatrix} 0 \\ -\frac{V}{6} G_c^{(4)}(0) \end{pmatrix} .

    In a large box in one dimension with a large cutoff and split 0, :math:`\lambda_N = -12 m^3/N`:
    a positive connected function looks like a negative coupling.

    Examples
    --------
    >>> from nnrg.theory.engineering import engineer
    >>> network = engineer(1.0, 0.0, 20.0, 10.0, width=100)
    >>> round(free_contamination(network)[1], 3)
    -0.115
    """
    weights = network.quadrature()[1]
    matrix = propagator_matrix(network)  # G between two weights
    g = matrix / (weights[:, None] * weights)
    g0 = network.tadpole
    p11, p13 = float((matrix * g).sum()), 3 * g0 * float((matrix * g).sum())
    p33 = float((matrix * (9 * g0**2 * g + 6 * g**3)).sum())
    origin = np.zeros(network.dimension)
    four = float(bare_four_point(network, origin, origin, origin, origin))
    system = np.array([[p11, p13 / 6], [p13 / 6, p33 / 36]])
    mass, coupling = np.linalg.solve(system, [0.0, -weights.sum() * four / 6])
    return float(mass), float(coupling)


def contamination(
    limit: LimitSample,
    *,
    n_waves: int = 32,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> Contamination:
    r"""Predict what a finite width adds to the couplings, at first order in 1/N and any coupling.

    Parameters
    ----------
    limit : LimitSample
        Fields of infinite width, from `sample_engineered_limit` of the network in question.
    n_waves : int
        Waves drawn for each field.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of the waves.

    Returns
    -------
    Contamination

    Raises
    ------
    ArgumentError
        If the sample is none of the limit.

    Notes
    -----
    For given momenta and phases the field of a free network is Gaussian with covariance
    :math:`G_N = \frac1N \sum_i v_i v_i^T`, :math:`v_i(x) = \sqrt{2 Z_\alpha}\,
    (b_i^2 + m^2)^{-\alpha/2} \cos(b_i x + c_i)`, and the Schwinger-Dyson equations hold with
    :math:`G_N`. With G instead, operators :math:`O_b` and the interaction S lack :math:`\langle
    Y_b[G_N - G] \rangle`, :math:`Y_b[M] = \operatorname{tr}(O_b'' M) - O_b'^T M S'`. A Gaussian
    density obeys the heat equation in its covariance, so to first order, with averages at
    infinite width,

    .. math:: \langle Y_b[G_N - G] \rangle = \frac1{2N} \Big\langle E_v D_{vv} Y_b[v v^T]
              - D_G Y_b[G] \Big\rangle, \qquad
              D_M Y = e^{S} \sum M_{xy} \partial_x \partial_y \big( Y e^{-S} \big),

    and the couplings are off by minus the inverse of :math:`\langle O_b' G O_c' \rangle` times
    this. Without coupling it is `free_contamination`. Derived here.

    Examples
    --------
    >>> from nnrg.simulate.engineered import sample_engineered_limit
    >>> from nnrg.theory.engineering import engineer
    >>> network = engineer(1.0, 2.0, 4.0, 4.0, width=32, normal_ordered=True)
    >>> limit = sample_engineered_limit(network, 100, rng=1)
    >>> contamination(limit, rng=2).coupling.value < 0
    True
    """
    if not isinstance(limit, LimitSample):
        raise ArgumentError(
            f"expected a sample of the limit of infinite width, got {shown(type(limit).__name__)}; "
            "try sample_engineered_limit(network)"
        )
    n_waves = as_count("n_waves", n_waves, 1)
    network, fields = limit.network, limit.node_fields()
    source = np.random.default_rng(as_seed(rng))
    n_chains, n_samples, size = fields.shape
    lack = np.empty((n_chains * n_samples, 2))
    flat = fields.reshape(-1, size)
    step = max(1, _BLOCK // (n_waves * size))
    connected = Connected(network)
    for start in range(0, len(flat), step):
        some = slice(start, min(start + step, len(flat)))
        lack[some] = connected.lack(flat[some], _waves(network, flat[some], n_waves, source))
    sums = np.concatenate(
        [field_sums(network, fields), lack.reshape(n_chains, n_samples, 2)], axis=2
    )
    width = network.width

    def shifts(mean: Floats) -> Floats:
        p11, p13, p33 = mean[3:6]
        matrix = np.array([[p11, p13 / 6], [p13 / 6, p33 / 36]])
        return np.asarray(np.linalg.solve(matrix, -mean[-2:] / width))

    return Contamination(network, blocked(sums).map(shifts).unbiased())


def _length(x: Floats) -> Floats:
    return np.asarray(np.sqrt((x**2).sum(axis=-1)))


def _waves(
    network: EngineeredNetwork, fields: Floats, count: int, rng: np.random.Generator
) -> Floats:
    """Draw waves v at the nodes, shape (S, n, K)."""
    many = EngineeredNetwork(
        mass=network.mass, coupling=0.0, cutoff=network.cutoff, box=network.box,
        width=max(count, 2), dimension=network.dimension, split=network.split,
    )  # fmt: skip
    _, b, c = many.draw_free(len(fields), rng)
    unit = many.strengths(np.full_like(c, sqrt(many.width)), b)
    waves = np.cos(np.swapaxes(b, 1, 2) @ network.quadrature()[0].T + c[..., None])
    return np.asarray((unit[..., None] * waves)[:, :count])
