"""Variance and correlation of preactivations with depth: the network, its nulls, mean field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, as_real
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.estimate import format_value_error
from nnrg.theory.criticality.trajectory import propagate
from nnrg.theory.placement._chain import checked_chain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NULLS", "SignalFlow", "signal_flow"]

Array = npt.NDArray[np.float64]

NULLS = ("gaussian", "permuted")
"""Fresh independent weights of the same mean square; the network's own in random order."""

# Multiplications that all draws may take; fewer draws are made of larger networks.
_MOST_WORK = 2e11
_FEWEST_DRAWS = 8


@dataclass(frozen=True, slots=True)
class SignalFlow:
    """q_l and c_l of preactivations; arrays of shape (depth,), first layer first.

    Attributes
    ----------
    names : tuple of str
        Weights of each layer.
    activation : str
    q, c : array of shape (depth,)
        Of the network: mean square of a preactivation, and correlation of two inputs.
    q_theory, c_theory : array of shape (depth,)
        Of mean field, with the measured (sigma_w, sigma_b) of every layer; infinite width.
    q_nulls, c_nulls : mapping from null model to array of shape (draws, depth)
        The same networks with their weights and biases drawn anew or put in random order.
    sigmas : mapping from (quantity, null model) to array of shape (depth,)
        (network - mean of draws) / (s sqrt(1 + 1/R)): Student's t of R - 1 degrees of freedom if
        the network is one of them.
    inputs : str
        What was fed in.
    draws : int
    seed : int or None
    notes : tuple of str
    """

    names: tuple[str, ...]
    activation: str
    q: Array
    c: Array
    q_theory: Array
    c_theory: Array
    q_nulls: dict[str, Array]
    c_nulls: dict[str, Array]
    sigmas: dict[tuple[str, str], Array]
    inputs: str
    draws: int
    seed: int | None
    notes: tuple[str, ...] = ()

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each layer and quantity."""
        import pandas as pd

        rows = []
        for layer, name in enumerate(self.names):
            for quantity in ("q", "c"):
                row: dict[str, object] = {
                    "layer": layer + 1,
                    "name": name,
                    "quantity": quantity,
                    "network": getattr(self, quantity)[layer],
                    "mean_field": getattr(self, f"{quantity}_theory")[layer],
                }
                for null, draws in getattr(self, f"{quantity}_nulls").items():
                    row[null] = draws[:, layer].mean()
                    row[f"{null}_spread"] = draws[:, layer].std(ddof=1)
                    row[f"{null}_sigmas"] = self.sigmas[quantity, null][layer]
                rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        lines = [
            f"flow with depth, {self.activation}, {self.inputs}; {self.draws} draws of each null",
            "  layer     network    mean field  "
            + "  ".join(f"{null:<14s} sigmas" for null in self.q_nulls),
        ]
        for layer in range(len(self.names)):
            for quantity in ("q", "c"):
                parts = [f"  {layer + 1:3d}  {quantity}   {getattr(self, quantity)[layer]:<10.4g}"]
                parts.append(f" {getattr(self, f'{quantity}_theory')[layer]:<10.4g} ")
                for null, draws in getattr(self, f"{quantity}_nulls").items():
                    column = draws[:, layer]
                    number = format_value_error(column.mean(), column.std(ddof=1))
                    parts.append(f" {number:<14s} {self.sigmas[quantity, null][layer]:+6.1f} ")
                lines.append("".join(parts).rstrip())
        lines.append("numbers in brackets: spread of single networks, the error of the comparison")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def signal_flow(
    layers: Sequence[tuple[npt.ArrayLike, npt.ArrayLike | None]],
    activation: str | Activation | Function,
    *,
    names: Sequence[str] | None = None,
    pairs: int = 32,
    correlation: float = 0.5,
    draws: int = 48,
    rng: object = None,
) -> SignalFlow:
    r"""Follow pairs of random inputs through a chain of dense layers.

    Parameters
    ----------
    layers : sequence of (weights, biases)
        Shapes (units, inputs) and (units,) or None, first layer first.
    activation : str, Activation or callable
        Between all layers.
    names : sequence of str, optional
    pairs : int
        Pairs of Gaussian inputs, each of mean square 1.
    correlation : float
        Of the two inputs of a pair.
    draws : int
        Of each null model.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None

    Returns
    -------
    SignalFlow

    Raises
    ------
    ArgumentError
        If shapes do not fit one another, or names are not one for each layer.
    NonFiniteError
        If a weight or bias is NaN or infinite.
    AnalysisError
        If preactivations overflow, or a layer is zero.

    Notes
    -----
    Mean field: q_(l+1) = sigma_w^2 <phi^2> + sigma_b^2 with the sigma of each layer (S. Schoenholz
    et al., arXiv:1611.01232). A single network departs from it by its width alone; the nulls, which
    have this width and exactly the measured mean squares, tell that from what training did.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> layers = [(rng.normal(0, 0.1, (100, 100)), None) for _ in range(3)]
    >>> flow = signal_flow(layers, "tanh", draws=16, rng=2)
    >>> bool(abs(flow.sigmas["q", "gaussian"]).max() < 5)
    True
    """
    phi = as_activation(activation)
    chain = checked_chain(layers)
    if names is not None and len(names) != len(chain):
        raise ArgumentError(f"names must be one for each of {len(chain)} layers, got {len(names)}")
    pairs, draws = as_count("pairs", pairs, 2), as_count("draws", draws, 3)
    c0 = as_real("correlation", correlation)
    if not -1 < c0 < 1:
        raise ArgumentError(f"correlation must be between -1 and 1, got {c0:g}; try 0.5")
    seed = as_seed(rng)
    first, *rest = seed.spawn(1 + len(NULLS))
    inputs = _pairs(np.random.default_rng(first), pairs, chain[0][0].shape[1], c0)
    work = 2.0 * pairs * sum(w.size for w, _ in chain) * draws * len(NULLS)
    notes = []
    if work > _MOST_WORK:
        draws = min(draws, max(_FEWEST_DRAWS, int(draws * _MOST_WORK / work)))
        notes.append(f"{draws} draws of each null: the network is large")
    q, c = _forward(chain, phi, inputs)
    q_theory, c_theory = _mean_field(chain, phi, c0)
    q_nulls, c_nulls, sigmas = {}, {}, {}
    for null, own in zip(NULLS, rest, strict=True):
        found = np.array(
            [
                _forward(_drawn(chain, null, np.random.default_rng(child)), phi, inputs)
                for child in own.spawn(draws)
            ]
        )
        q_nulls[null], c_nulls[null] = found[:, 0], found[:, 1]
        for name, values, measured in (("q", q_nulls[null], q), ("c", c_nulls[null], c)):
            spread = values.std(axis=0, ddof=1) * np.sqrt(1 + 1 / draws)
            with np.errstate(invalid="ignore", divide="ignore"):
                sigmas[name, null] = np.where(
                    spread > 1e-12 * np.abs(measured),
                    (measured - values.mean(axis=0)) / spread,
                    np.nan,
                )
    return SignalFlow(
        names=tuple(names) if names else tuple(f"layer {i + 1}" for i in range(len(chain))),
        activation=str(phi),
        q=q,
        c=c,
        q_theory=q_theory,
        c_theory=c_theory,
        q_nulls=q_nulls,
        c_nulls=c_nulls,
        sigmas=sigmas,
        inputs=f"{pairs} pairs of Gaussian inputs of mean square 1 and correlation {c0:g}",
        draws=draws,
        seed=int(seed.entropy) if isinstance(seed.entropy, int) else None,
        notes=tuple(notes),
    )


def _pairs(rng: np.random.Generator, pairs: int, size: int, c0: float) -> Array:
    """Return inputs of shape (2, pairs, size), of mean square 1 and correlation c0 exactly."""
    one, other = rng.standard_normal((2, pairs, size))
    one /= np.sqrt((one**2).mean(axis=1, keepdims=True))
    other -= one * (one * other).mean(axis=1, keepdims=True)
    other /= np.sqrt((other**2).mean(axis=1, keepdims=True))
    return np.array([one, c0 * one + np.sqrt(1 - c0**2) * other])


def _forward(chain: list[tuple[Array, Array]], phi: Activation, inputs: Array) -> Array:
    """Return q and c of each layer, shape (2, depth)."""
    x, out = inputs, np.empty((2, len(chain)))
    for layer, (w, b) in enumerate(chain):
        with np.errstate(over="ignore", invalid="ignore"):
            z = x @ w.T + b
            square = float((z**2).mean())
        if not np.isfinite(square):
            raise AnalysisError(f"preactivations of layer {layer + 1} overflow")
        out[:, layer] = square, float((z[0] * z[1]).mean()) / square if square else np.nan
        x = phi(z)
    return out


def _mean_field(
    chain: list[tuple[Array, Array]], phi: Activation, c0: float
) -> tuple[Array, Array]:
    q, c = np.empty((2, len(chain)))
    for layer, (w, b) in enumerate(chain):
        w2, b2 = float((w**2).mean()) * w.shape[1], float((b**2).mean())
        if layer == 0:  # the inputs themselves, of mean square 1
            q[0] = w2 + b2
            c[0] = (w2 * c0 + b2) / q[0]
        else:
            step = propagate(phi, w2, b2, float(q[layer - 1]), 1, float(c[layer - 1]))
            q[layer], c[layer] = step.q[1], step.c[1]
    return q, c


def _drawn(
    chain: list[tuple[Array, Array]], null: str, rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    """Return a network of the null model, of exactly the same mean squares."""
    out = []
    for pair in chain:
        if null == "permuted":
            w, b = (rng.permuted(values.ravel()).reshape(values.shape) for values in pair)
        else:
            w, b = (rng.standard_normal(values.shape) for values in pair)
            w *= np.sqrt((pair[0] ** 2).mean() / (w**2).mean())
            b *= np.sqrt((pair[1] ** 2).mean() / (b**2).mean())
        out.append((w, b))
    return out
