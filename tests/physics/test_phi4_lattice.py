"""The field in two dimensions, (r, Z, u) = (-0.8, 1, 3) on 64 x 64 sites."""

import numpy as np
import pytest
from physics.agreement import deviations, p_value, residuals

import nnrg
from nnrg.simulate.phi4 import phi4_lattice as phi4

BASIS = nnrg.Basis(("phi2", "phi4", "grad2"))
EXACT = [[-0.8, 3.0, 1.0, 1.0]]
TOPIC = "Interacting field, d = 2, couplings"


def lattice_flow(values):
    field = nnrg.SynapticField(values, nnrg.Lattice((64, 64), periodic=True))
    return nnrg.renormalize(field, levels=3)


@pytest.fixture(scope="module")
def configurations():
    return phi4((64, 64), 100, r=-0.8, u=3.0, rng=2, stride=40)


def record(checked, fit, expected, label):
    for name, known in zip(fit.names, expected[0], strict=True):
        found = fit.estimate(name, 1)
        checked(TOPIC, f"{name}, {label}", known, found.value, found.error, within=4.5)


def test_couplings_of_one_configuration(configurations, checked):
    # Reported: r = -0.80(10), Z = 1.004(28), u = 3.00(35), Z of both axes together.
    fit = nnrg.fit_couplings(lattice_flow(configurations[:1]), basis=BASIS, nulls=())
    assert fit.names == ("phi2", "phi4", "grad2:0", "grad2:1")
    assert np.abs(deviations(fit, fit.names, EXACT, scales=[1])).max() < 4
    np.testing.assert_allclose(fit.errors()[0], [0.10, 0.35, 0.05, 0.05], rtol=0.5)
    record(checked, fit, EXACT, "one configuration of 64 x 64")


def test_couplings_of_a_hundred_configurations(configurations, checked):
    # Reported: r = -0.795(10), Z = 1.003(3), u = 2.99(3).
    fit = nnrg.fit_couplings(lattice_flow(configurations), basis=BASIS, nulls=())
    assert p_value(fit, fit.names, EXACT, scales=[1]) > 1e-4
    record(checked, fit, EXACT, "100 configurations of 64 x 64")
    np.testing.assert_allclose(fit.errors()[0], [0.010, 0.035, 0.005, 0.005], rtol=0.4)
    assert fit.series["p"][0] > 1e-4


def test_terms_that_are_not_in_the_action_are_compatible_with_zero(configurations, checked):
    fit = nnrg.fit_couplings(lattice_flow(configurations), nulls=())
    expected = [[0, -0.8, 0, 3.0, 0, 1.0, 1.0]]
    assert fit.names == ("phi", "phi2", "phi3", "phi4", "phi6", "grad2:0", "grad2:1")
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    record(checked, fit, expected, "100 configurations, six terms in the basis")


def test_blocking_grows_a_diagonal_coupling(configurations):
    flow = lattice_flow(configurations)
    assert abs(residuals(flow, 0, BASIS)["J:1.414"]) < 4.5
    assert abs(residuals(flow, 1, BASIS)["J:1.414"]) > 5
    fit = nnrg.fit_couplings(flow, basis=BASIS, nulls=())
    assert fit.series["p"][1] < 1e-6
    assert fit.flags[1][0].startswith("poor fit")


def test_the_two_axes_are_equally_stiff_at_every_scale(configurations):
    fit = nnrg.fit_couplings(lattice_flow(configurations), basis=BASIS, nulls=())
    covariance = fit.covariance()
    for level, b in enumerate(fit.scales):
        difference = fit.values[level, 2] - fit.values[level, 3]
        block = covariance.sel(scale=b, scale_2=b).values[2:, 2:]
        variance = block[0, 0] + block[1, 1] - 2 * block[0, 1]
        assert abs(difference) < 4 * np.sqrt(variance)
