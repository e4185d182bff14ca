"""Synaptic field theory: friction, action, vertices of data, local rings, energy along depth.

Statistical tests: numbers within 4 or 4.5 errors of their jackknife, seeds fixed; with new seeds
one run in about a thousand would fail.
"""

from math import factorial, sqrt

import numpy as np
import pytest
from scipy import integrate, special

from nnrg.lattice import Lattice
from nnrg.simulate.gaussian import ar1, gaussian_free_field
from nnrg.simulate.training import (
    MLP,
    Adam,
    ConvNet,
    CosineDecay,
    ExponentialDecay,
    GradientDescent,
    HeavyBall,
    MeanSquaredError,
    Nesterov,
    RecurrentNet,
    perceptron,
    train,
)
from nnrg.theory.criticality import MeanField
from nnrg.theory.synaptic import (
    FeedForward,
    LayerChain,
    SoftNeurons,
    coarse_grain_depth,
    coarse_grain_vertices,
    compare_kernel_flow,
    compare_modes,
    cosmic_history,
    de_sitter_weights,
    depth_continuity,
    friction,
    gradient_expansion,
    lorentz_report,
    network_vertices,
    perceptron_vertices,
    record_action,
    record_continuity,
    record_history,
    record_modes,
    recorded_chain,
    ring_toy,
    source_history,
    step_continuity,
    trajectory_action,
    two_layer_toy,
)
from nnrg.theory.synaptic._elimination import block_modes, eliminate, inverse_kernel
from nnrg.theory.synaptic.soft_neurons import strain

FRICTION, VERTICES = "Synaptic fields, friction", "Synaptic fields, vertices of data"
RINGS, FLOW, DEPTH, WEIGHTS = (
    "Synaptic fields, rings",
    "Synaptic fields, flow of vertices",
    "Synaptic fields, energy along depth",
    "Synaptic fields, de Sitter weights",
)


def heavy_ball(gradient, w, eta, mu, steps):
    """Return w before each of the steps, v = mu v - eta g, w += v."""
    v, path = np.zeros_like(w), []
    for n in range(steps):
        path.append(w)
        v = np.broadcast_to(mu, (steps,))[n] * v - np.broadcast_to(eta, (steps,))[n] * gradient(w)
        w = w + v
    return np.array(path)


def derivative(function, n, radius=0.5, points=64):
    """n-th derivative at zero of an analytic function: Cauchy's integral over a circle."""
    z = radius * np.exp(2j * np.pi * np.arange(points) / points)
    values = np.array([function(t) for t in z])
    return factorial(n) * float((values * z**-n).mean().real)


# Friction.


@pytest.mark.parametrize("d", [1, 2, 3])
def test_friction_of_the_heavy_ball(d, checked):
    found = friction(HeavyBall(0.01, 0.9), dimension=d)
    checked(FRICTION, "gamma, eta = 0.01, mu = 0.9", 1.0, found.gamma, rtol=1e-14)
    checked(FRICTION, f"H, eta = 0.01, mu = 0.9, d = {d}", 1 / d, found.hubble, rtol=1e-14)
    assert found.effective_learning_rate == pytest.approx(0.1, rel=1e-14)
    assert found.gamma_per_step == pytest.approx(10, rel=1e-14)


@pytest.mark.parametrize(("discretisation", "order"), [("backward", 1), ("symmetric", 2)])
def test_maps_of_friction_against_recorded_trajectories(discretisation, order, checked):
    """Steps of a given gamma approach the solution of the differential equation at their order."""
    gamma, span = 0.8, 6.0

    def gradient(w):
        return np.sin(w)

    errors = []
    for steps in (300, 600, 1200):
        h = span / steps
        half = gamma * h / 2
        if discretisation == "backward":
            eta, mu = h**2, 1 - gamma * h
        else:
            eta, mu = h**2 / (1 + half), (1 - half) / (1 + half)
        found = friction(HeavyBall(eta, mu), discretisation=discretisation)
        assert found.gamma == pytest.approx(gamma, rel=1e-11)
        assert found.time_step == pytest.approx(h, rel=1e-11)
        # At rest at t = 0 to second order: the first step is half a kick.
        path = [np.array([2.0])]
        path.append(path[0] - h**2 / 2 * gradient(path[0]))
        for _ in range(steps - 1):
            path.append(path[-1] + mu * (path[-1] - path[-2]) - eta * gradient(path[-1]))
        exact = integrate.solve_ivp(
            lambda t, s: [s[1], -gamma * s[1] - np.sin(s[0])],
            (0, span),
            [2.0, 0.0],
            rtol=1e-11,
            atol=1e-12,
        )
        errors.append(abs(path[-1][0] - exact.y[0, -1]))
    ratio = errors[1] / errors[2]
    checked(FRICTION, f"order of the {discretisation} map", order, np.log2(ratio), rtol=0.03)


def test_nesterov_adds_friction_in_proportion_to_curvature():
    """Decay of a mode at leading order in the step: rates of w'' + (gamma + beta l) w' + l w."""
    eta, mu, curvature = 1e-6, 0.998, 3.0
    found = friction(Nesterov(eta, mu))
    a = 1 - eta * curvature
    roots = np.roots([1, -a * (1 + mu), a * mu])
    rate = -np.log(np.abs(roots)) / found.time_step
    plain = friction(HeavyBall(eta, mu)).gamma
    extra = 2 * rate[0] - plain - plain**2 * found.time_step / 2
    assert np.abs(roots[0].imag) > 0
    assert extra == pytest.approx(found.hessian_damping * curvature, rel=0.02)
    assert found.damping(curvature) == pytest.approx(plain + mu * sqrt(eta) * 3)


def test_schedule_is_a_history_of_the_scale_factor(checked):
    """The friction of steps that change is what carries the energy away, exactly."""
    optimiser = HeavyBall(ExponentialDecay(0.01, 0.01), 0.9)
    eta = optimiser.rates(400)
    history = cosmic_history(optimiser, 400, dimension=2)
    simple = (1 - 0.9) / (2 * np.sqrt(eta))
    # d ln h / dt = -1 / (200 h): the exact H is smaller by mu / (200 (1 - mu)).
    expected = 1 - 0.9 * np.expm1(1 / 200) / 0.1
    quantity = "H of an exponential schedule over (1 - mu) / (d sqrt(eta))"
    checked(FRICTION, quantity, expected, (history.hubble / simple)[-1], rtol=1e-12)
    path = heavy_ball(lambda w: w, np.array([1.0, -0.3]), eta, 0.9, 400)
    w = path
    found = trajectory_action(w, (w**2).sum(axis=1) / 2, w, learning_rates=eta, momenta=0.9)
    assert found.relative_energy_residual < 1e-12
    u = np.diff(w, axis=0) / np.sqrt(eta)[:-1, None]
    lost = history.gamma[1:-1] * np.sqrt(eta)[1:-1] * (u[:-1] * (u[1:] + u[:-1]) / 2).sum(axis=1)
    np.testing.assert_allclose(lost, found.dissipated, rtol=1e-9, atol=1e-15)


# Action and energy.


