"""Linearised RG matrices with known eigenvalues: Gaussian fields, and the Ising model.

Every statistical bound is four or more standard errors: a false alarm in 10^4 for each number.
"""

import numpy as np
import pytest
from physics import exact
from scipy import stats

import nnrg
from nnrg.rg.scaling.operator_record import join_records, majority_operators
from nnrg.rg.scaling.swendsen import linearised_rg
from nnrg.simulate import ising
from nnrg.simulate.gaussian import gaussian_free_field

HERMITE = ("hermite2", "hermite4", "hermite6", "phi", "hermite3")
GAUSSIAN, LONG = "Gaussian fixed points, RG matrix", "Long-range Gaussian field"
ISING = "2-d Ising model, Monte Carlo RG"


def flow_of(values, levels, rescale):
    field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], periodic=True))
    return nnrg.renormalize(field, levels=levels, rescale=rescale)


def pull(estimate, expected):
    return (estimate.value - expected) / estimate.error


# -- independent Gaussian sites ------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "n"), [((256,), 20_000), ((16, 16), 20_000)])
def test_independent_gaussian_matrix_is_diagonal_in_hermite_polynomials(shape, n, checked):
    d = len(shape)
    values = np.random.default_rng(1).normal(size=(n, *shape))
    t = linearised_rg(flow_of(values, 3, "clt"), HERMITE)
    for sector, orders in (("even", [2, 4, 6]), ("odd", [1, 3])):
        expected = np.diag([2.0 ** (d * (1 - k / 2)) for k in orders])
        for step in (1, 2):
            distance = t.matrix(step, sector) - expected
            assert np.abs(distance / t.matrix_errors(step, sector)).max() < 4.5
    even, odd = t.exponents(1), t.exponents(1, "odd")
    for order, y in ((2, even[0]), (4, even[1]), (3, odd[1])):
        quantity = f"y_{order} of independent sites, d = {d}, Delta = d/2"
        checked(GAUSSIAN, quantity, d * (1 - order / 2), y.value, y.error)
        assert y.error < 0.2
    value, error = t.matrix(1, "even")[2, 2], t.matrix_errors(1, "even")[2, 2]
    checked(GAUSSIAN, f"T_66 of independent sites, d = {d}", 4.0**-d, value, error, within=4.5)
    # Sum phi' is proportional to sum phi in every configuration.
    checked(GAUSSIAN, f"y_1 of independent sites, d = {d}, Delta = d/2", d / 2, odd[0].value)


def test_a_fixed_variance_leaves_one_redundant_direction(checked):
    values = np.random.default_rng(2).normal(size=(20_000, 128))
    t = linearised_rg(flow_of(values, 3, "variance"), HERMITE)
    assert t.projected
    for step in (1, 2):
        kept, out = t.exponents(step, projected=False), t.exponents(step)
        assert abs(pull(kept[0], 0)) < 4 and abs(pull(t.redundancy(step), 0)) < 4
        assert len(kept) == 3 and len(out) == 2
        assert abs(pull(out[0], -1)) < 4
    marginal = t.redundancy(1)
    quantity = "y of the redundant direction, kappa_2 kept, d = 1"
    checked(GAUSSIAN, quantity, 0.0, marginal.value, marginal.error)


def test_stretching_is_marginal_away_from_the_gaussian_fixed_point():
    # Independent phi^4 sites: sum phi dS/dphi = r phi^2 + u phi^4 / 6 is in the basis of the
    # sites, so that T e = e' whatever the blocks need.
    rng = np.random.default_rng(3)
    grid = np.linspace(-4, 4, 4001)
    weight = np.cumsum(np.exp(-0.25 * grid**2 - 0.25 * grid**4))
    values = np.interp(rng.random((20_000, 128)), weight / weight[-1], grid)
    t = linearised_rg(flow_of(values, 2, "variance"), ("phi2", "phi4"))
    marginal = t.redundancy(1)
    assert abs(pull(marginal, 0)) < 4 and marginal.error < 0.02
    # Without the direction one eigenvalue is left, that of phi^4 at the way to the Gaussian.
    assert len(t.exponents(1)) == 1 and t.leading(1).value < -1


