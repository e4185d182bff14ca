"""The distance of two flows: calibrated, unbiased, and the same however many weights there are."""

import numpy as np
import pytest
from comparison_fields import chain, degrees_of_freedom, measured
from scipy import stats

import nnrg

PAIRS = 250


def squares(found):
    """Squared distances, and their errors."""
    each = [c.distances[0].square for c in found]
    return np.array([e.value for e in each]), np.array([e.error for e in each])


def pairs(count, seed, table, first=(48, 16), second=(160, 16)):
    """Comparisons of two fields of one ensemble with different numbers of samples."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield nnrg.compare(
            {
                name: table(chain(n, 0.5, rng, length=length))
                for name, (n, length) in (("a", first), ("b", second))
            }
        )


def cumulants(field):
    return nnrg.renormalize(field, levels=3).cumulants(order=4, nulls=(), rng=1)


def check_calibration(found, level):
    # False-alarm rate of this assertion: one in a thousand on either side.
    alarms = int(sum(d.distances[0].p <= level for d in found))
    low, high = stats.binom.ppf([1e-3, 1 - 1e-3], len(found), level)
    assert low <= alarms <= high, (alarms, low, high)
    claims = int(sum(min(r.holm for r in d.rows if r.holm == r.holm) <= level for d in found))
    # Holm's method allows fewer: numbers of one flow depend on each other.
    assert claims <= high, (claims, high)


def test_false_alarms_of_cumulants_are_as_frequent_as_the_level():
    found = list(pairs(PAIRS, 1, cumulants))
    for level in (0.05, 0.2):
        check_calibration(found, level)
    values, errors = squares(found)
    typical = np.sqrt(np.mean(errors**2))
    # A spread of 250 values is known to 4.5 percent, their mean to a sixteenth of it.
    assert values.std(ddof=1) == pytest.approx(typical, rel=0.25)
    assert abs(values.mean()) < 0.25 * typical


@pytest.mark.slow
def test_false_alarms_of_couplings_are_no_more_frequent_than_the_level():
    found = list(pairs(PAIRS, 2, measured, first=(128, 32), second=(512, 32)))
    alarms = sum(c.distances[0].p <= 0.05 for c in found)
    # Jackknife errors of couplings are a few percent too large, so that there may be fewer.
    assert alarms <= stats.binom.ppf(1 - 1e-3, PAIRS, 0.05)
    values, errors = squares(found)
    assert abs(values.mean()) < 0.7 * np.sqrt(np.mean(errors**2))


def test_the_distance_of_two_ensembles_does_not_depend_on_the_number_of_weights():
    rng = np.random.default_rng(3)
    found = []
    for n in (128, 1024):
        pair = {rho: cumulants(chain(n, rho, rng)) for rho in (0.3, 0.6)}
        found.append(nnrg.compare({str(k): v for k, v in pair.items()}).distances[0])
    few, many = (d.square for d in found)
    assert many.value > 6 * many.error
    assert abs(few.value - many.value) < 4 * np.hypot(few.error, many.error)
    # Not to zero: the covariance that sets the unit is known from 128 groups, whatever their size.
    assert many.error < 0.7 * few.error


def test_one_scale_is_hotellings_test():
    rng = np.random.default_rng(4)
    tables = {
        k: nnrg.renormalize(chain(40, 0.5, rng), levels=1).cumulants(order=4, nulls=(), rng=1)
        for k in "ab"
    }
    names = ["ratio_3", "ratio_4", "neighbour:0"]
    at = [tables["a"].names.index(n) for n in names]
    gap = tables["a"].values[0, at] - tables["b"].values[0, at]
    parts = []
    for t in tables.values():
        select = {"scale": 1, "scale_2": 1, "operator": names, "operator_2": names}
        parts.append(t.covariance().sel(select).values)
    total = sum(parts)
    t2 = gap @ np.linalg.solve(total, gap)
    k = len(names)
    shares = [np.linalg.solve(total, c) for c in parts]
    traces = [np.trace(s @ s) + np.trace(s) ** 2 for s in shares]
    nu = (k + k**2) / sum(t / 39 for t in traces)
    own = [k / sum(1 / degrees_of_freedom(t, 0, name) for name in names) for t in tables.values()]
    wide = (k + k**2) / sum(t / dof for t, dof in zip(traces, own, strict=True))
    # Free of bias as T^2 is, and referred to F with as few degrees as a few groups leave.
    q = (nu - k - 1) / (nu * k) * t2
    last = min(nu, wide) - k + 1
    expected = stats.f.sf(q * last / (last - 2), k, last)
    distance = nnrg.compare(tables).distances[0]
    assert distance.p == pytest.approx(expected, rel=1e-9)
    assert distance.square.value == pytest.approx((q - 1) * 2 / (40 * 32), rel=1e-9)


def test_the_error_of_a_distance_is_its_spread():
    rng = np.random.default_rng(5)
    values, errors = squares(
        [
            nnrg.compare({str(r): cumulants(chain(64, r, rng)) for r in (0.3, 0.5)})
            for _ in range(80)
        ]
    )
    # The spread of 80 values is known to 8 percent; four times that, and as much for the errors.
    assert values.std(ddof=1) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.4)
