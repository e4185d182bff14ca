"""Independent estimators of one coupling: exact answers, coverage, and where they must agree."""

import numpy as np
import pytest
from scipy import integrate, optimize

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.cross_check.edgeworth import edgeworth_series
from nnrg.rg.cross_check.exponential_family import maximum_entropy
from nnrg.rg.cross_check.pseudo_likelihood import pseudo_likelihood
from nnrg.rg.cross_check.table import cross_check
from nnrg.simulate import ar1, phi4_chain

CHAIN = {"phi": 0.0, "phi2": 0.5, "phi3": 0.0, "phi4": 6.0, "grad2:0": 1.0}


def one_site(rng, size, r, u):
    """Numbers of the density exp(-r phi^2/2 - u phi^4/24), by the inverse of its integral."""
    grid = np.linspace(-6, 6, 20001)
    density = np.exp(-r * grid**2 / 2 - u * grid**4 / 24)
    total = integrate.cumulative_simpson(density, x=grid, initial=0)
    return np.interp(rng.random(size), total / total[-1], grid)


def flow_of(values, levels=1, **options):
    return nnrg.renormalize(
        nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:], **options)), levels=levels
    )


def test_edgeworth_series_of_the_quartic_site_is_far_off():
    grid = np.linspace(-9, 9, 4001)
    weight = np.exp(-(grid**2) / 2 - grid**4 / 24)
    m2, m4, m6 = (np.trapezoid(weight * grid**n) / np.trapezoid(weight) for n in (2, 4, 6))
    k4, k6 = m4 - 3 * m2**2, m6 - 15 * m4 * m2 + 30 * m2**3
    known = (0.750511146389689, -0.192867820904, 0.357771432688)
    np.testing.assert_allclose((m2, k4, k6), known, rtol=1e-11)
    # At this strength the tree value of u kappa_2^2 is far off, and the next order is not better.
    m8 = np.trapezoid(weight * grid**8) / np.trapezoid(weight)
    k8 = m8 - 28 * m6 * m2 - 35 * m4**2 + 420 * m4 * m2**2 - 630 * m2**4
    ratios = k4 / m2**2, k6 / m2**3, k8 / m2**4
    truth = m2**2
    tree, second = (edgeworth_series(*ratios, order=order)[1] for order in (1, 2))
    assert abs(tree - truth) > 0.2 * truth
    assert abs(second - truth) > 0.2 * truth


def test_pseudo_likelihood_is_the_maximum_of_the_likelihood():
    values = ar1(24, 30, rho=0.4, rng=5) + 0.1
    flow = flow_of(values)
    found = pseudo_likelihood(flow, basis=nnrg.Basis(("phi2", "phi4", "grad2")))
    x = values[:, 1:-1].ravel()
    s = (values[:, :-2] + values[:, 2:]).ravel()
    low, high = values.min(), values.max()
    pad = 2 * np.sqrt(np.mean(values**2))
    grid, weight = np.polynomial.legendre.leggauss(300)
    grid = (low + high) / 2 + ((high - low) / 2 + pad) * grid

    def loss(g):
        def energy(phi):
            return g[0] * phi**2 / 2 + g[1] * phi**4 / 24 + g[2] * phi**2

        norm = np.exp(-energy(grid) + g[2] * s[:, None] * grid) @ weight
        return np.mean(energy(x) - g[2] * x * s + np.log(norm))

    best = optimize.minimize(loss, [1.0, 0.0, 0.3], method="BFGS", options={"gtol": 1e-9}).x
    # The value printed has its bias taken off; the maximum is what the replicates scatter around.
    groups = len(found.replicates)
    np.testing.assert_allclose(
        (found.values + (groups - 1) * found.replicates.mean(axis=0)) / groups, best, atol=2e-4
    )


