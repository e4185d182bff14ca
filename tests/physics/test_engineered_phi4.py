"""Networks engineered to be phi^4 theories: propagators, bare interaction, and lambda again.

Statistical bounds are 4.5 errors unless said: exceeded by chance once in 150 thousand.
"""

from functools import cache
from itertools import product
from math import exp, pi, sqrt

import numpy as np
import pytest
from scipy.integrate import quad

from nnrg.simulate.engineered import sample_engineered, sample_engineered_limit
from nnrg.theory.engineering import (
    bare_four_point,
    contamination,
    engineer,
    extrapolate_width,
    free_contamination,
    measure_engineered,
)

TOPIC = "Engineered phi^4 networks"
CUTOFFS = (4.0, 8.0)


# -- the free theory ----------------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.5, 1.0, 3.0])
def test_propagator_of_a_large_cutoff(r, checked):
    """What a finite cutoff lacks of e^{-m r} / 2 m is the integral over all larger momenta."""
    mass, cutoff = 1.3, 50.0
    found = float(engineer(mass, 0.0, cutoff, 4.0).two_point(r))
    tail = quad(lambda p: 1 / (p**2 + mass**2), cutoff, np.inf, weight="cos", wvar=r)[0] / pi
    known = exp(-mass * r) / (2 * mass)
    quantity = f"G(r) + tail of momenta above 50 = exp(-m r) / 2m at r = {r:g}, m = 1.3"
    checked(TOPIC, quantity, known, found + tail, rtol=1e-9)


