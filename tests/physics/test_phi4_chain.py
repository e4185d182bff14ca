"""The interacting chain: block cumulants known to ten digits, couplings known exactly."""

import numpy as np
import pytest
from physics import exact
from physics.agreement import deviations, p_value

import nnrg
from nnrg.simulate.chain import phi4_chain

# The published digits of lambda_4 at b = 1, 2, .., 64 (r = 1/2) and at b = 1, 4, 16, 64 (r = -1).
LAMBDA_4 = {
    0.5: {
        1: -0.4239376934,
        2: -0.3521687841,
        4: -0.2623716326,
        8: -0.1597091920,
        16: -0.0857174532,
        32: -0.0440659898,
        64: -0.0223059244,
    },
    -1.0: {1: -0.8437599945, 4: -0.7175535266, 16: -0.3042608985, 64: -0.0818924717},
}
KAPPA_2_OVER_B = {1: 0.3596605131, 8: 0.6395733518, 64: 0.6950376282}
LAMBDA_6 = {1: 1.2327660645, 8: 0.1912667972, 64: 0.0036484341}


def chain_field(length, n_samples, *, r, u, rng):
    values = phi4_chain(length, n_samples, r=r, u=u, rng=rng)
    return nnrg.SynapticField(values, nnrg.Lattice(length), name="chain")


@pytest.fixture(scope="module", params=[0.5, -1.0], ids=["r=0.5", "r=-1"])
def chain(request):
    r = request.param
    field = chain_field(64, 40_000, r=r, u=6.0, rng=86)
    measured = nnrg.renormalize(field, levels=7).cumulants(order=6, nulls=())
    return r, measured


def test_block_cumulants_of_the_chain_at_every_scale(chain):
    # kappa_2, lambda_4, lambda_6 at b = 1 .. 64, one chi-squared with the full covariance.
    r, measured = chain
    model = exact.Phi4Chain(r, 6.0)
    expected = []
    for b in measured.scales:
        sums = model.block_cumulants(b, 6)
        expected.append([sums[2] / b**2, *(sums[[4, 6]] / sums[2] ** np.array([2, 3]))])
    names = ("kappa_2", "ratio_4", "ratio_6")
    assert measured.scales.tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert p_value(measured, names, expected) > 1e-4
    assert np.abs(deviations(measured, names, expected)).max() < 4.5
    assert p_value(measured, ("ratio_3", "ratio_5"), np.zeros((7, 2))) > 1e-4
    assert abs(deviations(measured, ["kappa_1"], 0.0, scales=[1])).item() < 4
    # Not for want of power: lambda_4 is seen at ten errors or more up to b = 8.
    assert np.all(deviations(measured, ["ratio_4"], 0.0, scales=[1, 2, 4, 8]) < -10)


def test_fourth_cumulant_has_the_published_digits(chain):
    r, measured = chain
    for b, digits in LAMBDA_4[r].items():
        assert abs(deviations(measured, ["ratio_4"], digits, scales=[b])).item() < 4


def test_second_and_sixth_cumulants_have_the_published_digits(chain):
    r, measured = chain
    if r != 0.5:
        assert measured.estimate("kappa_2", 64).value > KAPPA_2_OVER_B[64] / 64
        return
    for b, digits in KAPPA_2_OVER_B.items():
        assert abs(deviations(measured, ["kappa_2"], digits / b, scales=[b])).item() < 4
    for b, digits in LAMBDA_6.items():
        assert abs(deviations(measured, ["ratio_6"], digits, scales=[b])).item() < 4


def test_couplings_of_the_chain_to_half_a_percent():
    # 47 600 segments of 64 sites: (Z, r, u) = (1.0005(17), 0.495(6), 6.03(3)) were reported.
    field = chain_field(64, 47_600, r=0.5, u=6.0, rng=89)
    fit = nnrg.fit_couplings(
        nnrg.renormalize(field, levels=2),
        basis=nnrg.Basis(("phi2", "phi4", "grad2")),
        nulls=(),
    )
    expected = [[0.5, 6.0, 1.0]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    assert np.abs(deviations(fit, fit.names, expected, scales=[1])).max() < 4
    assert np.all(fit.errors()[0] < [0.009, 0.06, 0.003])
    assert fit.series["p"][0] > 1e-4


def test_couplings_of_a_chain_with_two_wells():
    field = chain_field(128, 2560, r=-1.0, u=6.0, rng=87)
    fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
    expected = [[0, -1.0, 0, 6.0, 0, 1.0]]
    assert fit.names == ("phi", "phi2", "phi3", "phi4", "phi6", "grad2:0")
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    assert np.abs(deviations(fit, fit.names, expected, scales=[1])).max() < 4.5


def test_sixth_order_coupling_is_found():
    values = phi4_chain(128, 2560, r=1.0, u=-1.0, w=40.0, rng=88)
    field = nnrg.SynapticField(values, nnrg.Lattice(128))
    fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
    expected = [[0, 1.0, 0, -1.0, 40.0, 1.0]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    assert fit.estimate("phi6", 1).value > 10 * fit.estimate("phi6", 1).error


def test_field_without_stiffness_has_the_zero_dimensional_action():
    # S = phi^2 / 2 + phi^4 / 24 at every site: kappa_2 = 0.750511146389689.
    model = exact.Phi4Chain(1.0, 1.0, points=2001, edge=8.0)
    weight = np.exp(-(model.phi**2) / 2 - model.phi**4 / 24)
    uniform = np.random.default_rng(36).random((512, 64))
    values = np.interp(uniform, np.cumsum(weight) / weight.sum(), model.phi)
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    fit = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4", "grad2")), nulls=())
    assert p_value(fit, fit.names, [[1.0, 1.0, 0.0]], scales=[1]) > 1e-4
    kappa = flow.cumulants(order=4, nulls=()).estimate("kappa_2", 1)
    assert abs(kappa.value - 0.750511146389689) < 4 * kappa.error
