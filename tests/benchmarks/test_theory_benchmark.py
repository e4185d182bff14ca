"""Speed of the mean-field theory: what a phase diagram and its maps take, warm."""

from time import perf_counter, process_time

import numpy as np
import pytest
from scipy import integrate, optimize

from nnrg.theory.criticality import MeanField, critical_line, phase_diagram
from nnrg.theory.gaussian_averages import moments
from nnrg.theory.layer_kernel import kernel

pytestmark = pytest.mark.benchmark

SIGMA_B = np.linspace(1e-3, 2.0, 200)


def timed(function):
    wall, core = perf_counter(), process_time()
    result = function()
    return perf_counter() - wall, process_time() - core, result


@pytest.mark.parametrize("name", ["tanh", "erf", "gelu", "silu"])
def test_critical_line_of_200_points(name):
    critical_line(name, sigma_b=SIGMA_B[:2])
    wall, core, line = min(
        (timed(lambda: critical_line(name, sigma_b=SIGMA_B)) for _ in range(3)),
        key=lambda run: run[1],
    )
    print(f"critical line of {name}, 200 points: {wall:.3f} s, {core:.3f} s of processor time")
    assert np.isfinite(line.sigma_w).sum() >= 190
    assert np.nanmax(line.sigma_w_error) < 1e-9
    assert core < 2


def critical_by_scipy(sigma_b):
    """One point of tanh by adaptive quadrature and a root finder, one call at a time."""

    def average(f, q):
        value, _ = integrate.quad(
            lambda z: f(np.sqrt(q) * z) * np.exp(-z * z / 2), -12, 12, epsabs=1e-12
        )
        return value / np.sqrt(2 * np.pi)

    def gap(q):
        slope = average(lambda x: np.cosh(x) ** -4, q)
        return q - average(lambda x: np.tanh(x) ** 2, q) / slope - sigma_b**2

    q = optimize.brentq(gap, 1e-6, 50)
    return average(lambda x: np.cosh(x) ** -4, q) ** -0.5


def test_critical_line_against_a_loop_over_scipy():
    critical_line("tanh", sigma_b=SIGMA_B[:2])
    _, ours, line = timed(lambda: critical_line("tanh", sigma_b=SIGMA_B))
    chosen = SIGMA_B[60::60]
    _, theirs, points = timed(lambda: [critical_by_scipy(b) for b in chosen])
    ratio = (theirs / len(chosen)) / (ours / len(SIGMA_B))
    print(f"critical line of tanh, against scipy.integrate.quad point by point: {ratio:.1f} x")
    np.testing.assert_allclose(line.sigma_w[60::60], points, rtol=1e-9)
    assert ratio > 3


def test_moments_kernels_and_maps():
    moments("tanh", 1.0)
    q = np.logspace(-3, 3, 200)
    for what, function in (
        ("all moments of tanh at 200 variances", lambda: moments("tanh", q)),
        (
            "<phi phi> of tanh at 50 correlations",
            lambda: kernel("tanh", 1, 1, np.linspace(0, 1, 50)),
        ),
        ("100 layers of q and c, tanh", lambda: MeanField("tanh", 1.5, 0.2).propagate(100, c0=0.5)),
        ("fixed points, phase and depth scales, tanh", lambda: str(MeanField("tanh", 2.5, 0.2))),
        (
            "phase diagram of 50 x 60 points, tanh",
            lambda: phase_diagram("tanh", np.linspace(0.1, 4, 60), np.linspace(0, 1, 50)),
        ),
    ):
        wall, core, _ = timed(function)
        print(f"{what}: {wall:.3f} s, {core:.3f} s of processor time")
