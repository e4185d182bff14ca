"""How far the action of the synaptic field is from Lorentz invariance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.lattice import Lattice
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.stats.replicates import Replicates
from nnrg.theory.synaptic._arguments import as_kind
from nnrg.theory.synaptic._displacements import Displacements, require_staggered
from nnrg.theory.synaptic._samples import averages
from nnrg.theory.synaptic.vertices import PerceptronVertices

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LorentzReport", "lorentz_report"]

Array = npt.NDArray[np.float64]

# Of e-folds whose square is a double.
_LARGEST = 350.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LorentzReport:
    r"""Anisotropy, missing redshift, and spread of the speed of signals.

    Attributes
    ----------
    stiffness : Replicates of d numbers
        Z of each axis of the input index, of the kernel within reach.
    reach : tuple of int
        Largest displacement along each axis.
    output_stiffness : float or None
        Of the output index: zero, for the kernel is ultralocal there; None for one output, or where
        a softmax couples all outputs.
    sites : Lattice
        Those that have all neighbours within reach, along each axis.
    local_stiffness : Replicates of N' numbers
        K(x) of the first axis at each site that has all neighbours within reach.
    e_folds : float
        H T of the training.
    n_samples : int
    flags : tuple of str
    """

    stiffness: Replicates
    reach: tuple[int, ...]
    output_stiffness: float | None
    sites: Lattice
    local_stiffness: Replicates
    e_folds: float
    n_samples: int
    flags: tuple[str, ...]

    def anisotropy(self) -> Replicates:
        """Return (Z_a - Z_0) / mean |Z| of the axes a = 1 .. d - 1; zero is the null of isotropy.

        Raises
        ------
        AnalysisError
            If there is one axis only.
        """
        if self.stiffness.values.size < 2:
            raise AnalysisError("anisotropy compares axes of the input index, and there is one")
        return self.stiffness.map(lambda row: (row[1:] - row[0]) / np.abs(row).mean())

    @property
    def missing_redshift(self) -> float:
        """exp(2 H T), by which the gradient term of static data is too large at the end."""
        return float(np.exp(2 * self.e_folds)) if self.e_folds < _LARGEST else math.inf

    def speeds(self) -> Replicates:
        """Return c(x) = sqrt(K(x)) at each site; NaN where the stiffness is negative."""
        return self.local_stiffness.map(lambda row: np.sqrt(np.where(row >= 0, row, np.nan)))

    def speed_spread(self) -> Estimate:
        """Return the relative variance of K(x) over sites beyond that of the data sample.

        4 Var(c) / c^2 for small spreads. The null of one light cone is zero.
        """
        n = self.local_stiffness.values.size
        mean = self.local_stiffness.map(lambda row: np.array([row.mean()])).errors()[0]
        # What noise that sites have in common adds to all of them does not spread them.
        noise = ((self.local_stiffness.errors() ** 2).sum() - n * mean**2) / (n - 1)

        def spread(row: Array) -> Array:
            return np.array([(row.var(ddof=1) - noise) / row.mean() ** 2])

        found = self.local_stiffness.map(spread).estimate()
        return Estimate(found.value, found.error, n_samples=self.n_samples, null=0.0)

    def to_dataframe(self) -> pd.DataFrame:
        """Return K(x) of the first axis, one row for each site that has all neighbours."""
        import pandas as pd

        at = np.unravel_index(np.arange(self.sites.n_sites), self.sites.shape)
        return pd.DataFrame(
            {
                **{f"site{a}": place for a, place in enumerate(at)},
                "stiffness": self.local_stiffness.values,
                "error": self.local_stiffness.errors(),
                "n_samples": self.n_samples,
            }
        )

    def __str__(self) -> str:
        values, errors = self.stiffness.values, self.stiffness.errors()
        spread = self.speed_spread()
        lines = [
            f"Lorentz symmetry of the synaptic action, {self.n_samples} samples, kernel within "
            f"{self.reach}",
            *(f"  Z of axis {a}: {shown_number(values[a], errors[a])}" for a in range(values.size)),
        ]
        if values.size > 1:
            lines += [
                f"  anisotropy of axis {a + 1} to axis 0: {shown_number(found.value, found.error)}"
                for a, found in enumerate(self.anisotropy().estimates())
            ]
        if self.output_stiffness is not None:
            lines.append("  output index: no stiffness at all, signals do not move along it")
        lines += [
            f"  no a^-2: gradient term too large by {self.missing_redshift:.4g} after "
            f"{self.e_folds:.4g} e-folds",
            f"  spread of c(x)^2: relative variance {spread}",
        ]
        return "\n".join([*lines, *(f"  flag: {f}" for f in self.flags)])


def lorentz_report(
    vertices: PerceptronVertices,
    *,
    hubble: float,
    duration: float,
    output: int = 0,
    reach: int = 1,
    staggered: bool = False,
) -> LorentzReport:
    r"""Report how the action that data make departs from a relativistic one.

    Parameters
    ----------
    vertices : PerceptronVertices
        To second order at least.
    hubble, duration : float
        H and T of the training, in units inverse to each other.
    output : int
    reach : int
        Largest displacement along each axis, in sites.
    staggered : bool
        Take (-1)^s w_s as the field.

    Returns
    -------
    LorentzReport

    Raises
    ------
    ArgumentError
        If a number is out of range.
    AnalysisError
        If the vertices end before V_2, or no site has all neighbours.

    Notes
    -----
    :math:`K_\mu(x) = -\tfrac12 \epsilon^2 \sum_u u_\mu^2 V_2(x, x + u)`. A field theory in de
    Sitter space has one K for all axes and places, and falling as a^-2; static data give none of
    these (arXiv:2503.08827 finds Lorentz symmetry violated generically; these measures of it are
    ours).

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.synaptic.lorentz import lorentz_report
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> x = np.random.default_rng(1).normal(size=(500, 12))
    >>> v = perceptron_vertices(np.cumsum(x, axis=1), activation="linear", order=2)
    >>> found = lorentz_report(v, hubble=0.1, duration=20.0)
    >>> round(found.missing_redshift, 1), found.flags
    (54.6, ('negative stiffness at 10 of 10 sites: no real speed; stagger the field',))
    """
    if as_kind("vertices", vertices, PerceptronVertices).order < 2:
        raise AnalysisError("the quadratic kernel is V_2; take vertices of order 2 or more")
    rate, time = as_real("hubble", hubble), as_real("duration", duration)
    if rate < 0 or time < 0:
        raise ArgumentError(f"hubble and duration must not be negative, got {rate:g} and {time:g}")
    o = as_count("output", output, 0, vertices.shape[0] - 1)
    if staggered:
        require_staggered(vertices.sites)
    shape = Displacements.of(vertices.sites, as_count("reach", reach, 1))
    x, factor = vertices.inputs, vertices.factors[2, :, o]
    if staggered:
        at = np.unravel_index(np.arange(x.shape[1]), vertices.sites.shape)
        x = x * (1.0 - 2 * (np.sum(at, axis=0) % 2))
    u = shape.vectors * vertices.spacing
    stiffness = averages(shape.of_samples(x, factor)).map(lambda row: -(u**2).T @ row / 2)
    local = averages(_local(x, shape, vertices.spacing) * factor[:, None])
    flags = []
    if vertices.couples_outputs:
        flags.append("the softmax couples all outputs to all: no locality along their index")
    negative = int((local.values < 0).sum())
    if negative:
        flags.append(
            f"negative stiffness at {negative} of {local.values.size} sites: no real speed; "
            + ("take the field as it is" if staggered else "stagger the field")
        )
    return LorentzReport(
        stiffness=stiffness,
        reach=shape.reach,
        output_stiffness=0.0 if vertices.shape[0] > 1 and not vertices.couples_outputs else None,
        sites=_inner_sites(shape),
        local_stiffness=local,
        e_folds=rate * time,
        n_samples=vertices.n_samples,
        flags=tuple(flags),
    )


def _inner_sites(shape: Displacements) -> Lattice:
    """Return the lattice of sites that have all neighbours within reach."""
    lengths = tuple(
        n if closed else max(n - 2 * r, 1)
        for n, r, closed in zip(shape.sites.shape, shape.reach, shape.sites.periodic, strict=True)
    )
    return Lattice(lengths, shape.sites.periodic)


def _local(x: Array, shape: Displacements, spacing: float) -> Array:
    """Return -x(s) sum_u u_0^2 x(s + u) / 2 of each sample, at sites with all neighbours."""
    lengths, closed = shape.sites.shape, shape.sites.periodic
    moment = x.reshape(-1, *lengths)
    for a, (n, r) in enumerate(zip(lengths, shape.reach, strict=True)):
        steps = np.arange(n)[:, None] - np.arange(n)
        if closed[a]:
            steps = (steps + (n - 1) // 2) % n - (n - 1) // 2
        weight = (np.abs(steps) <= r) * (steps.astype(float) ** 2 if a == 0 else 1.0)
        moment = np.moveaxis(np.tensordot(moment, weight, axes=(a + 1, 0)), -1, a + 1)
    product = -(spacing**2) / 2 * x.reshape(-1, *lengths) * moment
    inner = tuple(
        slice(None) if c else slice(r, n - r)
        for n, r, c in zip(lengths, shape.reach, closed, strict=True)
    )
    product = product[(slice(None), *inner)].reshape(len(x), -1)
    if product.shape[1] < 2:
        raise AnalysisError(
            f"fewer than two sites of {shape.sites!r} have all neighbours within {shape.reach}; "
            "take a smaller reach"
        )
    return np.ascontiguousarray(product)
