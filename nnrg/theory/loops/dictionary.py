"""The O(N) vector model and a deep network, term by term."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real
from nnrg.activation_functions import Activation, as_activation
from nnrg.errors import ArgumentError
from nnrg.theory.loops._stationary import Stationary, stationary

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dictionary", "DictionaryEntry", "o_n_dictionary"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """One term of the O(N) model, what it is in a network, and its number there.

    Attributes
    ----------
    model, network : str
    value : float
        At the fixed point, n times where it is of order 1/n; NaN without a network.
    """

    model: str
    network: str
    value: float = nan


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The table, and the network that its numbers belong to, if any."""

    entries: tuple[DictionaryEntry, ...]
    title: str
    error: float = nan

    def to_dataframe(self) -> pd.DataFrame:
        """Return columns ``model, network, value``."""
        import pandas as pd

        return pd.DataFrame(
            {"model": e.model, "network": e.network, "value": e.value} for e in self.entries
        )

    def __str__(self) -> str:
        left = max(len(e.model) for e in self.entries)
        right = max(len(e.network) for e in self.entries)
        lines = [self.title]
        for e in self.entries:
            number = "" if np.isnan(e.value) else f"  {e.value:>11.6g}"
            lines.append(f"{e.model:<{left}}  {e.network:<{right}}{number}".rstrip())
        if not np.isnan(self.error):
            lines.append(f"relative error of the averages {self.error:.1g}")
        return "\n".join(lines)


def o_n_dictionary(
    activation: str | Activation | Callable[[Array], Array] | None = None,
    sigma_w: float | None = None,
    sigma_b: float | None = None,
) -> Dictionary:
    r"""Return the correspondence of the O(N) vector model and a deep network.

    Parameters
    ----------
    activation : str, Activation or callable, optional
        With it, and both deviations, the numbers at the fixed point of the metric are given.
    sigma_w, sigma_b : float, dimensionless, optional

    Returns
    -------
    Dictionary

    Raises
    ------
    ArgumentError
        If only some of the three are given, or one is out of range.
    AnalysisError
        If the metric has no fixed point it tends to exponentially.

    Notes
    -----
    Averaging over W leaves in the stochastic action the vertex :math:`(\sigma_w^2 / 2N) (\tilde z
    \cdot \tilde z)(\phi \cdot \phi)`, invariant under rotations of the neurons, as :math:`(\lambda
    / 4N) (\varphi^2)^2` is under O(N). The auxiliary field of the quartic term is
    :math:`Q = \phi \cdot \phi / N`; its saddle is the infinite-width theory, its propagator the
    geometric sum of the bubble chi_par, one factor a layer, and its loops are suppressed by 1/N
    (K. Grosvenor and R. Jefferson, arXiv:2109.13247, draw the analogy).

    Examples
    --------
    >>> table = o_n_dictionary("tanh", 1.3, 0.05**0.5)
    >>> print(table.entries[3].network, round(table.entries[3].value, 8))
    K = sigma_w^2 <phi^2>_K + sigma_b^2 0.52708711
    """
    given = [x is not None for x in (activation, sigma_w, sigma_b)]
    if activation is None or sigma_w is None or sigma_b is None:
        if any(given):
            raise ArgumentError(
                "give activation, sigma_w and sigma_b for numbers, or none of them for the table"
            )
        return Dictionary(_entries(None, nan, nan), "O(N) vector model and deep network")
    phi = as_activation(activation)
    sigma_w, sigma_b = as_real("sigma_w", sigma_w), as_real("sigma_b", sigma_b)
    if sigma_w <= 0 or sigma_b < 0:
        raise ArgumentError(
            f"sigma_w > 0 and sigma_b >= 0 are needed, got {sigma_w:g} and {sigma_b:g}"
        )
    at = stationary(phi, sigma_w, sigma_b)
    title = f"O(N) vector model and deep network: {phi.name}, {sigma_w=:g}, {sigma_b=:g}"
    return Dictionary(_entries(at, sigma_w, sigma_b), title, at.error)


def _entries(at: Stationary | None, sigma_w: float, sigma_b: float) -> tuple[DictionaryEntry, ...]:
    chain = nan if at is None else 1 / (1 - at.chi_par) if at.chi_par < 1 else inf

    def of(name: str) -> float:
        return nan if at is None else float(getattr(at, name))

    shift = nan if np.isnan(of("limit")) else of("shift")
    return (
        DictionaryEntry("field varphi_i, i = 1 .. N", "z_i and response z~_i, i = 1 .. n"),
        DictionaryEntry("'t Hooft coupling lambda", "sigma_w^2", sigma_w**2),
        DictionaryEntry("bare mass m_0^2", "sigma_b^2", sigma_b**2),
        DictionaryEntry(
            "gap equation m^2 = m_0^2 + (lambda/2) int G",
            "K = sigma_w^2 <phi^2>_K + sigma_b^2",
            of("limit"),
        ),
        DictionaryEntry("cactus diagrams", "resummed in K"),
        DictionaryEntry("bubble", "chi_par = sigma_w^2 d<phi^2>/dK", of("chi_par")),
        DictionaryEntry("bubble chain, sigma propagator", "1 / (1 - chi_par)", chain),
        DictionaryEntry("<sigma sigma>, order 1/N", "n V, variance of the metric", of("variance")),
        DictionaryEntry("self-energy, order 1/N", "n K_1, shift of its mean", shift),
        DictionaryEntry(
            "mass gap of a pair", "-ln chi_1", nan if at is None else -np.log(at.chi_1)
        ),
        DictionaryEntry(
            "its correction, order 1/N",
            "n times that of -E[ln D] a layer",
            nan if at is None else -sum(at.terms.values()),
        ),
        DictionaryEntry("critical bubble chain diverges", "V / K^2 grows as T / n at chi_par = 1"),
        DictionaryEntry("quenched couplings in space", "independent weights in each layer"),
        DictionaryEntry(
            "couplings constant in time", "shared weights (recurrent): kappa(t, t') = 1"
        ),
    )