@pytest.fixture(scope="module")
def trained():
    """A tanh perceptron trained by the heavy ball with a schedule of both numbers."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=40)
    steps = 300
    eta = 0.02 * (1 + np.cos(np.arange(steps) / 100))
    mu = 0.8 + 0.1 * np.sin(np.arange(steps) / 30)

    def gradient(w):
        f = np.tanh(x @ w)
        return ((f - y) * (1 - f**2)) @ x / 40

    path = heavy_ball(gradient, rng.normal(size=5), eta, mu, steps)
    cost = np.array([((np.tanh(x @ w) - y) ** 2).mean() / 2 for w in path])
    return path, cost, np.array([gradient(w) for w in path]), eta, mu


def test_action_is_stationary_on_recorded_training(trained, checked):
    path, cost, gradient, eta, mu = trained
    found = trajectory_action(path, cost, gradient, learning_rates=eta, momenta=mu)
    # Later steps are so short that differences of recorded weights round.
    worst = found.stationarity[:100].max()
    checked(
        FRICTION,
        "largest derivative of the action in training over its terms",
        0.0,
        worst,
        rtol=1e-11,
    )
    worst = found.relative_energy_residual
    checked(FRICTION, "residual of the energy law over its terms", 0.0, worst, rtol=1e-11)
    energy = found.energy
    assert energy[-1] < energy[0]
    assert found.dissipated.sum() == pytest.approx(
        found.kinetic[0] - found.kinetic[-1] - found.work.sum(), rel=1e-10
    )


def test_action_is_the_one_whose_derivative_vanishes(trained):
    """S itself is differentiated: quadratic in a bump of the path, linear off the solution."""
    path, _, _, eta, mu = trained
    hessian = np.diag([0.5, 1.0, 2.0, 3.0, 0.1])
    path = heavy_ball(lambda w: hessian @ w, path[0], eta, mu, 300)[:60]
    eta, mu = eta[:60], mu[:60]
    bump = np.zeros_like(path)
    bump[1:-1] = np.random.default_rng(1).normal(size=(58, 5))

    def action(w):
        cost = np.einsum("ti,ij,tj->t", w, hessian, w) / 2
        found = trajectory_action(w, cost, w @ hessian, learning_rates=eta, momenta=mu)
        return found.action

    size = 1e-3
    first = (action(path + size * bump) - action(path - size * bump)) / (2 * size)
    second = (action(path + size * bump) - 2 * action(path) + action(path - size * bump)) / size**2
    away = path + 0.1 * bump
    other = (action(away + size * bump) - action(away - size * bump)) / (2 * size)
    assert abs(first) < 1e-9 * abs(second)
    assert other == pytest.approx(0.1 * second, rel=1e-6)


# Vertices of data.


def test_factors_of_the_tanh_perceptron(checked):
    y = 0.3
    found = perceptron_vertices(np.ones((2, 1)), [y, y])
    expected = [-y, 1, 2 * y, -8, -16 * y, 136]
    for n, known in enumerate(expected, start=1):
        value = found.contract(*[[1.0]] * n).value
        checked(VERTICES, f"V_{n} factor of tanh at 0, y = 0.3", known, value, rtol=1e-13)


@pytest.mark.parametrize("point", ["zero", "trained"])
@pytest.mark.parametrize("name", ["tanh", "silu", "sin", "gelu_tanh"])
def test_vertices_are_derivatives_of_the_cost(name, point):
    functions = {
        "tanh": np.tanh,
        "sin": np.sin,
        "silu": lambda z: z / (1 + np.exp(-z)),
        "gelu_tanh": lambda z: z / 2 * (1 + np.tanh(sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    }
    rng = np.random.default_rng(4)
    x, y = 0.4 * rng.normal(size=(9, 6)), rng.normal(size=(9, 2))
    w = np.zeros((2, 6)) if point == "zero" else rng.normal(size=(2, 6)) / 3
    phi, b = rng.normal(size=(2, 6)) / 3, rng.normal(size=2) / 3
    found = perceptron_vertices(x, y, activation=name, weights=w, biases=b)

    def cost(t):
        f = functions[name](x @ (w + t * phi).T + b)
        return ((f - y) ** 2).sum(axis=1).mean() / 2

    for n in range(1, 7):
        known = derivative(cost, n)
        assert found.contract(*[phi] * n).value == pytest.approx(known, rel=1e-8, abs=1e-9), n


def test_forms_of_a_vertex_agree():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(11, 4)), rng.normal(size=(11, 2))
    found = perceptron_vertices(x, y, activation="erf", weights=rng.normal(size=(2, 4)), order=4)
    fields = rng.normal(size=(4, 2, 4))
    by_tensor = sum(
        np.einsum("ijkl,i,j,k,l", found.tensor(4, output=o), *fields[:, o]) for o in range(2)
    )
    whole = found.contract(*fields).value
    assert whole == pytest.approx(by_tensor, rel=1e-12)
    assert (found.apply(*fields[1:])[0] * fields[0]).sum() == pytest.approx(whole, rel=1e-12)
    places = np.array([[0, 1, 2, 3], [2, 2, 0, 1]])
    np.testing.assert_allclose(
        found.at(places, output=1).values, found.tensor(4, output=1)[tuple(places.T)], rtol=1e-12
    )


def test_one_layer_of_a_deep_network_is_the_perceptron():
    rng = np.random.default_rng(6)
    x, y, w = rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), rng.normal(size=(2, 3))
    layer = perceptron_vertices(x, y, activation="tanh", weights=w)
    net = network_vertices(FeedForward.of([w], output="tanh"), x, y)
    fields = rng.normal(size=(6, 2, 3))
    for n in range(1, 7):
        rows = [net.network.field(1, weights=f) for f in fields[:n]]
        one, other = layer.contract(*fields[:n]), net.contract(*rows)
        assert other.value == pytest.approx(one.value, rel=1e-11)
        assert other.error == pytest.approx(one.error, rel=1e-9)


def test_vertices_of_a_deep_network_are_derivatives(checked):
    rng = np.random.default_rng(7)
    shapes = [(4, 3), (3, 4), (2, 3)]
    w, b = [rng.normal(size=s) / 2 for s in shapes], [rng.normal(size=s[0]) / 2 for s in shapes]
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    net = network_vertices(FeedForward.of(w, b, activation="tanh"), x, y)
    phi = 0.2 * rng.normal(size=net.network.n_parameters)
    start = net.network.row()

    def cost(t):
        z, row = x, start + t * phi
        for i, (weight, bias) in enumerate(net.network.split(row)):
            z = z @ weight.T + bias
            z = np.tanh(z) if i < 2 else z
        return ((z - y) ** 2).sum(axis=1).mean() / 2

    for n in range(7):
        known = derivative(cost, n)
        found = net.contract(*[phi] * n).value
        checked(VERTICES, f"V_{n} of a 3-4-3-2 tanh network along a field", known, found, rtol=1e-8)
    fields = rng.normal(size=(6, start.size))
    for n in range(1, 7):
        whole = net.contract(*fields[:n]).value
        assert net.apply(*fields[1:n]) @ fields[0] == pytest.approx(whole, rel=1e-10)


def test_errors_of_open_vertices_are_those_of_contractions():
    """One field: the error of V_2 phi in each place is that of its contraction with that place."""
    rng = np.random.default_rng(30)
    net = FeedForward.of([rng.normal(size=(3, 2)), rng.normal(size=(1, 3))])
    found = network_vertices(net, rng.normal(size=(32, 2)), rng.normal(size=32))
    phi = rng.normal(size=net.n_parameters)
    for fields in ((), (phi,), (phi, phi)):
        errors = found.errors(*fields)
        known = [found.contract(*fields, e).error for e in np.eye(net.n_parameters)]
        np.testing.assert_allclose(errors, known, rtol=1e-9)


def test_only_the_last_layer_has_a_mass_at_zero():
    """From the activation's value at zero; trained weights give all layers one (trap 13)."""
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    shapes = [(2, 3), (1, 2)]
    zero = network_vertices(FeedForward.of([np.zeros(s) for s in shapes], activation="cos"), x, y)
    assert zero.between(1, 1) == 0
    assert zero.between(2, 2) == pytest.approx(1.0)
    trained = FeedForward.of([rng.normal(size=s) for s in shapes], activation="cos")
    assert network_vertices(trained, x, y).between(1, 1) > 0.01
    assert network_vertices(trained, x, y).between(1, 2) > 0.01


def test_errors_of_vertices_are_those_of_another_draw():
    """Pulls over 200 data sets: mean zero within 4 errors, standard deviation one within 20 %.

    For Gaussian inputs of unit variance and a linear layer with targets y = x_0 + noise,
    J_0 = 1, V_2(0, 0) = 1, V_2(0, 1) = 0. A deviation of 20 % is four of its errors.
    """
    rng = np.random.default_rng(9)
    pulls = []
    for _ in range(200):
        x = rng.normal(size=(150, 2))
        found = perceptron_vertices(x, x[:, 0] + rng.normal(size=150), activation="linear", order=2)
        value, error = found.source()
        second = found.at([[0, 0], [0, 1]])
        row = [(value[0, 0] - 1) / error[0, 0]]
        row += list((second.values - [1, 0]) / second.errors())
        pulls.append(row)
    pulls = np.array(pulls)
    assert np.abs(pulls.mean(axis=0)).max() < 4.5 * pulls.std() / sqrt(200)
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.2)


# Gradient expansion.


