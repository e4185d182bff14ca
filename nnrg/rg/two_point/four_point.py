"""The four-point function C_4(u) = <phi_0^2 phi_u^2>_c - 2 C(u)^2: its range and plateau."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError
from nnrg.rg.flow import Flow
from nnrg.rg.record import flag_groups
from nnrg.rg.two_point._connected import (
    as_replicates,
    centred,
    connected,
    leave_out,
    level_sums,
    squared_factors,
    squared_mean,
)
from nnrg.rg.two_point._lags import PairSums, lag_squares
from nnrg.rg.two_point._range import Profile, on_shells
from nnrg.rg.two_point.correlation import Mean, checked
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult
from nnrg.stats.replicates import Replicates

__all__ = ["FourPoint", "measure_four_point"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FourPoint:
    """C_4(u) of the rescaled block field at one scale, in the field's unit to the fourth.

    Attributes
    ----------
    scale : int
        b along one axis.
    onsite : Replicates
        C_4(0) = <phi^4>_c, the fourth cumulant.
    variance : Replicates
        C(0).
    profile : Profile
        C_4 on distance shells without the origin.
    n_samples : int
        Samples of the field.
    flag : str
    """

    scale: float
    onsite: Replicates
    variance: Replicates
    profile: Profile
    n_samples: int
    flag: str = ""

    def plateau(self) -> Estimate:
        """Return the mean of C_4 over the farther half of the distances, over C(0) squared.

        Zero where distant sites are independent (cluster decomposition). A field whose variance
        differs from sample to sample, as of a mean-field theory, has Var(v) / E[v]^2.
        """
        relative = self.plateau_replicates()
        if relative is None:
            return Estimate(np.nan, np.nan, flag="no distances beyond 4 blocks")
        flags = [self.flag] if self.flag else []
        if self.n_samples < 2:
            flags.append("one sample: fluctuations of the whole lattice are not seen")
        return relative.estimate(flag="; ".join(flags))

    def plateau_replicates(self) -> Replicates | None:
        """Return the plateau with each group left out; None where there are no far distances."""
        far = self._far()
        if far is None:
            return None
        v = self.variance
        return far.derived(far.values / v.values**2, far.replicates / v.replicates**2)

    def _far(self) -> Replicates | None:
        radius = self.profile.radius
        away = radius > max(2.0, radius[-1] / 2) if radius.size else np.zeros(0, bool)
        if not away.any() or radius[-1] < 4:
            return None
        lags = self.profile.lags[away]
        return self.profile.values.map(lambda f: f[away] @ lags / lags.sum())

    def second_moment(self) -> Estimate:
        """Return sum u^2 C_4^2 / sum C_4^2 over u != 0, each less its noise, in squared blocks.

        Flagged where the sum is within three errors of noise alone.
        """
        signal = self.profile.signal()
        quiet = "" if signal.value > 3 * signal.error else "C_4 between sites is within noise"
        flag = "; ".join(f for f in (self.flag, quiet) if f)
        return self.profile.noise_free_second_moment().estimate(flag=flag)

    def ratio(self) -> Estimate:
        """Return the second moment over that of a C_4 that does not know distance."""
        moment = self.second_moment()
        random = self.profile.random
        return Estimate(
            moment.value / random, moment.error / random, moment.n_samples, flag=moment.flag
        )

    def decay(self, kind: str = "exponential", *, r_min: float = 1.0) -> FitResult:
        """Fit C_4, less its plateau, to ``A exp(-r / l)`` or ``A r^-p`` over the nearer half.

        Raises
        ------
        AnalysisError
            If there are fewer than three bins of distance, or no fit.
        """
        far = self._far()
        if far is None:
            raise AnalysisError(
                f"b = {self.scale}: C_4 has no distances beyond 4 blocks; use fewer levels"
            )
        c4 = self.profile.values
        above = c4.derived(c4.values - far.values, c4.replicates - far.replicates)
        shifted = replace(self.profile, values=above, period=())
        sign = 1.0 if above.values[0] >= 0 else -1.0
        return shifted.tail(r_min, float(self.profile.radius[-1]) / 2, kind, sign)


def measure_four_point(
    flow: Flow, *, max_lag: int | None = None, mean: Mean = "field"
) -> tuple[FourPoint, ...]:
    r"""Measure C_4(u) of the block field at every scale of a flow.

    Parameters
    ----------
    flow : Flow
    max_lag, mean
        As for `measure_two_point`. Sites with unequal variances make a plateau of their own:
        with ``"site"`` the variance of each site is taken off as well.

    Returns
    -------
    tuple of FourPoint, one for each scale

    Raises
    ------
    ArgumentError
        If an option is unknown.
    AnalysisError
        If there are fewer than three groups.

    Notes
    -----
    .. math:: C_4(u) = \langle \phi_0^2 \phi_u^2 \rangle - \langle \phi^2 \rangle^2 - 2 C(u)^2

    It vanishes for Gaussian fields. Both squares are products of *different* groups, so that a
    Gaussian field of finite size has no plateau.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.simulate.gaussian import ar1
    >>> field = nnrg.SynapticField(ar1(128, 400, rho=0.5, rng=1), nnrg.Lattice(128))
    >>> four = measure_four_point(nnrg.renormalize(field, levels=1))[0]
    >>> abs(four.plateau().value) < 4 * four.plateau().error
    True
    """
    longest = checked(flow, mean, max_lag)
    flag = flag_groups(flow)
    factors = squared_factors(flow)
    out = []
    for level, b in enumerate(flow.scales):
        values, unit = centred(flow.means[level], mean)
        if mean == "site":
            values = values - values.mean(axis=0, dtype=np.float64).astype(values.dtype)
        pairs = level_sums(flow, level, values, unit, longest)
        square, square_unit = centred(values * values)
        quartic = level_sums(flow, level, square, square_unit, longest)
        # Squares have a mean of their own, even where each sample's has been taken off the field.
        about = "site" if mean == "site" else "field"
        c4 = connected(quartic, flow.groups, about) * square_unit**2 - 2 * _squares(pairs.sums)
        units = (unit**2 * factors[:, level])[:, None]
        with np.errstate(invalid="ignore"):  # block means that vanish have no unit, and are NaN
            flat = c4.reshape(c4.shape[0], -1) * units**2
            variance = connected(pairs, flow.groups, mean).reshape(len(c4), -1)[:, :1] * units
        weights = pairs.sums.sites
        squares = lag_squares(pairs.sums.lags).ravel()
        reach = min((int(lag.max()) for lag in pairs.sums.lags if lag.size > 1), default=0)
        counts = pairs.sums.pairs.sum(axis=0).ravel() * (squares <= reach**2)
        out.append(
            FourPoint(
                scale=b,
                onsite=as_replicates(flat[:, :1], weights),
                variance=as_replicates(variance, weights),
                profile=on_shells(
                    squares, counts, as_replicates(flat, weights), len(pairs.sums.lags)
                ),
                n_samples=flow.field.n_samples,
                flag=flag,
            )
        )
    return tuple(out)


def _squares(sums: PairSums) -> Array:
    """Return C(u)^2 from products of different groups, whole and with each group left out."""
    column = (-1,) + (1,) * len(sums.lags)
    with np.errstate(invalid="ignore", divide="ignore"):
        numerator = leave_out(sums.sums) ** 2 - leave_out(sums.sums**2)
        squares = numerator / (leave_out(sums.pairs) ** 2 - leave_out(sums.pairs**2))
        # The products are those about a fixed number near the mean: C is them less its square.
        mean2 = squared_mean(sums.first, sums.sites).reshape(column)
        c = leave_out(sums.sums) / leave_out(sums.pairs) - mean2
    return np.asarray(squares - 2 * mean2 * c - mean2**2)
