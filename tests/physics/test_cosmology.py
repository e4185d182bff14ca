"""Training as an expanding universe: matches, fits to recorded training, and de Sitter space."""

import numpy as np
import pytest
from scipy.special import jv, loggamma, yv

from nnrg.simulate.training import MLP, GradientDescent, HeavyBall, perceptron, train
from nnrg.theory.cosmology import (
    circle_data,
    compare_universe,
    cosmological_match,
    fit_background,
    hubble_law,
    hubble_scan,
    mean_background,
    perturbation_spectrum,
    solve_friedmann,
    tangent_kernel,
)

TOPIC = "Training and cosmology"
ETAS = np.geomspace(1e-3, 1e-1, 5)


def regression(n=12, sites=6, seed=1):
    """Inputs and targets of a linear perceptron, the tangent kernel of which never moves."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, sites))
    return x, x @ rng.normal(size=sites)


def run(optimiser, steps, n_seeds=4, model=None, record=1, data=None):
    x, y = regression() if data is None else data
    model = perceptron(x.shape[1]) if model is None else model
    made = train(
        model, (x, y), optimiser=optimiser, steps=steps, record=record, n_seeds=n_seeds, rng=2
    )
    return made, x, y


def test_cosmological_constants_of_the_matches(checked):
    """Row 71: Lambda and the invariant m^2 / H^2."""
    eta, theta = 0.01, 0.7
    slow = cosmological_match(eta, theta, match="slow_roll")
    second = cosmological_match(eta, theta, match="second_order")
    ball = cosmological_match(eta, theta, match="momentum", momentum=0.9)
    for what, expected, obtained in (
        ("slow roll, time in steps", 1 / (3 * eta**2), slow.cosmological_constant),
        ("second order, time in eta steps", 4 / (3 * eta**2), second.cosmological_constant),
        ("momentum 0.9, time in sqrt(eta) steps", 1 / 3, ball.cosmological_constant),
    ):
        checked(TOPIC, f"Lambda at eta = 0.01, {what}", expected, obtained)
    checked(TOPIC, "m^2/H^2 of the second-order match, eta theta = 0.007", 0.0315, second.invariant)
    checked(
        TOPIC,
        "m^2/H^2 of the momentum match, eta theta = 0.007",
        9 * eta * theta / 0.1**2,
        ball.invariant,
    )
    for match, exponent in (("slow_roll", -2), ("second_order", -2), ("momentum", -1)):
        found = [cosmological_match(e, theta, match=match).cosmological_constant for e in ETAS]
        slope = np.polyfit(np.log(ETAS), np.log(found), 1)[0]
        checked(TOPIC, f"Exponent of Lambda in eta, {match} match", exponent, slope)


def test_rates_of_the_second_order_match_part_from_gradient_descent_at_third_order(checked):
    """Row 70: s = theta + eta theta^2 / 2 + c eta^2 theta^3 with c = 1/3 or 1/2."""
    theta, eta = 1.0, 0.01
    x, y = regression()
    top = np.linalg.eigvalsh(x.T @ x / len(x))[-1]
    # Rescale the inputs so that the largest eigenvalue is one.
    data = x / top**0.5, y
    made, x, y = run(GradientDescent(eta), 300, data=data)
    fit = fit_background(made, x, y, match="slow_roll", mode=0)
    measured = fit.rate.value / eta
    third = (measured - theta - eta * theta**2 / 2) / (eta**2 * theta**3)
    exact = (-np.log1p(-eta) / eta - 1 - eta / 2) / eta**2
    checked(
        TOPIC, "Third-order coefficient of the rate of gradient descent, eta theta = 0.01",
        exact, third, rtol=1e-6,
    )  # fmt: skip
    assert third == pytest.approx(1 / 3, rel=0.03)
    match = cosmological_match(eta, theta, match="second_order").rates[0].real
    assert (match - theta - eta / 2) / eta**2 == pytest.approx(1 / 2, rel=0.05)


def test_the_heavy_ball_has_the_hubble_rate_of_its_match_over_two_decades(checked):
    fits = []
    for eta in ETAS:
        made, x, y = run(HeavyBall(float(eta), 0.9), 150)
        fit = fit_background(made, x, y, match="momentum", mode=1)
        assert fit.hubble.value == pytest.approx(fit.predicted_hubble, rel=1e-8)
        assert fit.mass2.value == pytest.approx(fit.predicted_mass2, rel=1e-6)
        assert fit.flags == ()
        fits.append(fit)
    law = hubble_law(fits)
    assert law.flags == () and law.decades == pytest.approx(2)
    checked(TOPIC, "Exponent of H in eta, heavy ball, fitted", -0.5, law.exponent.value, rtol=1e-7)
    checked(
        TOPIC, "m^2/H^2 of a heavy-ball mode, fitted over predicted", 1.0,
        fits[0].invariant.value / (9 * ETAS[0] * fits[0].eigenvalue.value / 0.1**2), rtol=1e-6,
    )  # fmt: skip


def test_hubble_rates_of_gradient_descent_over_two_decades(checked):
    """Slow roll and second order: H of discrete training, exact, and its exponent."""
    for match in ("slow_roll", "second_order"):
        fits = []
        for eta in ETAS:
            made, x, y = run(GradientDescent(float(eta)), 200)
            fit = fit_background(made, x, y, match=match, mode=2)
            theta = np.linalg.eigvalsh(x.T @ x / len(x))[-3]
            s = -np.log1p(-eta * theta) / eta
            exact = theta / (eta * s) / 3 if match == "slow_roll" else s**2 / (s - theta) / 3
            assert fit.hubble.value == pytest.approx(exact, rel=1e-5)
            assert fit.hubble.value == pytest.approx(fit.predicted_hubble, rel=eta * theta)
            fits.append(fit)
        law = hubble_law(fits)
        assert law.exponent.value == pytest.approx(-1, abs=0.03)
        # H eta is 1/3 (1 - eta theta / 2), or 2/3 (1 + eta theta / 3): a law of small steps only.
        sign = -1 if match == "slow_roll" else 1
        assert "no power law" in law.flags[-1] and sign * law.curvature.value > 1e-3
    checked(
        TOPIC, "H eta of the second-order match, fitted at eta theta = 0.001", 2 / 3,
        fits[0].hubble.value * ETAS[0], rtol=1e-3,
    )  # fmt: skip


def test_the_spectrum_of_perturbations_is_that_of_the_kernel():
    made, x, y = run(GradientDescent(0.05), 40)
    found = perturbation_spectrum(made, x, y, window=(0, 40), n_modes=6)
    np.testing.assert_allclose(found.rates, found.exact, rtol=1e-8)
    assert (np.abs(found.second_order - found.exact) < np.abs(found.slow_roll - found.exact)).all()
    background, variance = mean_background(made)
    np.testing.assert_allclose(background, made.outputs[..., 0].mean(axis=2))
    np.testing.assert_allclose(variance, made.outputs[..., 0].var(axis=2))


def test_the_tangent_kernel_is_that_of_differences():
    """Derivatives by complex steps of a network written out here."""
    model = MLP((3, 5, 2), sigma_b=0.4)
    rng = np.random.default_rng(3)
    x, weights = rng.normal(size=(4, 3)), model.initial(rng)

    def outputs(w):
        hidden = np.tanh(x @ w["layers.0.weight"].T + w["layers.0.bias"])
        return hidden @ w["layers.1.weight"].T + w["layers.1.bias"]

    np.testing.assert_allclose(outputs(weights), model.outputs(weights, x))
    columns = []
    for name, w in weights.items():
        for at in np.ndindex(w.shape):
            moved = {k: v.astype(complex) for k, v in weights.items()}
            moved[name][at] += 1e-30j
            columns.append(outputs(moved).imag.ravel() / 1e-30)
    jacobian = np.array(columns).T
    np.testing.assert_allclose(tangent_kernel(model, weights, x), jacobian @ jacobian.T / 4)


def test_the_duality_fails_where_features_are_learned():
    """The kernel of a wide net hardly moves; that of a narrow one does, and it is flagged."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(8, 4)), rng.normal(size=8)
    drift = {}
    for width in (8, 512):
        model = MLP((4, width, 1), "tanh", bias=False)
        # The kernel grows like the width: the same time for both.
        made, *_ = run(GradientDescent(0.4 / width), 400, 6, model, 1, (x, y))
        drift[width] = fit_background(made, x, y, match="slow_roll", mode=0)
    narrow, wide = drift[8], drift[512]
    assert "features are learned" in narrow.flags[0] and wide.flags == ()
    assert wide.kernel_drift.value < 0.01 * narrow.kernel_drift.value
    # In the lazy limit what is left is the discreteness of the steps.
    share = 0.4 / 512 * wide.eigenvalue.value
    expected = wide.predicted_hubble * share / -np.log1p(-share)
    assert wide.hubble.value == pytest.approx(expected, rel=2e-3)
    assert narrow.hubble.value > 2 * narrow.predicted_hubble


