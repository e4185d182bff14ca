"""The action of a sample of engineered networks, measured, next to the one asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.simulate.engineered_network import EngineeredNetwork
from nnrg.simulate.engineered_sample import EngineeredSample, LimitSample
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates
from nnrg.theory.engineering._pairs import field_at_pairs
from nnrg.theory.engineering._sums import (
    N_FIELD,
    blocked,
    couplings_of,
    couplings_of_parameters,
    field_sums,
    network_sums,
    residual_of,
)
from nnrg.theory.engineering.bare_interaction import bare_four_point, free_contamination

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EngineeredAction", "measure_engineered"]

Floats = npt.NDArray[np.float64]

# Beyond so many errors the equation of phi^5 says that the action is another.
_SIGMAS = 4.0
# Where the width itself makes more than this share of the coupling.
_CONTAMINATED = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class EngineeredAction:
    r"""Couplings that were measured on a sample, next to those asked for.

    The action is :math:`\frac12 \phi G^{-1} \phi + \int_\text{box} (\frac\delta2 \phi^2 +
    \frac\lambda{4!} \phi^4)`.

    Attributes
    ----------
    network : EngineeredNetwork
        What was asked for.
    width : float
        Neurons; infinity for a sample of the limit.
    couplings : Replicates
        :math:`\delta`, :math:`\lambda` and :math:`\lambda` at the :math:`\delta` asked for, of
        the fields; then, of networks, the same of the parameters.
    residual : Estimate
        What the equation of :math:`\phi^5` lacks; zero for this action.
    distance : array of shape (R,)
        Of pairs of points that lie symmetrically about the centre, in units of length.
    two_point : Replicates
        The two-point function at those distances.
    free_two_point : array of shape (R,)
        That of the free theory.
    centre : Replicates
        Mean square and connected four-point function at the centre, and the mass squared of the
        gap equation :math:`m^2 + \delta + \frac\lambda2 \langle \phi^2 \rangle`.
    bare : tuple of float
        (mass shift, coupling) that the width adds to a free network, exact at order 1/N, and the
        connected four-point function of a free network at one point.
    seed : tuple of str
        Of the sample: entropy and spawn key.
    assumptions : tuple of str
    flag : str
        Why the numbers should not be trusted; empty if there is no reason.
    """

    network: EngineeredNetwork
    width: float
    couplings: Replicates
    residual: Estimate
    distance: Floats
    two_point: Replicates
    free_two_point: Floats
    centre: Replicates
    bare: tuple[float, float, float]
    seed: tuple[str, ...]
    assumptions: tuple[str, ...]
    flag: str = ""

    def __post_init__(self) -> None:
        self.distance.flags.writeable = self.free_two_point.flags.writeable = False

    @property
    def mass_shift(self) -> Estimate:
        """The mass shift of the fields, in units of mass squared, next to the one asked for."""
        return self._next_to(self.couplings, 0, self.network.counterterm)

    @property
    def coupling(self) -> Estimate:
        """The coupling lambda of the fields, next to the one asked for; the width adds to it."""
        return self._next_to(self.couplings, 1, self.network.coupling)

    @property
    def coupling_at_mass(self) -> Estimate:
        """The coupling lambda of the fields if delta is the one asked for."""
        return self._next_to(self.couplings, 2, self.network.coupling)

    @property
    def coupling_of_parameters(self) -> Estimate | None:
        """The coupling of the parameters' density, right at any width; None of the limit."""
        if self.couplings.values.size < 6:
            return None
        return self._next_to(self.couplings, 4, self.network.coupling)

    @property
    def added_by_width(self) -> Replicates | None:
        """Couplings of the fields less those of the parameters, (delta, lambda); None of the limit.

        Both come from the same sample, so that most of the noise cancels.
        """
        if self.couplings.values.size < 6:
            return None
        return self.couplings.map(lambda x: x[:2] - x[3:5])

    @property
    def four_point(self) -> Estimate:
        """Connected four-point function at the centre."""
        return self.centre.estimate(1)

    @property
    def gap_mass(self) -> Estimate:
        """Mass of the gap equation at the centre, at which couplings can be compared."""
        return self.centre.map(lambda x: np.sqrt(x[2])).estimate()

    def _next_to(self, numbers: Replicates, index: int, asked: float) -> Estimate:
        return replace(numbers.estimate(index, flag=self.flag), null=asked)

    def to_dataframe(self) -> pd.DataFrame:
        """Return couplings with what was asked for, one row each."""
        import pandas as pd

        rows: list[tuple[str, Estimate]] = [
            ("mass shift", self.mass_shift),
            ("coupling", self.coupling),
            ("coupling at mass shift", self.coupling_at_mass),
        ]
        if self.coupling_of_parameters is not None:
            rows.append(("coupling of parameters", self.coupling_of_parameters))
        return pd.DataFrame(
            {
                "quantity": [name for name, _ in rows],
                "value": [e.value for _, e in rows],
                "error": [e.error for _, e in rows],
                "asked": [float(e.null) if e.null is not None else nan for _, e in rows],
                "z": [e.z for _, e in rows],
                "width": self.width,
                "flag": self.flag,
            }
        )

    def __str__(self) -> str:
        lines = [
            str(self.network) if np.isfinite(self.width) else f"infinite width, {self.network}",
            "                         measured       asked    sigmas",
        ]
        table = self.to_dataframe()
        for row, name in enumerate(table["quantity"]):
            e = Estimate(table["value"][row], table["error"][row])
            lines.append(f"{name:<24} {e!s:<14} {table['asked'][row]:<8.4g} {table['z'][row]:+.1f}")
        added = self.added_by_width
        if added is not None:
            delta, lam = added.estimates()
            lines.append(
                f"added by the width: mass shift {delta}, coupling {lam} "
                f"(a free network, to order 1/N: {self.bare[0]:.3g}, {self.bare[1]:.3g})"
            )
        lines += [
            f"phi^5 equation lacks {self.residual} ({self.residual.z:+.1f} sigmas)",
            f"centre: <phi^2> {self.centre.estimate(0)}, connected <phi^4> {self.four_point} "
            f"(bare {self.bare[2]:.3g}), mass of the gap equation {self.gap_mass}",
            f"assumed: {'; '.join(self.assumptions)}",
        ]
        return "\n".join([*lines, f"flag: {self.flag}"] if self.flag else lines)


