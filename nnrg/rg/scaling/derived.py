"""Numbers of a measured flow, or of an ensemble of flows, ready for functions and fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.rg.observables import Observables
from nnrg.stats.jackknife import FEWEST_SAMPLES
from nnrg.stats.replicates import Replicates

__all__ = ["as_members", "derive", "dimension", "lengths", "numbers"]

Floats = npt.NDArray[np.float64]


def as_members(results: Observables | Sequence[Observables]) -> tuple[Observables, ...]:
    """Return the members of an ensemble: results of one kind with equal scales and names.

    Raises
    ------
    ArgumentError
        If there are none, or they differ.
    """
    given: object = results
    if isinstance(given, Observables) or not isinstance(given, Iterable):
        given = (given,)
    members = tuple(given)
    if not members or not all(isinstance(one, Observables) for one in members):
        raise ArgumentError(
            f"expected Cumulants, Couplings or a list of them, got {shown(results)}; "
            "try nnrg.fit_couplings(flow)"
        )
    first = members[0]
    for one in members[1:]:
        if (
            type(one) is not type(first)
            or one.names != first.names
            or not np.array_equal(one.scales, first.scales)
        ):
            raise ArgumentError(
                "members of an ensemble must be of one kind with equal scales and operators, got "
                f"{first.kind} at b = {first.scales.tolist()} and {one.kind} at "
                f"b = {one.scales.tolist()}; renormalize all with the same levels and basis"
            )
    return members


def numbers(
    results: Observables | Sequence[Observables],
    names: Sequence[str] | None = None,
    scales: Sequence[int] | None = None,
) -> Replicates:
    """Return the numbers of a result, or their mean over an ensemble, with their replicates.

    Parameters
    ----------
    results : Observables or sequence of Observables
        One result, or one for each member of an ensemble.
    names : sequence of str, optional
        Observables; all of them if left out.
    scales : sequence of int, optional
        Scales b; all of them if left out.

    Returns
    -------
    Replicates
        Scale by scale, the names of the first scale first. Ten members or more are left out one
        at a time; of fewer, the groups inside each are, and the error is that of these members.

    Raises
    ------
    ArgumentError
        If a name or scale is unknown, or the members differ.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(64, 256))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(256)), levels=3)
    >>> variances = numbers(flow.cumulants(order=4, nulls=()), ["kappa_2"])
    >>> variances.values.round(2).tolist()
    [0.99, 0.48, 0.24]
    """
    members = as_members(results)
    first = members[0]
    wanted = first.names if names is None else tuple(names)
    at = first.scales.tolist() if scales is None else [int(b) for b in scales]
    for name in wanted:
        if name not in first.names:
            raise ArgumentError(f"no observable {name!r}; there are {', '.join(first.names)}")
    for b in at:
        if b not in first.scales:
            raise ArgumentError(f"no scale b = {b}; there are {first.scales.tolist()}")
    levels = [first.scales.tolist().index(b) for b in at]
    columns = [first.names.index(name) for name in wanted]
    pairs = list(product(levels, columns))
    rows = [level for level, _ in pairs]
    which = [column for _, column in pairs]
    if len(members) >= FEWEST_SAMPLES:
        values = np.stack([one.values[rows, which] for one in members])
        return Replicates.of_mean(values, max_groups=len(members))
    singles = [
        Replicates.from_jackknife(
            one.values[rows, which], one.replicates[:, rows, which], one.weights[:, rows]
        )
        for one in members
    ]
    if len(singles) == 1:
        return singles[0]
    count = len(pairs)
    return Replicates.join(singles).map(lambda all_: all_.reshape(-1, count).mean(axis=0))


def derive(
    results: Observables | Sequence[Observables],
    function: Callable[[Floats], npt.ArrayLike],
    *,
    names: Sequence[str] | None = None,
    scales: Sequence[int] | None = None,
) -> Replicates:
    """Return a function of measured numbers with its covariance, evaluated in each replicate.

    Parameters
    ----------
    results : Observables or sequence of Observables
    function : callable
        From an array of shape (n_scales, n_names) to a number or an array of shape (m,).
    names, scales
        As for `numbers`.

    Returns
    -------
    Replicates
        ``estimates()`` are the results with their errors, ``covariance()`` their covariance.

    Raises
    ------
    ArgumentError
        If a name or scale is unknown, or the members differ.

    Examples
    --------
    The exponent of the variance between two scales, d/2 for independent sites:

    >>> import numpy as np
    >>> import nnrg
    >>> values = np.random.default_rng(1).normal(size=(64, 256))
    >>> flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(256)), levels=3)
    >>> cumulants = flow.cumulants(order=4, nulls=())
    >>> slope = lambda k: -np.log(k[1] / k[0]) / (2 * np.log(4))
    >>> print(*derive(cumulants, slope, names=["kappa_2"], scales=[1, 4]).estimates())
    0.508(7)
    """
    chosen = numbers(results, names, scales)
    first = as_members(results)[0]
    count = len(first.names) if names is None else len(tuple(names))
    return chosen.map(lambda flat: function(flat.reshape(-1, count)))


def dimension(result: Observables) -> int:
    """Return the number of axes of the lattice that a result was measured on."""
    return str(result.attrs["axes"]).count(",") + 1


def lengths(result: Observables) -> Floats:
    """Return the effective block length at each scale, (sites in a block)^(1/d).

    ``scales`` count along the axis of the largest factor. The volume of a block is the product of
    whole factors, none above that, which fits the numbers of sites best: these are smaller than the
    ratio says where sites were trimmed.
    """
    b = result.scales.astype(np.float64)
    if b.size < 2:
        return b
    d, step = dimension(result), int(result.scales[1] // result.scales[0])
    ratio = float(result.series["sites"][0] / result.series["sites"][1])
    volumes = {step * int(np.prod(rest)) for rest in product(range(1, step + 1), repeat=d - 1)}
    volume = min(sorted(volumes), key=lambda v: abs(np.log(v / ratio)))
    if volume == step**d:
        return b
    return np.asarray(float(volume) ** (np.arange(b.size) / d))
