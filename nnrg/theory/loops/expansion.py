"""Expansion in 1/width of the metric and the tangent: the numbers, where to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["QUANTITIES", "RATIO_LIMIT", "SPREAD_LIMIT", "FiniteWidth"]

Array = npt.NDArray[np.float64]

QUANTITIES: dict[str, str] = {
    "metric": "E[K]",
    "variance": "Var K",
    "kurtosis": "excess kurtosis of z",
    "log_tangent": "E[ln D]",
    "log_tangent_variance": "Var ln D",
    "tangent": "ln E[D]",
}
"""Quantities of `FiniteWidth`, and how they are printed."""

# Beyond these the expansion is not to be trusted: the second order relative to the first, and the
# variance of the metric relative to its square, of which all higher orders hold higher powers.
RATIO_LIMIT = 1 / 3
SPREAD_LIMIT = 1 / 3


@dataclass(frozen=True, slots=True)
class FiniteWidth:
    """Expansion in 1/n of what a random network does, layer by layer.

    Attributes
    ----------
    activation : str
    sigma_w, sigma_b : float
    widths : tuple of int
        Neurons of each layer, 1 to T.
    order : int
        Orders of 1/n computed, 1 or 2.
    leading : dict of str to ndarray of shape (depth,)
        Values at infinite width, by the names in `QUANTITIES`.
    first, second : dict of str to ndarray of shape (depth,)
        Terms of order 1/n and 1/n^2, with these widths put in; NaN where not computed.
    alignment : ndarray of shape (depth,)
        E[C^2] to first order over K D at infinite width, the squared correlation of z and v.
    error : float
        Largest relative error of a Gaussian average: what the numbers can be trusted to.
    assumptions : tuple of str
    """

    activation: str
    sigma_w: float
    sigma_b: float
    widths: tuple[int, ...]
    order: int
    leading: dict[str, Array]
    first: dict[str, Array]
    second: dict[str, Array]
    alignment: Array
    error: float
    assumptions: tuple[str, ...] = (
        "Gaussian weights and biases, independent in each layer; one input",
        "expansion in 1/n at fixed depth: it fails where T/n is not small",
    )

    @property
    def depth(self) -> int:
        """Layers T."""
        return len(self.widths)

    def total(self, quantity: str, order: int | None = None) -> Array:
        """Return a quantity summed to an order of 1/n, shape (depth,).

        Raises
        ------
        ArgumentError
            If there is no such quantity or order.
        """
        highest = self.order if order is None else as_count("order", order, 0, self.order)
        if quantity not in self.leading:
            raise ArgumentError(
                f"quantity must be one of {', '.join(self.leading)}, got {shown(quantity)}"
            )
        terms = (self.leading, self.first, self.second)[: highest + 1]
        return np.asarray(sum(term[quantity] for term in terms))

    def truncation(self, quantity: str) -> Array:
        """Return the estimated size of the first order left out, shape (depth,).

        Of an expansion to second order the second term times the larger of its ratio to the first,
        at most 1, and of Var K / K^2. To first order the first term times Var K / K^2.
        """
        if self.order == 1:
            return np.abs(self.first[quantity]) * self.spread
        first, second = np.abs(self.first[quantity]), np.abs(self.second[quantity])
        ratio = np.divide(second, first, out=np.ones_like(first), where=first > second)
        return second * np.maximum(ratio, np.minimum(self.spread, 1))

    @property
    def spread(self) -> Array:
        """Var K / K^2 to first order, the loop-counting parameter; shape (depth,)."""
        return self.first["variance"] / self.leading["metric"] ** 2

    @property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Where the expansion may be trusted, shape (depth,)."""
        good = self.spread <= SPREAD_LIMIT
        if self.order > 1:
            first, second = np.abs(self.first["variance"]), np.abs(self.second["variance"])
            good &= second <= RATIO_LIMIT * first
        return np.asarray(good)

    @property
    def flag(self) -> str:
        """From which layer on, and why, the expansion is not to be trusted; empty if everywhere."""
        if self.trusted.all():
            return ""
        at = int(np.argmin(self.trusted))
        reason = f"Var K / K^2 = {self.spread[at]:.2g}"
        if self.order > 1 and self.first["variance"][at] > 0:
            ratio = self.second["variance"][at] / self.first["variance"][at]
            reason += f", second order over first {ratio:+.2g}"
        return f"not to be trusted from layer {at + 1} on: {reason}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer and quantity.

        Columns ``layer, width, quantity, leading, first, second, total, truncation, trusted``.
        """
        import pandas as pd

        rows = []
        for quantity in self.leading:
            total, left = self.total(quantity), self.truncation(quantity)
            for t in range(self.depth):
                rows.append(
                    {
                        "layer": t + 1,
                        "width": self.widths[t],
                        "quantity": quantity,
                        "leading": self.leading[quantity][t],
                        "first": self.first[quantity][t],
                        "second": self.second[quantity][t],
                        "total": total[t],
                        "truncation": left[t],
                        "trusted": bool(self.trusted[t]),
                    }
                )
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        last = self.depth - 1
        widths = sorted(set(self.widths))
        width = str(widths[0]) if len(widths) == 1 else f"{widths[0]} to {widths[-1]}"
        lines = [
            f"{self.activation}, sigma_w={self.sigma_w:g}, sigma_b={self.sigma_b:g}, "
            f"width {width}, layer T={self.depth}: orders of 1/n",
            f"{'':>22}{'infinite':>12}{'1/n':>13}{'1/n^2':>13}{'left out':>10}",
        ]
        for quantity, name in QUANTITIES.items():
            numbers = [d[quantity][last] for d in (self.leading, self.first, self.second)]
            left = self.truncation(quantity)[last]
            lines.append(
                f"{name:>22}{numbers[0]:>12.6g}{numbers[1]:>+13.5g}{numbers[2]:>+13.5g}{left:>10.1g}"
            )
        lines.append(f"relative error of the averages {self.error:.1g}")
        return "\n".join([*lines, *([self.flag] if self.flag else [])])
