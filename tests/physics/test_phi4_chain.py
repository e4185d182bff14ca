"""The interacting chain: block cumulants known to ten digits, couplings known exactly."""

import numpy as np
import pytest
from physics import exact
from physics.agreement import deviations, p_value
from scipy.integrate import cumulative_simpson

import nnrg
from nnrg.rg.scaling.derived import derive
from nnrg.simulate.chain import phi4_chain

BLOCKS = "Interacting chain, block averages"
COUPLINGS = "Interacting chain, couplings"
ONE_SITE = "One site, S = phi^2 / 2 + phi^4 / 24"

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


def test_fourth_cumulant_has_the_published_digits(chain, checked):
    r, measured = chain
    for b, digits in LAMBDA_4[r].items():
        found = measured.estimate("ratio_4", b)
        quantity = f"lambda_4 at r = {r:g}, u = 6, b = {b}"
        checked(BLOCKS, quantity, digits, found.value, found.error, source="transfer matrix")


def test_second_and_sixth_cumulants_have_the_published_digits(chain, checked):
    r, measured = chain
    if r != 0.5:
        assert measured.estimate("kappa_2", 64).value > KAPPA_2_OVER_B[64] / 64
        return
    for label, name, known, power in (
        ("kappa_2 of block sums over b", "kappa_2", KAPPA_2_OVER_B, 1),
        ("lambda_6", "ratio_6", LAMBDA_6, 0),
    ):
        for b, digits in known.items():
            found = measured.estimate(name, b)
            value, error = found.value * b**power, found.error * b**power
            quantity = f"{label} at r = 0.5, u = 6, b = {b}"
            checked(BLOCKS, quantity, digits, value, error, source="transfer matrix")


@pytest.mark.slow
def test_interaction_falls_as_one_over_the_block_beyond_the_correlation_length(checked):
    # lambda_4 -> -g / b: two million segments, in members of an ensemble.
    members = []
    for seed in range(20):
        field = chain_field(64, 100_000, r=0.5, u=6.0, rng=seed)
        measured = nnrg.renormalize(field, levels=7).cumulants(order=4, nulls=())
        members.append(measured)
    model = exact.Phi4Chain(0.5, 6.0)

    def asymptotics(table):
        kurtosis = table[:, 0]
        return [-64 * kurtosis[6], -32 * kurtosis[5], kurtosis[5] / kurtosis[4]]

    found = derive(members, asymptotics, names=["ratio_4"])
    at = {b: model.standardised(b, 4)[4] for b in (16, 32, 64)}
    assert -64 * at[64] == pytest.approx(1.42758, abs=5e-6)
    rows = (
        ("-b lambda_4 at b = 64", -64 * at[64]),
        ("-b lambda_4 at b = 32", -32 * at[32]),
        ("lambda_4(32) / lambda_4(16)", at[32] / at[16]),
    )
    for (label, known), one in zip(rows, found.estimates(), strict=True):
        quantity = f"{label}, r = 0.5, u = 6, two million segments"
        checked(BLOCKS, quantity, known, one.value, one.error, source="transfer matrix")
        assert one.error < abs(known) / 5


def test_couplings_of_the_chain_to_half_a_percent(checked):
    # 47 600 segments of 64 sites: (Z, r, u) = (1.0005(17), 0.495(6), 6.03(3)) were reported.
    field = chain_field(64, 47_600, r=0.5, u=6.0, rng=89)
    fit = nnrg.fit_couplings(
        nnrg.renormalize(field, levels=2),
        basis=nnrg.Basis(("phi2", "phi4", "grad2")),
        nulls=(),
    )
    expected = [[0.5, 6.0, 1.0]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    for name, known in zip(fit.names, expected[0], strict=True):
        found = fit.estimate(name, 1)
        quantity = f"{name} at r = 0.5, u = 6, 47 600 segments of 64 sites"
        checked(COUPLINGS, quantity, known, found.value, found.error)
    assert np.all(fit.errors()[0] < [0.009, 0.06, 0.003])
    assert fit.series["p"][0] > 1e-4


def test_couplings_of_a_chain_with_two_wells(checked):
    field = chain_field(128, 2560, r=-1.0, u=6.0, rng=87)
    fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
    expected = [[0, -1.0, 0, 6.0, 0, 1.0]]
    assert fit.names == ("phi", "phi2", "phi3", "phi4", "phi6", "grad2:0")
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    for name, known in zip(fit.names, expected[0], strict=True):
        found = fit.estimate(name, 1)
        quantity = f"{name} at r = -1, u = 6"
        checked(COUPLINGS, quantity, known, found.value, found.error, within=4.5)


def test_sixth_order_coupling_is_found(checked):
    values = phi4_chain(128, 2560, r=1.0, u=-1.0, w=40.0, rng=88)
    field = nnrg.SynapticField(values, nnrg.Lattice(128))
    fit = nnrg.fit_couplings(nnrg.renormalize(field, levels=2), nulls=())
    expected = [[0, 1.0, 0, -1.0, 40.0, 1.0]]
    assert p_value(fit, fit.names, expected, scales=[1]) > 1e-4
    found = fit.estimate("phi6", 1)
    assert found.value > 10 * found.error
    checked(COUPLINGS, "phi6 at r = 1, u = -1, w = 40", 40.0, found.value, found.error)


def test_field_without_stiffness_has_the_zero_dimensional_action(checked):
    # S = phi^2 / 2 + phi^4 / 24 at every site: kappa_2 = 0.750511146389689.
    grid = np.linspace(-8, 8, 4001)
    weight = np.exp(-(grid**2) / 2 - grid**4 / 24)
    uniform = np.random.default_rng(36).random((4096, 64))
    total = cumulative_simpson(weight, x=grid, initial=0)
    values = np.interp(uniform, total / total[-1], grid)
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice(64)), levels=2)
    fit = nnrg.fit_couplings(flow, basis=nnrg.Basis(("phi2", "phi4", "grad2")), nulls=())
    assert p_value(fit, fit.names, [[1.0, 1.0, 0.0]], scales=[1]) > 1e-4
    for name, known in (("phi2", 1.0), ("phi4", 1.0)):
        found = fit.estimate(name, 1)
        checked(ONE_SITE, name, known, found.value, found.error)
    kappa = flow.cumulants(order=6, nulls=())
    digits = {2: 0.750511146389689, 4: -0.192867820904, 6: 0.357771432688}
    for n, known in digits.items():
        found = kappa.estimate(f"kappa_{n}", 1)
        checked(ONE_SITE, f"kappa_{n}", known, found.value, found.error, source="quadrature")