def test_propagator_approaches_its_limit(checked):
    """At any width and split the two-point function is that of the cutoff theory."""
    network = engineer(1.0, 0.0, 2e3, 4.0)
    r = np.array([0.3, 1.0, 2.5])
    np.testing.assert_allclose(network.two_point(r), np.exp(-r) / 2, atol=3e-7)
    checked(TOPIC, "G(1) for cutoff 2000, m = 1", exp(-1) / 2, float(network.two_point(1.0)), 1e-7)
    at_zero = np.arctan(2e3) / pi
    assert network.two_point(0.0) == pytest.approx(at_zero, rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_spectral_integral_agrees_with_adaptive_quadrature(dimension, power):
    network = engineer(0.7, 0.0, 5.0, 4.0, dimension=dimension)
    for r in (0.0, 0.4, 3.0):
        if dimension == 1:
            known = quad(lambda p, r=r: np.cos(p * r) * (p * p + 0.49) ** -power / pi, 0, 5)[0]
        else:
            from scipy.special import j0

            known = quad(lambda p, r=r: p * j0(p * r) * (p * p + 0.49) ** -power / (2 * pi), 0, 5)[
                0
            ]
        value, error = network.spectral(r, power)
        assert float(value) == pytest.approx(known, abs=1e-10)
        assert error < 1e-12


def products(network, points, n_networks, rng):
    """Products of the field over rows of `points` (..., k, d), of many free networks."""
    points = np.asarray(points, dtype=float)
    out = []
    for seed in range(10):
        a, b, c = network.draw_free(n_networks // 10, 100 * rng + seed)
        values = network.fields(a, b, c, points.reshape(-1, network.dimension))
        out.append(values.reshape(-1, *points.shape[:-1]).prod(axis=-1))
    return np.concatenate(out)


def z_scores(samples, known):
    return (samples.mean(axis=0) - known) / (samples.std(axis=0, ddof=1) / sqrt(len(samples)))


@pytest.mark.parametrize(("dimension", "split"), list(product([1, 2], [0.0, 0.4, 1.0])))
def test_two_point_function_is_exact_at_width_two(dimension, split):
    network = engineer(1.0, 0.0, 4.0, 6.0, width=2, split=split, dimension=dimension)
    r = np.array([0.0, 0.5, 1.5, 3.0])
    points = np.zeros((4, 2, dimension))
    points[:, 0, 0], points[:, 1, -1] = 0.7, 0.2
    points[:, 1, 0] = points[:, 1, 0] + (r if dimension == 1 else 0)
    distance = np.sqrt(((points[:, 0] - points[:, 1]) ** 2).sum(axis=1))
    z = z_scores(products(network, points, 20_000, 3), network.two_point(distance))
    assert np.abs(z).max() < 4.5


@pytest.mark.parametrize(("dimension", "split"), [(1, 0.0), (1, 0.5), (1, 1.0), (2, 0.0), (2, 1.0)])
def test_bare_four_point_function(dimension, split, checked):
    network = engineer(1.0, 0.0, 4.0, 6.0, width=4, split=split, dimension=dimension)
    rng = np.random.default_rng(8)
    points = rng.uniform(-1.0, 1.0, (5, 4, dimension))
    points[0] = 0.0
    points[1, 2:], points[1, :2] = points[1, 2:] + 3.0, points[1, 2:]
    x = np.swapaxes(points, 0, 1)

    def length(a, b):
        return np.sqrt(((x[a] - x[b]) ** 2).sum(axis=1))

    g = {pair: network.two_point(length(*pair)) for pair in
         ((0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2))}  # fmt: skip
    wick = g[0, 1] * g[2, 3] + g[0, 2] * g[1, 3] + g[0, 3] * g[1, 2]
    samples = products(network, points, 30_000, 5)
    known = bare_four_point(network, *x) + wick
    assert np.abs(z_scores(samples, known)).max() < 4.5
    error = samples[:, 0].std(ddof=1) / sqrt(len(samples))
    quantity = f"connected <phi^4> of a free network, d = {dimension}, split {split:g}, N = 4"
    checked(TOPIC, quantity, known[0] - wick[0], samples[:, 0].mean() - wick[0], error, within=4.5)


def coincident(network):
    origin = np.zeros(network.dimension)
    return float(bare_four_point(network, origin, origin, origin, origin))


@pytest.mark.parametrize("dimension", [1, 2])
def test_momenta_drawn_as_the_propagator_have_the_smallest_bare_interaction(dimension):
    found = [
        coincident(engineer(1.0, 0.0, 6.0, 4.0, split=alpha, dimension=dimension))
        for alpha in np.linspace(0, 1, 6)
    ]
    assert np.all(np.diff(found) > 0)
    g = float(engineer(1.0, 0.0, 6.0, 4.0, dimension=dimension).two_point(0.0))
    assert found[0] == pytest.approx(1.5 * g**2 / 64, rel=1e-12)


def test_bare_interaction_grows_with_the_cutoff_and_box_only_where_amplitudes_carry_it():
    even = [coincident(engineer(1.0, 0.0, c, 4.0, split=1.0)) for c in (50.0, 100.0, 200.0)]
    assert even[2] / even[1] == pytest.approx(2.0, abs=0.04)
    drawn = [coincident(engineer(1.0, 0.0, c, 4.0)) for c in (50.0, 100.0, 200.0)]
    assert drawn[2] / drawn[1] == pytest.approx(1.0, abs=0.01)


def test_bare_interaction_does_not_cluster(checked):
    """It depends on sums of positions: at (0, Y, 0, Y) it stays, N G_c -> 2 G(0)^2."""
    network = engineer(1.0, 0.0, 300.0, 4.0, width=10)
    zero, far = np.array([0.0]), np.array([9.0])
    found = 10 * float(bare_four_point(network, zero, far, zero, far))
    g = float(network.two_point(0.0))
    checked(TOPIC, "N G_c^4(0, Y, 0, Y) / G(0)^2, Y -> infinity", 2.0, found / g**2, rtol=1e-4)


def test_bare_coupling_of_a_large_cutoff(checked):
    """A local potential would need G_c < 0: the width acts as lambda = -12 m^3 / N in a large box.

    With G = e^{-r} / 2 in a box of length L it is -(3/2) L G(0)^2 / int int G^4; corrections are of
    order 1 / cutoff, and are extrapolated away.
    """
    box = 8.0
    small, large = (100 * free_contamination(engineer(1.0, 0.0, c, box, width=100))[1] for c in
                    (20.0, 40.0))  # fmt: skip
    known = -6 * box / (box / 2 - (1 - exp(-4 * box)) / 8)
    quantity = "N lambda_N / m^3 of a free network, box 8, cutoff -> infinity"
    checked(TOPIC, quantity, known, 2 * large - small, rtol=5e-3)


# -- interaction: the limit of infinite width ---------------------------------------------------


@cache
def limit_action(cutoff, coupling=6.0):
    network = engineer(1.0, coupling, cutoff, 6.0, normal_ordered=True)
    return measure_engineered(sample_engineered_limit(network, 600, rng=int(cutoff)))


@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_coupling_of_the_limit(cutoff, checked):
    found = limit_action(cutoff)
    assert not found.flag
    quantity = f"lambda of phi^4 theory in modes, cutoff {cutoff:g}"
    lam, delta = found.coupling, found.mass_shift
    assert lam.error < 0.3
    checked(TOPIC, quantity, 6.0, lam.value, lam.error, within=4.5)
    checked(TOPIC, f"its mass shift, cutoff {cutoff:g}", delta.null, delta.value, delta.error)
    assert abs(found.residual.z) < 4.5


def test_normal_ordered_masses_at_two_cutoffs_agree():
    a, b = (limit_action(cutoff).gap_mass for cutoff in CUTOFFS)
    assert abs(a.value - b.value) < 4.5 * np.hypot(a.error, b.error) + 0.02


def oscillator_mean_square(mass2, coupling, box, size=80):
    """<x^2> in the middle of the time `box` of an anharmonic oscillator, m = 1 outside."""
    n = np.arange(size + 8)
    x = np.diag(np.sqrt(n[1:] / 2), 1)
    x = x + x.T
    square = x @ x
    h = np.diag(n + 0.5) + 0.5 * (mass2 - 1) * square + coupling / 24 * square @ square
    square, h = square[:size, :size], h[:size, :size]
    energies, states = np.linalg.eigh(h)
    # The oscillator outside has been in its ground state for ever.
    half = states @ (np.exp(-energies * box / 2) * states[0])
    return float(half @ square @ half / (half @ half))


def test_limit_of_a_large_cutoff_is_the_anharmonic_oscillator(checked):
    """With 1 / (pi cutoff) for the waves above it, to first order in 1 / cutoff."""
    coupling, cutoff, box = 4.0, 30.0, 4.0
    above = 1 / (pi * cutoff)
    known = oscillator_mean_square(1.0 - 0.5 * coupling * above, coupling, box) - above
    network = engineer(1.0, coupling, cutoff, box)
    found = measure_engineered(sample_engineered_limit(network, 400, rng=4)).centre.estimate(0)
    assert found.error < 0.008
    quantity = "<phi^2> at the centre, lambda = 4, cutoff 30, against quantum mechanics"
    checked(TOPIC, quantity, known, found.value, found.error, within=4.5)
    assert oscillator_mean_square(1.0, 0.0, box) == pytest.approx(0.5, rel=1e-9)


# -- interaction: networks ----------------------------------------------------------------------


@cache
def network_action(width, cutoff=4.0, coupling=6.0, n_samples=120, **options):
    network = engineer(1.0, coupling, cutoff, 6.0, width=width, normal_ordered=True, **options)
    sample = sample_engineered(network, n_samples, rng=width + int(cutoff))
    assert not sample.flag
    return measure_engineered(sample)


@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_coupling_of_the_parameters_is_exact_at_small_width(cutoff, checked):
    found = network_action(16, cutoff).coupling_of_parameters
    assert found.error < 0.8
    quantity = f"lambda of the parameters of width 16, cutoff {cutoff:g}"
    checked(TOPIC, quantity, 6.0, found.value, found.error, within=4.5)


def test_what_the_width_adds_is_predicted(checked):
    """The measured difference is paired; next order in 1/N is below its error at width 48."""
    measured = network_action(48, coupling=2.0, n_samples=150).added_by_width
    network = engineer(1.0, 2.0, 4.0, 6.0, width=48, normal_ordered=True)
    limit = sample_engineered_limit(network, 100, rng=2)
    predicted = contamination(limit, rng=3)
    for i, name in enumerate(("mass shift", "coupling")):
        m, p = measured.estimate(i), predicted.shifts.estimate(i)
        quantity = f"{name} that width 48 adds at lambda = 2"
        options = {"uncertainty": p.error, "source": "first order in 1/N", "within": 4.5}
        checked(TOPIC, quantity, p.value, m.value, m.error, **options)
    assert predicted.coupling.z is not None and predicted.coupling.value < -4 * m.error


@pytest.mark.parametrize("split", [0.0, 1.0])
def test_prediction_without_coupling_is_the_exact_one(split):
    network = engineer(1.0, 0.0, 4.0, 5.0, width=32, split=split)
    found = contamination(sample_engineered_limit(network, 100, rng=6), rng=1).shifts
    known = free_contamination(network)
    z = (found.values - known) / found.errors()
    assert np.abs(z).max() < 4.5


@pytest.mark.slow
def test_network_in_two_dimensions_has_the_coupling(checked):
    network = engineer(1.0, 12.0, 2.0, 2.5, width=8, dimension=2, normal_ordered=True)
    limit = measure_engineered(sample_engineered_limit(network, 80, rng=3)).coupling_at_mass
    sample = sample_engineered(network, 80, burn_in=30, rng=5)
    own = measure_engineered(sample).couplings.estimate(5)
    assert not sample.flag and limit.error < 2.4 and own.error < 2.4
    checked(TOPIC, "lambda of phi^4 theory in modes, d = 2", 12.0, limit.value, limit.error)
    checked(TOPIC, "lambda of the parameters of width 8, d = 2", 12.0, own.value, own.error)


@pytest.mark.slow
@pytest.mark.parametrize("cutoff", CUTOFFS)
def test_coupling_of_the_fields_at_infinite_width(cutoff, checked):
    actions = [network_action(n, cutoff, coupling=8.0, n_samples=400) for n in (24, 48, 96)]
    for quantity in ("coupling", "mass_shift", "coupling_at_mass"):
        found = extrapolate_width(actions, quantity)
        assert found.fit.p > 1e-4
        limit = found.limit
        name = f"{quantity.replace('_', ' ')} of fields, N = 24, 48, 96 -> inf, cutoff {cutoff:g}"
        checked(TOPIC, name, found.asked, limit.value, limit.error, within=4.5)
    assert extrapolate_width(actions).limit.error < 0.06 * 8
    # The last width has the two-point function of the limit.
    theory = measure_engineered(sample_engineered_limit(actions[-1].network, 600, rng=9))
    difference = actions[-1].two_point.values - theory.two_point.values
    spread = np.hypot(actions[-1].two_point.errors(), theory.two_point.errors())
    assert np.abs(difference / spread)[:4].max() < 4.5