def test_the_mean_is_a_mode_only_if_the_kernel_says_so():
    made, x, y = run(GradientDescent(0.05), 60)
    mixed = fit_background(made, x, y, match="slow_roll", mode="mean", window=(0, 60))
    assert any("no eigenvector" in flag for flag in mixed.flags)
    # A circulant kernel has the constant vector as an eigenvector.
    row = np.array([2.0, 0.5, 0.1, 0.5])
    ring = np.stack([np.roll(row, k) for k in range(4)])
    made, x, y = run(GradientDescent(0.01), 60, data=(ring, np.array([1.0, -1, 2, 0.5])))
    fit = fit_background(made, x, y, match="slow_roll", mode="mean")
    assert fit.eigenvalue.value == pytest.approx(row.sum() ** 2 / 4)
    assert fit.flags == () and fit.misalignment.value < 1e-7


def test_wide_networks_are_a_universe_over_two_decades_and_narrow_ones_are_not(checked):
    """Nonlinear training: H and m^2 from outputs alone, beside the match and the tangent kernel."""
    scan = hubble_scan(widths=(512, 8), n_seeds=6, steps=90, rng=4)
    wide, narrow = reversed(scan.along("width"))
    law = scan.laws[wide]
    assert law.decades == pytest.approx(2) and {r.verdict for r in scan.at(wide)} == {"holds"}
    # What is left of a finite width is of the order of the kernel's change.
    left = max(row.kernel_drift for row in scan.at(wide))
    assert left < 2e-3
    checked(
        TOPIC, "Exponent of H in eta, tanh networks of width 512, heavy ball", -0.5,
        law.exponent.value, law.exponent.error, uncertainty=left,
    )  # fmt: skip
    ratio = scan.at(wide)[2].invariant_ratio
    checked(
        TOPIC, "m^2/H^2 over 9 eta theta / (1 - mu)^2, tanh networks of width 512", 1.0,
        ratio.value, ratio.error, uncertainty=left,
    )  # fmt: skip
    fails = scan.at(narrow)[-1]
    assert fails.verdict == "fails" and "features are learned" in fails.reason
    assert fails.kernel_drift > 100 * scan.at(wide)[-1].kernel_drift
    assert "holds" not in {row.verdict for row in scan.at(narrow)}


