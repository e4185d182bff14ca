"""What the kernels of all scales say together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnrg.rg.flow import Flow
from nnrg.rg.two_point._verdict import Verdict
from nnrg.stats.estimate import format_value_error
from nnrg.stats.jackknife import jackknife_covariance

__all__ = ["statement"]

Array = npt.NDArray[np.float64]


def statement(flow: Flow, sigma: Array, sizes: Array, verdicts: list[Verdict]) -> str:
    """Return what the scales say together, with numbers.

    `sigma` are the exponents of the tails, whole and with each group left out, of shape
    (1 + n_groups, n_scales), `sizes` the sizes of the groups.
    """
    kinds = [v.kind for v in verdicts]
    told = [k for k in kinds if k != "cannot be told"]
    cells = []
    for kind in dict.fromkeys(kinds):
        at = [str(b) for b, other in zip(flow.scales, kinds, strict=True) if other == kind]
        cells.append(f"{kind} at b = {', '.join(at)}")
    listed = "; ".join(cells)
    if not told:
        return "The range of the kernel cannot be told from these data."
    if set(told) == {"none"} and kinds[0] == "cannot be told":
        return f"The range cannot be told: {listed}."
    if set(told) == {"none"}:
        return f"No range: sites are independent as far as these data tell ({listed})."
    ends = max((k for k, kind in enumerate(kinds) if kind == "local"), default=-1)
    if set(told) == {"local", "none"} and "none" not in kinds[:ends]:
        # In blocks longer than the correlation length nothing is left to have a range.
        first = flow.scales[kinds.index("none")]
        rest = f"within noise from b = {first} on"
        return f"Local kernel: {_widths(flow, verdicts)}, {rest} ({listed})."
    if set(told) == {"local"}:
        return f"Local kernel: {_widths(flow, verdicts)} ({listed})."
    if set(told) == {"nonlocal"}:
        return f"Fully nonlocal: the ratio to the random value stays near one ({listed})."
    if set(told) == {"power law"}:
        return _exponents(sigma, sizes, kinds, listed)
    return f"The scales differ, and no one range is claimed: {listed}."


def _widths(flow: Flow, verdicts: list[Verdict]) -> str:
    cells = [
        f"{v.width.estimate()} at b = {b}"
        for b, v in zip(flow.scales, verdicts, strict=True)
        if v.width is not None
    ]
    return "width in blocks " + ", ".join(cells)


def _exponents(sigma: Array, sizes: Array, kinds: list[str], listed: str) -> str:
    """Test whether the exponents of the scales agree, with their common covariance."""
    from scipy.special import fdtrc

    at = [k for k, kind in enumerate(kinds) if kind == "power law"]
    sigma = sigma[:, at]
    if len(at) < 2:
        return f"Power law at one scale only, so it is not known to be kept ({listed})."
    covariance = jackknife_covariance(sigma[1:], sigma[0], sizes)
    if not np.all(np.isfinite(covariance)):
        return f"Power law, with exponents that cannot be compared ({listed})."
    inverse = np.linalg.pinv(covariance, hermitian=True)
    weight = inverse.sum(axis=0) / inverse.sum()
    mean, error = float(weight @ sigma[0]), float(np.sqrt(weight @ covariance @ weight))
    apart = sigma[0] - mean
    n, nu = len(sizes) - 1, len(at) - 1
    t2 = float(apart @ inverse @ apart)
    p = float(fdtrc(nu, n - nu + 1, t2 * (n - nu + 1) / (nu * n)))
    number = format_value_error(mean, error)
    if p < 0.01:
        return f"Power laws whose exponents differ (p = {p:.1g}): not kept ({listed})."
    return f"Power law, exponent kept: sigma = {number} at all its scales (p = {p:.2g}; {listed})."
