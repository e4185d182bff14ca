"""Whether neurons are independent: the four-point function split by which neurons make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import perm
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._set_partitions import partitions
from nnrg.stats.estimate import Estimate
from nnrg.stats.jackknife import leave_one_out
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.correlators._set_partitions import cumulant_weight

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NeuronDecomposition", "Signature", "four_point_terms", "measured_neurons"]

Floats = npt.NDArray[np.float64]
Signature = tuple[int, ...]
"""Powers of different neurons in a joint moment, largest first: (2, 1, 1) is <h_1^2 h_2 h_3>."""

# Number of ways to give four legs to neurons with these powers.
_WAYS: dict[Signature, int] = {(4,): 1, (3, 1): 4, (2, 2): 3, (2, 1, 1): 6, (1, 1, 1, 1): 1}
_LEGS: dict[Signature, tuple[int, ...]] = {
    (4,): (0, 0, 0, 0),
    (3, 1): (0, 0, 0, 1),
    (2, 2): (0, 0, 1, 1),
    (2, 1, 1): (0, 0, 1, 2),
    (1, 1, 1, 1): (0, 1, 2, 3),
}
_LOWER: tuple[Signature, ...] = ((1,), (2,), (1, 1), (3,), (2, 1), (1, 1, 1))
_SIGNATURES: tuple[Signature, ...] = (*_LOWER, *_WAYS)
_FEWEST = 20


def four_point_terms(moments: Mapping[Signature, float], width: int) -> dict[Signature, float]:
    r"""Split the connected four-point function at one input by which neurons make it.

    Parameters
    ----------
    moments : mapping from tuple of int to float
        Joint moments of different neurons, keyed by their powers: ``(2, 1, 1)`` is
        :math:`\langle h_1^2 h_2 h_3 \rangle`. Those left out are zero.
    width : int
        N.

    Returns
    -------
    dict
        Contribution to :math:`G_c^{(4)}` of (4,), (3, 1), (2, 2), (2, 1, 1) and (1, 1, 1, 1).

    Raises
    ------
    ArgumentError
        If the width is below two or a key is no such moment.

    Notes
    -----
    .. math:: N^2 G_c^{(4)} = N \kappa_4 + 4 N^{(2)} \kappa_{31} + 3 N^{(2)} \kappa_{22}
              + 6 N^{(3)} \kappa_{211} + N^{(4)} \kappa_{1111}, \quad N^{(m)} = N (N-1) \cdots

    with joint cumulants :math:`\kappa_{22} = \kappa(h_1, h_1, h_2, h_2)` and so on of exchangeable
    neurons (relabelling neurons at random leaves the output as it is). Only the first term is there
    for independent neurons. With moments in place of cumulants it is :math:`\langle \phi^4
    \rangle`: M. Demirtas et al., arXiv:2307.03223, whose :math:`- 3 G^2` is divided among the terms
    here.

    Examples
    --------
    Normal neurons with a common scale, <h_1^2 h_2^2> = 1.2: nothing from one neuron alone would
    survive at large N.

    >>> from nnrg.theory.correlators import four_point_terms
    >>> terms = four_point_terms({(2,): 1.0, (4,): 3.6, (2, 2): 1.2}, width=1000)
    >>> round(terms[4,], 5), round(terms[2, 2], 5)
    (0.0006, 0.5994)
    """
    as_count("width", width, 2)
    unknown = [key for key in moments if key not in _SIGNATURES]
    if unknown:
        raise ArgumentError(
            f"moments must have keys such as (2,), (4,) and (2, 2), got {shown(unknown[0])}"
        )
    known = {key: np.asarray(float(moments.get(key, 0.0))) for key in _SIGNATURES}
    return {key: float(value) for key, value in _terms(known, width).items()}


def _terms(moments: Mapping[Signature, Floats], width: int) -> dict[Signature, Floats]:
    out = {}
    for key, legs in _LEGS.items():
        cumulant = np.zeros_like(moments[4,])
        for partition in partitions(4):
            product = np.full_like(cumulant, cumulant_weight(partition))
            for block in partition:
                labels = [legs[a] for a in block]
                powers = sorted((labels.count(n) for n in set(labels)), reverse=True)
                product = product * moments[tuple(powers)]
            cumulant = cumulant + product
        out[key] = _WAYS[key] * perm(width, len(key)) / width**2 * cumulant
    return out


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NeuronDecomposition:
    """The measured four-point function of every input, split by which neurons make it.

    Attributes
    ----------
    names : tuple of str
        ``one neuron``, ``3+1``, ``2+2``, ``2+1+1``, ``1+1+1+1``, ``all``, ``across neurons``.
    values, errors : arrays of shape (n_names, k)
        Contributions to G_c^(4)(x, x, x, x), in the unit of the output to the fourth.
    variance : array of shape (k,)
        G(x, x).
    width, n_networks : int
    assumptions : tuple of str
    """

    names: tuple[str, ...]
    values: Floats
    errors: Floats
    variance: Floats
    width: int
    n_networks: int
    assumptions: tuple[str, ...] = ("neurons exchangeable", "networks independent")

    def __post_init__(self) -> None:
        for array in (self.values, self.errors, self.variance):
            array.flags.writeable = False

    def estimate(self, name: str, point: int = 0) -> Estimate:
        """Return one contribution at one input; that across neurons against its null, zero.

        Raises
        ------
        ArgumentError
            If there is no such contribution.
        """
        if name not in self.names:
            raise ArgumentError(f"name must be one of {', '.join(self.names)}, got {shown(name)}")
        at = self.names.index(name)
        null = None if name in ("one neuron", "all") else 0.0
        value, error = float(self.values[at, point]), float(self.errors[at, point])
        return Estimate(value, error, n_samples=self.n_networks, null=null)

    def sigmas(self) -> Floats:
        """Return how far the part across neurons is from zero at every input, in its errors."""
        return np.asarray(self.values[-1] / self.errors[-1])

    def __str__(self) -> str:
        head = (
            f"G_c^(4) by neurons: N = {self.width}, {self.n_networks} networks, "
            f"{self.variance.size} inputs"
        )
        worst = int(np.argmax(np.abs(np.nan_to_num(self.sigmas()))))
        lines = [head, f"  input {worst}, G = {self.variance[worst]:.4g}"]
        lines += [f"  {name:<15} {self.estimate(name, worst)}" for name in self.names]
        away = abs(float(self.sigmas()[worst]))
        verdict = "neurons are not independent" if away > 4 else "no dependence to be told"
        lines.append(f"  {away:.1f} sigma across neurons: {verdict}")
        return "\n".join(lines)

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``point, contribution, value, error, sigmas``, one row for each."""
        import pandas as pd

        rows = [
            (point, name, self.values[at, point], self.errors[at, point])
            for point in range(self.variance.size)
            for at, name in enumerate(self.names)
        ]
        table = pd.DataFrame(rows, columns=["point", "contribution", "value", "error"])
        table["sigmas"] = table["value"] / table["error"]
        return table