@pytest.mark.slow
@pytest.mark.parametrize("rescale", ["clt", "variance"])
def test_errors_of_exponents_cover(rescale):
    # Pulls of y_4 over 150 data sets: mean 0, standard deviation 1; each bound 4.5 errors.
    pulls = []
    for seed in range(150):
        values = np.random.default_rng([4, seed]).normal(size=(1000, 64))
        t = linearised_rg(flow_of(values, 2, rescale), ("hermite2", "hermite4"))
        pulls.append(pull(t.exponents(1)[-1], -1))
    assert abs(np.mean(pulls)) < 4.5 / np.sqrt(150)
    assert abs(np.std(pulls) - 1) < 4.5 / np.sqrt(300)


# -- free fields ---------------------------------------------------------------------------------


def wick_eigenvalues(shape, mass2, sigma, b, delta):
    """Eigenvalues of phi^2 and phi^4 on a finite lattice: ratios of sums of powers of G.

    In normal-ordered operators <S'S'> and <S'S> are diagonal: n! sum G^n.
    """
    d = len(shape)
    spectrum = exact.free_propagator(shape, mass2, 1.0, sigma)
    k = [2 * np.pi * np.fft.fftfreq(n) for n in shape]
    box = np.ones(shape, dtype=complex)
    for axis, wave in enumerate(k):
        average = sum(np.exp(1j * wave * j) for j in range(b)) / b
        box = box * average.reshape([-1 if a == axis else 1 for a in range(d)])
    across = b**delta * np.fft.ifftn(spectrum * box).real
    within = b ** (2 * delta) * np.fft.ifftn(spectrum * np.abs(box) ** 2).real
    blocks = within[tuple(slice(None, None, b) for _ in shape)]
    return [float(np.sum(across**n) / np.sum(blocks**n)) for n in (2, 4)]


@pytest.mark.parametrize("shape", [(64,), (16, 16), (8, 8, 8)])
def test_free_field_magnetic_eigenvalue_is_exact(shape, checked):
    # Sum phi' is b^(Delta - d) sum phi in every configuration.
    d = len(shape)
    values = gaussian_free_field(shape, 200, mass2=0.1, rng=5)
    t = linearised_rg(flow_of(values, 2, "kinetic"), "phi")
    quantity = f"y_h of the free field, d = {d}"
    checked(GAUSSIAN, quantity, (d + 2) / 2, t.leading(1, "odd").value)


@pytest.mark.parametrize(("shape", "mass2"), [((256,), 1e-3), ((32, 32), 0.02)])
def test_free_field_eigenvalues_on_a_finite_lattice(shape, mass2, checked):
    d = len(shape)
    values = gaussian_free_field(shape, 6000, mass2=mass2, rng=6)
    t = linearised_rg(flow_of(values, 2, "kinetic"), ("phi2", "phi4"))
    expected = np.sort(np.log2(wick_eigenvalues(shape, mass2, 2.0, 2, (d - 2) / 2)))[::-1]
    # In one dimension phi^4 is the more relevant of the two.
    names = ("y_4", "y_2") if d == 1 else ("y_2", "y_4")
    for name, y, exactly in zip(names, t.exponents(1), expected, strict=True):
        quantity = f"{name} of the free field, d = {d}, {shape[0]} sites an axis, r = {mass2:g}"
        checked(GAUSSIAN, quantity, exactly, y.value, y.error, within=4.5)


