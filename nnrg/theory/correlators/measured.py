"""Connected correlators measured on an ensemble of networks, against those of an architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.simulate._inputs import as_inputs
from nnrg.simulate.shallow import one_hidden_layer
from nnrg.stats._arrays import real_array
from nnrg.stats._heavy_tails import heavy_tail
from nnrg.stats.estimate import Estimate, format_value_error, shown_number
from nnrg.stats.fits import chance_of_zero
from nnrg.stats.joint_cumulants import JointCumulants, joint_cumulants
from nnrg.stats.replicates import Replicates
from nnrg.theory.correlators.architecture import Architecture, as_architecture

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MeasuredCorrelators",
    "cumulants_at",
    "ensemble_outputs",
    "measured_correlators",
]

Floats = npt.NDArray[np.float64]

_ROWS = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MeasuredCorrelators:
    """Measured connected correlators next to predicted ones.

    Attributes
    ----------
    cumulants : JointCumulants
        Unbiased, with jackknife replicates over networks.
    predicted, predicted_errors : tuple of arrays
        For order 1, 2, ..., in the order of ``cumulants.indices``.
    theory : str
        Whose prediction it is.
    """

    cumulants: JointCumulants
    predicted: tuple[Floats, ...]
    predicted_errors: tuple[Floats, ...]
    theory: str

    def __post_init__(self) -> None:
        for array in (*self.predicted, *self.predicted_errors):
            array.flags.writeable = False

    @property
    def order(self) -> int:
        """Highest order."""
        return self.cumulants.order

    def values(self, order: int) -> Floats:
        """Return the measured cumulants of one order, in the order of ``cumulants.indices``."""
        return self.cumulants.values(order)

    def errors(self, order: int) -> Floats:
        """Return their standard errors."""
        return self.cumulants.errors(order)

    def sigmas(self, order: int) -> Floats:
        """Return (measured - predicted) / error; NaN where there is no prediction."""
        spread = np.hypot(self.errors(order), self.predicted_errors[order - 1])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.values(order) - self.predicted[order - 1]) / spread)

    def p_value(self, order: int) -> float:
        """Return the chance of a larger distance of all cumulants of an order from prediction.

        Hotelling's T^2 with the full covariance over networks; NaN where there are too many
        numbers for the jackknife groups, or no prediction.
        """
        table = self.cumulants.indices(order)
        at = [self.cumulants.place(*row) for row in table.tolist()]
        difference = self.cumulants.replicates.select(at).map(
            lambda row: row - self.predicted[order - 1]
        )
        if not np.isfinite(difference.values).all():
            return float("nan")
        return chance_of_zero(difference)

    def estimate(self, *points: int) -> Estimate:
        """Return the cumulant at these inputs against its prediction.

        Raises
        ------
        ArgumentError
            If there is no such input, or there are more than the order.
        """
        found = self.cumulants.estimate(*points)
        rows = self.cumulants.indices(len(points)).tolist()
        at, order = rows.index(sorted(points)), len(points)
        value = float(self.predicted[order - 1][at])
        null = Estimate(value, float(self.predicted_errors[order - 1][at]))
        return Estimate(
            found.value,
            found.error,
            n_samples=found.n_samples,
            null=None if np.isnan(value) else null,
            flag=found.flag,
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a cumulant: measured, predicted, and how far they are apart."""
        table = self.cumulants.to_dataframe()
        orders = range(1, self.order + 1)
        table["predicted"] = np.concatenate(self.predicted)
        table["predicted_error"] = np.concatenate(self.predicted_errors)
        table["sigmas"] = np.concatenate([self.sigmas(order) for order in orders])
        return table

    def __str__(self) -> str:
        lines = [
            f"connected correlators at {len(self.cumulants.names)} inputs, "
            f"{self.cumulants.n_samples} networks, against {self.theory}"
        ]
        for order in range(2, self.order + 1, 2):
            sigmas = np.nan_to_num(np.abs(self.sigmas(order)))
            chance = self.p_value(order)
            all_of = "" if np.isnan(chance) else f", p = {chance:.2g} for all"
            lines.append(f"  order {order}: {sigmas.size} numbers{all_of}")
            rows, values = self.cumulants.indices(order), self.values(order)
            for at in np.argsort(-sigmas, kind="stable")[: _ROWS // 2]:
                where = " ".join(self.cumulants.names[v] for v in rows[at])
                shown = format_value_error(values[at], self.errors(order)[at])
                expected = shown_number(
                    self.predicted[order - 1][at], self.predicted_errors[order - 1][at]
                )
                against = f"  predicted {expected}, {sigmas[at]:.1f} sigma"
                unknown = np.isnan(self.predicted[order - 1][at])
                lines.append(f"    {where:<12} {shown}{'' if unknown else against}")
            places = [self.cumulants.place(*row) for row in rows.tolist()]
            flag = self.cumulants.flag(order) or heavy_tail(
                self.cumulants.replicates.select(places)
            )
            still = int(np.count_nonzero(self.errors(order) == 0))
            if still and not flag:
                flag = f"{still} of {sigmas.size} numbers are the same in all networks: no error"
            lines += [f"    flag: {flag}"] if flag else []
        return "\n".join(lines)


def measured_correlators(
    samples: npt.ArrayLike | JointCumulants,
    *,
    order: int = 4,
    architecture: Architecture | None = None,
    inputs: npt.ArrayLike | None = None,
) -> MeasuredCorrelators:
    """Measure the connected correlators of outputs of independent networks.

    Parameters
    ----------
    samples : array_like of shape (n_networks, k), or JointCumulants
        Outputs at k inputs; or what `nnrg.stats.joint_cumulants` has already summed of them.
    order : int
        Highest order, 2 to 6, of samples that are an array.
    architecture : Architecture, optional
        What is predicted. Without it a free theory with the measured two-point function: zero
        beyond order two.
    inputs : array_like of shape (k, d) or (k,)
        The inputs, needed with an architecture.

    Returns
    -------
    MeasuredCorrelators

    Raises
    ------
    ArgumentError
        If shapes do not fit, or an architecture comes without inputs.
    AnalysisError
        If there are too few networks for the order.
    NonFiniteError
        If an output is NaN or infinite.

    Examples
    --------
    >>> from nnrg.simulate.shallow import one_hidden_layer
    >>> from nnrg.theory.correlators import CosNet, measured_correlators
    >>> net, x = CosNet(width=4), [0.0, 1.0]
    >>> phi = one_hidden_layer(net, x, n_networks=40_000, rng=1)
    >>> found = measured_correlators(phi, architecture=net, inputs=x)
    >>> bool(abs(found.estimate(0, 0, 1, 1).z) < 4), found.p_value(4) > 0.001
    (True, True)
    """
    if isinstance(samples, JointCumulants):
        cumulants = samples
    else:
        as_count("order", order, 2, 6)
        cumulants = joint_cumulants(samples, order)
    k = len(cumulants.names)
    tables = [cumulants.indices(r) for r in range(1, cumulants.order + 1)]
    predicted = [np.zeros(len(table)) for table in tables]
    errors = [np.zeros(len(table)) for table in tables]
    if architecture is None:
        predicted[1][:] = np.nan
        theory = "a free theory"
    else:
        theory = f"{as_architecture(architecture).name}, N = {architecture.width}"
        if inputs is None:
            raise ArgumentError("inputs must be given with an architecture: those of the samples")
        points = as_inputs(inputs)
        if len(points) != k:
            raise ArgumentError(f"inputs must be {k} points, one a column, got {len(points)}")
        for table, value, error in zip(tables[1::2], predicted[1::2], errors[1::2], strict=True):
            value[:], error[:], _ = architecture.cumulants_of(points, table)
    return MeasuredCorrelators(
        cumulants=cumulants,
        predicted=tuple(predicted),
        predicted_errors=tuple(errors),
        theory=theory,
    )


def ensemble_outputs(
    architecture: Architecture,
    points: Floats,
    n_networks: int | None,
    samples: npt.ArrayLike | None,
    rng: np.random.Generator | int | None,
) -> Floats | None:
    """Return outputs at the points: as given, drawn, or none."""
    if samples is not None:
        given = real_array("samples", samples)
        if given.ndim != 2 or given.shape[1] != len(points):
            raise ArgumentError(
                f"samples must have shape (n_networks, {len(points)}), one column for each input "
                f"of the test, got {given.shape}"
            )
        if not np.isfinite(given).all():
            raise NonFiniteError("samples must be finite, got NaN or infinity; cut those networks")
        return given
    if n_networks is None:
        return None
    return one_hidden_layer(architecture, points, n_networks=n_networks, rng=rng)


def cumulants_at(samples: Floats, points: Floats, tuples: npt.ArrayLike) -> Replicates:
    """Measure single cumulants, with one covariance.

    Parameters
    ----------
    samples : array of shape (n_networks, k)
        Outputs at points, of which several may be the same.
    points : array of shape (k, d)
    tuples : int array of shape (m, r)
        Columns of each cumulant.
    """
    table = np.asarray(tuples, dtype=np.intp)
    # Equal points are one variable: there are far fewer products.
    _, first, where = np.unique(points, axis=0, return_index=True, return_inverse=True)
    rows = where.ravel()[table]
    used, columns = np.unique(rows, return_inverse=True)
    found = joint_cumulants(samples[:, first[used]], table.shape[1])
    at = [found.place(*map(int, row)) for row in columns.reshape(table.shape)]
    return found.replicates.select(at)