@pytest.mark.parametrize("rho", [0.5, 0.8, -0.4])
def test_gradient_expansion_of_chain_data(rho, checked):
    """AR(1) inputs: sums over |u| <= R of rho^|u|, and the sign of Z."""
    x = ar1(256, 6000, rho=rho, rng=10)
    data = perceptron_vertices(x, activation="linear", order=2)
    found = gradient_expansion(data, reach=20)
    u = np.arange(-20, 21)
    moments = found.moments()
    for name, known, index in (
        ("k_0", (rho ** np.abs(u)).sum(), 0),
        ("Z", -(u**2 * rho ** np.abs(u)).sum() / 2, 2),
    ):
        got = moments.estimate(index)
        quantity = f"{name} of AR(1) inputs, rho = {rho:g}"
        checked(VERTICES, quantity, known, got.value, got.error, within=4.5)
    staggered = gradient_expansion(data, reach=20, staggered=True)
    z = staggered.stiffness[0]
    known = -(u**2 * (-rho) ** np.abs(u)).sum() / 2
    quantity = f"Z of the staggered field, AR(1) inputs, rho = {rho:g}"
    checked(VERTICES, quantity, known, z.value, z.error, within=4.5)
    assert any("unstable" in flag for flag in found.flags) == (rho > 0)
    if rho > 0:
        known = sqrt((u**2 * rho ** np.abs(u)).sum() / 2 / (rho ** np.abs(u)).sum())
        got = found.correlation_length()
        quantity = f"range of the kernel of AR(1) inputs, rho = {rho:g}"
        checked(VERTICES, quantity, known, got.value, got.error, within=4.5)
        _, exponential, law = found.tail()
        assert law == "exponential"
        rate = exponential.parameters.estimate(1)
        quantity = f"decay rate of the kernel, rho = {rho:g}"
        checked(VERTICES, quantity, -np.log(rho), rate.value, rate.error, within=4.5)


@pytest.mark.parametrize(("rhos", "n", "rtol"), [((0.5,), 96, 1e-11), ((0.2, 0.4), 24, 1e-6)])
def test_range_of_a_kernel_that_is_known(rhos, n, rtol, checked):
    """Inputs whose second moments are rho^|u| along each axis: geometric series, cut at n - 2."""
    kernel, spacing, d = np.ones((1, 1)), 0.5, len(rhos)
    for rho in rhos:
        kernel = np.kron(kernel, rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))))
    x = sqrt(len(kernel)) * np.linalg.cholesky(kernel).T
    data = perceptron_vertices(
        x, activation="linear", order=2, sites=Lattice((n,) * d), spacing=spacing
    )
    found = gradient_expansion(data, reach=n - 2)
    rho = np.array(rhos)
    mass2 = ((1 + rho) / (1 - rho)).prod()
    # sum u^2 rho^|u| = 2 rho (1 + rho) / (1 - rho)^3.
    second = mass2 * 2 * rho / (1 - rho) ** 2 * spacing**2
    np.testing.assert_allclose(found.moments().values, [mass2, *second, *(-second / 2)], rtol=rtol)
    known = spacing * sqrt((rho / (1 - rho) ** 2).mean())
    got = found.correlation_length().value
    checked(VERTICES, f"range of a kernel rho^abs(u) in d = {d}", known, got, rtol=rtol)


def test_truncation_is_unstable_where_the_kernel_is_not():
    """The sign trap: a positive kernel stays positive at all k, k_0 + Z k^2 does not."""
    x = ar1(128, 2000, rho=0.9, rng=11)
    ring = perceptron_vertices(x, activation="linear", order=2, sites=Lattice(128, periodic=True))
    found = gradient_expansion(ring)
    assert found.stiffness[0].value < 0
    assert found.exact().values.min() > 0
    assert found.truncated().values.min() < 0


def test_powers_of_the_spacing(checked):
    """Canonical k_0 does not depend on epsilon, M_2 goes as epsilon^2, V_n as epsilon^(-nd/2)."""
    x = ar1(64, 500, rho=0.5, rng=12)
    fine, coarse = (
        perceptron_vertices(x, activation="linear", order=4, spacing=s) for s in (0.5, 2.0)
    )
    a, b = gradient_expansion(fine).moments().values, gradient_expansion(coarse).moments().values
    assert a[0] == pytest.approx(b[0], rel=1e-12)
    checked(VERTICES, "M_2(epsilon = 2) / M_2(epsilon = 1/2)", 16.0, b[1] / a[1], rtol=1e-12)
    assert fine.continuum_factor(4) / coarse.continuum_factor(4) == pytest.approx(16)
    assert fine.continuum_factor(2, canonical=False) == pytest.approx(4)


def test_lorentz_report_finds_what_was_put_in(checked):
    """Anisotropic inputs in two dimensions; then a speed that varies with place."""
    shape = (12, 12)
    x = gaussian_free_field(shape, 4000, mass2=0.5, rng=13).reshape(4000, -1)
    sites = Lattice(shape, periodic=True)
    same = lorentz_report(
        perceptron_vertices(x, activation="linear", order=2, sites=sites), hubble=0.5, duration=4
    )
    apart = same.anisotropy().estimates()[0]
    assert abs(apart.value) < 4.5 * apart.error
    assert abs(same.speed_spread().value) < 4.5 * same.speed_spread().error
    checked(
        VERTICES, "gradient term of static data after 2 e-folds", np.exp(4), same.missing_redshift
    )
    walls = 1 + 0.9 * np.cos(2 * np.pi * np.arange(12) / 12)
    uneven = (x.reshape(-1, *shape) * np.sqrt(walls)[:, None]).reshape(len(x), -1)
    other = lorentz_report(
        perceptron_vertices(uneven, activation="linear", order=2, sites=sites),
        hubble=0.5,
        duration=4,
        staggered=True,
    )
    spread = other.speed_spread()
    # K(x) as the product of neighbouring amplitudes: relative variance near 0.9^2 / 2.
    assert 0.2 < spread.value < 0.6 and spread.z > 5


# Rings.


@pytest.mark.parametrize("staggered", [False, True])
def test_dispersion_of_the_shared_ring(staggered, checked):
    """Translation-invariant data: eigenvalues of the circulant Hessian, exactly."""
    n = 16
    rng = np.random.default_rng(14)
    sign = (1 - 2 * (np.arange(n) % 2)) if staggered else np.ones(n)
    row = rng.normal(size=(5, n))
    x = np.concatenate([np.roll(row, s, axis=1) for s in range(n)])
    toy = ring_toy(x, staggered=staggered)
    k = 2 * np.pi * np.arange(n) / n
    known = np.linalg.eigvalsh(toy.hessian())
    found = np.sort(toy.dispersion(k).values)
    worst = np.abs(found / known - 1).max()
    checked(RINGS, f"omega^2 of the ring, staggered {staggered}, worst", 0.0, worst, rtol=1e-12)
    # Output i has inputs x_i, x_{i+1} on synapses i, i + 1.
    jacobian = np.zeros((len(x), n, n))
    i = np.arange(n)
    jacobian[:, i, i] = x * sign
    jacobian[:, i, (i + 1) % n] = np.roll(x, -1, axis=1) * np.roll(sign, -1)
    hessian = np.einsum("poi,poj->ij", jacobian, jacobian) / len(x)
    np.testing.assert_allclose(toy.hessian(), hessian, atol=1e-13)


def test_ring_is_massless_only_for_perfect_correlation(checked):
    rng = np.random.default_rng(15)
    amplitude = rng.normal(size=(50, 1))
    x = amplitude * (1 - 2 * (np.arange(8) % 2))
    perfect = ring_toy(x)
    mass = np.abs(perfect.mass2().values).max()
    checked(RINGS, "M of anticorrelated neighbours", 0.0, mass, rtol=1e-13)
    assert perfect.stiffness().values.min() > 0
    assert ring_toy(x + 0.1 * rng.normal(size=x.shape)).mass2().values.mean() > 0


def test_independent_synapses_are_dimers():
    """Nothing propagates: the Hessian has blocks of two, whatever the data (trap 12)."""
    x = np.random.default_rng(16).normal(size=(30, 6))
    toy = ring_toy(x, synapses="independent")
    hessian = toy.hessian()
    blocks = np.kron(np.eye(6), np.ones((2, 2)))
    assert np.abs(hessian * (1 - blocks)).max() == 0
    assert np.abs(hessian[blocks > 0]).min() > 0 and not toy.propagates
    assert np.linalg.eigvalsh(hessian).min() > 0


