"""Gradient expansion of the quadratic kernel that data make: mass, stiffness, range and tail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.fits import FitResult, correlated_fit
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._displacements import Displacements, require_staggered
from nnrg.theory.synaptic._samples import averages
from nnrg.theory.synaptic.vertices import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KernelExpansion", "expand_profile", "gradient_expansion"]

Array = npt.NDArray[np.float64]

# A tail is fitted where it is so many errors from zero, at so many displacements or more.
_SEEN = 3.0
_FEWEST = 4
_LIKELY = 0.01
_MOMENTA = 65


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class KernelExpansion:
    r"""A kernel K(u) averaged over translations, and its expansion in gradients.

    Attributes
    ----------
    displacements : Displacements
    profile : Replicates of n_u numbers
        K(u) on sites, of each displacement.
    spacing : float
        epsilon; lengths below are in its unit, the kinetic term is canonical.
    staggered : bool
        Whether the field is (-1)^s w.
    flags : tuple of str

    Notes
    -----
    :math:`\hat K(k) = k_0 - \tfrac12 \sum_\mu M_{2,\mu} k_\mu^2 + ..`, so that
    :math:`Z_\mu = -M_{2,\mu} / 2`: negative where the kernel is positive.
    """

    displacements: Displacements
    profile: Replicates
    spacing: float
    staggered: bool
    flags: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """Number d of axes of the lattice."""
        return self.displacements.sites.dimension

    def moments(self) -> Replicates:
        """Return k_0, M_2 of each axis, and Z of each axis: 1 + 2 d numbers."""
        u = self.displacements.vectors * self.spacing

        def numbers(row: Array) -> Array:
            second = (u**2).T @ row
            return np.concatenate([[row.sum()], second, -second / 2])

        return self.profile.map(numbers)

    @property
    def mass2(self) -> Estimate:
        """k_0, the sum over all displacements within reach."""
        return self.moments().estimate(0)

    @property
    def stiffness(self) -> tuple[Estimate, ...]:
        """Z of each axis."""
        found = self.moments().estimates()
        return tuple(found[1 + self.dimension + a] for a in range(self.dimension))

    def correlation_length(self) -> Estimate:
        """Return the range sqrt(sum |u|^2 K / (2 d sum K)); NaN if either is negative.

        The second-moment length: xi of a kernel 1 / (1 + xi^2 k^2), sqrt(rho) / (1 - rho) sites of
        rho^|u| on a chain.
        """
        square = ((self.displacements.vectors * self.spacing) ** 2).sum(axis=1)

        def length(row: Array) -> Array:
            mass2, second = float(row.sum()), float(square @ row)
            if not mass2 > 0 or second < 0:
                return np.array([math.nan])
            return np.array([math.sqrt(second / (2 * self.dimension * mass2))])

        return self.profile.map(length).estimate()

    def far_share(self) -> Estimate:
        """Return the share of sum |K(u)| beyond half the reach: near zero for a local kernel."""
        reach = np.maximum(np.array(self.displacements.reach), 1)
        far = (np.abs(self.displacements.vectors) > reach / 2).any(axis=1)
        return self.profile.map(lambda row: np.abs(row[far]).sum() / np.abs(row).sum()).estimate()

    def momenta(self) -> Array:
        """Return k along the first axis, from zero to the edge of the zone."""
        return np.linspace(0, np.pi / self.spacing, _MOMENTA)

    def exact(self) -> Replicates:
        """Return K(k) of all displacements at `momenta`, no truncation."""
        phase = np.outer(self.momenta(), self.displacements.vectors[:, 0] * self.spacing)
        wave = np.cos(phase)
        return self.profile.map(lambda row: wave @ row)

    def truncated(self) -> Replicates:
        """Return k_0 + Z k^2 along the first axis at `momenta`."""
        k2 = self.momenta() ** 2
        return self.moments().map(lambda row: row[0] + row[1 + self.dimension] * k2)

    def tail(self, axis: int = 0) -> tuple[FitResult | None, FitResult | None, str]:
        """Fit |K(u)| by a power law and by an exponential, and say which holds.

        Of a staggered field it is that of the field as it is.

        Returns
        -------
        power, exponential : FitResult or None
            Parameters ``ln_amplitude`` and ``exponent``, or ``rate`` in units of 1 / epsilon; None
            where too few displacements are seen.
        law : str
            ``"power law"``, ``"exponential"``, or why it cannot be told.

        Raises
        ------
        ArgumentError
            If there is no such axis.
        """
        axis = as_count("axis", axis, 0, self.dimension - 1)
        line = self.displacements.along(axis)[1:]
        far = self.profile.select(line)
        if self.staggered:
            turn = 1.0 - 2 * (np.arange(1, len(line) + 1) % 2)
            far = far.map(lambda row: turn * row)
        errors, values = far.errors(), far.values
        sign = np.sign(values[:1]) if values.size else np.ones(1)
        seen = sign * values > _SEEN * np.maximum(errors, 1e-300)
        last = int(np.argmin(seen)) if not seen.all() else seen.size
        if last < _FEWEST:
            return None, None, f"cannot be told: K is seen at {last} displacements only"
        u = np.arange(1, last + 1) * self.spacing
        logs = far.select(np.arange(last)).map(lambda row: np.log(np.abs(row)))
        if not (logs.errors() > 0).all():
            return None, None, "cannot be told: the kernel has no errors"
        fits = []
        for name, column in (("exponent", np.log(u)), ("rate", u)):
            design = np.stack([np.ones(last), -column], axis=1)
            fits.append(correlated_fit(design, u, logs, names=("ln_amplitude", name)))
        good = [fit.p > _LIKELY for fit in fits]
        law = "cannot be told: both laws describe it"
        if not any(good):
            law = "cannot be told: neither law describes it"
        elif not all(good):
            law = "power law" if good[0] else "exponential"
        return fits[0], fits[1], law

    def to_dataframe(self) -> pd.DataFrame:
        """Return K(u), one row for each displacement."""
        import pandas as pd

        columns = {f"u{a}": self.displacements.vectors[:, a] for a in range(self.dimension)}
        return pd.DataFrame(
            {**columns, "kernel": self.profile.values, "error": self.profile.errors()}
        )

    def __str__(self) -> str:
        found, share = self.moments(), self.far_share()
        values, errors = found.values, found.errors()
        kind = "staggered field" if self.staggered else "field"
        lines = [
            f"quadratic kernel of the {kind} on {self.displacements.sites!r}, spacing "
            f"{self.spacing:g}, reach {self.displacements.reach}",
            f"  k_0 {shown_number(values[0], errors[0])}  far share "
            f"{shown_number(share.value, share.error)}",
        ]
        d = self.dimension
        lines += [
            f"  axis {a}: M_2 {shown_number(values[1 + a], errors[1 + a])}  Z "
            f"{shown_number(values[1 + d + a], errors[1 + d + a])}"
            for a in range(d)
        ]
        lines.append(f"  tail: {self.tail()[2]}")
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def gradient_expansion(
    vertices: PerceptronVertices,
    *,
    output: int = 0,
    reach: int | None = None,
    staggered: bool = False,
) -> KernelExpansion:
    r"""Expand the quadratic kernel of training data in gradients of the weight field.

    Parameters
    ----------
    vertices : PerceptronVertices
        To second order at least.
    output : int
        Of which output neuron.
    reach : int, optional
        Largest displacement along each axis, in sites: half of a periodic axis, a quarter of an
        open one if left out.
    staggered : bool
        Take (-1)^s w_s as the field, which turns the sign of the stiffness.

    Returns
    -------
    KernelExpansion

    Raises
    ------
    ArgumentError
        If a periodic axis of odd length is to be staggered.
    AnalysisError
        If the vertices end before V_2.

    Notes
    -----
    K(u) = <F'' x(s) x(s + u)>, averaged over sites s. Smooth data of positive covariance have
    Z < 0: cut after the gradient the theory is unstable although the kernel itself is not.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.lattice import Lattice
    >>> from nnrg.simulate.gaussian import ar1
    >>> from nnrg.theory.synaptic.expansion import gradient_expansion
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> x = ar1(64, 4000, rho=0.5, rng=1)
    >>> data = perceptron_vertices(x, activation="linear", order=2)
    >>> found = gradient_expansion(data, reach=8)
    >>> print(found.mass2, found.stiffness[0], found.tail()[2])
    2.94(4) -5.3(5) exponential
    """
    if as_kind("vertices", vertices, PerceptronVertices).order < 2:
        raise AnalysisError("the quadratic kernel is V_2; take vertices of order 2 or more")
    o = as_count("output", output, 0, vertices.shape[0] - 1)
    if staggered:
        require_staggered(vertices.sites)
    shape = Displacements.of(vertices.sites, reach)
    profile = averages(shape.of_samples(vertices.inputs, vertices.factors[2, :, o]))
    return expand_profile(shape, profile, vertices.spacing, staggered)


def expand_profile(
    displacements: Displacements, profile: Replicates, spacing: float, staggered: bool
) -> KernelExpansion:
    """Return the expansion of a kernel that is known at each displacement."""
    if staggered:
        sign = 1.0 - 2 * (displacements.vectors.sum(axis=1) % 2)
        profile = profile.map(lambda row: sign * row)
    found = KernelExpansion(
        displacements=displacements, profile=profile, spacing=spacing, staggered=staggered
    )
    return KernelExpansion(
        displacements=displacements,
        profile=profile,
        spacing=spacing,
        staggered=staggered,
        flags=_flags(found),
    )


def _flags(found: KernelExpansion) -> tuple[str, ...]:
    flags = []
    moments, d = found.moments(), found.dimension
    for a in range(d):
        z, mass2 = moments.values[1 + d + a], moments.values[0]
        if z + 2 * moments.errors()[1 + d + a] < 0 < mass2:
            at = math.sqrt(mass2 / -z)
            if at < math.pi / found.spacing:
                lowest = float(found.exact().values.min())
                flags.append(
                    f"Z of axis {a} is negative: cut after the gradient the action is unstable "
                    f"beyond k = {at:.3g}, the kernel within reach falls to {lowest:.2g}; keep all "
                    "of it, or stagger the field"
                )
    share = found.far_share()
    if share.value - 2 * share.error > 0.1:
        flags.append(
            f"nonlocal: {share.value:.2f} of the kernel lies beyond half the reach; k_0 and M_2 "
            "depend on where it is cut"
        )
    return tuple(flags)