def measured_neurons(neurons: npt.ArrayLike, *, groups: int = 64) -> NeuronDecomposition:
    """Measure joint cumulants across neurons, and what they give to the four-point function.

    Parameters
    ----------
    neurons : array_like of shape (n_networks, width, k) or (n_networks, width)
        What each neuron gives to the output, phi = N^{-1/2} sum h_i, at k inputs.
    groups : int
        Jackknife groups of networks.

    Returns
    -------
    NeuronDecomposition

    Raises
    ------
    ArgumentError
        If the shape is another, or there are fewer than two neurons.
    AnalysisError
        If there are fewer than 20 networks.
    NonFiniteError
        If a number is NaN or infinite.

    Notes
    -----
    Joint moments of different neurons are averaged without bias over all choices of neurons (from
    power sums over neurons, networks by networks); cumulants are polynomials of these, with a bias
    of order 1 / n_networks that is below their error. Delete-group jackknife over networks.

    Examples
    --------
    >>> from nnrg.simulate.shallow import one_hidden_layer_neurons
    >>> from nnrg.theory.correlators import CosNet, ScaleMixture, measured_neurons
    >>> net = ScaleMixture(CosNet(width=16), alpha=0.5)
    >>> h = one_hidden_layer_neurons(net, [0.0], n_networks=20_000, rng=1)
    >>> bool(measured_neurons(h).sigmas()[0] > 10)
    True
    """
    h = np.array(neurons, dtype=np.float64)
    if h.ndim == 2:
        h = h[:, :, None]
    if h.ndim != 3 or h.shape[1] < 2 or h.shape[2] < 1:
        raise ArgumentError(
            "neurons must have shape (n_networks, width, k) with a width of at least two, got "
            f"{h.shape}; networks first"
        )
    n_networks, width, _ = h.shape
    if n_networks < _FEWEST:
        raise AnalysisError(
            f"joint cumulants need at least {_FEWEST} networks, got {n_networks}; draw more"
        )
    if not np.isfinite(h).all():
        raise NonFiniteError("neurons must be finite, got NaN or infinity; cut those networks")
    label = sample_groups(n_networks, as_count("groups", groups, 2))
    h -= h.mean(axis=(0, 1))  # cumulants do not change, and lose fewer digits
    per_network = _symmetric_means(h)
    starts = np.flatnonzero(np.diff(label, prepend=-1))
    sums = {key: np.add.reduceat(value, starts, axis=0) for key, value in per_network.items()}
    sizes = np.bincount(label).astype(np.float64)
    full = _contributions({k: s.sum(axis=0) / n_networks for k, s in sums.items()}, width)
    kept = leave_one_out(sizes)[:, None]
    rows = _contributions({k: leave_one_out(s) / kept for k, s in sums.items()}, width)
    n_names = len(full)
    flat = rows.transpose(1, 0, 2).reshape(sizes.size, -1)
    errors = Replicates.from_jackknife(full.ravel(), flat, sizes).errors()
    scaled = h.sum(axis=1) / width**0.5
    names = ("one neuron", *("+".join(map(str, key)) for key in list(_WAYS)[1:]))
    return NeuronDecomposition(
        names=(*names, "all", "across neurons"),
        values=full,
        errors=errors.reshape(n_names, -1),
        variance=scaled.var(axis=0, ddof=1),
        width=width,
        n_networks=n_networks,
    )