def test_two_layer_ring_is_the_derivative_of_its_cost(checked):
    rng = np.random.default_rng(17)
    x, y, s = rng.normal(size=(12, 5)), rng.normal(size=(12, 5)), (0.7, -0.4, 0.3)
    toy = two_layer_toy(x, y, s)

    def cost(w):
        w1, w2 = w[:5], w[5:]
        h = w1 * x + np.roll(w1, -1) * np.roll(x, -1, axis=1)
        hidden = s[0] + s[1] * h + s[2] * h**2 / 2
        o = w2 * hidden + np.roll(w2, -1) * np.roll(hidden, -1, axis=1)
        return ((o - y) ** 2).sum(axis=1).mean() / 2

    known = np.empty((10, 10))
    unit = np.eye(10)
    for i in range(10):
        for j in range(10):
            known[i, j] = (
                derivative(lambda t, i=i, j=j: cost(t * (unit[i] + unit[j])), 2, points=16)
                - derivative(lambda t, i=i: cost(t * unit[i]), 2, points=16)
                - derivative(lambda t, j=j: cost(t * unit[j]), 2, points=16)
            ) / 2
    np.testing.assert_allclose(toy.hessian(), known, atol=1e-12)
    checked(RINGS, "mass of the first of two layers", 0.0, np.abs(known[:5, :5]).max())
    last = np.linalg.eigvalsh(known[5:, 5:]).max()
    # Third order along a field of both layers, by the vertices between neighbours.
    w1, w2 = rng.normal(size=(2, 5))
    near, far = np.roll(w1, -1), np.roll(w1, -2)
    square, cross, other = toy.cubic_first().values.reshape(3, 5)
    cubic = 3 * (w2 * (square * w1**2 + 2 * cross * w1 * near + other * near**2)).sum()
    a, b, c, d, e = toy.cubic_last().values.reshape(5, 5)
    cubic += 3 * (w2**2 * (a * w1 + b * near)).sum()
    cubic += 6 * (w2 * np.roll(w2, -1) * (c * w1 + d * near + e * far)).sum()
    third = derivative(lambda t: cost(t * np.concatenate([w1, w2])), 3, points=32)
    checked(RINGS, "V_3 of two layers along a field", third, cubic, rtol=1e-10)
    checked(RINGS, "mass of the last of two layers, s_0 = 0.7", toy.last_mass2, last, rtol=1e-12)


# Late-time weights.


@pytest.mark.parametrize("d", [1, 3])
def test_weights_of_modes_in_continuous_and_discrete_time(d, checked):
    eta, mu = 1e-4, 0.98
    curvature = np.array([0.2, 0.9, 1.0, 1.3, 40.0])  # critical at gamma^2 / 4 = 1
    found = de_sitter_weights(curvature, HeavyBall(eta, mu), dimension=d)
    gamma = 2.0
    for i, lam in enumerate(curvature):
        roots = -np.roots([1, gamma, lam])
        roots = roots[np.lexsort((roots.real, roots.imag.round(6)))]
        got = found.weights[i] * found.hubble
        got = got[np.lexsort((got.real, got.imag.round(6)))]
        np.testing.assert_allclose(got, roots, atol=2e-7)
        z = np.exp(-found.discrete[i] * found.hubble * sqrt(eta))
        np.testing.assert_allclose(z**2 - (1 + mu - eta * lam) * z + mu, 0, atol=1e-12)
    assert found.regimes == ("overdamped", "overdamped", "critical", "underdamped", "underdamped")
    checked(WEIGHTS, f"Delta_+ + Delta_-, d = {d}", d, found.weights[0].sum().real, rtol=1e-13)
    product = found.weights[1].prod().real / found.invariant[1]
    checked(WEIGHTS, f"Delta_+ Delta_- over m^2/H^2, d = {d}", 1.0, product, rtol=1e-13)
    # Underdamped, a step shrinks the mode by sqrt(mu), whatever its curvature.
    shrink = np.exp(-found.discrete[4, 0].real * found.hubble * sqrt(eta))
    checked(WEIGHTS, f"modulus of an underdamped mode, mu = 0.98, d = {d}", sqrt(mu), shrink)


def test_fitted_decay_of_recorded_training(checked):
    eta, mu, lam = 0.01, 0.9, 0.1
    path = heavy_ball(lambda w: lam * w, np.array([1.0]), eta, mu, 400)[:, 0]
    found = de_sitter_weights([lam], HeavyBall(eta, mu))
    rate = -np.log(path[-1] / path[-101]) / 100 / (found.hubble * sqrt(eta))
    known = found.discrete[0, 1].real
    checked(WEIGHTS, "Delta_- of steps, fitted to training", known, rate, rtol=1e-9)
    assert found.weights[0, 1].real == pytest.approx(rate, rel=0.02)


def test_stability_bound_of_the_heavy_ball():
    """Real roots of negative sign lie between (1 + sqrt(mu))^2 and 2 (1 + mu)."""
    eta, mu = 0.5, 0.9
    edge = 2 * (1 + mu) / eta
    low, high = 0.999 * edge, 1.001 * edge
    found = de_sitter_weights([low, 0.9996 * edge, high], HeavyBall(eta, mu))
    assert found.discrete_regimes == ("underdamped", "alternating", "unstable")
    start = np.array([1.0])
    assert abs(heavy_ball(lambda w: low * w, start, eta, mu, 4000)[-1, 0]) < 1
    assert abs(heavy_ball(lambda w: high * w, start, eta, mu, 4000)[-1, 0]) > 1e3


def test_modes_with_and_without_redshift(checked):
    """The scalar of de Sitter space is a^(-d/2) times Bessel functions; training never freezes."""
    t, k, d, mass2, hubble = np.linspace(0, 6, 61), 12.0, 3, 0.5, 1.0
    nu = sqrt(d**2 / 4 - mass2 / hubble**2)

    def basis(kind, time):
        return np.exp(-d * hubble * time / 2) * kind(nu, k * np.exp(-hubble * time) / hubble)

    step = 1e-5
    kinds = (special.jv, special.yv)
    matrix = [[basis(b, 0.0) for b in kinds]]
    matrix.append([(basis(b, step) - basis(b, -step)) / (2 * step) for b in kinds])
    c = np.linalg.solve(np.array(matrix), [1.0, 0.0])
    exact = c[0] * basis(special.jv, t) + c[1] * basis(special.yv, t)
    pair = compare_modes(t, k, mass2=mass2, hubble=hubble, dimension=d)
    np.testing.assert_allclose(pair.de_sitter, exact, atol=2e-8)
    damped = sqrt(k**2 + mass2 - d**2 / 4)
    known = np.exp(-1.5 * t) * (np.cos(damped * t) + 1.5 / damped * np.sin(damped * t))
    np.testing.assert_allclose(pair.network, known, atol=1e-9)
    assert pair.mismatch > 0.2
    same = compare_modes(t, k, mass2=mass2, hubble=hubble, dimension=d, redshift=True)
    checked(WEIGHTS, "modes of data whose stiffness falls as a^-2, mismatch", 0.0, same.mismatch)
    still = compare_modes(t, 0.0, mass2=mass2, hubble=hubble, dimension=d)
    checked(WEIGHTS, "modes of k = 0, mismatch", 0.0, still.mismatch)


# Energy along depth.


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "sin"])
@pytest.mark.parametrize("depth", [1, 3, 12])
def test_continuity_along_depth(activation, depth, checked):
    rng = np.random.default_rng(18)
    widths = [5, *rng.integers(3, 9, size=depth)]
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    net = FeedForward.of(
        [rng.normal(size=s) / sqrt(s[1]) for s in shapes],
        [rng.normal(size=s[0]) for s in shapes],
        activation=activation,
    )
    x, y = rng.normal(size=(10, 5)), rng.normal(size=(10, widths[-1]))
    velocity, moving = rng.normal(size=net.n_parameters), rng.normal(size=x.shape)
    found = depth_continuity(net, x, y, velocity, gamma=0.6, input_velocities=moving)
    quantity = f"continuity of energy, {activation}, {depth} layers"
    checked(DEPTH, quantity, 0.0, found.relative_residual, rtol=1e-12)
    for layers in (2, 3):
        if layers <= depth:
            coarse = found.coarse_grained(layers)
            assert coarse.relative_residual < 1e-12
            assert coarse.bulk == pytest.approx(found.bulk)
            assert coarse.current[-1] == found.current[-1]
    # Over all layers: what the data bring in, less what the cost takes.
    total = found.energy_rate.sum() + found.dissipation.sum()
    assert total == pytest.approx(found.current[0] - found.current[-1], abs=1e-11)


