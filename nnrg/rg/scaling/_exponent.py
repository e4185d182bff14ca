"""One exponent of a flow: the quantity whose power of b it is, and when it is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import hypot, nan

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError
from nnrg.rg.distances import shell
from nnrg.rg.observables import Observables
from nnrg.rg.scaling._power_law import PowerLaw, fit_approach, fit_power, running_slopes
from nnrg.rg.scaling.derived import dimension, lengths, numbers
from nnrg.stats.estimate import Estimate
from nnrg.stats.replicates import Replicates

__all__ = ["NAMES", "Exponent", "fit_one", "refused"]

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.intp]

NAMES = ("Delta", "eta", "alpha", "nu", "omega")
# Fewer decades of b do not show a power law: too many other functions look like one.
_DECADES = 2.0
# Blocks as long as the correlation length: beyond, the flow is to the disordered fixed point.
_DISORDERED = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Exponent:
    """One exponent with all that it rests on.

    Attributes
    ----------
    name : str
    estimate : Estimate
        Dimensionless, averaged over fit windows, with statistical and systematic error in
        quadrature. NaN where it is refused; its flag says why.
    refusal : str
        Why there is no exponent; empty if there is one.
    law : PowerLaw or None
        The fits: windows, chi^2, weights. Kept where the exponent is refused.
    b : array of shape (n_scales,)
        Block lengths of the scales used.
    running : tuple of Estimate
        The effective exponent between neighbouring scales, n_scales - 1 of them.
    """

    name: str
    estimate: Estimate
    refusal: str
    law: PowerLaw | None
    b: Floats
    running: tuple[Estimate, ...]

    def __post_init__(self) -> None:
        self.b.flags.writeable = False

    def __str__(self) -> str:
        if self.refusal:
            return f"{self.name}: refused, {self.refusal}"
        assert self.law is not None and self.law.power is not None
        best = self.law.power.best
        low, high = best.window
        flag = f"; {self.estimate.flag}" if self.estimate.flag else ""
        return (
            f"{self.name} = {self.estimate}, best window b = {low:g} .. {high:g}, "
            f"chi2/dof = {best.comparable_chi2:.1f}/{best.dof}{flag}"
        )


def refused(name: str, reason: str) -> Exponent:
    """Return an exponent for which there are no numbers at all."""
    return Exponent(name, Estimate(nan, nan, flag=reason), reason, None, np.empty(0), ())


def fit_one(name: str, members: Sequence[Observables], gate: str) -> Exponent:
    """Fit one exponent; `gate` is why all are refused, if they are."""
    b, d = lengths(members[0]), dimension(members[0])
    try:
        data, used = _quantity(name, members)
    except ArgumentError as error:
        return refused(name, str(error))
    if used.size < 3:
        return refused(name, _too_few(name, used.size))
    b, data = b[used], data.select(used)
    law = fit_power(b, data) if name in _AFFINE else fit_approach(b, data, constant=0.0)
    power = running_slopes(b, data)
    running = power.derived(
        _exponent(name, power.values, d), _exponent(name, power.replicates, d)
    ).estimates()
    reason = gate or _refusal(name, law, running)
    if reason or law.power is None:
        estimate = Estimate(nan, nan, flag=reason)
    else:
        low, high = law.power.best.window
        level = np.flatnonzero((b >= low) & (b <= high))
        estimate = _estimate(name, law, d, _flags(name, members, used[level]))
    return Exponent(name, estimate, reason, law, b, running)


# Where exponent = slope * power + offset: both, from d.
_AFFINE: dict[str, Callable[[int], tuple[float, float]]] = {
    "Delta": lambda d: (-0.5, 0.0),
    "eta": lambda d: (-1.0, 2.0 - d),
    "alpha": lambda d: (1 / d, 2.0),
}


def _exponent(name: str, power: Floats, d: int) -> Floats:
    if name in _AFFINE:
        slope, offset = _AFFINE[name](d)
        return np.asarray(power * slope + offset)
    with np.errstate(divide="ignore"):
        return np.asarray(-power if name == "omega" else 1 / power)


def _quantity(name: str, members: Sequence[Observables]) -> tuple[Replicates, Levels]:
    """Return the quantity whose power is wanted at every scale, and the scales to use."""
    if name == "nu":
        data = _mass(members)
        # Up to the first scale where blocks are as long as the correlation length.
        inside = np.abs(data.values) < _DISORDERED
        stop = inside.size if inside.all() else int(np.argmin(inside))
        return data, np.arange(stop)
    data = numbers(members, ["ratio_4" if name == "omega" else "kappa_2"])
    return data, np.flatnonzero(np.isfinite(data.values) & np.isfinite(data.errors()))


def _mass(members: Sequence[Observables]) -> Replicates:
    """Return r / Z at each scale, with Z the whole coefficient of k^2, averaged over axes."""
    d = dimension(members[0])
    shares = {}
    for name in members[0].names:
        if name.startswith("grad2:"):
            shares[name] = 1 / d
        elif name.startswith("J:"):
            squared = round(float(name[2:]) ** 2)
            shares[name] = len(shell(d, squared)) * squared / d
    if not shares:
        raise ArgumentError("not measured: the basis holds no stiffness; add 'grad2'")
    factors = np.array(list(shares.values()))

    def mass(flat: Floats) -> Floats:
        g = flat.reshape(-1, 1 + factors.size)
        return np.asarray(g[:, 0] / (g[:, 1:] @ factors))

    return numbers(members, ["phi2", *shares]).map(mass)


def _flags(name: str, members: Sequence[Observables], levels: Levels) -> list[str]:
    """Return what was said of the numbers that the exponent rests on, each once."""
    first = members[0]
    wanted = {"nu": "phi2", "omega": "ratio_4"}.get(name, "kappa_2")
    column = first.names.index(wanted)
    said = [one.flags[level][column] for one in members for level in levels]
    kinds = dict.fromkeys(flag.partition(":")[0] for text in said for flag in text.split("; "))
    # A small lambda_4 is no defect: it is what the flow to a Gaussian fixed point ends in.
    return [kind for kind in kinds if kind and kind != "below Gaussian noise"]


def _too_few(name: str, count: int) -> str:
    if name == "nu":
        return (
            f"{count} scales with blocks shorter than the correlation length (r/Z below 1), three "
            "are needed: the flow is to the disordered fixed point"
        )
    return f"{count} scales with a value and an error, three are needed"


def _refusal(name: str, law: PowerLaw, running: Sequence[Estimate]) -> str:
    """Return why the power that was found is no exponent of this name; empty if it is."""
    if law.drifts:
        return (
            f"no window of scales follows one power of b: it drifts from {running[0]} to "
            f"{running[-1]}"
        )
    if law.power is None:
        return law.refusal
    power = law.power.estimate
    if name in _AFFINE:
        return ""
    if not abs(power.value) > 2 * power.error:
        return f"power {power} of b cannot be told from zero"
    if name == "nu" and power.value < 0:
        return f"r/Z falls as b to the {power}: it is not relevant"
    if name == "omega" and power.value > 0:
        return f"lambda_4 grows as b to the {power}: it approaches no fixed point"
    return ""


def _estimate(name: str, law: PowerLaw, d: int, said: Sequence[str]) -> Estimate:
    assert law.power is not None
    power = law.power
    value = float(_exponent(name, np.array(power.value), d))
    slope = 1 / power.value**2 if name == "nu" else 1.0
    if name in _AFFINE:
        slope = abs(_AFFINE[name](d)[0])
    flags = [power.best.flag, *said]
    if law.decades < _DECADES:
        flags.append(f"widest good window spans {law.decades:.1f} decades of b, two are needed")
    return Estimate(
        value,
        slope * hypot(power.statistical, power.systematic),
        n_samples=power.estimate.n_samples,
        flag="; ".join(flag for flag in flags if flag),
    )
