"""Finite-width corrections to the Gram matrix of two inputs, next to a simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.activation_functions import Activation
from nnrg.errors import ArgumentError
from nnrg.simulate.architectures import DenseNetwork
from nnrg.simulate.ensembles import random_networks
from nnrg.stats.estimate import format_value_error
from nnrg.theory.loops._measure import measured_gram
from nnrg.theory.loops.two_inputs import (
    DEEPEST_PAIR,
    TwoInputFiniteWidth,
    two_input_finite_width,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TwoInputReport", "two_input_report"]

Array = npt.NDArray[np.float64]

_WITHIN = 3.0
_FEWEST = 200
_NAMES = (
    "E[K_aa]",
    "E[K_ab]",
    "E[K_bb]",
    "Var K_aa",
    "Cov(K_aa, K_ab)",
    "Cov(K_aa, K_bb)",
    "Var K_ab",
    "Cov(K_ab, K_bb)",
    "Var K_bb",
)


@dataclass(frozen=True, slots=True)
class TwoInputReport:
    """Mean and covariance of K_aa, K_ab, K_bb, predicted and measured.

    Attributes
    ----------
    expansion : TwoInputFiniteWidth
    names : tuple of str
        Of the last axis.
    leading, first, total, truncation : ndarray of shape (depth, 9)
        At infinite width, summed to order 1/n, to the highest order, and the estimated rest.
    measured, errors : ndarray of shape (depth, 9)
        Errors by delete-group jackknife.
    n_networks : int
    """

    expansion: TwoInputFiniteWidth
    names: tuple[str, ...]
    leading: Array
    first: Array
    total: Array
    truncation: Array
    measured: Array
    errors: Array
    n_networks: int

    @property
    def sigmas(self) -> Array:
        """How many errors the measured lies above the highest order, (depth, 9); NaN in layer 1."""
        with np.errstate(invalid="ignore", divide="ignore"):
            out = (self.measured - self.total) / self.errors
        out[0] = np.nan
        return out

    @property
    def agrees(self) -> npt.NDArray[np.bool_]:
        """Whether they differ by no more than three errors and what is left out."""
        allowed = _WITHIN * self.errors + self.truncation + self.expansion.error
        return np.asarray(np.abs(self.measured - self.total) <= allowed)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer and quantity.

        Columns ``layer, quantity, leading, first, total, truncation, measured, error, sigmas``.
        """
        import pandas as pd

        depth, n = self.leading.shape
        return pd.DataFrame(
            {
                "layer": np.repeat(np.arange(1, depth + 1), n),
                "quantity": np.tile(np.array(self.names), depth),
                "leading": self.leading.ravel(),
                "first": self.first.ravel(),
                "total": self.total.ravel(),
                "truncation": self.truncation.ravel(),
                "measured": self.measured.ravel(),
                "error": self.errors.ravel(),
                "sigmas": self.sigmas.ravel(),
            }
        )

    def __str__(self) -> str:
        e = self.expansion
        lines = [
            f"{e.activation}, sigma_w={e.sigma_w:g}, sigma_b={e.sigma_b:g}, two inputs, "
            f"layer {e.depth}, {self.n_networks} networks simulated",
            f"{'':<16}{'infinite':>11}{'to 1/n':>12}{'to 1/n^' + str(e.order):>12}"
            f"{'left out':>9}  {'measured':<15}{'sigmas':>7}",
        ]
        for i, name in enumerate(self.names):
            text = f"{name:<16}{self.leading[-1, i]:>11.5g}{self.first[-1, i]:>12.6g}"
            text += f"{self.total[-1, i]:>12.6g}{self.truncation[-1, i]:>9.1g}"
            if np.isfinite(self.measured[-1, i]):
                shown = format_value_error(self.measured[-1, i], self.errors[-1, i])
                text += f"  {shown:<15}{self.sigmas[-1, i]:>+7.1f}"
            lines.append(text)
        return "\n".join([*lines, *([e.flag] if e.flag else [])])