def test_current_into_the_cost_is_its_rate(checked):
    rng = np.random.default_rng(19)
    net = FeedForward.of([rng.normal(size=(4, 3)), rng.normal(size=(2, 4))], activation="tanh")
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    velocity, moving = rng.normal(size=net.n_parameters), rng.normal(size=x.shape)
    start = net.row()

    def cost(t):
        z = x + t * moving
        for i, (w, b) in enumerate(net.split(start + t * velocity)):
            z = z @ w.T + b
            z = np.tanh(z) if i == 0 else z
        return ((z - y) ** 2).sum(axis=1).mean() / 2

    found = depth_continuity(net, x, y, velocity, gamma=0.1, input_velocities=moving)
    rate = derivative(cost, 1, radius=0.05)
    checked(DEPTH, "last current over the rate of the cost", rate, found.current[-1], rtol=1e-10)


@pytest.mark.parametrize(("eta", "mu"), [(1e-3, 0.9), (0.3, 0.5), (2.0, 0.0)])
def test_continuity_holds_at_every_step_of_training(eta, mu, checked):
    """The heavy ball itself, mini-batches and long steps included."""
    rng = np.random.default_rng(20)
    net = FeedForward.of([rng.normal(size=(6, 4)) / 2, rng.normal(size=(2, 6)) / 2])
    row, step, worst = net.row(), np.zeros(net.n_parameters), 0.0
    for _ in range(20):
        x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
        now = net.at(row)
        found = step_continuity(now, x, y, step, learning_rate=eta, momentum=mu)
        worst = max(worst, found.relative_residual)
        before_step, step = step, mu * step - eta * network_vertices(now, x, y).apply()
        before, row = row, row + step
        old = before_step @ before_step
        change = (step @ step - old) / (2 * eta)
        assert sum(found.energy_rate) == pytest.approx(change, rel=1e-9, abs=1e-12)
    checked(DEPTH, f"continuity of steps, eta = {eta:g}, mu = {mu:g}", 0.0, worst, rtol=1e-10)
    after = step_continuity(net.at(before), x, y, step * 0, learning_rate=eta, momentum=mu)
    gradient = network_vertices(net.at(before), x, y).apply()
    assert after.energy_rate.sum() == pytest.approx(eta * gradient @ gradient / 2)


# The flow of the vertices.


@pytest.fixture(scope="module")
def free_data():
    """Inputs of a free field: K(k) = 1 / (r + 4 sin^2(k / 2)) on a ring of 64."""
    x = gaussian_free_field((64,), 3000, mass2=0.3, rng=21)
    ring = Lattice(64, periodic=True)
    return perceptron_vertices(x, activation="linear", order=2, sites=ring)


def test_projected_kernel_is_that_of_block_sums(free_data, checked):
    """K'(0) and every V_n of the block field; block sums of data of known covariance."""
    flow = coarse_grain_vertices(free_data, levels=4)
    k = 2 * np.pi * np.fft.fftfreq(64)
    known = 1 / (0.3 + 4 * np.sin(k / 2) ** 2)
    row = np.fft.ifft(known).real
    u = np.minimum(np.arange(64), 64 - np.arange(64))
    kernel = row[np.abs(np.arange(64)[:, None] - np.arange(64))]
    for one in flow.scales:
        b = one.scale
        modes = block_modes(free_data.sites, b)
        blocks = (modes @ kernel @ modes.T)[0, :3]
        line = one.projected.displacements.along(0)
        for i in range(3):
            got = one.projected.profile.estimate(line[i])
            quantity = f"K({i}) of block sums, free data, b = {b}"
            checked(FLOW, quantity, blocks[i], got.value, got.error, within=4.5)
        field = np.random.default_rng(b).normal(size=64 // b)
        whole = free_data.contract(field @ modes, field @ modes)
        assert one.projected_vertices.contract(field, field).value == pytest.approx(whole.value)
    assert u.max() == 32


def test_zero_mode_is_the_same_at_every_scale(free_data):
    """The mode of k = 0 is slow at all scales, in both schemes on translation-invariant data."""
    n = 16
    rows = np.random.default_rng(22).normal(size=(40, n))
    x = np.concatenate([np.roll(rows, s, axis=1) for s in range(n)])
    ring = Lattice(n, periodic=True)
    data = perceptron_vertices(x, activation="linear", order=2, sites=ring)
    flow = coarse_grain_vertices(data, levels=3)
    first = flow.scales[0].projected.mass2.value
    for one in flow.scales:
        assert one.projected.mass2.value == pytest.approx(first, rel=1e-10)
        assert one.eliminated.mass2.value == pytest.approx(first, rel=1e-10)


def test_elimination_keeps_the_minimum_and_composes(checked):
    rng = np.random.default_rng(23)
    x, y = rng.normal(size=(80, 16)), rng.normal(size=80)
    data = perceptron_vertices(x, y, activation="linear", order=2)
    kernel = data.kernel() + 0.1 * np.eye(16)
    best = np.linalg.solve(kernel, data.source()[0][0])
    flow = coarse_grain_vertices(data, levels=3, weight_decay=0.1)
    for one in flow.scales:
        modes = block_modes(Lattice(16), one.scale)
        found = eliminate(inverse_kernel(kernel), modes)
        np.testing.assert_allclose(
            np.linalg.solve(found.kernel, one.source), modes @ best, atol=1e-12
        )
    # Twice by two is once by four.
    half = eliminate(inverse_kernel(kernel), block_modes(Lattice(16), 2)).kernel
    twice = eliminate(inverse_kernel(half), block_modes(Lattice(8), 2)).kernel
    once = eliminate(inverse_kernel(kernel), block_modes(Lattice(16), 4)).kernel
    worst = np.abs(twice - once).max()
    checked(FLOW, "elimination by 2 and 2 less that by 4", 0.0, worst, rtol=1e-12)
    # The Schur complement itself.
    slow = block_modes(Lattice(16), 4)
    fast = np.linalg.svd(slow)[2][4:]
    cross = slow @ kernel @ fast.T
    schur = slow @ kernel @ slow.T - cross @ np.linalg.solve(fast @ kernel @ fast.T, cross.T)
    np.testing.assert_allclose(once, schur, atol=1e-12)


def test_one_loop_is_the_first_order_in_temperature(checked):
    """Two weights, one of them integrated out numerically: K'(T) = K' + T loop + O(T^2)."""
    rng = np.random.default_rng(24)
    x = rng.normal(size=(9, 2))
    second, third, fourth = 1 + rng.random(9), 0.4 * rng.normal(size=9), 0.5 + rng.random(9)
    kernel = (x * second[:, None]).T @ x / 9
    slow = np.array([[1.0, 1.0]]) / sqrt(2)
    fast = np.array([1.0, -1.0]) / sqrt(2)
    found = eliminate(inverse_kernel(kernel), slow)
    expected = found.loop(x, third, fourth)[0, 0]
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)

    def effective(phi, t):
        width = sqrt(t / (fast @ kernel @ fast))
        f = nodes * width - (fast @ kernel @ slow[0]) * phi / (fast @ kernel @ fast)
        h = np.outer(f, x @ fast) + phi * (x @ slow[0])
        cost = (second * h**2 / 2 + third * h**3 / 6 + fourth * h**4 / 24).mean(axis=1)
        return -t * np.log((weights * np.exp(-cost / t + nodes**2 / 2)).sum())

    def curvature(t):
        e = 1e-2
        terms = [-1 / 12, 4 / 3, -5 / 2, 4 / 3, -1 / 12]
        return sum(c * effective((k - 2) * e, t) for k, c in enumerate(terms)) / e**2

    slopes = [(curvature(t) - found.kernel[0, 0]) / t for t in (0.02, 0.01, 0.005)]
    # Richardson: errors of order T, then of order T^2.
    a, b = 2 * slopes[1] - slopes[0], 2 * slopes[2] - slopes[1]
    measured = (4 * b - a) / 3
    checked(FLOW, "one loop over the first order in T", 1.0, measured / expected, rtol=2e-3)