def _contributions(moments: Mapping[Signature, Floats], width: int) -> Floats:
    """Return the five terms, their sum, and what is not of one neuron, along the first axis."""
    terms = np.stack(list(_terms(moments, width).values()))
    return np.concatenate([terms, terms.sum(axis=0)[None], terms[1:].sum(axis=0)[None]])


def _symmetric_means(h: Floats) -> dict[Signature, Floats]:
    """Average products of different neurons over all choices, for each network and input."""
    n = h.shape[1]
    square = h * h
    s1, s2, s3, s4 = (v.sum(axis=1) for v in (h, square, square * h, square * square))
    sums = {
        (1,): s1,
        (2,): s2,
        (1, 1): s1**2 - s2,
        (3,): s3,
        (2, 1): s1 * s2 - s3,
        (1, 1, 1): s1**3 - 3 * s1 * s2 + 2 * s3,
        (4,): s4,
        (3, 1): s1 * s3 - s4,
        (2, 2): s2**2 - s4,
        (2, 1, 1): s1**2 * s2 - s2**2 - 2 * s1 * s3 + 2 * s4,
        (1, 1, 1, 1): s1**4 - 6 * s1**2 * s2 + 3 * s2**2 + 8 * s1 * s3 - 6 * s4,
    }
    # With fewer neurons than factors there is no such product, nor a term that needs it.
    return {key: value / max(perm(n, len(key)), 1) for key, value in sums.items()}
