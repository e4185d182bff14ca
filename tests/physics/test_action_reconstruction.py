"""Actions of known ensembles, reconstructed from their connected correlators.

Zero dimensions and a chain with a phi^4 potential, and a network whose law at one input is known.
"""

import numpy as np
import pytest
from physics import exact
from scipy import stats
from scipy.special import ive

import nnrg
from nnrg.rg.cross_check._cumulant_tensors import cumulants_from_moments, expand
from nnrg.simulate.chain import phi4_chain
from nnrg.simulate.shallow import one_hidden_layer
from nnrg.stats._multisets import multisets
from nnrg.theory.correlators import CosNet
from nnrg.theory.edgeworth import feynman, locality_residual, reconstruct_action

ZERO, CHAIN, COS = "Action of one variable", "Action of a chain", "Action of a Cos-net"


# -- zero dimensions ------------------------------------------------------------------------------


def phi4_cumulants(coupling, order):
    kappa = exact.zero_dimensional_cumulants(1.0, coupling, 2 * order + 2)
    return {n: float(kappa[n]) for n in range(2, 2 * order + 3, 2)}


def test_coefficients_of_the_series(checked):
    # In units of kappa_2; the derivation is in tests/unit/test_edgeworth_theory.py.
    known = {
        2: {"4": 1 / 2, "6": -1 / 8, "4 4": 2 / 3, "8": 1 / 48, "4 6": -25 / 48, "4 4 4": 11 / 8},
        4: {"4": -1, "6": 1 / 2, "4 4": -7 / 2, "8": -1 / 8, "4 6": 47 / 12, "4 4 4": -149 / 12},
        6: {"6": -1, "4 4": 10, "8": 1 / 2, "4 6": -41 / 2, "4 4 4": 80},
        8: {"8": -1, "4 6": 56, "4 4 4": -280},
    }
    for r, terms in known.items():
        found = feynman(r, 3).polynomial()
        assert len(found) == len(terms) + (r == 2)  # and 1, of kappa_2
        for orders, value in terms.items():
            numbers = tuple(map(int, orders.split()))
            product = " ".join(f"kappa_{n}" for n in numbers)
            checked("Feynman diagrams", f"{product} in g_{r}", value, float(found[numbers]))


def test_strongly_coupled_variable_is_beyond_the_series(checked):
    # S = phi^2/2 + phi^4/24: neither the tree nor the next orders give the coupling, 1.
    kappa = phi4_cumulants(1.0, 3)
    known = (0.750511146389689, -0.192867820904, 0.357771432688)
    for n, value in zip((2, 4, 6), known, strict=True):
        quantity = f"kappa_{n}, S = phi^2/2 + phi^4/24"
        checked(ZERO, quantity, value, kappa[n], rtol=1e-11, source="numerical")
    found = reconstruct_action(kappa)
    tree = found.local(4, kind="1PI").value
    checked(ZERO, "g_4 at tree level, S = phi^2/2 + phi^4/24", -known[1] / known[0] ** 4, tree)
    assert abs(tree - 1) > 0.3 and abs(found.local(4).value - 1) > 0.1
    assert "series does not converge" in found.flag


@pytest.mark.parametrize("order", [1, 2, 3])
def test_truncation_falls_with_the_order(order):
    def off(coupling):
        found = reconstruct_action(phi4_cumulants(coupling, order))
        assert found.flags == ()
        wanted = {2: 1.0, 4: coupling, 6: 0.0, 8: 0.0}
        return [abs(found.local(r).value - wanted[r]) for r in found.legs()]

    fall = np.log2(np.divide(off(0.02), off(0.01)))
    np.testing.assert_allclose(fall, order + 1, atol=0.3)


def phi4_variable(rng, n, coupling):
    """Exact samples of exp(-phi^2/2 - coupling phi^4/24), by rejection."""
    x = rng.normal(size=2 * n)
    kept = x[rng.uniform(size=x.size) < np.exp(-coupling * x**4 / 24)]
    assert kept.size >= n
    return kept[:n]


def test_action_of_a_variable_is_recovered_from_samples(checked):
    # The truncation, 0.003 and 0.015, is known from the exact cumulants: it is taken off.
    coupling = 0.2
    x = phi4_variable(np.random.default_rng(1), 2_000_000, coupling)
    found = reconstruct_action(x, order=2)
    assert found.flags == ()
    series = reconstruct_action(phi4_cumulants(coupling, 2))
    for r, true in ((2, 1.0), (4, coupling)):
        measured, truncation = found.local(r), series.local(r).value - true
        assert abs(truncation) < 0.02
        quantity = f"g_{r} of 2 10^6 samples, S = phi^2/2 + 0.2 phi^4/24"
        value = measured.value - truncation
        checked(ZERO, f"{quantity}, less the truncation", true, value, measured.error)
        solved = found.local(r, kind="schwinger-dyson")
        checked(ZERO, f"{quantity}, Schwinger-Dyson", true, solved.value, solved.error)
    # Loops are seen: the tree value is not the coupling of the action.
    tree = found.local(4, kind="1PI")
    assert abs(tree.value - coupling) > 5 * tree.error
    field = np.linspace(-3, 3, 61)
    curve = found.compare(lambda y: y**2 / 2 + coupling * y**4 / 24, field)
    assert abs(curve.slope - 1) < 0.01 and curve.residual < 0.01