def test_dense_data_stay_nonlocal_and_short_ranged_data_do_not(free_data):
    """Shares beyond half the reach: white inputs of one common mean against a short range."""
    rng = np.random.default_rng(25)
    common = rng.normal(size=(2000, 32)) + rng.normal(size=(2000, 1))
    ring = Lattice(32, periodic=True)
    dense = perceptron_vertices(common, activation="linear", order=2, sites=ring)
    assert gradient_expansion(dense).far_share().value > 0.4
    short = coarse_grain_vertices(free_data, levels=3)
    shares = [one.projected.far_share() for one in short.scales]
    assert all(s.value < 0.05 + 4 * s.error for s in shares)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_trained_weights_flow_as_the_data_do(momentum, checked):
    """Linear neurons trained on one set of AR(1) inputs with independent noise in the labels.

    Sixteen numbers by their largest deviation, at the 1 % level: one run in a hundred would fail.
    """
    rng = np.random.default_rng(26)
    x = ar1(16, 200, rho=0.6, rng=27)
    y = x[:, :1] + 0.5 * rng.normal(size=(200, 1200))
    square, overlap = x.T @ x / 200, x.T @ y / 200
    w = v = np.zeros((16, 1200))
    for _ in range(800):
        v = momentum * v - 0.4 * (1 - momentum) * (square @ w - overlap)
        w = w + v
    data = perceptron_vertices(x, activation="linear", order=2)
    flow = coarse_grain_vertices(data, levels=3)
    found = compare_kernel_flow(flow, w.T)
    assert found.agrees
    assert np.abs(found.deviations()).max() < 4.5
    heat = found.temperature
    quantity = f"temperature of trained weights times P / sigma^2, mu = {momentum:g}"
    checked(FLOW, quantity, 1.0, heat.value * 800, heat.error * 800, within=4.5)
    for b, p, m in zip(found.scales, found.predicted, found.measured, strict=True):
        for r in (0, 1):
            quantity = f"K({r}) of trained blocks, b = {b}, mu = {momentum:g}"
            checked(FLOW, quantity, p.values[r], m.values[r], m.errors()[r], within=4.5)
    # The kernel of other data does not describe them, nor does the flow without elimination.
    other = perceptron_vertices(ar1(16, 200, rho=0.0, rng=28), activation="linear", order=2)
    assert not compare_kernel_flow(coarse_grain_vertices(other, levels=3), w.T).agrees
    last = flow.scales[-1]
    projected = last.projected.profile.select(last.projected.displacements.along(0)[:1])
    assert projected.values[0] > found.measured[-1].values[0] + 5 * found.measured[-1].errors()[0]


def test_errors_of_the_trained_flow_cover():
    """Pulls of 60 ensembles of least-squares weights: mean zero, deviation one, within 40 %.

    40 % are four errors of the deviation of 60 numbers; the means lie within 4 of theirs.
    """
    x = ar1(16, 200, rho=0.6, rng=31)
    data = perceptron_vertices(x, activation="linear", order=2)
    flow = coarse_grain_vertices(data, levels=3)
    solve = 0.5 * np.linalg.solve(x.T @ x, x.T)
    rng = np.random.default_rng(32)
    pulls = np.array(
        [
            compare_kernel_flow(flow, (solve @ rng.normal(size=(200, 200))).T).deviations().ravel()
            for _ in range(60)
        ]
    )
    assert np.abs(pulls.mean(axis=0) / pulls.std(axis=0)).max() < 4 / sqrt(60)
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.4)


# Records of training.


@pytest.fixture(scope="module")
def record():
    rng = np.random.default_rng(29)
    x, y = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    optimiser = HeavyBall(lambda t: 0.05 / (1 + t / 50), 0.85)
    made = train(
        MLP((5, 6, 4, 2), "tanh"), (x, y), optimiser=optimiser, steps=80, record=1, n_seeds=2, rng=3
    )
    return made, x, y


def test_recorded_training_obeys_action_energy_and_friction(record, checked):
    made, x, y = record
    found = record_action(made, x, y, seed=1)
    worst = found.stationarity.max()
    checked(
        FRICTION, "derivative of the action of a recorded 5-6-4-2 network", 0.0, worst, rtol=1e-10
    )
    worst = found.relative_energy_residual
    checked(FRICTION, "energy law of a recorded 5-6-4-2 network", 0.0, worst, rtol=1e-10)
    # The friction of the history is what multiplies the velocity: fitted to the record.
    eta = np.append(made.learning_rates[1:], made.learning_rates[-1])
    history = record_history(made)
    w = made.weights["layers.0.weight"][1].reshape(81, -1)
    h = np.sqrt(eta)
    u = np.diff(w, axis=0) / h[:-1, None]
    n = 20
    step = train(
        MLP((5, 6, 4, 2), "tanh"),
        (x, y),
        optimiser=HeavyBall(float(eta[n]), 0.85),
        steps=1,
        record=1,
        initial=made.tensors(1, n),
        rng=1,
    )
    force = np.diff(step.weights["layers.0.weight"][0].reshape(2, -1), axis=0)[0] / h[n] ** 2
    slowing = force - (u[n] - u[n - 1]) / h[n]
    gamma = slowing @ u[n - 1] / (u[n - 1] @ u[n - 1])
    checked(FRICTION, "gamma of a recorded schedule", history.gamma[n], gamma, rtol=1e-9)


def test_recorded_training_obeys_continuity(record, checked):
    made, x, y = record
    worst = max(
        record_continuity(made, x, y, seed=s, step=t).relative_residual
        for s in (0, 1)
        for t in (0, 1, 30, 80)
    )
    checked(DEPTH, "continuity of a recorded 5-6-4-2 network", 0.0, worst, rtol=1e-10)
    # Rates and losses are those of the weights that were recorded before and after.
    for seed, t in ((0, 1), (0, 30), (1, 79)):
        found = record_continuity(made, x, y, seed=seed, step=t)
        eta = made.learning_rates[t + 1]  # a frame keeps the rate of the step before it
        before, now, after = (recorded_chain(made, seed=seed, step=t + i).row() for i in (-1, 0, 1))
        last, following = now - before, after - now
        rate = (following @ following - last @ last) / (2 * eta)
        lost = (1 - 0.85) * last @ (last + following) / (2 * eta)
        energy = ((last + following) ** 2).sum() / (8 * eta)
        assert found.energy_rate.sum() == pytest.approx(rate, rel=1e-9)
        assert found.dissipation.sum() == pytest.approx(lost, rel=1e-9)
        assert found.bulk == pytest.approx(energy, rel=1e-9)


@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_vertices_of_a_cross_entropy(activation, checked):
    """Softmax of three classes: along a field, open, between outputs, and as a deep network."""
    rng = np.random.default_rng(33)
    x, classes = 0.4 * rng.normal(size=(9, 5)), rng.integers(0, 3, 9)
    w, b, phi = rng.normal(size=(3, 5)), rng.normal(size=3), rng.normal(size=(3, 5)) / 2
    f = np.tanh if activation == "tanh" else np.positive
    found = perceptron_vertices(
        x, classes, activation=activation, weights=w, biases=b, loss="cross_entropy"
    )
    net = network_vertices(
        FeedForward.of([w], [b], output=activation), x, classes, loss="cross_entropy"
    )
    row = net.network.field(1, weights=phi)
    alone = np.zeros((3, 5))
    alone[1] = phi[1]

    def cost(t, field):
        z = f(x @ (w + t * field).T + b)
        return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(9), classes]).mean()

    for n in range(1, 7):
        known = derivative(lambda t: cost(t, phi), n, radius=0.4)
        got = found.contract(*[phi] * n).value
        quantity = f"V_{n} of a cross-entropy of 3 classes, {activation}"
        checked(VERTICES, quantity, known, got, rtol=1e-7)
        assert (found.apply(*[phi] * (n - 1))[0] * phi).sum() == pytest.approx(got, rel=1e-11)
        assert net.contract(*[row] * n).value == pytest.approx(got, rel=1e-11)
        assert net.apply(*[row] * (n - 1)) @ row == pytest.approx(got, rel=1e-11)
        one = derivative(lambda t: cost(t, alone), n, radius=0.4)
        by_tensor = found.tensor(n, output=1)
        for _ in range(n):
            by_tensor = by_tensor @ phi[1]
        assert float(by_tensor) == pytest.approx(one, rel=1e-7, abs=1e-9)
    # Between outputs: all pairs make the whole.
    whole = sum(
        phi[i] @ found.tensor(2, output=(i, j)) @ phi[j] for i in range(3) for j in range(3)
    )
    assert whole == pytest.approx(found.contract(phi, phi).value, rel=1e-12)
    if activation == "linear":
        h = x @ w.T + b
        p = np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)
        known = -(x * (p[:, 0] * p[:, 2])[:, None]).T @ x / 9
        np.testing.assert_allclose(found.tensor(2, output=(0, 2)), known, atol=1e-14)