def test_errors_of_the_pseudo_likelihood_cover():
    """Pulls of 120 fields: a mean has an error of 0.09, a spread one of 0.065."""
    values = phi4_chain(64, 120 * 40, r=0.5, u=6.0, rng=51).reshape(120, 40, 64)
    pulls = []
    for v in values:
        found = pseudo_likelihood(flow_of(v))
        pulls.append((found.values - [CHAIN[n] for n in found.names]) / found.errors)
    assert np.abs(np.mean(pulls, axis=0)).max() < 0.35
    assert np.all(np.abs(np.std(pulls, axis=0, ddof=1) - 1) < 0.25)


def test_errors_of_maximum_entropy_cover():
    rng = np.random.default_rng(52)
    truth = np.array([0.0, 0.5, 0.0, 6.0])
    pulls = []
    for _ in range(120):
        found = maximum_entropy(flow_of(one_site(rng, (40, 64), 0.5, 6.0)), order=4)
        pulls.append((found.values - truth) / found.errors)
    assert np.abs(np.mean(pulls, axis=0)).max() < 0.35
    assert np.all(np.abs(np.std(pulls, axis=0, ddof=1) - 1) < 0.25)


def test_independent_sites_give_one_answer_by_every_way(checked):
    rng = np.random.default_rng(53)
    result = cross_check(flow_of(one_site(rng, (400, 128), 0.5, 6.0)))
    bound = [r for r in result.rows if r.must_agree]
    assert {r.methods[1] for r in bound} == {"pseudo-likelihood", "maximum entropy"}
    assert result.disagreements() == ()
    for r in bound:
        truth = {"phi2": 0.5, "phi4": 6.0}.get(r.coupling, 0.0)
        assert abs(r.first.value - truth) < 4.5 * r.first.error
        topic = "Independent sites, S = phi^2 / 4 + phi^4 / 4"
        name, found = f"{r.coupling} by {r.methods[1]}", r.second
        checked(topic, name, truth, found.value, found.error, within=4.5)


def test_marginal_potential_of_interacting_sites_is_told_from_the_bare_one(checked):
    values = phi4_chain(128, 400, r=0.5, u=6.0, rng=54)
    result = cross_check(flow_of(values, levels=3))
    assert result.disagreements() == ()
    for row in (r for r in result.rows if r.scale == 1 and r.methods[1] == "pseudo-likelihood"):
        checked(
            "Interacting chain, couplings",
            f"{row.coupling} at r = 0.5, u = 6, by pseudo-likelihood",
            CHAIN[row.coupling],
            row.second.value,
            row.second.error,
            within=4.5,
        )
    marginal = [r for r in result.rows if r.methods[1] == "maximum entropy" and r.scale == 1]
    assert not any(r.must_agree for r in marginal)
    assert max(abs(r.pull) for r in marginal) > 20
    assert "must agree" in str(result)


def test_potential_inside_a_hard_edge():
    values = np.random.default_rng(55).uniform(-0.3, 0.3, size=(400, 64))
    flow = flow_of(values, levels=2)
    found = maximum_entropy(flow, order=4)
    assert "hard edge" in found.flag
    assert np.all(np.abs(found.values) < 4.5 * found.errors)
    likely = pseudo_likelihood(flow)
    assert np.all(np.abs(likely.values) < 4.5 * likely.errors)


def test_what_cannot_be_cross_checked_is_refused():
    flow = flow_of(np.random.default_rng(56).normal(size=(40, 32)))
    for function in (maximum_entropy, pseudo_likelihood, cross_check):
        with pytest.raises(ArgumentError, match="expected a Flow"):
            function(np.zeros(3))
    with pytest.raises(ArgumentError, match="order must be"):
        maximum_entropy(flow, order=5)
    with pytest.raises(ArgumentError, match="pseudo-likelihood takes powers"):
        pseudo_likelihood(flow, basis=nnrg.Basis(("phi2", "U:1")))
    with pytest.raises(ArgumentError, match="no scale b = 3"):
        cross_check(flow, scales=[3])
    spins = flow_of(np.random.default_rng(57).choice([-1.0, 1.0], size=(40, 32)))
    with pytest.raises(AnalysisError, match="discrete"):
        maximum_entropy(spins, order=4)
    assert len(cross_check(spins).skipped) == 1