def measure_engineered(sample: EngineeredSample | LimitSample) -> EngineeredAction:
    r"""Measure the action of a sample by Schwinger-Dyson equations.

    Parameters
    ----------
    sample : EngineeredSample or LimitSample

    Returns
    -------
    EngineeredAction
        Errors by leaving out chains, or parts of them where they are few; the bias of ratios of
        means is subtracted.

    Raises
    ------
    ArgumentError
        If it is no such sample.
    AnalysisError
        If the chains are too few or too short.

    Notes
    -----
    The kinetic operator of a sharp cutoff is the inverse of the propagator G, which is known. With
    test functions :math:`\int G(x, y) \phi(y)^k dy` the Schwinger-Dyson equations need G and not
    its inverse, which on a band-limited field is singular:

    .. math:: k\, G(0) \int \langle \phi^{k-1} \rangle - \int \langle \phi^{k+1} \rangle =
              \delta \iint \langle \phi^k G \phi \rangle +
              \frac\lambda6 \iint \langle \phi^k G \phi^3 \rangle,

    integrals over the box, of k = 1 and 3 for :math:`\delta` and :math:`\lambda`, k = 5 to test.
    At finite width the field has in addition the bare interaction of a free network. The same
    equations with the covariance of each network's own waves, test functions of its amplitudes,
    hold at any width, and say whether the sampler did what it should.

    :math:`\lambda` is the bare coupling at the cutoff; couplings at different cutoffs belong
    together only at one mass, see `EngineeredAction.gap_mass`.

    Examples
    --------
    >>> from nnrg.simulate.engineered import sample_engineered
    >>> from nnrg.theory.engineering import engineer
    >>> network = engineer(1.0, 6.0, 4.0, 4.0, width=16, normal_ordered=True)
    >>> action = measure_engineered(sample_engineered(network, 50, burn_in=50, rng=1))
    >>> abs(action.coupling_of_parameters.z) < 4
    True
    """
    if not isinstance(sample, EngineeredSample | LimitSample):
        raise ArgumentError(
            f"expected a sample of engineered networks or of their limit, got "
            f"{shown(type(sample).__name__)}; try sample_engineered(engineer(...))"
        )
    network, fields = sample.network, sample.node_fields()
    distance, left, right = field_at_pairs(network)
    pair = (fields @ left) * (fields @ right)
    middle = fields @ left[:, 0]
    parts = [field_sums(network, fields), pair, middle[..., None] ** 2, middle[..., None] ** 4]
    if isinstance(sample, EngineeredSample):
        parts.append(network_sums(sample, fields))
    is_network = isinstance(sample, EngineeredSample)
    means = blocked(np.concatenate(parts, axis=2))
    stop = N_FIELD + distance.size
    own = slice(stop + 2, None)

    def couplings(x: Floats) -> Floats:
        found = couplings_of(x[:N_FIELD], network)
        if is_network:
            found = np.concatenate([found, couplings_of_parameters(x[own], network)])
        return found

    def centre(x: Floats) -> Floats:
        delta, lam = couplings_of(x[:N_FIELD], network)[:2]
        square, fourth = x[stop : stop + 2]
        gap = network.mass**2 + delta + 0.5 * lam * square
        return np.array([square, fourth - 3 * square**2, gap])

    lack = means.map(
        lambda x: residual_of(x[:N_FIELD], couplings_of(x[:N_FIELD], network), network)
    )
    residual = replace(lack.unbiased().estimate(), null=0.0)
    origin = np.zeros(network.dimension)
    four = float(bare_four_point(network, origin, origin, origin, origin)) if is_network else 0.0
    added = free_contamination(network) if is_network else (0.0, 0.0)
    flags = [sample.flag] if sample.flag else []
    if abs(residual.z) > _SIGMAS:
        flags.append(f"the phi^5 equation fails by {residual.z:.1f} sigmas: another action")
    if is_network and network.coupling > 0 and abs(added[1]) > _CONTAMINATED * network.coupling:
        flags.append(
            f"the width adds about {added[1]:.2g} to a coupling of {network.coupling:g}: "
            "take more neurons"
        )
    return EngineeredAction(
        network=network,
        width=float(network.width) if is_network else float("inf"),
        couplings=means.map(couplings).unbiased(),
        residual=residual,
        distance=distance,
        two_point=means.select(np.arange(N_FIELD, stop)),
        free_two_point=network.two_point(distance),
        centre=means.map(centre).unbiased(),
        bare=(*added, four),
        seed=sample.seed,
        assumptions=(
            "the kinetic operator is the inverse of the propagator that was asked for",
            "interaction in the box only",
        ),
        flag="; ".join(flags),
    )