def test_changing_data_are_a_source_that_changes(checked):
    """Data A, then B: the action with C_t is stationary, the energy jumps by C_B - C_A."""
    rng = np.random.default_rng(34)
    x = rng.normal(size=(2, 300, 4))
    y = np.array([x[0] @ [1, 0, 0, 0], x[1] @ [0, -1, 0, 2]])
    stages = [
        perceptron_vertices(a, b, activation="linear", order=2) for a, b in zip(x, y, strict=True)
    ]
    history = source_history([0, 30], stages)
    assert not history.static and abs(history.changes()[0, 0]) > 3

    def gradient(w, stage):
        return ((x[stage] @ w - y[stage]) @ x[stage]) / 300

    def cost(w, stage):
        return ((x[stage] @ w - y[stage]) ** 2).mean() / 2

    eta, mu, w, v, path = 0.01, 0.9, np.zeros(4), np.zeros(4), []
    at = [int(n >= 30) for n in range(80)]
    for n in range(80):
        path.append(w)
        v = mu * v - eta * gradient(w, at[n])
        w = w + v
    path = np.array(path)
    gradients = np.array([gradient(w, s) for w, s in zip(path, at, strict=True)])
    costs = np.array([cost(w, s) for w, s in zip(path, at, strict=True)])
    found = trajectory_action(path, costs, gradients, learning_rates=eta, momenta=mu)
    worst = found.stationarity.max()
    checked(FRICTION, "derivative of the action under data that change", 0.0, worst, rtol=1e-11)
    still = np.array([gradient(w, 0) for w in path])
    wrong = trajectory_action(path, costs, still, learning_rates=eta, momenta=mu)
    assert wrong.stationarity[35:].min() > 1e-3
    # Cost less work is small along each stage and is the jump between them.
    jump = cost(path[30], 1) - cost(path[30], 0)
    assert abs(jump) > 0.1
    rest = found.cost_residual.copy()
    half = (gradients[30] - gradient(path[30], 0)) / 2 @ (path[30] - path[29])
    assert rest[29] + half == pytest.approx(jump, rel=1e-3)
    rest[29] = 0
    assert np.abs(rest).max() < 1e-3 * abs(jump)


def test_spread_of_speeds_is_zero_where_there_is_none():
    """60 draws of a translation-invariant ring: mean within 4 of its errors, deviation one in 40 %.

    40 % is four errors of the deviation of 60 numbers.
    """
    ring = Lattice(24, periodic=True)
    pulls = []
    for seed in range(60):
        x = gaussian_free_field((24,), 400, mass2=0.3, rng=seed)
        data = perceptron_vertices(x, activation="linear", order=2, sites=ring)
        pulls.append(lorentz_report(data, hubble=0.1, duration=1).speed_spread().z)
    pulls = np.array(pulls)
    assert abs(pulls.mean()) < 4 * pulls.std() / sqrt(60)
    assert 0.6 < pulls.std() < 1.4


def test_bands_of_toys_are_those_of_their_hessians(checked):
    """Translation-invariant data: independent dimers are flat, two layers have two branches."""
    n = 12
    rng = np.random.default_rng(35)
    row, target = rng.normal(size=(2, 5, n))
    x = np.concatenate([np.roll(row, s, axis=1) for s in range(n)])
    y = np.concatenate([np.roll(target, s, axis=1) for s in range(n)])
    k = 2 * np.pi * np.arange(n) / n
    flat = ring_toy(x, synapses="independent")
    toys = {"independent ring": flat, "two layers": two_layer_toy(x, y, (0.7, -0.4, 0.3))}
    for name, toy in toys.items():
        bands = toy.dispersion(k)
        worst = np.abs(np.sort(bands.values) - toy.curvatures().values).max()
        checked(RINGS, f"bands of the {name}, worst", 0.0, worst, rtol=1e-12)
        assert bands.values.size == toy.n_bands * n
    assert np.ptp(flat.dispersion(k).values[:n]) == 0
    assert toys["two layers"].dispersion(k).values[:n].max() <= 0


@pytest.mark.parametrize("kind", ["dense", "convolution", "convolution 2d", "recurrent"])
def test_continuity_of_every_kind_of_recorded_network(kind, checked):
    """All optimisers, both costs, all data and mini-batches: any step, to rounding."""
    rng = np.random.default_rng(36)
    model, shape = {
        "dense": (MLP((5, 6, 4, 2), bias=False), (5,)),
        "convolution": (ConvNet((6,), (2, 3, 3), 2), (2, 6)),
        "convolution 2d": (ConvNet((4, 5), (1, 2), 2), (1, 4, 5)),
        "recurrent": (RecurrentNet(2, 5, 2, length=4), (4, 2)),
    }[kind]
    x = rng.normal(size=(20, *shape))
    runs = [
        (HeavyBall(CosineDecay(0.05, 30), 0.8), "mse", 7),
        (Nesterov(0.05, 0.8), "cross_entropy", 7),
        (GradientDescent(0.1), "mse", None),
        (Adam(0.01), "cross_entropy", None),
    ]
    for optimiser, loss, batch in runs:
        y = rng.normal(size=(20, 2)) if loss == "mse" else rng.integers(0, 2, 20)
        made = train(
            model, (x, y), optimiser=optimiser, steps=9, record=1, loss=loss, batch=batch,
            n_seeds=2, rng=3,
        )  # fmt: skip
        flows = [record_continuity(made, x, y, seed=1, step=t) for t in (0, 1, 5, 9)]
        worst = max(flow.relative_residual for flow in flows)
        quantity = f"continuity of a recorded network, {kind}, {type(optimiser).__name__}, {loss}"
        checked(DEPTH, quantity, 0.0, worst, rtol=1e-12)
        assert all(f.coarse_grained(2).relative_residual < 1e-12 for f in flows)
        # It is the step that training made: the power lost, or the change of its energy.
        before, now, after = (recorded_chain(made, seed=1, step=t).row() for t in (4, 5, 6))
        if isinstance(optimiser, GradientDescent):
            assert flows[2].dissipation.sum() == pytest.approx(((after - now) ** 2).sum() / 0.1)
        elif not isinstance(optimiser, Adam):
            eta = optimiser.rates(6)[5]
            change = ((after - now) ** 2 - (now - before) ** 2).sum() / (2 * eta)
            assert flows[2].energy_rate.sum() == pytest.approx(change, rel=1e-9)
        if isinstance(optimiser, HeavyBall):
            action = record_action(made, x, y, seed=1)
            assert action.stationarity.max() < 1e-11 and action.relative_energy_residual < 1e-11


