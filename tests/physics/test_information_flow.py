"""Information-space flows: scale of the weights, kernel modes of regression, layers.

Statistical tests: numbers within 4 or 4.5 errors of their jackknife, seeds fixed; with new seeds
one run in about two hundred would fail.
"""

from math import gamma, pi

import numpy as np
import pytest
from scipy import integrate

from nnrg.theory.correlators import CosNet, GaussNet
from nnrg.theory.criticality.mean_field import MeanField
from nnrg.theory.information_flow import (
    data_scaling,
    depth_relative_entropy,
    feature_modes,
    gaussian_modes,
    kernel_modes,
    momentum_flow,
    ridge_test,
    sigma_flow,
    wilsonian_flow,
)
from nnrg.theory.information_flow._contact import Grid, couplings
from nnrg.theory.information_flow._ridge import learnability, self_consistent_ridge
from nnrg.theory.information_flow.momentum import flow_equation

SIGMA, MODES, DEPTH = "Flow of sigma_w", "Flow of kernel modes", "Relative entropy along depth"
GRID = [-0.4, -0.1, 0.1, 0.5]


# The scale of the weights.


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_mass_is_that_of_the_kernel(sigma, checked):
    """G(p) = Z^-1 / (m^2 + p^2 + ..): m^2 is the integral over the second moment, in d = 1."""
    net = CosNet(width=3, sigma_w=sigma)
    mass2 = sigma_flow(net, GRID, [1.0]).predicted[0, 0]

    def moment(power):
        return integrate.quad(
            lambda x: x**power * float(net.kernel([0.0], [x]).values[0, 0]), -30, 30, limit=400
        )[0]

    checked(SIGMA, f"m^2, sigma_w = {sigma:g}, d = 1", mass2, 2 * moment(0) / moment(2), rtol=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_contact_coupling_of_near_inputs(d, checked):
    """At coincident points -4^d pi^(d/2) times the excess kurtosis, 3 / 2N."""
    points = 1e-4 * np.eye(3, d)
    found = sigma_flow(CosNet(width=7), points, [1.0]).predicted[0]
    expected = -(4**d) * pi ** (d / 2) * 3 / (2 * 7)
    checked(SIGMA, f"g_4 / m^(4 - d) of a Cos-net, d = {d}", expected, found[2], rtol=1e-6)
    assert found[3] < 1e-6


@pytest.mark.parametrize("d", [1, 2, 3])
def test_couplings_scale_with_their_dimension(d, checked):
    flow = sigma_flow(CosNet(width=7), 1e-3 * np.eye(3, d), [1, 2, 4])
    checked(SIGMA, f"exponent of g_4, d = {d}", 4 - d, flow.predicted_exponents[1], rtol=1e-5)
    assert flow.predicted_exponents[0] == pytest.approx(2, abs=1e-12)


def test_contact_vertex_is_recovered():
    """A four-point function that is one: integrated numerically, in d = 1."""
    points, strength, mass2, amplitude = np.array([[-0.7], [0.2], [0.9]]), 0.3, 1.7, 0.8
    grid = Grid.of(points)

    def kernel(x):
        return amplitude * np.exp(-mass2 * x**2 / 4)

    z = np.linspace(-12, 12, 4001)
    legs = kernel(points - z)
    four = np.array([-strength * integrate.simpson(legs[q].prod(axis=0), z) for q in grid.quads])
    found = couplings(grid, kernel(np.sqrt(grid.distances2)), four, mass2)
    unit = amplitude * mass2 * (4 * pi / mass2) ** 0.5  # 1 / Z
    assert found[1] == pytest.approx(strength * unit**2, rel=1e-9)
    assert found[3] < 1e-7


def test_changing_sigma_is_changing_the_scale_of_inputs():
    for net in (CosNet(width=5, sigma_w=1.3), GaussNet(width=5, sigma_w=1.3, sigma_b=0.4)):
        for b in (0.5, 3.0):
            x = np.array([[0.1, 0.4], [-0.3, 0.2], [1.0, -0.6]])
            other = type(net)(**{**vars(net), "sigma_w": 1.3 / b})
            for order in (2, 4, 6):
                np.testing.assert_allclose(
                    other.cumulant_tensor(x, order).values,
                    net.cumulant_tensor(x / b, order).values,
                    rtol=1e-10,
                    atol=1e-14,
                )


@pytest.mark.parametrize("change", ["weights", "inputs"])
def test_measured_flow(change, checked):
    flow = sigma_flow(
        CosNet(width=4), GRID, [0.5, 1, 2, 4], change=change, n_networks=40_000, rng=5
    )
    assert np.abs(flow.sigmas_apart()[:, :3]).max() < 4.5
    y = flow.mass_exponent.estimate("y")
    checked(SIGMA, f"measured exponent of m^2, {change} changed", 2.0, y.value, y.error)
    quartic = flow.estimate("dimensionless", 2)
    checked(
        SIGMA,
        f"measured g_4 / m^3 of a Cos-net, N = 4, {change} changed",
        quartic.null.value,
        quartic.value,
        quartic.error,
    )
    assert quartic.error < 0.15 * abs(quartic.value)


def test_views_differ_in_their_covariance():
    """The same networks at all scales: the mass ratio is known far better than the mass."""
    options = {"n_networks": 20_000, "rng": 3}
    same = sigma_flow(CosNet(width=4), GRID, [2, 4, 8], change="inputs", **options)
    drawn = sigma_flow(CosNet(width=4), GRID, [2, 4, 8], **options)
    errors = [f.mass_exponent.estimate("y").error for f in (same, drawn)]
    assert errors[0] < 0.05 * errors[1]


def test_gauss_net_mass():
    flow = sigma_flow(GaussNet(width=10, sigma_b=0.2), GRID, [1, 2, 4], n_networks=30_000, rng=2)
    assert np.abs(flow.sigmas_apart()[:, 0]).max() < 4
    assert any("origin" in note for note in flow.notes)


# The momentum cutoff.


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_flow_of_the_local_potential(d):
    """Coefficients of k^(d+1) v / (k^2 + U''), by a polynomial through its values."""
    k, g = 0.8, np.array([1.3, 0.7, 0.4])
    phi = 0.3 * np.cos(pi * (np.arange(21) + 0.5) / 21)
    curvature = g[0] + g[1] * phi**2 / 2 + g[2] * phi**4 / 24
    area = 2 * pi ** (d / 2) / gamma(d / 2)
    # One half the trace over |p| < k of 2 k / (k^2 + U'').
    right = area / d * k**d / (2 * pi) ** d * k / (k**2 + curvature)
    taylor = np.polynomial.Polynomial.fit(phi, right, 14).convert().coef
    expected = [2 * taylor[2], 24 * taylor[4], 720 * taylor[6]]
    np.testing.assert_allclose(flow_equation(k, g, d), expected, rtol=1e-5)


def test_weak_coupling_is_one_loop(checked):
    m2, g4 = 1.5, 1e-5
    found = momentum_flow([m2, g4, 0.0], [0.0, 0.7, 2.0], dimension=1).values[-1]
    loop = integrate.quad(lambda k: k**2 / (k**2 + m2) ** 2, 0, 2)[0] / pi
    checked(
        SIGMA, "shift of m^2 / g_4 by the momentum flow", -loop, (found[0] - m2) / g4, rtol=1e-4
    )


def test_momentum_flow_is_reversible():
    up = momentum_flow([2.0, -0.2, 0.1], [0.0, 0.5, 1.5], dimension=1)
    down = momentum_flow(up.values[-1], [1.5, 0.5, 0.0], dimension=1)
    np.testing.assert_allclose(down.values[-1], [2.0, -0.2, 0.1], atol=1e-6)


def test_momentum_flow_of_measured_couplings():
    flow = sigma_flow(CosNet(width=8), GRID, [1.0], n_networks=20_000, rng=1)
    start = flow.replicates.map(lambda row: np.array([row[0], row[1], 0.0]))
    found = momentum_flow(start, [0.0, 1.0], dimension=1)
    assert found.errors[0, 1] == pytest.approx(flow.measured_errors[0, 1], rel=1e-3)
    assert found.errors[1, 1] > 0
    assert found.sigma_w().values[0] == pytest.approx(1.0, abs=4 * found.sigma_w().errors()[0])


# Modes of regression.


def test_ridge_stands_for_modes_that_are_not_learned(checked):
    spectrum = np.append([4.0, 2.0, 1.0], np.full(1000, 1e-3))
    found = ridge_test(gaussian_modes(spectrum), n_data=40, ridge=1.0, n_datasets=400, rng=1)
    assert found.kept == 3
    checked(MODES, "sigma_c^2 = sigma^2 + sum of 1000 removed", 2.0, found.renormalised_ridge)
    for mode in (1, 2, 3):
        change = found.replicates.estimate(3 + mode - 1)
        name = f"change of learnability of mode {mode}, Gaussian features"
        checked(MODES, name, found.expected_changes[mode - 1], change.value, change.error)
    whole = found.change()
    assert abs(whole.value) < 5e-4
    assert found.unchanged


def test_predictors_agree_as_removed_modes_get_finer():
    """1000 or 100 modes of the same sum: the predictor moves less, as one over the root."""
    distances = []
    for count in (100, 1600):
        modes = gaussian_modes(np.append([4.0, 2.0, 1.0], np.full(count, 1 / count)))
        test = ridge_test(modes, n_data=40, ridge=1.0, kept=3, n_datasets=200, rng=1)
        distances.append(test.distance())
    ratio = distances[0].value / distances[1].value
    error = ratio * np.hypot(*(d.error / d.value for d in distances))
    assert abs(ratio - 4) < 4 * error
    assert error < 0.4


def test_the_sum_of_eigenvalues_not_their_mean(checked):
    """With the mean of the removed eigenvalues, or without any, learnability is far off."""
    n, spectrum = 40, np.append([4.0, 2.0, 1.0], np.full(1000, 1e-3))
    found = ridge_test(gaussian_modes(spectrum), n_data=n, ridge=1.0, n_datasets=100, rng=4)
    measured = found.learnability(3)
    checked(
        MODES, "learnability of mode 3, Gaussian features", found.expected[2], measured.value,
        measured.error,
    )  # fmt: skip
    with_mean = self_consistent_ridge(spectrum[:3], n, 1.0 + 1e-3)
    wrong = learnability(spectrum[:3], n, with_mean)[2]
    assert abs(measured.value - wrong) > 15 * measured.error


def test_ridge_of_partly_learned_modes():
    """A slowly falling spectrum: the change is not zero, and it is the one of the formula."""
    modes = gaussian_modes(np.arange(1, 1201.0) ** -2)
    found = ridge_test(modes, n_data=100, ridge=0.5, n_datasets=100, rng=2)
    change = found.change()
    assert abs(change.z) < 4
    assert change.value < -20 * change.error


def test_common_scale_of_features_makes_the_ridge_local():
    """Uncorrelated features of a common random scale: not what Gaussian ones do."""
    rng = np.random.default_rng(3)
    low, high = rng.normal(size=(3000, 3)), rng.normal(size=(3000, 300))
    scale = np.exp(0.6 * rng.normal(size=(3000, 1)) - 0.36)
    found = []
    for features in (high, high * scale):
        both = np.concatenate([low * np.sqrt([4.0, 2.0, 1.0]), features / 300**0.5], axis=1)
        modes = feature_modes(both)
        found.append(ridge_test(modes, n_data=40, ridge=0.1, kept=3, n_datasets=150, rng=2))
        spread = modes.ridge_spread(3)
        assert (spread.value > 2 * float(spread.null)) == (features is not high)
    gaussian, mixed = found
    assert gaussian.unchanged
    assert not mixed.unchanged
    assert abs(mixed.change().z) > 20
    assert "not Gaussian" in mixed.flag
    # A ridge of each input takes most of it back.
    assert mixed.distance(local=True).value < 0.4 * mixed.distance().value
    assert abs(mixed.change(local=True).value) < 0.15 * abs(mixed.change().value)
    assert "depends on the input" in wilsonian_flow(mixed.modes, n_data=40, ridge=0.1).flag


def test_fourier_modes_of_the_circle(checked):
    """exp(cos(x - y)): Bessel functions, by eigenvalue on the measure, degenerate in pairs."""
    from scipy.special import iv

    x = 2 * pi * np.arange(128) / 128
    modes = kernel_modes(lambda a, b: np.exp(np.cos(a - b.T)), x, sampled=False)
    checked(MODES, "eigenvalue 2 of exp(cos) on the circle", iv(1, 1), modes.values[1], rtol=1e-12)
    np.testing.assert_allclose(modes.values[:7], iv([0, 1, 1, 2, 2, 3, 3], 1), rtol=1e-11)
    np.testing.assert_allclose(modes.functions.T @ modes.functions / 128, np.eye(modes.n_modes),
                               atol=1e-10)  # fmt: skip
    # A translation-invariant kernel on a uniform measure has no local ridge.
    assert modes.ridge_spread(3).value < 1e-8


def test_self_consistent_ridge_in_closed_form(checked):
    """lambda = k^-2: s - sigma^2 = (pi a coth(pi a) - 1) / 2 a^2, a^2 = n / s."""
    n, noise = 400.0, 0.7
    found = self_consistent_ridge(np.arange(1, 1e6 + 1) ** -2.0, n, noise)
    a = np.sqrt(n / found)
    expected = noise + (pi * a / np.tanh(pi * a) - 1) / (2 * a * a)
    checked(MODES, "self-consistent ridge, lambda = k^-2", expected, found, rtol=3e-6)


@pytest.mark.parametrize(("alpha", "n"), [(1, 1e7), (2, 1e9)])
def test_data_exponent_of_many_data(alpha, n, checked):
    modes = gaussian_modes(np.arange(1, 300_001.0) ** -(1.0 + alpha))
    found = data_scaling(modes, [int(n), int(10 * n)], ridge=100.0, alpha=float(alpha))
    name = f"alpha_D by formula, alpha = {alpha}"
    checked(MODES, name, alpha / (1 + alpha), found.formula_exponent, rtol=3e-3)
    flow = -np.diff(np.log(found.wilsonian)) / np.log(10)
    assert flow[0] == pytest.approx(alpha / (1 + alpha), rel=0.01)
    assert found.expected.value == alpha / (1 + alpha)


def test_measured_data_exponent(checked):
    """lambda = k^-2, sigma^2 = pi^2 / 4: there the first correction to alpha_D = 1/2 vanishes."""
    modes = gaussian_modes(np.arange(1, 1501.0) ** -2)
    found = data_scaling(
        modes, [48, 96, 192, 384], ridge=pi**2 / 4, alpha=1.0, n_datasets=40, rng=3
    )
    assert np.abs(found.sigmas()[1:]).max() < 4
    alpha = found.exponent
    checked(MODES, "alpha_D measured, alpha = 1, n = 48 .. 384", 0.5, alpha.value, alpha.error)
    assert alpha.error < 0.01
    assert found.fit.dof == 2
    assert found.fit.window == (48, 384)
    assert abs(found.formula_exponent - 0.5) < 0.005


def test_exponent_of_small_noise_is_alpha():
    """Where removed modes make the ridge: kappa ~ n, and the exponent is alpha; it is flagged."""
    modes = gaussian_modes(np.arange(1, 300_001.0) ** -2)
    found = data_scaling(modes, [100, 300, 1000], ridge=1e-7, alpha=1.0)
    assert found.formula_exponent == pytest.approx(1.0, abs=0.02)
    assert "removed modes make much of the ridge" in found.flag


# Layers.


def test_relative_entropy_of_gaussian_laws(checked):
    """Against the integral of p ln(p / p')."""
    net = MeanField("tanh", 1.3, 0.05**0.5)
    found = depth_relative_entropy(net, 5)

    def entropy(one, other):
        def f(z):
            ratio = 0.5 * np.log(other / one) + z * z / 2 * (1 / other - 1 / one)
            return np.exp(-z * z / (2 * one)) / np.sqrt(2 * pi * one) * ratio

        return integrate.quad(f, -12, 12, epsabs=1e-13)[0]

    q = found.q
    checked(DEPTH, "D(P_1 : P_0), tanh", entropy(q[1], q[0]), found.consecutive[0], rtol=1e-9)
    checked(DEPTH, "D(P_5 : P_0), tanh", entropy(q[5], q[0]), found.from_first[4], rtol=1e-9)


@pytest.mark.parametrize("sigma_w", [1.0, 1.7609546396**0.5, 2.5])
def test_one_input_saturates_in_every_phase(sigma_w, checked):
    """The step falls as chi_par^2 in all of them: it does not tell where chi_1 = 1."""
    net = MeanField("tanh", sigma_w, 0.05**0.5)
    found = depth_relative_entropy(net, 14)
    ratio = (found.consecutive[-1] / found.consecutive[-5]) ** 0.25
    name = f"step of D per layer, tanh, sigma_w = {sigma_w:.3g}"
    checked(DEPTH, name, net.chi_par**2, ratio, rtol=2e-3)
    assert found.monotone
    assert found.consecutive[-1] < 1e-6
    limit = 0.5 * (net.q_star - 1 - np.log(net.q_star))
    assert depth_relative_entropy(net, 80).from_first[-1] == pytest.approx(limit, rel=1e-8)


def test_two_inputs_do_not_saturate_in_the_ordered_phase(checked):
    ordered = MeanField("tanh", 1.0, 0.05**0.5)
    found = depth_relative_entropy(ordered, 40, c0=0.3)
    chi = ordered.chi_1
    limit = 0.5 * (chi - 1 - np.log(chi))
    checked(DEPTH, "step of D of two inputs, ordered", limit, found.consecutive[-1], rtol=1e-6)
    chaotic = depth_relative_entropy(MeanField("tanh", 2.5, 0.05**0.5), 60, c0=0.3)
    assert chaotic.consecutive[-1] < 1e-10
    critical = depth_relative_entropy(MeanField("tanh", 1.7609546396**0.5, 0.05**0.5), 200, c0=0.3)
    # 1 - c ~ 1 / l, so that r = 1 - 1 / l.
    assert 200**2 * critical.consecutive[-1] == pytest.approx(0.25, rel=0.1)
    assert "correlation" in found.statement
