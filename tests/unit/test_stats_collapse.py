"""Data collapse: the quality against a naive twin, parameters recovered, refusals."""

from itertools import pairwise

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.stats.collapse import ScalingCurve, collapse, collapse_quality
from nnrg.stats.replicates import Replicates

SIZES = (16, 32, 64)


def scaling_curves(rng, *, critical=1.0, nu=1.0, kappa=0.0, noise=0.005, correction=0.0):
    """Curves L^kappa (0.6 + tanh((t - t_c) L^(1/nu))) + noise, straight between neighbours."""
    curves = []
    for size in SIZES:
        control = critical + np.linspace(-0.8, 0.8, 15) * size ** (-1 / nu)
        factor = size**kappa
        x = (control - critical) * size ** (1 / nu)
        exact = factor * (0.6 + np.tanh(x) + correction / size)
        errors = np.full(15, noise * factor)
        measured = Replicates.from_covariance(exact + errors * rng.normal(size=15), errors**2)
        curves.append(ScalingCurve(size, control, measured))
    return curves


def naive_quality(curves, critical, inverse_nu, kappa):
    """Houdayer and Hartmann's S, point by point."""
    sets = [
        [
            ((t - critical) * c.size**inverse_nu, y * c.size**-kappa, e * c.size**-kappa)
            for t, y, e in zip(c.control, c.data.values, c.data.errors(), strict=True)
        ]
        for c in curves
    ]
    terms = []
    for i, own in enumerate(sets):
        for x, y, dy in own:
            near = []
            for j, other in enumerate(sets):
                for left, right in pairwise(other):
                    if j != i and left[0] <= x < right[0]:
                        near += [left, right]
            if not near:
                continue
            w = np.array([1 / e**2 for _, _, e in near])
            xs, ys = np.array([p[0] for p in near]), np.array([p[1] for p in near])
            k, kx, kxx = w.sum(), (w * xs).sum(), (w * xs**2).sum()
            ky, kxy = (w * ys).sum(), (w * xs * ys).sum()
            delta = k * kxx - kx**2
            master = (kxx * ky - kx * kxy) / delta + x * (k * kxy - kx * ky) / delta
            variance = (kxx - 2 * x * kx + x**2 * k) / delta
            terms.append((y - master) ** 2 / (dy**2 + variance))
    return np.mean(terms), len(terms)


@pytest.mark.parametrize(("critical", "inverse", "kappa"), [(1.0, 1.0, 0.0), (1.004, 0.8, 0.1)])
def test_quality_agrees_with_the_formula_point_by_point(rng, critical, inverse, kappa):
    curves = scaling_curves(rng)
    values = np.concatenate([c.data.values for c in curves])
    errors = np.concatenate([c.data.errors() for c in curves])
    found = collapse_quality(curves, values, errors, critical, inverse, kappa)
    expected = naive_quality(curves, critical, inverse, kappa)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_quality_of_the_true_parameters_is_one_on_average(rng):
    found = []
    for _ in range(60):
        curves = scaling_curves(rng)
        values = np.concatenate([c.data.values for c in curves])
        found.append(collapse_quality(curves, values, np.full(45, 0.005), 1.0, 1.0, 0.0)[0])
    # 60 times about 40 points: the mean is known to 4 %; curvature adds a percent.
    assert abs(np.mean(found) - 1) < 0.2


def test_parameters_are_recovered_and_their_errors_cover(rng):
    pulls = []
    for _ in range(20):
        found = collapse(scaling_curves(rng, nu=1.25, kappa=0.4), start=(1.002, 1.0), kappa=None)
        assert found.flag == ""
        pulls.append(
            [
                (found.critical.value - 1) / found.critical.error,
                (found.nu.value - 1.25) / found.nu.error,
                (found.kappa.value - 0.4) / found.kappa.error,
            ]
        )
    pulls = np.array(pulls)
    # 20 pulls each: the error of a mean is 0.22, of a spread 0.16; four of each.
    assert np.all(np.abs(pulls.mean(axis=0)) < 0.9)
    assert np.all(np.abs(pulls.std(axis=0) - 1) < 0.64)


def test_wrong_power_of_the_size_is_called_a_poor_collapse(rng):
    found = collapse(scaling_curves(rng, kappa=0.2), start=(1.0, 1.0))
    assert found.flag.startswith("poor collapse")
    assert "flag: poor collapse" in str(found)
    assert found.critical.flag == found.flag


def test_fixed_power_of_the_size(rng):
    found = collapse(scaling_curves(rng, kappa=0.2), start=(1.0, 1.0), kappa=0.2)
    assert found.kappa is None
    assert found.p > 1e-3
    assert found.quality < 2


def test_measured_replicates_serve_as_errors_do(rng):
    curves = []
    for size in SIZES:
        control = 1 + np.linspace(-0.8, 0.8, 9) / size
        samples = 0.6 + np.tanh((control - 1) * size) + 0.05 * rng.normal(size=(24, 9))
        runs = [Replicates.of_mean(samples[:, [i]]) for i in range(9)]
        curves.append(ScalingCurve(size, control, Replicates.join(runs)))
    found = collapse(curves, start=(1.001, 1.1))
    assert found.parameters.dof == 23
    assert abs(found.nu.value - 1) < 4 * found.nu.error
    assert abs(found.critical.value - 1) < 4 * found.critical.error


def test_bad_input(rng):
    curves = scaling_curves(rng)
    data = Replicates.from_covariance([1.0, 2.0], [1.0, 1.0])
    few = [ScalingCurve(n, [0.9, 1.1], data) for n in (8, 16)]
    with pytest.raises(ArgumentError, match="two sizes or more"):
        collapse(curves[:1], start=(1.0, 1.0))
    with pytest.raises(ArgumentError, match="nu must be positive"):
        collapse(curves, start=(1.0, -1.0))
    with pytest.raises(ArgumentError, match="finite real"):
        collapse(curves, start=(np.nan, 1.0))
    with pytest.raises(AnalysisError, match="no polynomial"):
        collapse(few, start=(1.0, 1.0))
    with pytest.raises(ArgumentError, match="increasing values"):
        ScalingCurve(8, [1.0, 1.0], data)
    with pytest.raises(ArgumentError, match="positive size"):
        ScalingCurve(0, [1.0, 2.0], data)
    with pytest.raises(AnalysisError, match="no error"):
        ScalingCurve(8, [1.0, 2.0], Replicates.from_covariance([1.0, 2.0], [1.0, 0.0]))