def test_free_field_eigenvalues_approach_2_and_4_minus_d():
    # The lattice eigenvalues above, deterministic, as the correlation length grows.
    for shape, mass2, tolerance in [((1 << 18,), 1e-8, 1e-3), ((2048, 2048), 1e-5, 0.02)]:
        d = len(shape)
        y2, y4 = np.log2(wick_eigenvalues(shape, mass2, 2.0, 2, (d - 2) / 2))
        assert abs(y2 - 2) < tolerance and abs(y4 - (4 - d)) < tolerance


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.3])
def test_long_range_field(sigma, checked):
    delta = (1 - sigma) / 2
    y2, y4 = np.log2(wick_eigenvalues((1 << 20,), 1e-6, sigma, 2, delta))
    # phi^4 is irrelevant below sigma = d/2, relevant above.
    assert abs(y2 - sigma) < 0.003 and abs(y4 - (2 * sigma - 1)) < 0.02
    values = gaussian_free_field((256,), 6000, mass2=0.02, sigma=sigma, rng=7)
    t = linearised_rg(flow_of(values, 2, delta), ("phi2", "phi4"))
    two, four = np.log2(wick_eigenvalues((256,), 0.02, sigma, 2, delta))
    names = ("y_2", "y_4") if two > four else ("y_4", "y_2")
    for name, y, exactly in zip(names, t.exponents(1), sorted((two, four))[::-1], strict=True):
        quantity = f"{name}, d = 1, sigma = {sigma}, 256 sites, r = 0.02"
        checked(LONG, quantity, exactly, y.value, y.error, within=4.5)


# -- the Ising model -----------------------------------------------------------------------------

# Even eigenvalues with 1 to 4 operators at steps 1 and 2, odd ones with 3 at steps 1 to 3, and
# the errors of the reference.
EVEN = {
    1: ([0.911, 0.966, 0.968, 0.968], [0.002, 0.002, 0.002, 0.002]),
    2: ([0.962, 0.9992, 1.0002, 1.0004], [0.002, 0.0016, 0.0016, 0.0018]),
}
ODD = {1: (1.8807, 0.0001), 2: (1.8757, 0.0001), 3: (1.8743, 0.0002)}
OPERATORS = ("nn", "nnn", "plaquette", "third", "phi", "corner", "row")


def ising_record(seeds, n_samples, clusters):
    beta = 0.5 * np.log(1 + np.sqrt(2))
    return join_records(
        majority_operators(
            ising((64, 64), n_samples, beta=beta, clusters=clusters, rng=seed),
            OPERATORS,
            levels=4,
            rng=seed + 1000,
        )
        for seed in seeds
    )


def compared(t):
    """Distances from the reference in combined errors, and chi-squared of independent ones."""
    out = []
    for step, (values, errors) in EVEN.items():
        for n, (value, error) in enumerate(zip(values, errors, strict=True), start=1):
            y = t.leading(step, "even", n)
            out.append((y.value - value) / np.hypot(y.error, error))
    for step, (value, error) in ODD.items():
        y = t.leading(step, "odd")
        out.append((y.value - value) / np.hypot(y.error, error))
    return np.array(out)


def test_ising_eigenvalues_with_few_configurations():
    t = linearised_rg(ising_record([1], 4000, 5))
    assert not t.flags
    assert np.abs(compared(t)).max() < 4.5
    assert t.leading(1).error < 0.02


@pytest.mark.slow
def test_ising_eigenvalues_by_step_and_by_number_of_operators(checked):
    t = linearised_rg(ising_record(range(2, 42), 5000, 5))
    for step, (values, errors) in EVEN.items():
        for n, (value, error) in enumerate(zip(values, errors, strict=True), start=1):
            y = t.leading(step, "even", n)
            quantity = f"y_t, L = 64, step {step}, number of operators {n}"
            options = {"uncertainty": error, "source": "simulation"}
            checked(ISING, quantity, value, y.value, y.error, **options)
    for step, (value, error) in ODD.items():
        y = t.leading(step, "odd")
        quantity = f"y_h, L = 64, step {step}, number of operators 3"
        options = {"uncertainty": error, "source": "simulation"}
        checked(ISING, quantity, value, y.value, y.error, **options)
    distances = compared(t)
    assert stats.chi2(3).sf(np.sum(distances[-3:] ** 2)) > 1e-4
    assert t.leading(2).error < 0.002 and t.leading(1, "odd").error < 1e-4
    # What is exact: y_t = 1 and y_h = 15/8, approached from one side by the steps.
    checked(ISING, "y_t of the Ising class, step 2", 1.0, t.leading(2).value, t.leading(2).error)
    drift = [t.leading(step, "odd").value - 15 / 8 for step in (1, 2)]
    assert drift[0] > 5 * drift[1] > 0
