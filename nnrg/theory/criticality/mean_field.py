"""Mean-field theory of one network: fixed points, susceptibilities, depth scales, phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnrg.theory.criticality._correlation import correlation_fixed_point
from nnrg.theory.criticality._depth_scales import depth_scales
from nnrg.theory.criticality._mean_field_text import text
from nnrg.theory.criticality._variance_field import VarianceField
from nnrg.theory.criticality.fixed_points import FAR_OUT, MARGINAL, NEAR_ZERO
from nnrg.theory.criticality.lyapunov import Lyapunov, lyapunov
from nnrg.theory.criticality.trajectory import Trajectory, propagate
from nnrg.theory.gaussian_averages import selected_moments

__all__ = ["MeanField"]

# Errors of chi_1 above which it is not critical but unknown.
_TOLD = 1e-3


@dataclass(frozen=True)
class MeanField(VarianceField):
    """Mean-field theory of a wide feed-forward network with independent Gaussian weights.

    Parameters
    ----------
    activation : str, Activation or callable
        See `nnrg.activation_functions.as_activation`.
    sigma_w, sigma_b : float, dimensionless
        W_ij ~ N(0, sigma_w^2 / fan_in), b_i ~ N(0, sigma_b^2).
    q0 : float
        Variance of a preactivation in the first layer: `q_star` is what is reached from there.

    Attributes
    ----------
    fixed_points : tuple of FixedPoint
        All of them by increasing q, stable and unstable.
    q_star, q_star_error : float
        The one that is reached; NaN where q diverges, for the reason in `divergence`.
    chi_1, chi_1_error : float, dimensionless
        sigma_w^2 <phi'^2> at q_star: growth of the square of a small difference per layer, and
        slope of the correlation map at c = 1. Where q diverges, its limit.
    chi_par, chi_par_error : float, dimensionless
        dq_(l+1) / dq_l at q_star, negative if q alternates.
    c_star, c_star_error : float, dimensionless
        Attracting correlation of two inputs: 1 in the ordered phase, below 1 in the chaotic one.
    chi_c, chi_c_error : float, dimensionless
        Slope of the correlation map at c_star; chi_1 where that is 1.
    xi_q, xi_c : float, layers
        -1 / ln |chi_par| and -1 / ln chi_c, infinite at slope 1; `xi_q_error`, `xi_c_error`.
    phase : {"ordered", "critical", "chaotic", "unknown"}
        chi_1 below, at or above 1.
    divergence : str
        Why q grows without end from q0, or does not settle; empty if it does.
    flag : str
        What these numbers cannot tell.
    assumptions : tuple of str

    Raises
    ------
    ArgumentError
        If sigma_w or sigma_b is negative, q0 not positive, or the activation unknown.

    Notes
    -----
    q_(l+1) = sigma_w^2 <phi(z)^2> + sigma_b^2 with z ~ N(0, q_l), and likewise with two inputs:
    B. Poole et al., arXiv:1606.05340; S. Schoenholz et al., arXiv:1611.01232; as the saddle of the
    field theory of K. Grosvenor and R. Jefferson, arXiv:2109.13247. As a power series in c the
    correlation map has no negative coefficient, so that at most one fixed point lies in 0 <= c < 1,
    and it exists where chi_1 > 1. chi_1 within 1e-9 of 1, or within its error, is critical.

    Examples
    --------
    >>> from nnrg.theory.criticality.mean_field import MeanField
    >>> chaotic = MeanField("tanh", 2.5, 0.05**0.5)
    >>> chaotic.phase, round(chaotic.q_star, 8), round(chaotic.c_star, 8), round(chaotic.xi_c, 6)
    ('chaotic', 4.02677775, 0.07190388, 5.309364)
    """

    @property
    def phase(self) -> str:
        """Ordered, critical or chaotic; unknown if q alternates, or chi_1 is not known."""
        if not np.isfinite(self.chi_1):
            return "unknown"
        if abs(self.chi_1 - 1) <= max(MARGINAL, self.chi_1_error):
            return "critical" if self.chi_1_error <= _TOLD else "unknown"
        return "ordered" if self.chi_1 < 1 else "chaotic"

    @cached_property
    def _correlation(self) -> tuple[float, float, float, float]:
        if not self.q_star > 0:
            return np.nan, np.nan, np.nan, np.nan
        if self.phase != "chaotic":
            return 1.0, 0.0, self.chi_1, self.chi_1_error
        return correlation_fixed_point(self.phi, self.w2, self.b2, self.q_star, self.q_star_error)

    @property
    def c_star(self) -> float:
        """Attracting fixed point of the correlation of two inputs."""
        return self._correlation[0]

    @property
    def c_star_error(self) -> float:
        """Error of c_star."""
        return self._correlation[1]

    @property
    def chi_c(self) -> float:
        """Slope of the correlation map at c_star."""
        return self._correlation[2]

    @property
    def chi_c_error(self) -> float:
        """Error of chi_c."""
        return self._correlation[3]

    @property
    def xi_c(self) -> float:
        """Layers in which a deviation of c decays by e."""
        return float(depth_scales(self.chi_c, self.chi_c_error)[0])

    @property
    def xi_c_error(self) -> float:
        """Error of xi_c."""
        return float(depth_scales(self.chi_c, self.chi_c_error)[1])

    @property
    def flag(self) -> str:
        """What these numbers cannot tell."""
        if self.divergence:
            return f"q has no limit: {self.divergence}"
        if self.q_star == 0:
            return "q* = 0: signals die out, and no correlation of them is attracting"
        if self.scale_free:
            return "q keeps the value it starts from: every q is a fixed point"
        stability = next(p.stability for p in self.fixed_points if p.q == self.q_star)
        return f"q* is {stability}" if stability != "stable" else ""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the theory takes for granted."""
        return (
            "width infinite: corrections of order depth / width are left out",
            "weights and biases independent, Gaussian, of one variance in all layers, untrained",
            "feed-forward: the weights of a layer are drawn anew",
            *((f"{self.phi.name}: {self.phi.note}",) if self.phi.note else ()),
        )

    def lyapunov(self, kind: str = "annealed", *, width: int | None = None) -> Lyapunov:
        """Return the largest Lyapunov exponent per layer; see `Lyapunov`.

        Raises
        ------
        ArgumentError
            If the kind is unknown, or the width below two.
        """

        def slope_ratio() -> float:
            # Where q diverges chi_1 is its limit: so is this.
            q = np.array(FAR_OUT if self.divergence else max(self.q_star, NEAR_ZERO))
            m = selected_moments(self.phi, q, ("slope_square", "slope_fourth"))[0]
            return float(m["slope_fourth"] / m["slope_square"] ** 2)

        exact = self.phi.slopes is not None
        return lyapunov(self.chi_1, self.chi_1_error, slope_ratio, kind, width, exact=exact)

    def propagate(self, depth: int, *, c0: float | None = None) -> Trajectory:
        """Return q and c layer by layer from q0 and c0; see `Trajectory`.

        Raises
        ------
        ArgumentError
            If the depth is below one, or c0 not within -1 to 1.
        """
        return propagate(self.phi, self.w2, self.b2, self.q0, depth, c0)

    def __str__(self) -> str:
        return text(self)