def two_input_report(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    width: int | list[int] | tuple[int, ...],
    depth: int,
    *,
    gram: npt.ArrayLike = (1.0, 0.5, 1.0),
    order: int = 2,
    simulate: int = 10_000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> TwoInputReport:
    """Return the corrections to the Gram matrix of two inputs, next to what networks do.

    Parameters
    ----------
    activation : str, Activation or callable
    sigma_w, sigma_b : float, dimensionless
    width : int or sequence of int, length depth
    depth : int
        Layers of preactivations, at least 2.
    gram : array_like of shape (3,), dimensionless
        K_aa, K_ab, K_bb of the first layer; less sigma_b^2 each it must be that of two inputs.
    order : {1, 2}
    simulate : int
        Number of networks, drawn by their exact law; zero for none.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        Source of randomness.

    Returns
    -------
    TwoInputReport

    Raises
    ------
    ArgumentError
        If an argument is out of range, or no inputs have this Gram matrix.
    AnalysisError
        As for `two_input_finite_width`.

    Examples
    --------
    >>> report = two_input_report("erf", 1.2, 0.2, 64, 3, simulate=4000, rng=1)
    >>> bool(report.agrees.all())
    True
    """
    depth = as_count("depth", depth, 2, DEEPEST_PAIR, hint="the first layer has no correction")
    theory = two_input_finite_width(
        activation, sigma_w, sigma_b, width, depth, gram=gram, order=order
    )
    rows, columns = np.triu_indices(3)
    spread = theory.covariance_first[:, rows, columns]
    leading = np.concatenate([theory.leading, np.zeros_like(spread)], axis=1)
    terms = np.concatenate([theory.first, spread], axis=1)
    first, total = leading + terms, leading + terms
    # To first order all higher ones come with one more power of Var K / K^2.
    loop = (spread[:, [0, 5]] / theory.leading[:, [0, 2]] ** 2).max(axis=1, keepdims=True)
    truncation = np.abs(terms) * loop
    if theory.order > 1:
        spread_2 = theory.covariance_second[:, rows, columns]
        more = np.concatenate([theory.second, spread_2], axis=1)
        total = first + more
        ratio = np.divide(
            np.abs(more), np.abs(terms), out=np.ones_like(more), where=np.abs(terms) > np.abs(more)
        )
        truncation = np.abs(more) * np.maximum(ratio, np.minimum(loop, 1))
    measured = errors = np.full_like(total, np.nan)
    if not isinstance(simulate, int) or simulate:
        simulate = as_count("simulate", simulate, _FEWEST, hint="fewer give no errors")
        measured, errors = _simulated(activation, sigma_w, sigma_b, theory, simulate, rng)
    return TwoInputReport(
        theory, _NAMES, leading, first, total, truncation, measured, errors, int(simulate)
    )


def _simulated(
    activation: str | Activation | Callable[[Array], Array],
    sigma_w: float,
    sigma_b: float,
    theory: TwoInputFiniteWidth,
    n_networks: int,
    rng: np.random.Generator | np.random.SeedSequence | int | None,
) -> tuple[Array, Array]:
    """Draw networks whose first layer has the Gram matrix asked for."""
    aa, ab, bb = (theory.leading[0] - sigma_b**2) * 2 / sigma_w**2
    if not (aa > 0 and aa * bb > ab * ab):
        raise ArgumentError(
            f"gram less sigma_b^2 = {sigma_b**2:g} must be that of two inputs, got "
            f"{theory.leading[0].tolist()}; give larger K_aa and K_bb"
        )
    inputs = np.linalg.cholesky(np.array([[aa, ab], [ab, bb]]))
    net = DenseNetwork(activation, sigma_w, sigma_b, width=theory.widths[:-1])
    found = random_networks(net, inputs, n_networks, order=2, keep=("metrics",), rng=rng)
    assert found.metric_samples is not None
    return measured_gram(found.metric_samples, theory.leading)