def test_networks_follow_friedmann_without_redshift_but_not_with_it():
    """Neither redshift nor freeze-out; and perturbations lighter than their background."""
    data = circle_data(16)
    made = train(MLP((2, 512, 1), sigma_b=0.5), data, optimiser=HeavyBall(2e-4, 0.9), steps=90,
                 record=2, n_seeds=6, rng=6)  # fmt: skip
    found = compare_universe(made, data.inputs, data.targets, match="momentum", n_modes=8)
    moves = found.moves
    assert moves.sum() >= 6 and set(found.verdicts("static")) == {"holds"}
    assert {v for v, k in zip(found.verdicts("redshifted"), moves, strict=True) if k} == {"fails"}
    # Gaps of an eighth of the amplitude and more, and errors below a hundredth of it.
    assert (found.sigmas("redshifted")[moves] > 5).all()
    # A light mode of the universe freezes, that of the network decays.
    k = 4
    assert found.redshifted[k, -1] > found.measured[k, -1] + 0.1 > 0.1
    # The kernel of the circle falls with the wave number: the mean is among the heaviest modes.
    assert found.lighter.value > 0.8
    assert max(gap.value for gap in found.gaps["discrete"]) < 5e-3


# -- the other side --------------------------------------------------------------------------------


@pytest.mark.parametrize("mass2", [0.3, 2.25, 4.0])
def test_modes_in_de_sitter_space_are_bessel_functions(mass2):
    hubble, k = 1.0, 8.0
    t = np.linspace(0, 4, 60)
    found = solve_friedmann(t, cosmological_constant=3 * hubble**2, mass2=mass2, momenta=[k])
    z = k * np.exp(-hubble * t) / hubble

    def basis(order):
        # Real solutions a^{-3/2} J, Y of real order; of imaginary order their real parts.
        return np.exp(-1.5 * hubble * t) * order(z)

    nu2 = 9 / 4 - mass2 / hubble**2
    if nu2 >= 0:
        columns = [basis(lambda q: jv(nu2**0.5, q)), basis(lambda q: yv(nu2**0.5, q))]
    else:
        m, order = np.arange(60)[:, None], 1j * (-nu2) ** 0.5
        terms = (2 * m + order) * np.log(z / 2) - loggamma(m + 1) - loggamma(m + order + 1)
        values = ((-1.0) ** m * np.exp(terms)).sum(axis=0)
        columns = [basis(lambda q: values.real), basis(lambda q: values.imag)]
    design = np.stack(columns, axis=1)
    fit, *_ = np.linalg.lstsq(design, found.modes[0], rcond=None)
    np.testing.assert_allclose(design @ fit, found.modes[0], atol=2e-9)
    assert np.all(found.hubble == pytest.approx(hubble))