@pytest.mark.parametrize("kind", ["dense", "recurrent"])
def test_continuity_with_soft_neurons(kind, checked):
    """At an instant and over a step; forces are the derivatives of the potential."""
    rng = np.random.default_rng(37)
    if kind == "dense":
        model, shape = MLP((5, 6, 4, 2)), (8, 5)
    else:
        model, shape = RecurrentNet(2, 5, 2, length=3), (8, 3, 2)
    x, y = rng.normal(size=shape), rng.normal(size=(8, 2))
    chain = LayerChain.of_model(model, {k: rng.normal(size=s) / 2 for k, s in model.shapes.items()})
    flat = x.reshape(8, -1)
    z = [a + 0.1 * rng.normal(size=a.shape) for a in chain.activities(flat)[1:]]
    dz = [rng.normal(size=a.shape) for a in z]
    soft = SoftNeurons(z, dz, stiffness=3.0, mass=0.7)
    v, dx = rng.normal(size=chain.n_parameters), rng.normal(size=shape)
    found = depth_continuity(chain, x, y, v, gamma=0.4, input_velocities=dx, neurons=soft)
    quantity = f"continuity with soft neurons, {kind}"
    checked(DEPTH, quantity, 0.0, found.relative_residual, rtol=1e-12)
    step = step_continuity(chain, x, y, 0.1 * v, learning_rate=0.1, momentum=0.7, neurons=soft)
    checked(DEPTH, f"{quantity}, one step", 0.0, step.relative_residual, rtol=1e-12)

    def potential(row, values):
        at, before, total = chain.at(row), chain.start(flat), 0.0
        for i, layer in enumerate(at.layers):
            made = layer.activation(layer.preactivations(at.entering(i + 1, flat, before)))
            total += 1.5 * ((values[i] - made) ** 2).sum() / 8
            before = values[i]
        return total + ((before - y) ** 2).sum() / 16

    # Bulk and boundary: all kinetic energy, springs and cost.
    kinetic = (v @ v + 0.7 * sum((a**2).sum() for a in dz) / 8) / 2
    assert found.bulk + found.boundary == pytest.approx(kinetic + potential(chain.row(), z))
    still = np.zeros_like(flat)
    acting = strain(chain, flat, y, MeanSquaredError(), v, still, soft, dz)
    along = (
        acting.gradient(chain) @ v
        - sum((f * s).sum() for f, s in zip(acting.forces, dz, strict=True)) / 8
    )
    e = 1e-5
    moved = [
        potential(chain.row() + s * e * v, [a + s * e * b for a, b in zip(z, dz, strict=True)])
        for s in (1, -1)
    ]
    assert along == pytest.approx((moved[0] - moved[1]) / (2 * e), rel=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_errors_along_depth_are_those_of_leaving_samples_out(soft):
    """Times of a recurrent network share weights: what they hand on is of each sample too."""
    rng = np.random.default_rng(43)
    model = RecurrentNet(2, 5, 2, length=4)
    x, dx = rng.normal(size=(2, 12, 4, 2))
    y, v = rng.normal(size=(12, 2)), rng.normal(size=model.n_parameters)
    chain = LayerChain.of_model(model, {k: rng.normal(size=s) / 2 for k, s in model.shapes.items()})
    z = [a + 0.1 * rng.normal(size=a.shape) for a in chain.activities(x.reshape(12, -1))[1:]]
    dz = [rng.normal(size=a.shape) for a in z]

    def found(part):
        neurons = None
        if soft:
            neurons = SoftNeurons(
                [a[part] for a in z], [a[part] for a in dz], stiffness=3.0, mass=0.7
            )
        return depth_continuity(
            chain, x[part], y[part], v, gamma=0.4, input_velocities=dx[part], neurons=neurons
        )

    whole = found(np.arange(12))
    rest = [found(np.delete(np.arange(12), i)) for i in range(12)]
    for name in ("shared", "current", "energy"):
        rows = np.array([getattr(one, name) for one in rest])
        known = np.sqrt(11 * rows.var(axis=0))
        np.testing.assert_allclose(getattr(whole, f"{name}_error"), known, rtol=1e-9, atol=1e-14)
    assert whole.shared_error[1:4].min() > 0.01 and bool(whole.energy_error.all()) == soft


def test_soft_neurons_at_rest_become_multipliers_as_they_stiffen(checked):
    """Relaxed neurons pull on weights as back-propagation does, but for 1 / kappa."""
    rng = np.random.default_rng(38)
    net = FeedForward.of([rng.normal(size=(4, 3)), rng.normal(size=(2, 4)) / 2], activation="tanh")
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    chain, hard = LayerChain.of(net), network_vertices(net, x, y).apply()
    gaps = []
    for kappa in (100.0, 200.0):
        z = chain.activities(x)[1:]
        for _ in range(1500):
            soft = SoftNeurons(z, stiffness=kappa)
            none = np.zeros(chain.n_parameters)
            acting = strain(
                chain, x, y, MeanSquaredError(), none, np.zeros_like(x), soft, soft.velocities
            )
            z = [a + 0.2 / kappa * f for a, f in zip(z, acting.forces, strict=True)]
        gaps.append(np.abs(acting.gradient(chain) - hard).max())
    order = np.log2(gaps[0] / gaps[1])
    checked(DEPTH, "order in 1/kappa of soft neurons less back-propagation", 1.0, order, rtol=0.1)


# Depth as a lattice direction.


def test_blocks_of_layers_are_decimated_exactly(checked):
    """Integrating out the inner layers of a Gaussian chain, by the covariance of all of it."""
    rng = np.random.default_rng(39)
    kappa, n = 2.5, 3
    maps = [rng.normal(size=(n, n)) for _ in range(4)]
    net = FeedForward.of(maps, activation="linear")
    flow = coarse_grain_depth(net, rng.normal(size=(4, n)), stiffness=kappa)
    # z_1 .. z_4 given z_0: precision of the chain.
    precision = np.zeros((4 * n, 4 * n))
    for i in range(4):
        here = slice(i * n, (i + 1) * n)
        precision[here, here] += kappa * np.eye(n)
        if i:
            before = slice((i - 1) * n, i * n)
            precision[before, before] += kappa * maps[i].T @ maps[i]
            precision[here, before] -= kappa * maps[i]
            precision[before, here] -= kappa * maps[i].T
    covariance = np.linalg.inv(precision)
    known = np.trace(covariance[-n:, -n:]) / n
    checked(DEPTH, "1/kappa of a block of 4 layers", known, flow.compliance.values[2], rtol=1e-12)
    whole = maps[3] @ maps[2] @ maps[1] @ maps[0]
    checked(
        DEPTH, "gain of a block of 4 layers", (whole**2).sum() / n, flow.gain.values[2], rtol=1e-12
    )
    # One number a: the fixed point, and its eigenvalue.
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
    for a in (0.9, 1.0, 1.1):
        same = coarse_grain_depth(FeedForward.of([a * turn] * 8, activation="linear"), np.eye(n))
        b = np.array(same.scales)
        np.testing.assert_allclose(same.growth().values, np.log(a), atol=1e-13)
        soft = b if a == 1 else (1 - a ** (2 * b)) / (1 - a**2)
        np.testing.assert_allclose(same.compliance.values, soft, rtol=1e-12)


def test_growth_along_depth_is_that_of_mean_field(checked):
    """Random tanh networks at the fixed point of q: gain chi_1, and its powers.

    Of 200 neurons gains are within 1 / width of chi_1: three per cent, and 4.5 errors of eight
    networks, which fail once in a thousand.
    """
    field = MeanField("tanh", 1.3, 0.3)
    rng = np.random.default_rng(40)
    width, found = 200, []
    for _ in range(8):
        shapes = [(width, width)] * 4
        net = FeedForward.of(
            [1.3 / sqrt(width) * rng.normal(size=s) for s in shapes],
            [0.3 * rng.normal(size=width) for _ in shapes],
            output="tanh",
        )
        x = rng.normal(size=(2, width)) * sqrt((field.q_star - field.b2) / field.w2)
        found.append(coarse_grain_depth(net, x).gain.values)
    found = np.array(found)
    error = found.std(axis=0, ddof=1) / sqrt(8)
    for i, b in enumerate((1, 2, 4)):
        gap = found[:, i].mean() / field.chi_1**b - 1
        assert abs(gap) < 0.03 + 4.5 * error[i] / field.chi_1**b
    quantity = "gain of one layer over chi_1, tanh, width 200"
    ratio = found[:, 0].mean() / field.chi_1
    checked(DEPTH, quantity, 1.0, ratio, 0.01 + error[0] / field.chi_1, within=4.5)


# Modes of recorded training.


@pytest.mark.parametrize("optimiser", [HeavyBall(0.01, 0.9), Nesterov(0.01, 0.9)])
def test_modes_of_recorded_training_follow_their_exact_solution(optimiser, checked):
    rng = np.random.default_rng(41)
    x = rng.normal(size=(50, 6)) * np.arange(0.3, 3.3, 0.5)
    y = x.sum(axis=1)
    made = train(perceptron(6), (x, y), optimiser=optimiser, steps=200, record=1, rng=1)
    found = record_modes(made, x, y, count=6)
    kind = type(optimiser).__name__
    worst = found.deviation().max()
    checked(WEIGHTS, f"recorded modes less their recursion, {kind}", 0.0, worst, rtol=1e-9)
    known = np.linalg.eigvalsh(x.T @ x / 50)[::-1]
    np.testing.assert_allclose(found.weights.curvatures, known, rtol=1e-9)
    assert {"overdamped", "underdamped"} <= set(found.weights.regimes)
    np.testing.assert_allclose(found.curvature_drift, 1, rtol=1e-7)
    assert found.hubble_times[-1] == pytest.approx(20.0)
    # Shorter steps are nearer to continuous time, in proportion.
    finer = type(optimiser)(0.0025, 0.95)
    half = train(perceptron(6), (x, y), optimiser=finer, steps=400, record=1, rng=1)
    ratio = found.continuum_deviation() / record_modes(half, x, y, count=6).continuum_deviation()
    np.testing.assert_allclose(ratio, 2, rtol=0.25)
    # Exponents of Nesterov's method are those of its own recursion.
    z = np.exp(-found.weights.discrete * found.weights.hubble * 0.1)
    pull = 0.01 * known[:, None]
    if kind == "Nesterov":
        residual = z**2 - 1.9 * (1 - pull) * z + 0.9 * (1 - pull)
    else:
        residual = z**2 - (1.9 - pull) * z + 0.9
    np.testing.assert_allclose(residual, 0, atol=1e-12)
