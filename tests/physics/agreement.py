"""How far measured numbers lie from exact ones, in their own errors."""

import numpy as np
from scipy import stats

from nnrg.rg.goodness import goodness_of_fit
from nnrg.rg.schwinger_dyson import linear_system, solve


def deviations(result, names, expected, scales=None):
    """(value - expected) / error of `names` at each of `scales`, shape (n_scales, n_names)."""
    at = _levels(result, scales)
    columns = [result.names.index(n) for n in names]
    value, error = result.values[np.ix_(at, columns)], result.errors()[np.ix_(at, columns)]
    return (value - np.asarray(expected)) / error


def p_value(result, names, expected, scales=None):
    """Chance of a larger distance from `expected`, all scales and names with one covariance.

    Hotelling's T^2 of the full jackknife covariance over G groups.
    """
    scales = result.scales if scales is None else np.asarray(scales)
    covariance = result.covariance().sel(
        scale=scales, operator=list(names), scale_2=scales, operator_2=list(names)
    )
    size = scales.size * len(names)
    columns = [result.names.index(n) for n in names]
    values = result.values[np.ix_(_levels(result, scales), columns)]
    distance = (values - np.asarray(expected)).ravel()
    t2 = distance @ np.linalg.solve(covariance.values.reshape(size, size), distance)
    groups = len(result.replicates)
    return float(stats.f.sf(t2 * (groups - size) / (size * (groups - 1)), size, groups - size))


def residuals(flow, level, basis):
    """Studentised residuals of the functions outside the basis, by name."""
    system = linear_system(flow, level, basis.on(flow.field.sites.dimension), test=True)
    fit = goodness_of_fit(system, solve(system)[0])
    return dict(zip(fit.tests, fit.residuals, strict=True))


def _levels(result, scales):
    if scales is None:
        return list(range(result.scales.size))
    return [result.scales.tolist().index(b) for b in scales]