def test_background_in_de_sitter_space_has_the_late_time_weights(checked):
    hubble, mass2 = 1.0, 1.0
    t = np.linspace(0, 30, 301)
    found = solve_friedmann(t, cosmological_constant=3.0, mass2=mass2)
    slope = np.log(found.background[-50] / found.background[-1]) / (t[-1] - t[-50])
    checked(
        TOPIC, "Late-time weight of a field of m^2 = H^2 in de Sitter space",
        1.5 - 1.25**0.5, slope / hubble, rtol=1e-7,
    )  # fmt: skip


def test_static_data_have_no_redshift_and_no_freeze_out():
    t, k = np.linspace(0, 6, 200), 5.0
    with_a = solve_friedmann(t, cosmological_constant=3.0, mass2=0.0, momenta=[k])
    without = solve_friedmann(t, cosmological_constant=3.0, mass2=0.0, momenta=[k], redshift=False)
    assert np.ptp(with_a.modes[0, -40:]) < 1e-3 * np.abs(with_a.modes[0, -1])
    root = np.sqrt(9 / 4 - k**2 + 0j)
    exact = np.exp(-1.5 * t) * (np.cosh(root * t) + 1.5 * np.sinh(root * t) / root)
    np.testing.assert_allclose(without.modes[0], exact.real, atol=1e-9)
    assert np.abs(without.modes[0, -40:]).max() < 1e-3


def test_backreaction_obeys_both_friedmann_equations():
    t = np.linspace(0, 5, 2001)
    found = solve_friedmann(t, cosmological_constant=0.5, mass2=1.0, phi=2.0, backreaction=True)
    np.testing.assert_allclose(np.gradient(np.log(found.scale_factor), t)[5:-5],
                               found.hubble[5:-5], rtol=1e-5)  # fmt: skip
    falling = -np.gradient(found.hubble, t)[5:-5]
    np.testing.assert_allclose(falling, (found.velocity**2 / 2)[5:-5], atol=1e-5)
    np.testing.assert_allclose(found.slow_roll[5:-5], falling / found.hubble[5:-5] ** 2, atol=1e-5)
    still = solve_friedmann(t, cosmological_constant=0.5, mass2=1.0, phi=2.0)
    assert np.ptp(still.hubble) == 0 and not still.slow_roll.any()