def test_errors_cover_the_truth():
    # 120 ensembles; false alarms: each two-sided bound at 1e-4.
    rng, coupling = np.random.default_rng(2), 0.1
    series = reconstruct_action(phi4_cumulants(coupling, 2))
    pulls = []
    for _ in range(120):
        found = reconstruct_action(phi4_variable(rng, 20_000, coupling), order=2)
        pulls.append(
            [
                (g.value - s.value) / g.error
                for kind, r in (("action", 2), ("action", 4), ("1PI", 4))
                for g, s in [(found.local(r, kind=kind), series.local(r, kind=kind))]
            ]
        )
    pulls = np.array(pulls)
    assert np.all(np.abs(pulls.mean(axis=0)) < 3.9 * np.sqrt(1.1 / 120))
    # 64 groups: pulls follow Student's law, of variance 63/61.
    chi2 = (pulls**2).sum(axis=0) / (63 / 61)
    assert np.all((stats.chi2(120).cdf(chi2) > 5e-5) & (stats.chi2(120).cdf(chi2) < 1 - 5e-5))


# -- a chain --------------------------------------------------------------------------------------

R, SITES = 1.0, 4


def chain_cumulants(u, order):
    """Joint cumulants of neighbouring sites of the infinite chain, by its transfer matrix."""
    chain = exact.Phi4Chain(R, u, points=401)
    degree = 2 * order + 2
    vectors = {(a,): chain.phi**a * chain.psi for a in range(degree + 1)}
    for site in range(1, SITES):
        last = site == SITES - 1
        moved = {powers: chain.transfer @ v for powers, v in vectors.items()}
        vectors = {}
        for powers, v in moved.items():
            for a in range(degree + 1 - sum(powers)):
                if last and (a + sum(powers)) % 2:
                    continue
                vectors[(*powers, a)] = chain.phi**a * (chain.psi * v if last else v)
    mean = {powers: float(v.sum()) for powers, v in vectors.items()}
    moments = {}
    for d in range(2, degree + 1, 2):
        counts = [tuple(np.bincount(row, minlength=SITES)) for row in multisets(SITES, d)]
        moments[d] = np.array([[mean[c] for c in counts]])
    kappa = cumulants_from_moments(moments, SITES, even=True)
    return {n: expand(k[0], SITES, n) for n, k in kappa.items()}


def inner(found, **options):
    """Couplings between the two sites that have both neighbours, with errors."""
    (g2, e2), (g4, e4) = found.tensor(2, **options), found.tensor(4, **options)
    at = {
        "r + 2": (g2[1, 1], e2[1, 1]),
        "minus stiffness": (g2[1, 2], e2[1, 2]),
        "u": (g4[1, 1, 1, 1], e4[1, 1, 1, 1]),
        "U:1": (g4[1, 1, 2, 2], e4[1, 1, 2, 2]),
        "phi3phi:1": (g4[1, 1, 1, 2], e4[1, 1, 1, 2]),
    }
    return at


def known_couplings(u):
    return {"r + 2": R + 2, "minus stiffness": -1.0, "u": u, "U:1": 0.0, "phi3phi:1": 0.0}


@pytest.mark.parametrize("order", [1, 2, 3])
def test_action_of_a_chain_order_by_order(order, checked):
    off = []
    for u in (0.04, 0.02):
        found = reconstruct_action(chain_cumulants(u, order))
        assert found.flags == ()
        wanted = known_couplings(u)
        off.append([abs(g - wanted[name]) for name, (g, _) in inner(found).items()])
    fall = np.log2(np.divide(*off))
    # Of the four terms with a leading error; phi3phi:1 starts a power later at order 1.
    np.testing.assert_allclose(fall[:4], order + 1, atol=0.3)
    assert fall[4] > order + 0.7
    if order == 3:
        for name, (g, _) in inner(found).items():
            quantity = f"{name} from correlators to order 8, u = 0.02"
            checked(CHAIN, quantity, known_couplings(0.02)[name], g, rtol=1e-4)


def test_interaction_of_a_chain_is_local_and_that_of_a_network_is_not():
    # Contacts beyond the ends act through the end sites: a strength of each point has them.
    residuals = []
    for u in (0.04, 0.02):
        kappa = chain_cumulants(u, 1)
        residuals.append(locality_residual(kappa[2], kappa[4]).residual_by_point.value)
    assert residuals[1] < 0.01
    assert residuals[0] / residuals[1] == pytest.approx(2, abs=0.2)
    net, points = CosNet(width=100), np.linspace(-3, 3, 7)
    far = locality_residual(*(net.cumulant_tensor(points, n).values for n in (2, 4)))
    assert far.residual_by_point.value > 0.8


