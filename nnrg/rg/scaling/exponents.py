"""Exponents of a flow: Delta, eta, alpha, nu and omega, with windows, errors and refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.rg.couplings import Couplings
from nnrg.rg.cumulants import Cumulants, align
from nnrg.rg.observables import Observables
from nnrg.rg.scaling._exponent import NAMES, Exponent, fit_one, refused
from nnrg.rg.scaling.criticality import Criticality
from nnrg.rg.scaling.criticality import criticality as test_criticality
from nnrg.rg.scaling.derived import as_members, dimension
from nnrg.stats.jackknife import FEWEST_SAMPLES

__all__ = ["Exponent", "Exponents", "fit_exponents"]


@dataclass(frozen=True, slots=True, eq=False)
class Exponents:
    """Exponents of one flow, or of an ensemble of flows.

    Attributes
    ----------
    exponents : tuple of Exponent
    dimension : int
        d of the lattice.
    criticality : Criticality
        The outcome of the criticality and step-drift tests, with its evidence.
    note : str
        Whose errors they are.
    """

    exponents: tuple[Exponent, ...]
    dimension: int
    criticality: Criticality
    note: str

    def __iter__(self) -> Iterator[Exponent]:
        return iter(self.exponents)

    def __getitem__(self, name: str) -> Exponent:
        for one in self.exponents:
            if one.name == name:
                return one
        have = ", ".join(one.name for one in self.exponents)
        raise ArgumentError(f"no exponent {shown(name)}; there are {have}")

    def _why(self, one: Exponent) -> str:
        """Return why an exponent is refused; of the test below only that it is."""
        return one.refusal.removesuffix(f": {self.criticality.reason}")

    def __str__(self) -> str:
        lines = [["", "value", "window", "chi2/dof", "p", ""]]
        for one in self.exponents:
            if one.law is None or one.law.power is None:
                lines.append([one.name, "refused", "", "", "", self._why(one)])
                continue
            best = one.law.power.best
            low, high = best.window
            lines.append(
                [
                    one.name,
                    "refused" if one.refusal else str(one.estimate),
                    f"b = {low:g} .. {high:g}",
                    f"{best.comparable_chi2:.1f}/{best.dof}",
                    "" if isnan(best.p) else f"{best.p:.2g}",
                    self._why(one) or one.estimate.flag,
                ]
            )
        text = align(lines, left=(0, 5))
        outcome = "passed" if self.criticality.passed else "failed"
        return f"{text}\ncriticality test {outcome}: {self.criticality.reason}\n{self.note}"


def fit_exponents(
    couplings: Observables | Sequence[Observables],
    *,
    cumulants: Cumulants | Sequence[Cumulants] | None = None,
    names: Sequence[str] = NAMES,
    boltzmann: bool = False,
) -> Exponents:
    r"""Fit the exponents of a flow, or say why they cannot be told.

    Parameters
    ----------
    couplings : Couplings, Cumulants, or a sequence of either
        One flow, or one for each member of an ensemble. nu needs couplings; the others need
        cumulants.
    cumulants : Cumulants or sequence of Cumulants, optional
        Of the same flows, where `couplings` are couplings.
    names : sequence of str
        Among ``Delta``, ``eta``, ``alpha``, ``nu`` and ``omega``.
    boltzmann : bool
        Whether the field is known to be sampled from one Hamiltonian, as a simulation's is. The
        criticality test is then reported and refuses nothing.

    Returns
    -------
    Exponents
        Each dimensionless, NaN with its reason where it is refused: where the criticality test
        fails, no window of scales follows a power, or the numbers are missing. Flagged below two
        decades of b.

    Raises
    ------
    ArgumentError
        If a name is unknown, a result of the wrong kind, or members differ.

    Notes
    -----
    With b the block length and :math:`\kappa_2` of the unrescaled block mean,

    .. math:: \kappa_2 \sim b^{-2 \Delta}, \quad \eta = 2 \Delta + 2 - d, \quad
              \alpha = 2 - 2 \Delta / d, \quad
              \hat r - \hat r^* \sim b^{1 / \nu}, \quad
              \lambda_4 - \lambda_4^* \sim b^{-\omega} .

    alpha is that of the variance of block sums, :math:`\sim (b^d)^\alpha`. The mass over the
    stiffness, :math:`\hat r = r / Z` with Z the coefficient of :math:`k^2`, is per block; scales
    with :math:`|\hat r| \ge 1`, blocks longer than the correlation length, are left out of nu. nu
    and omega are averaged over fits with the fixed point free and at zero.

    Every window of neighbouring scales, half of them at least, is fitted with the covariance of
    all its scales, in each jackknife replicate, and averaged by `nnrg.stats.average_fits`. Ten
    members or more are left out one at a time.

    Examples
    --------
    Fractional Gaussian noise of Hurst exponent 0.8 has Delta = 1 - 0.8 (the flag says that six
    scales are less than two decades):

    >>> import nnrg
    >>> from nnrg.simulate import fractional_gaussian_noise
    >>> values = fractional_gaussian_noise(1024, 256, hurst=0.8, rng=1)
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(1024)), levels=6)
    >>> found = fit_exponents(flow.cumulants(order=4, nulls=()), names=["Delta"])
    >>> print(found["Delta"].estimate)
    0.1994(23) !
    """
    members = as_members(couplings)
    unknown = [name for name in names if name not in NAMES]
    if unknown or isinstance(names, str):
        raise ArgumentError(f"names must be a list among {', '.join(NAMES)}, got {shown(names)}")
    one_point = members if isinstance(members[0], Cumulants) else None
    action = members if isinstance(members[0], Couplings) else None
    if one_point is None and action is None:
        raise ArgumentError(
            f"expected Couplings or Cumulants, got {members[0].kind}; try nnrg.fit_couplings(flow)"
        )
    if cumulants is not None:
        one_point = as_members(cumulants)
        if action is None or not isinstance(one_point[0], Cumulants):
            raise ArgumentError(
                "cumulants= goes with couplings of the same flows, got "
                f"{members[0].kind} and {one_point[0].kind}; swap or leave it out"
            )
        if len(one_point) != len(action):
            raise ArgumentError(
                f"{len(action)} couplings need as many cumulants, got {len(one_point)}"
            )
    critical = test_criticality(members)
    gate = "" if critical.passed or boltzmann else f"criticality test failed: {critical.reason}"
    fits = []
    for name in names:
        source = action if name == "nu" else one_point
        if source is None:
            missing = "nnrg.fit_couplings(flow)" if name == "nu" else "cumulants=flow.cumulants()"
            fits.append(refused(name, f"not measured: give {missing}"))
        else:
            fits.append(fit_one(name, source, gate))
    count = len(members)
    note = f"errors of one field: {members[0].replicates.shape[0]} jackknife groups"
    if count >= FEWEST_SAMPLES:
        note = f"errors over {count} members"
    elif count > 1:
        note = f"errors inside {count} members: those of other members are not known"
    return Exponents(tuple(fits), dimension(members[0]), critical, note)
