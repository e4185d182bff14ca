"""Hamiltonian networks: exact laws of lattices and links, and what reading weights must find.

Statistical tests: seeds are fixed; each bound of 4.5 errors has a false-alarm rate of 1e-5, so
that a new set of seeds would fail once in some thousands.
"""

from math import comb

import networkx as nx
import numpy as np
import pytest
from scipy import linalg
from threadpoolctl import threadpool_limits

from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.theory.hamiltonian import (
    CayleyStep,
    DiracLattice,
    FieldHistory,
    GaugeLinks,
    HamiltonianNet,
    KleinGordonLattice,
    clifford_check,
    covariance_residual,
    covariant_differences,
    covariant_laplacian,
    fit_dispersion,
    majorana_matrices,
    measure_dispersion,
    mode_frequencies,
    read_weights,
    symplectic_check,
)

WAVES, SPINORS, LINKS = "Klein-Gordon lattice", "Dirac lattice", "Gauge links"
READ = "Symmetric fraction"


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of the linear algebra only wait for each other on matrices of this size."""
    with threadpool_limits(1, user_api="blas"):
        yield


def random_symmetric(n, seed=1):
    matrix = np.random.default_rng(seed).normal(size=(n, n))
    return matrix @ matrix.T / n + np.eye(n)


# Activation and learning.


def test_alternating_steps_conserve_the_modified_energy():
    net = HamiltonianNet.linear(random_symmetric(6), np.arange(6.0))
    start = np.random.default_rng(2).normal(size=(2, 6))
    run = net.run(*start, dt=0.3, steps=20_000, every=100)
    assert run.drift < 1e-11
    # The energy itself swings, by the order of dt, and does not drift.
    swing = np.abs(run.energy / run.energy[0] - 1)
    assert 0.01 < swing.max() < 1
    assert abs(swing[:100].mean() / swing[-100:].mean() - 1) < 0.5


def test_energy_of_another_potential_is_modified_to_second_order():
    def worst(dt):
        net = HamiltonianNet(
            lambda b: b, np.sinh, lambda b: 0.5 * float(b @ b), lambda x: float(np.cosh(x).sum())
        )
        return net.run([1.2, -0.4], [0.3, 0.2], dt=dt, steps=round(40 / dt)).drift

    coarse, fine = worst(0.1), worst(0.05)
    assert coarse < 2e-3
    assert 3.5 < coarse / fine < 4.5


def test_learning_is_gradient_descent_through_the_activation():
    matrix, dt = random_symmetric(5), 0.2
    net = HamiltonianNet.linear(matrix)
    phi, beta = np.random.default_rng(3).normal(size=(2, 5))

    def loss(b):
        return net.potential(phi + dt * b)

    h = 1e-4
    gradient = [(loss(beta + h * e) - loss(beta - h * e)) / (2 * h) for e in np.eye(5)]
    np.testing.assert_allclose(net.step(phi, beta, dt)[1] - beta, -np.array(gradient), atol=1e-9)


def test_only_alternating_steps_are_symplectic():
    net = HamiltonianNet.linear(random_symmetric(4))
    point = np.random.default_rng(4).normal(size=(2, 4))
    good = symplectic_check(net, *point, dt=0.3)
    bad = symplectic_check(net, *point, dt=0.3, scheme="simultaneous")
    assert good.residual < 1e-10 and abs(good.determinant - 1) < 1e-10
    # det (1 + dt^2 M) for the simultaneous update.
    expected = linalg.det(np.eye(4) + 0.09 * random_symmetric(4))
    assert bad.determinant == pytest.approx(expected, rel=1e-9)
    assert bad.residual > 0.05


def test_simultaneous_updates_grow():
    net = HamiltonianNet.linear([[4.0]])
    run = net.run([1.0], [0.0], dt=0.1, steps=200, scheme="simultaneous")
    radius = 4 * run.phi[:, 0] ** 2 + run.beta[:, 0] ** 2
    np.testing.assert_allclose(radius, 4 * 1.04 ** np.arange(201), rtol=1e-11)


def test_antisymmetric_part_makes_frequencies_complex():
    matrix = random_symmetric(12)
    turn = np.random.default_rng(5).normal(size=(12, 12))
    assert mode_frequencies(matrix, dt=0.1).growth_rate == 0
    mixed = matrix + 0.2 * (turn - turn.T)
    found = mode_frequencies(mixed, dt=0.1)
    assert found.growth_rate > 0.01
    run = HamiltonianNet.linear(mixed).run(*np.ones((2, 12)), dt=0.1, steps=4000)
    size = np.linalg.norm(run.phi, axis=1)
    rate = np.log(size[4000] / size[2000]) / 200
    assert rate == pytest.approx(found.growth_rate, rel=0.02)


# Klein-Gordon.


@pytest.mark.parametrize(
    ("shape", "spacing"), [((40,), 1.0), ((9, 10), 0.7), ((6, 5, 4), 1.3)], ids=["1d", "2d", "3d"]
)
def test_klein_gordon_dispersion(shape, spacing, checked):
    lattice = KleinGordonLattice(shape, mass=0.6, spacing=spacing, dt=0.25)
    start = np.random.default_rng(6).normal(size=(2, *shape))
    found = measure_dispersion(lattice.evolve(*start, records=500), expected=lattice.frequency)
    assert found.good.all()
    k = found.k.T
    formula = 0.36 + (4 / spacing**2 * np.sin(k * spacing / 2) ** 2).sum(axis=0)
    measured = 4 / 0.25**2 * np.sin(found.omega * 0.25 / 2) ** 2
    d = len(shape)
    worst = int(np.argmax(np.abs(measured - formula)))
    checked(
        WAVES, f"4 sin^2(omega dt / 2) / dt^2, d = {d}, worst mode", formula[worst],
        measured[worst], rtol=1e-10,
    )  # fmt: skip
    assert found.largest_deviation < 1e-6


@pytest.mark.parametrize("d", [1, 2, 3])
def test_stability_limit(d, checked):
    spacing, mass = 0.8, 1.5
    shape = (4,) * d
    limit = 2 / np.sqrt(mass**2 + 4 * d / spacing**2)
    stable = KleinGordonLattice(shape, mass=mass, spacing=spacing, dt=0.999 * limit)
    checked(WAVES, f"stability limit, d = {d}", limit, stable.stability_limit)
    start = np.random.default_rng(7).normal(size=(2, *shape))
    assert np.abs(stable.advance(*start, 20_000)[0]).max() < 1e4
    matrix = stable.weights().toarray()
    assert mode_frequencies(matrix, dt=1.001 * limit).growth_rate > 0
    assert mode_frequencies(matrix, dt=0.999 * limit).growth_rate < 1e-6


def test_lattice_is_the_net_of_its_weights():
    lattice = KleinGordonLattice((4, 5), mass=0.8, spacing=0.9, dt=0.2)
    phi, beta = np.random.default_rng(8).normal(size=(2, 4, 5))
    net = HamiltonianNet.linear(lattice.weights().toarray())
    run = net.run(phi.ravel(), beta.ravel(), dt=0.2, steps=50, every=50)
    after = lattice.advance(phi, beta, 50)
    np.testing.assert_allclose(after[0].ravel(), run.phi[-1], atol=1e-12)
    np.testing.assert_allclose(after[1].ravel(), run.beta[-1], atol=1e-12)
    assert lattice.energy(phi, beta) == pytest.approx(
        (run.energy[0], run.modified_energy[0]), rel=1e-12
    )


def test_modified_energy_over_many_steps():
    lattice = KleinGordonLattice((16, 16), mass=0.5, dt=0.5)
    start = np.random.default_rng(9).normal(size=(2, 16, 16))
    before = lattice.energy(*start)[1]
    assert lattice.energy(*lattice.advance(*start, 100_000))[1] == pytest.approx(before, rel=1e-10)


def test_measured_dispersion_of_noisy_fields_has_its_errors():
    """Noise of 10 %: 32 modes, chi2 of the lattice relation with a rate of 1e-4 in either tail."""
    lattice = KleinGordonLattice((64,), mass=0.6, dt=0.25)
    rng = np.random.default_rng(10)
    history = lattice.evolve(*rng.normal(size=(2, 64)), records=1600)
    noisy = history.values + 0.1 * rng.normal(size=history.values.shape)
    found = measure_dispersion(
        FieldHistory(noisy, history.interval), expected=lattice.frequency, groups=16
    )
    pull = ((found.omega - found.expected) / found.error)[found.good]
    # Student's t of 15 degrees of freedom has variance 15/13.
    assert 0.4 < np.mean(pull**2) < 2.4
    fit = fit_dispersion(found, relation="klein_gordon", dt=0.25)
    assert abs(fit.mass_squared.value - 0.36) < 5.5 * fit.mass_squared.error
    assert abs(fit.speed_squared.value - 1) < 5.5 * fit.speed_squared.error
    assert 0.3 < fit.chi2 / fit.dof < 2.6


def test_continuum_relation_holds_for_long_waves_only():
    lattice = KleinGordonLattice((128,), mass=0.3, dt=0.05)
    start = np.random.default_rng(11).normal(size=(2, 128))
    found = measure_dispersion(lattice.evolve(*start, records=800, every=4))
    short, long = fit_dispersion(found), fit_dispersion(found, k_max=0.3)
    assert long.speed_squared.value == pytest.approx(1, abs=0.01)
    assert short.speed_squared.value < 0.8


# Dirac.


@pytest.mark.parametrize("d", [1, 2, 3])
def test_clifford_relations(d, checked):
    alpha, turn = majorana_matrices(d)
    checked(SPINORS, f"Clifford residual, {d} + 1", 0.0, clifford_check(alpha, turn).residual)
    assert np.array_equal(alpha, np.swapaxes(alpha, 1, 2)) and np.array_equal(turn, -turn.T)
    lattice = DiracLattice((4,) * d, mass=0.7)
    weights = lattice.weights()
    assert abs(weights + weights.T).max() == 0
    squares = sum(
        (difference @ difference).real
        for difference in covariant_differences(GaugeLinks.free(lattice.shape))
    )
    expected = np.kron(
        np.eye(lattice.components), squares.toarray() - 0.49 * np.eye(squares.shape[0])
    )
    np.testing.assert_allclose((weights @ weights).toarray(), expected, atol=1e-14)


def test_antisymmetry_alone_is_not_dirac():
    rng = np.random.default_rng(12)
    alpha = rng.normal(size=(2, 4, 4))
    turn = rng.normal(size=(4, 4))
    assert clifford_check(alpha + np.swapaxes(alpha, 1, 2), turn - turn.T).residual > 0.3


@pytest.mark.parametrize("wilson", [0.0, 0.8])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_dirac_frequencies_are_those_of_its_weights(d, wilson, checked):
    """The eigenvalues of the sparse weights, against the formula at all k."""
    lattice = DiracLattice((6, 4, 4)[:d], mass=0.3, spacing=0.9, wilson=wilson)
    found = np.sort(np.linalg.eigvals(lattice.weights().toarray()).imag)
    omega = lattice.frequency().ravel()
    each = lattice.components // 2
    expected = np.sort(np.concatenate([np.repeat(omega, each), np.repeat(-omega, each)]))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    k = lattice.momenta() * 0.9
    heavy = 0.3 + wilson / 0.9 * (1 - np.cos(k)).sum(axis=0)
    formula = np.sort(np.sqrt((np.sin(k) ** 2).sum(axis=0) / 0.81 + heavy**2).ravel())
    name = f"largest omega, d = {d}, Wilson r = {wilson:g}"
    checked(SPINORS, name, formula[-1], found[-1], rtol=1e-12)


@pytest.mark.parametrize("method", ["cayley", "exponential"])
@pytest.mark.parametrize("d", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_dirac_dispersion(d, method, checked):
    lattice = DiracLattice((32, 10, 6)[:d], mass=0.4, dt=0.3)
    psi = np.random.default_rng(13).normal(size=(lattice.components, *lattice.shape))
    history = lattice.evolve(psi, records=400, method=method)
    modes = np.argwhere(np.ones(lattice.shape))[:: 1 if d == 1 else 7]
    found = measure_dispersion(history, modes, expected=lambda k: lattice.frequency(k, method))
    assert found.good.all() and found.largest_deviation < 1e-6
    omega = 2 / 0.3 * np.tan(found.omega * 0.15) if method == "cayley" else found.omega
    formula = 0.16 + (np.sin(found.k) ** 2).sum(axis=1)
    worst = int(np.argmax(np.abs(omega**2 - formula)))
    name = f"omega^2 measured, {method} steps, d = {d}, worst mode"
    checked(SPINORS, name, formula[worst], omega[worst] ** 2, rtol=1e-10)


@pytest.mark.parametrize("method", ["cayley", "exponential"])
def test_mass_and_speed_of_spinors(method, checked):
    lattice = DiracLattice((10, 10), mass=0.5, spacing=0.8, dt=0.3)
    psi = np.random.default_rng(27).normal(size=(2, 10, 10))
    modes = np.argwhere(np.ones(lattice.shape))[::3]
    found = measure_dispersion(lattice.evolve(psi, records=300, method=method), modes)
    relation = "dirac_cayley" if method == "cayley" else "dirac"
    fit = fit_dispersion(found, relation=relation, dt=0.3)
    checked(SPINORS, f"m^2 fitted, {method} steps", 0.25, fit.mass_squared.value)
    checked(SPINORS, f"c^2 fitted, {method} steps", 1.0, fit.speed_squared.value)
    assert "rounding" in fit.flag


@pytest.mark.parametrize("d", [1, 2, 3])
def test_doublers(d, checked):
    naive = DiracLattice((4,) * d)
    checked(SPINORS, f"massless corners without Wilson term, d = {d}", 2**d, naive.doublers().count)
    zero = int(np.sum(np.abs(np.linalg.eigvals(naive.weights().toarray())) < 1e-10))
    checked(SPINORS, f"zero modes of the weights, d = {d}", 2**d * naive.components, zero)
    heavy = DiracLattice((4,) * d, mass=0.1, wilson=1.0).doublers()
    checked(SPINORS, f"lightest corners with Wilson term, d = {d}", 1, heavy.count)
    table = heavy.to_dataframe()
    assert table["corners"].tolist() == [comb(d, n) for n in range(d + 1)]
    np.testing.assert_allclose(table["gap"], 0.1 + 2 * np.arange(d + 1))


def test_steps_by_fourier_modes_equal_those_of_the_weights():
    lattice = DiracLattice((4, 5), mass=0.4, wilson=0.5, dt=0.3)
    psi = np.random.default_rng(14).normal(size=(2, 4, 5))
    weights = lattice.weights()
    cayley = CayleyStep(weights, 0.3)(psi.ravel(), 7)
    np.testing.assert_allclose(lattice.advance(psi, 7).ravel(), cayley, atol=1e-13)
    exact = linalg.expm(2.1 * weights.toarray()) @ psi.ravel()
    found = lattice.advance(psi, 7, method="exponential").ravel()
    np.testing.assert_allclose(found, exact, atol=1e-13)


def test_norm_is_kept_for_a_hundred_thousand_steps(checked):
    lattice = DiracLattice(8, mass=0.5, dt=0.4)
    psi = np.random.default_rng(15).normal(size=16)
    after = CayleyStep(lattice.weights(), 0.4)(psi, 100_000)
    checked(
        SPINORS, "squared norm after 1e5 Cayley steps, relative", 1.0, (after @ after) / (psi @ psi)
    )
    history = lattice.evolve(psi.reshape(2, 8), records=101, every=1000, method="exponential")
    norms = np.sum(history.values**2, axis=(1, 2))
    checked(SPINORS, "squared norm after 1e5 exact steps, relative", 1.0, norms[-1] / norms[0])


def test_euler_steps_grow():
    lattice = DiracLattice(16, mass=0.5)
    weights, dt = lattice.weights(), 0.1
    wave = np.exp(2j * np.pi * 3 * np.arange(16) / 16)
    psi = np.concatenate([wave.real, wave.imag])
    omega = lattice.frequency(np.array([[2 * np.pi * 3 / 16]]))[0]
    after = psi + dt * (weights @ psi)
    assert (after @ after) / (psi @ psi) == pytest.approx(1 + omega**2 * dt**2, rel=1e-12)


# Gauge links.


def random_links(shape, seed=16):
    rng = np.random.default_rng(seed)
    return GaugeLinks.from_potential(
        rng.uniform(-3, 3, (len(shape), *shape)), rng.uniform(-3, 3, shape)
    )


@pytest.mark.parametrize("shape", [(8,), (4, 5), (3, 4, 4)], ids=["1d", "2d", "3d"])
def test_gauge_covariance(shape, checked):
    links = random_links(shape)
    rng = np.random.default_rng(17)
    alpha, later = rng.uniform(0, 2 * np.pi, (2, *shape))
    dirac = DiracLattice(shape, mass=0.3, wilson=1.0)
    scalar = KleinGordonLattice(shape, mass=0.3)
    builds = {
        "covariant Laplacian": covariant_laplacian,
        "covariant difference": lambda u: covariant_differences(u)[-1],
        "Dirac weights": dirac.weights,
        "Klein-Gordon weights": scalar.weights,
    }
    for name, build in builds.items():
        residual = covariance_residual(build, links, alpha)
        checked(LINKS, f"covariance of {name}, d = {len(shape)}", 0.0, residual, rtol=1e-12)
    turned = links.transformed(alpha)
    np.testing.assert_allclose(turned.plaquettes(), links.plaquettes(), atol=1e-12)
    # A phase that changes with time: links of space of the next step turn with the next phase.
    moved = links.transformed(alpha, later)
    np.testing.assert_allclose(
        moved.electric_plaquettes(links.transformed(later)),
        links.electric_plaquettes(),
        atol=1e-12,
    )


def test_step_with_links_of_time_is_covariant():
    """One Cayley step and the self-coupling, under phases that change with time."""
    shape = (4, 4)
    links = random_links(shape)
    alpha, later = np.random.default_rng(18).uniform(0, 6, (2, *shape))
    lattice = DiracLattice(shape, mass=0.3)
    rng = np.random.default_rng(19)
    psi = rng.normal(size=32) + 1j * rng.normal(size=32)

    def step(background, spinor):
        # The labelling only says which tensor holds what: both make the same step.
        kept = GaugeLinks.from_tensors(background.tensors("paper"))
        return CayleyStep(lattice.weights(kept), 0.2, kept.time)(spinor)

    now, then = (np.exp(1j * np.tile(a.ravel(), 2)) for a in (alpha, later))
    np.testing.assert_allclose(
        step(links.transformed(alpha, later), now * psi), then * step(links, psi), atol=1e-12
    )


def test_labellings_hold_the_same_background():
    links = random_links((3, 4))
    lattice, paper = links.tensors("lattice"), links.tensors("paper")
    assert np.array_equal(lattice.weight, links.space) and np.array_equal(lattice.bias, links.time)
    assert np.array_equal(paper.weight, links.time) and np.array_equal(paper.bias, links.space)
    for tensors in (lattice, paper):
        back = GaugeLinks.from_tensors(tensors)
        assert np.array_equal(back.space, links.space) and np.array_equal(back.time, links.time)


@pytest.mark.parametrize("flux", [0.0, 1.0, np.pi, 5.0])
def test_aharonov_bohm_ring(flux, checked):
    n = 12
    links = GaugeLinks.ring_flux(n, flux)
    np.testing.assert_allclose(links.loop(0), np.exp(1j * flux), atol=1e-13)
    found = np.linalg.eigvalsh(-covariant_laplacian(links).toarray())
    expected = np.sort(2 - 2 * np.cos((2 * np.pi * np.arange(n) + flux) / n))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    checked(LINKS, f"lowest level of a ring of 12 about flux {flux:.4g}", expected[0], found[0])
    # A transformation moves the flux to other links, and not the levels.
    alpha = np.random.default_rng(20).uniform(0, 6, n)
    turned = np.linalg.eigvalsh(-covariant_laplacian(links.transformed(alpha)).toarray())
    np.testing.assert_allclose(turned, found, atol=1e-12)


@pytest.mark.parametrize("flux", [0.0, 2.0])
def test_waves_on_a_ring_about_a_flux(flux, checked):
    """Measured from simulated spinors: the flux turns k into k + flux / L."""
    n, dt = 12, 0.2
    lattice = DiracLattice(n, mass=0.6, dt=dt)
    links = GaugeLinks.from_potential(np.full((1, n), flux / n))
    rng = np.random.default_rng(26)
    psi = rng.normal(size=2 * n) + 1j * rng.normal(size=2 * n)
    step, records = CayleyStep(lattice.weights(links), dt), [psi]
    for _ in range(399):
        records.append(step(records[-1]))
    values = np.stack(records).reshape(400, 2, n)
    found = measure_dispersion(
        FieldHistory(values, dt), np.arange(n)[:, None],
        expected=lambda k: lattice.frequency(k + flux / n, "cayley"),
    )  # fmt: skip
    assert found.good.all() and found.largest_deviation < 1e-6
    omega = 2 / dt * np.tan(found.omega * dt / 2)
    formula = np.sqrt(0.36 + np.sin(found.k[:, 0] + flux / n) ** 2)
    worst = int(np.argmax(np.abs(omega - formula)))
    name = f"omega measured on a ring of 12 about flux {flux:g}, worst mode"
    checked(LINKS, name, formula[worst], omega[worst], rtol=1e-10)


def test_weights_of_a_charged_field_have_landau_levels():
    links = GaugeLinks.uniform_flux((12, 12), 2)
    weights = KleinGordonLattice((12, 12), mass=0.7, dt=0.1).weights(links)
    levels = np.linalg.eigvalsh(-covariant_laplacian(links).toarray())
    np.testing.assert_allclose(np.linalg.eigvalsh(weights.toarray()), levels + 0.49, atol=1e-12)


def test_uniform_flux_is_uniform():
    links = GaugeLinks.uniform_flux((6, 7), 4)
    np.testing.assert_allclose(links.plaquettes(), np.exp(2j * np.pi * 4 / 42), atol=1e-12)


def test_landau_levels(checked):
    """Levels (2n + 1) B less B^2 [1 + (2n + 1)^2] / 16, each with as many states as flux quanta."""
    quanta, side = 3, 18
    field = 2 * np.pi * quanta / side**2
    links = GaugeLinks.uniform_flux((side, side), quanta)
    levels = np.linalg.eigvalsh(-covariant_laplacian(links).toarray())
    for n in range(3):
        group = levels[n * quanta : (n + 1) * quanta]
        expected = (2 * n + 1) * field - field**2 * (1 + (2 * n + 1) ** 2) / 16
        checked(LINKS, f"Landau level {n}, 3 quanta on 18 x 18", expected, group.mean(), rtol=2e-4)
        assert np.ptp(group) < 1e-4


def test_landau_levels_of_the_dirac_field():
    """Zero modes, one for each quantum and doubler, then energies squared of 2 n B."""
    quanta, side = 1, 16
    field = 2 * np.pi * quanta / side**2
    weights = DiracLattice((side, side)).weights(GaugeLinks.uniform_flux((side, side), quanta))
    squares = np.sort(np.linalg.eigvalsh(1j * weights.toarray()) ** 2)
    np.testing.assert_allclose(squares[:4], 0, atol=0.02 * field)
    # Both signs of the energy, four doublers.
    np.testing.assert_allclose(squares[4:12], 2 * field, rtol=0.05)


# Weights read the other way.


@pytest.mark.parametrize("n", [16, 48])
def test_symmetric_fraction_of_independent_weights(n, checked):
    """Row 11: 400 matrices, 4.5 errors."""
    found = []
    for seed in range(400):
        w = np.random.default_rng(seed).normal(size=(n, n))
        even = (w + w.T) / 2
        found.append(np.sum(even**2) / np.sum(w**2))
    error = np.std(found, ddof=1) / 20
    checked(READ, f"independent weights, N = {n}", (n + 1) / (2 * n), np.mean(found), error)


def test_shuffled_weights_have_the_expected_fraction_at_each_scale(checked):
    w = np.random.default_rng(21).normal(0.3, 1, size=(64, 64))
    reading = read_weights(w, draws=300, rng=1, spectrum=False)
    draws = reading.nulls["independent"][:, :, 0]
    mean, error = draws.mean(axis=0), draws.std(axis=0, ddof=1) / np.sqrt(300)
    for s, b in enumerate(reading.scales):
        name = f"shuffled, N = 64 in blocks of {b:g}, mean taken out"
        checked(READ, name, reading.expected[s], mean[s], error[s], within=4.5)


def test_shuffled_weights_in_unequal_blocks_have_the_expected_fraction():
    """A tree, whose matchings leave neurons alone. 4.5 errors at each scale."""
    sites = ConnectionGraph.from_networkx(nx.barabasi_albert_graph(100, 1, seed=1))
    w = np.random.default_rng(28).normal(size=(100, 100))
    reading = read_weights(w, graph=sites, draws=300, rng=1, spectrum=False)
    draws = reading.nulls["independent"][:, :, 0]
    error = draws.std(axis=0, ddof=1) / np.sqrt(300)
    assert (np.abs(draws.mean(axis=0) - reading.expected) < 4.5 * error).all()
    equal = (np.array(reading.n_neurons) + 2) / (2 * np.array(reading.n_neurons) + 2)
    assert (reading.expected - equal)[-1] > 0.009


@pytest.mark.slow
def test_errors_of_independent_weights_are_root_two_too_large():
    """Each pair of neurons is left out twice; 300 matrices tell the ratio to 4 %, 4.5 errors."""
    values, errors = [], []
    for seed in range(300):
        w = np.random.default_rng(1000 + seed).normal(size=(64, 64))
        reading = read_weights(w, draws=4, levels=0, rng=1, spectrum=False)
        values.append(reading.values[0, 0])
        errors.append(reading.errors[0, 0])
    ratio = np.sqrt(np.mean(np.square(errors))) / np.std(values, ddof=1)
    assert ratio == pytest.approx(np.sqrt(2), rel=0.18)


def test_klein_gordon_weights_are_recognised():
    lattice = KleinGordonLattice(64, mass=0.5, dt=0.1).weights().toarray()
    noise = 0.05 * np.random.default_rng(22).normal(size=(64, 64))
    reading = read_weights(lattice + noise, demean=False, draws=16, rng=1)
    assert reading.estimate("stiffness").value == pytest.approx(1, abs=0.05)
    assert reading.estimate("on_site").value == pytest.approx(0.25, abs=0.1)
    assert reading.estimate("klein_gordon").value > 0.9
    assert reading.z("klein_gordon", 1, "relabelled") > 10
    # Relabelling keeps the fraction, a permutation of one axis destroys it.
    assert np.isnan(reading.z("symmetric", 1, "relabelled"))
    assert reading.z("symmetric", 1, "unaligned") > 10
    # The stiffness of block means over b sites: b bonds become one of 1 / b^2.
    assert reading.estimate("klein_gordon", 4).value > 0.9
    assert reading.estimate("stiffness", 4).value == pytest.approx(1 / 16, abs=0.02)


def test_dirac_weights_are_recognised_and_other_antisymmetric_ones_are_not():
    n = 32
    lattice = DiracLattice(n, mass=0.4)
    order = np.arange(2 * n).reshape(2, n).T.ravel()  # components of a site next to one another
    weights = lattice.weights().toarray()[np.ix_(order, order)]
    reading = read_weights(weights, components=2, draws=16, rng=1)
    assert reading.estimate("symmetric").value == pytest.approx(0, abs=1e-12)
    assert reading.estimate("dirac").value > 0.95
    assert reading.estimate("clifford").value < 1e-10
    assert reading.estimate("henrici").value < 1e-6
    w = np.random.default_rng(23).normal(size=(2 * n, 2 * n))
    other = read_weights(w - w.T, components=2, draws=16, rng=1)
    assert other.estimate("symmetric").value == pytest.approx(0, abs=1e-12)
    assert other.estimate("dirac").value < 0.05


def test_relabelling_destroys_the_flow():
    """A symmetric part that is smooth in the index: blocks keep it, blocks of others do not."""
    x = np.linspace(0, 1, 128)
    smooth = np.exp(-((x[:, None] - x) ** 2) / 0.02)
    w = 0.5 * smooth + np.random.default_rng(24).normal(size=(128, 128))
    reading = read_weights(w, draws=40, rng=1, spectrum=False)
    assert reading.estimate("symmetric", 8).value > reading.estimate("symmetric").value + 0.1
    assert reading.z("symmetric", 4, "relabelled") > 5
    assert reading.z("variance", 8, "relabelled") > 10


@pytest.mark.slow
def test_non_normality_of_independent_weights():
    """Ginibre: Henrici's number tends to 1 / sqrt 2, the commutator to sqrt(2 / N)."""
    w = np.random.default_rng(25).normal(size=(300, 300))
    reading = read_weights(w, draws=4, levels=0, rng=1)
    assert reading.estimate("henrici").value == pytest.approx(0.5**0.5, abs=0.01)
    assert reading.estimate("commutator").value == pytest.approx((2 / 300) ** 0.5, rel=0.02)