def test_action_of_a_chain_is_recovered_from_samples(checked):
    u = 1.0
    samples = phi4_chain(SITES, 300_000, r=R, u=u, rng=3)
    field = nnrg.SynapticField(samples, nnrg.Lattice(SITES))
    found = reconstruct_action(field, order=1)
    truncated = inner(reconstruct_action(chain_cumulants(u, 1)))
    solved = inner(found, kind="schwinger-dyson")
    for name, (g, error) in inner(found).items():
        off = truncated[name][0] - known_couplings(u)[name]
        quantity = f"{name} from 3 10^5 samples to order 4, u = 1, less the truncation"
        checked(CHAIN, quantity, known_couplings(u)[name], g - off, error, within=4.5)
        quantity = f"{name} from 3 10^5 samples, u = 1, Schwinger-Dyson"
        checked(CHAIN, quantity, known_couplings(u)[name], *solved[name], within=4.5)
    for name, value in (("phi2", R), ("phi4", u), ("grad2:0", 1.0)):
        fitted = found.couplings.estimate(name, 1)
        assert abs(fitted.value - value) < 4.5 * fitted.error
    assert found.locality.residual_by_point.value < 0.2


def test_schwinger_dyson_serves_where_the_series_does_not():
    u = 30.0
    found = reconstruct_action(phi4_chain(SITES, 60_000, r=R, u=u, rng=4))
    assert "series does not converge" in found.flag and found.recommended == "schwinger-dyson"
    g, error = inner(found, kind=found.recommended)["u"]
    assert abs(g - u) < 4.5 * error and error < 3
    g, error = inner(found)["u"]
    assert abs(g - u) > 8 * error


# -- a network ------------------------------------------------------------------------------------


def cos_net_action(phi, width):
    """-ln P of a Cos-net at one input, up to a constant: the N-th power of <exp(i t h)>."""
    t = np.linspace(0, 60, 60_001)
    characteristic = ive(0, t**2 / (4 * width)) ** width
    density = np.array([np.trapezoid(np.cos(t * x) * characteristic, t) for x in phi])
    return -np.log(density)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_action_of_a_cos_net_at_one_input(order, checked):
    phi = np.linspace(0, 1.4, 15)  # two standard deviations
    off = []
    for width in (80, 160):
        found = reconstruct_action(CosNet(width=width), order=order, points=[[0.0]])
        curve = found.compare(cos_net_action(phi, width), phi)
        off.append(np.abs(curve.reconstructed - curve.true).max())
    assert found.flags == ()
    assert np.log2(off[0] / off[1]) == pytest.approx(order + 1, abs=0.3)
    if order == 3:
        checked(
            COS, "reconstructed over true action, N = 160, one input", 1.0, curve.slope, rtol=1e-5
        )


def test_action_of_a_cos_net_from_its_outputs(checked):
    width, points = 20, np.array([[0.0], [1.0], [2.5]])
    net = CosNet(width=width)
    outputs = one_hidden_layer(net, points, n_networks=100_000, rng=5)
    measured = reconstruct_action(outputs, order=1)
    known = reconstruct_action(net, order=1, points=points)
    for r, kind in ((2, "action"), (4, "1PI")):
        (g, error), expected = measured.tensor(r, kind=kind), known.tensor(r, kind=kind)[0]
        places = [tuple(p) for p in multisets(3, r)]
        pulls = np.array([(g[p] - expected[p]) / error[p] for p in places])
        # Of at most 15 numbers; false alarm below 1e-3.
        assert np.abs(pulls).max() < 4.5
        quantity = f"g_{r}(x, .., x) of 10^5 networks, N = {width}"
        checked(COS, quantity, expected[(1,) * r], g[(1,) * r], error[(1,) * r], within=4.5)
    fields = outputs[:200]
    assert measured.compare(known.action(fields)[0], fields).slope == pytest.approx(1, abs=0.02)


def test_series_of_a_network_is_flagged_where_it_is_narrow():
    points = np.array([[0.0], [1.0], [2.5]])
    wide = reconstruct_action(CosNet(width=1000), points=points)
    assert wide.flags == ()
    given = {n: CosNet(width=1000).cumulant_tensor(points, n) for n in (2, 4, 6)}
    same = reconstruct_action(given)
    np.testing.assert_array_equal(same.terms[4, 2], wide.terms[4, 2])
    narrow = reconstruct_action(CosNet(width=5), points=points)
    assert "series does not converge" in narrow.flag
    # Each power of 1/N is one: what a term adds falls as its power.
    ratio = wide.terms[4, 2][0] / narrow.terms[4, 2][0]
    np.testing.assert_allclose(ratio, (5 / 1000) ** 2, rtol=1e-6)
    assert wide.local(4, kind="1PI").value < 0  # heavier tails than a Gaussian
