"""Relative entropy of the laws of preactivations of consecutive layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.rg.cumulants import align
from nnrg.stats.estimate import shown_number
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.information_flow import scales

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DepthRelativeEntropy", "depth_relative_entropy"]

Floats = npt.NDArray[np.float64]

_SERIES = 1e-4
_ROWS = 12
# What the numbers say of a phase, for one input and for two.
STATEMENTS = (
    "no evidence of criticality: it follows q and saturates with xi_q, which stays finite where "
    "chi_1 = 1",
    "no evidence of criticality by its growth: what it sees of a phase is the correlation c of the "
    "two inputs, as MeanField has it",
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DepthRelativeEntropy:
    r"""Relative entropies per neuron of Gaussian laws of preactivations, in nats.

    Attributes
    ----------
    mean_field : MeanField
    n_inputs : int
        1, or 2 inputs of equal norm.
    consecutive, consecutive_errors : arrays of shape (depth,)
        :math:`D(P_{l+1} \| P_l)`, l = 0 .. depth - 1.
    from_first, from_first_errors : arrays of shape (depth,)
        :math:`D(P_{l+1} \| P_0)`.
    q, one_minus_c : arrays of shape (depth + 1,)
        What the laws are made of; NaN without a second input.
    monotone : bool
        Whether ``from_first`` never falls, within its errors.
    assumptions : tuple of str
    flag : str
    """

    mean_field: MeanField
    n_inputs: int
    consecutive: Floats
    consecutive_errors: Floats
    from_first: Floats
    from_first_errors: Floats
    q: Floats
    one_minus_c: Floats
    monotone: bool
    assumptions: tuple[str, ...]
    flag: str = ""
    scale: str = scales.DEPTH

    def __post_init__(self) -> None:
        for array in (
            self.consecutive, self.consecutive_errors, self.from_first, self.from_first_errors,
            self.q, self.one_minus_c,
        ):  # fmt: skip
            array.flags.writeable = False

    @property
    def statement(self) -> str:
        """What these numbers are not."""
        return STATEMENTS[self.n_inputs - 1]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row for each layer but the first."""
        import pandas as pd

        return pd.DataFrame(
            {
                "layer": np.arange(1, len(self.q)),
                "q": self.q[1:],
                "one_minus_c": self.one_minus_c[1:],
                "consecutive": self.consecutive,
                "consecutive_error": self.consecutive_errors,
                "from_first": self.from_first,
                "from_first_error": self.from_first_errors,
            }
        )

    def __str__(self) -> str:
        depth = len(self.consecutive)
        at = np.unique(np.linspace(0, depth - 1, min(_ROWS, depth)).astype(int))
        rows = [["layer", "D(l || l-1)", "D(l || 0)"]]
        for i in at:
            pair = (
                (self.consecutive[i], self.consecutive_errors[i]),
                (self.from_first[i], self.from_first_errors[i]),
            )
            rows.append([str(i + 1), *(shown_number(v, e) for v, e in pair)])
        net = self.mean_field
        grows = "grows with depth" if self.monotone else "does not grow at every layer"
        lines = [
            f"relative entropy per neuron, {self.n_inputs} input(s), {net.phi}, sigma_w = "
            f"{net.sigma_w:g}, sigma_b = {net.sigma_b:g} ({net.phase}): D(l || 0) {grows}",
            align(rows, left=(0,)),
            *([f"flag: {self.flag}"] if self.flag else []),
            self.statement,
        ]
        return "\n".join([*lines, self.scale])


def depth_relative_entropy(
    mean_field: MeanField, depth: int, *, c0: float | None = None
) -> DepthRelativeEntropy:
    r"""Return relative entropies of the laws of preactivations along depth, at infinite width.

    Parameters
    ----------
    mean_field : MeanField
        From its variance q0.
    depth : int
        Layers.
    c0 : float, dimensionless, optional
        Correlation of a second input of equal norm with the first, |c0| < 1.

    Returns
    -------
    DepthRelativeEntropy

    Raises
    ------
    ArgumentError
        If `mean_field` is none, the depth below one, or two inputs coincide.

    Notes
    -----
    The laws are exactly Gaussian at infinite width. With one input
    :math:`D(P_{l+1} \| P_l) = \tfrac12 (r - 1 - \ln r)`, :math:`r = q_{l+1} / q_l`; with two, the
    sum over :math:`r_\pm` of q (1 ± c). J. Erdmenger, K. T. Grosvenor and R. Jefferson
    (arXiv:2107.06898) find that relative entropy along depth grows, saturates, and does not tell
    phases apart. With one input that is so: it follows :math:`q_l`, and saturates with xi_q in all
    phases. The law of *two* inputs becomes singular where their correlation goes to 1: then every
    layer adds :math:`\tfrac12 (\chi_1 - 1 - \ln \chi_1)`, no saturation, which is a statement on
    the correlation and not more than `MeanField` says.

    Examples
    --------
    from nnrg.theory.criticality.mean_field import MeanField
    >>> found = depth_relative_entropy(MeanField("tanh", 1.3, 0.05**0.5), 6)
    >>> found.consecutive.round(5).tolist()
    [0.02497, 0.00549, 0.00137, 0.00036, 0.0001, 3e-05]
    """
    if not isinstance(mean_field, MeanField):
        raise ArgumentError(
            f"mean_field must be a MeanField, got {shown(mean_field)}; try "
            "MeanField('tanh', 1.3, 0.2)"
        )
    if c0 is not None and not abs(c0) < 1:
        raise ArgumentError(
            f"c0 must be between -1 and 1, got {shown(c0)}: equal inputs have no law"
        )
    path = mean_field.propagate(depth, c0=c0)
    scale_of = [(path.q, path.q_error)]
    if c0 is not None:
        eps, error = path.one_minus_c, path.one_minus_c_error
        scale_of = [(path.q * one, path.q_error * one + path.q * error) for one in (eps, 2 - eps)]
    consecutive, from_first = np.zeros((2, 2, len(path.q) - 1))
    for variance, error in scale_of:
        consecutive += _entropy(variance[1:], error[1:], variance[:-1], error[:-1])
        from_first += _entropy(variance[1:], error[1:], variance[0], error[0])
    rises = np.diff(from_first[0]) >= -(from_first[1][1:] + from_first[1][:-1])
    flags = [path.note]
    if not np.isfinite(consecutive[0]).all():
        flags.append("a variance is zero or beyond double precision: no relative entropy there")
    return DepthRelativeEntropy(
        mean_field=mean_field,
        n_inputs=len(scale_of),
        consecutive=consecutive[0].copy(),
        consecutive_errors=consecutive[1].copy(),
        from_first=from_first[0].copy(),
        from_first_errors=from_first[1].copy(),
        q=path.q.copy(),
        one_minus_c=path.one_minus_c.copy(),
        monotone=bool(rises[np.isfinite(from_first[0][1:])].all()),
        assumptions=mean_field.assumptions,
        flag="; ".join(filter(None, flags)),
    )


def _entropy(one: Floats, error: Floats, other: Floats, other_error: Floats) -> Floats:
    """Return D(N(0, one) || N(0, other)) and its error, shape (2, n)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = (one - other) / other
        spread = error / other + (1 + x) * other_error / other + 4e-16 * (1 + np.abs(x))
        near = x * x * (1 - 2 * x / 3 + x * x / 2) / 4
        value = np.where(np.abs(x) < _SERIES, near, (x - np.log1p(x)) / 2)
        slope = np.abs(x / (1 + x)) / 2
        made = np.stack([value, slope * spread + spread**2 / 4])
    return np.where(np.isfinite(made), made, np.nan)
