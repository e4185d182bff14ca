"""Connected correlators of a field on a few points, in coordinates in which G is the identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial, inf, sqrt
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.rg.cross_check._cumulant_tensors import (
    cumulants_from_moments,
    moment_sums,
    symmetric_entries,
    transformed,
)
from nnrg.stats._arrays import real_array
from nnrg.stats.jackknife import Jackknife, leave_one_out
from nnrg.stats.partition import sample_groups
from nnrg.stats.replicates import Replicates
from nnrg.theory.edgeworth._assumptions import (
    density_flags,
    odd_flags,
    regularisation_notes,
    rounding_flags,
)
from nnrg.theory.edgeworth._contractions import check_memory
from nnrg.theory.edgeworth._given_tensors import given_tensor, random_signs
from nnrg.theory.edgeworth.inverse import RegularisedInverse, regularised_inverse

__all__ = ["CumulantTensors"]

Array = npt.NDArray[np.float64]

_GROUPS = 64
_FEWEST, _SAMPLES_A_MODE = 100, 10
# Random sign patterns by which errors of single entries are propagated.
_PATTERNS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CumulantTensors:
    """G_c^(n) for n = 2, 4, .., 2 order + 2, each with its replicates.

    Attributes
    ----------
    order : int
        Power of eps that they serve.
    inverse : RegularisedInverse
        Of the two-point function; its coordinates c = B phi are those of `entries`.
    entries : mapping from n to array of shape (1 + n_rows, n_multisets)
        Row 0 is the whole, the others are replicates.
    kind : {"jackknife", "gaussian"}
        What the replicates are, as in `nnrg.stats.replicates.Replicates`.
    sizes : array of shape (n_rows,)
    n_samples : float
        NaN if the correlators are not measured.
    moments : mapping from n to array, or None
        Moments of c of every order up to 6 or 2 order + 2, where there are samples.
    assumptions, flags : tuple of str

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.edgeworth import CumulantTensors
    >>> found = CumulantTensors.from_samples(np.random.default_rng(1).normal(size=(500, 2)))
    >>> found.order, found.n_modes, sorted(found.entries)
    (2, 2, [2, 4, 6])
    """

    order: int
    inverse: RegularisedInverse
    entries: Mapping[int, Array]
    kind: Literal["jackknife", "gaussian"]
    sizes: Array
    n_samples: float
    moments: Mapping[int, Array] | None
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in (*self.entries.values(), self.sizes, *(self.moments or {}).values()):
            array.flags.writeable = False

    @property
    def n_modes(self) -> int:
        """Number of coordinates."""
        return self.inverse.n_modes

    def replicates(self, rows: Array) -> Replicates:
        """Return numbers with their replicates, from shape (1 + n_rows, p), row 0 the whole."""
        values, others = np.array(rows[0]), np.array(rows[1:])
        one = np.zeros(len(others), dtype=np.intp)
        if self.kind == "jackknife":
            found = Replicates.from_jackknife(values, others, self.sizes)
            return found.unbiased()
        return Replicates(values, others, "gaussian", np.ones(len(others)), one, inf)

    @classmethod
    def from_samples(
        cls,
        samples: npt.ArrayLike,
        *,
        order: int = 2,
        nugget: float = 0.0,
        modes: int | None = None,
        threshold: float | None = None,
        errors: Jackknife | None = None,
    ) -> CumulantTensors:
        """Measure the connected correlators of an even law.

        Parameters
        ----------
        samples : array_like of shape (n_samples, n_points), or (n_samples,) for one point
        order : {1, 2, 3}
        nugget, modes, threshold
            As in `regularised_inverse`.
        errors : Jackknife, optional
            64 groups of consecutive samples by default.

        Returns
        -------
        CumulantTensors
            Moments about zero, odd ones taken as zero; flagged if they are not.

        Raises
        ------
        ArgumentError
            If an option is out of range or the tensors do not fit.
        NonFiniteError
            If a sample is NaN or infinite.
        AnalysisError
            If there are fewer than 100 samples or ten a mode, or G is singular or overflows.
        """
        order = _as_order(order)
        x = real_array("samples", samples)
        x = x[:, None] if x.ndim == 1 else x
        if x.ndim != 2 or not x.size:
            raise ArgumentError(
                f"samples must have shape (n_samples, n_points), got {np.shape(samples)}; "
                "flatten the points of each sample"
            )
        if not np.isfinite(x).all():
            raise NonFiniteError("samples hold NaN or infinity; leave those networks out")
        policy = Jackknife(blocks=_GROUPS) if errors is None else errors
        if policy.over == "sites":
            raise ArgumentError("errors of correlators between points leave out samples, not sites")
        n = len(x)
        if n < _FEWEST:
            raise AnalysisError(f"{n} samples: correlators need at least {_FEWEST}; draw more")
        with np.errstate(over="ignore", invalid="ignore"):
            kernel = x.T @ x / n
        if not np.isfinite(kernel).all():
            raise AnalysisError(
                "the two-point function of the samples is beyond double precision; give them in a "
                "larger unit"
            )
        inverse = regularised_inverse(kernel, nugget=nugget, modes=modes, threshold=threshold)
        m = inverse.n_modes
        check_memory(m, order)
        if n < _SAMPLES_A_MODE * m:
            raise AnalysisError(
                f"{n} samples of {m} modes: at least {_SAMPLES_A_MODE} samples a mode are needed; "
                "draw more, or keep fewer modes"
            )
        c = x @ inverse.coordinates.T
        group = sample_groups(n, policy.max_groups)
        degree = max(2 * order + 2, 10 if m == 1 else 6)
        sums = moment_sums(c, degree, group)
        moments = {d: _whole_and_rest(sums[d], sums[0]) for d in range(1, degree + 1)}
        even = {d: moments[d] for d in range(2, 2 * order + 3, 2)}
        entries = cumulants_from_moments(even, m, even=True)
        flags = (*density_flags(x), *odd_flags(moments, m, sums[0][:, 0]))
        noise = sqrt(factorial(2 * order + 2) / n)
        if noise > 1:
            flags = (*flags, f"too few samples: lambda_{2 * order + 2} has an error of {noise:.2g}")
        return cls(
            order=order,
            inverse=inverse,
            entries=_noisy(entries, inverse),
            kind="jackknife",
            sizes=sums[0][:, 0],
            n_samples=float(n),
            moments=moments,
            assumptions=(
                "the law is even: moments about zero, odd ones taken as zero",
                f"samples are independent, in {len(sums[0])} groups",
                *regularisation_notes(inverse),
                *(["the Schwinger-Dyson action is that of the field without noise"] * (nugget > 0)),
            ),
            flags=flags,
        )

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[int, npt.ArrayLike],
        *,
        errors: Mapping[int, npt.ArrayLike] | None = None,
        nugget: float = 0.0,
        modes: int | None = None,
        threshold: float | None = None,
    ) -> CumulantTensors:
        """Take connected correlators that are known.

        Parameters
        ----------
        tensors : mapping from 2, 4, .. to array_like of shape (n_points,) * n
            G_c^(n), or a number for each n at one point; consecutive even orders to 4, 6 or 8.
        errors : mapping from n to array_like, optional
            Of each entry, for every order, independent of each other: of a quadrature, say.
        nugget, modes, threshold
            As in `regularised_inverse`.

        Returns
        -------
        CumulantTensors

        Raises
        ------
        ArgumentError
            If an order is missing, shapes do not fit, or a tensor is not symmetric.
        NonFiniteError
            If an entry is NaN or infinite.
        AnalysisError
            If G is singular.
        """
        orders = sorted(tensors, key=str)
        if orders not in ([2, 4], [2, 4, 6], [2, 4, 6, 8]):
            raise ArgumentError(
                f"correlators of orders 2 and 4, 6 or 8 are needed without a gap, got {orders}"
            )
        if errors is not None and sorted(errors) != orders:
            raise ArgumentError(f"errors must be of orders {orders}, got {sorted(errors)}")
        order = orders[-1] // 2 - 1
        inverse = regularised_inverse(tensors[2], nugget=nugget, modes=modes, threshold=threshold)
        n, m = inverse.n_points, inverse.n_modes
        check_memory(m, order)
        rng = np.random.default_rng(0)
        rows: dict[int, list[Array]] = {}
        for k in orders:
            whole = given_tensor(f"the correlator of order {k}", tensors[k], n, k)
            rows[k] = [whole]
            if errors is not None:
                spread = given_tensor(f"the error of order {k}", errors[k], n, k)
                for _ in range(_PATTERNS):
                    step = random_signs(rng, n, k) * spread
                    rows[k] += [whole + step / sqrt(_PATTERNS), whole - step / sqrt(_PATTERNS)]
        entries = {
            k: np.stack([symmetric_entries(transformed(t, inverse.coordinates), k) for t in stack])
            for k, stack in rows.items()
        }
        return cls(
            order=order,
            inverse=inverse,
            entries=_noisy(entries, inverse),
            kind="gaussian",
            sizes=np.ones(len(entries[2]) - 1),
            n_samples=float("nan"),
            moments=None,
            assumptions=("correlators are given; the law is even", *regularisation_notes(inverse)),
            flags=rounding_flags(inverse, order),
        )


def _as_order(order: object) -> int:
    return as_count("order", order, 1, 3, hint="3 takes cumulants to the eighth")


def _whole_and_rest(sums: Array, counts: Array) -> Array:
    """Return means over everything and over everything but one group."""
    return np.concatenate(
        [
            sums.sum(axis=0, keepdims=True) / counts.sum(),
            leave_one_out(sums) / leave_one_out(counts),
        ]
    )


def _noisy(entries: dict[int, Array], inverse: RegularisedInverse) -> dict[int, Array]:
    """Add the independent Gaussian noise of the nugget: only the variance of it is not zero."""
    if inverse.nugget:
        b = inverse.coordinates
        entries[2] = entries[2] + inverse.nugget * symmetric_entries(b @ b.T, 2)
    return entries
