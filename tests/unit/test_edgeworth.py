"""Couplings out of cumulants: algebra of the series, flags, and what is refused."""

import numpy as np
import pytest
from numpy.polynomial import Polynomial

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.cross_check.edgeworth import edgeworth_couplings, edgeworth_series
from nnrg.rg.cross_check.edgeworth_field import edgeworth_quartic


def even_cumulants(coupling):
    """kappa_2, .., kappa_8 of exp(-phi^2/2 - coupling phi^4/24), by quadrature."""
    x, w = np.polynomial.hermite_e.hermegauss(200)
    w = w * np.exp(-coupling * x**4 / 24)
    m = [np.sum(w * x**n) / w.sum() for n in range(9)]
    k2, k4 = m[2], m[4] - 3 * m[2] ** 2
    k6 = m[6] - 15 * m[4] * m[2] + 30 * m[2] ** 3
    k8 = m[8] - 28 * m[6] * m[2] - 35 * m[4] ** 2 + 420 * m[4] * m[2] ** 2 - 630 * m[2] ** 4
    return k2, k4 / k2**2, k6 / k2**3, k8 / k2**4


def test_effective_action_is_the_legendre_transform():
    # phi(j) = sum kappa_n j^(n-1) / (n-1)! turned round is dGamma/dphi, the same sum with g_n.
    l4, l6, l8 = 0.31, -0.27, 0.19
    g = edgeworth_series(l4, l6, l8, kind="1PI")
    field = Polynomial([0, 1, 0, l4 / 6, 0, l6 / 120, 0, l8 / 5040])
    source = Polynomial([0, g[0], 0, g[1] / 6, 0, g[2] / 120, 0, g[3] / 5040])
    np.testing.assert_allclose(source(field).coef[:9], [0, 1, 0, 0, 0, 0, 0, 0, 0], atol=1e-14)


@pytest.mark.parametrize(("order", "power"), [(1, 2), (2, 3), (3, 4)])
def test_error_of_the_series_falls_with_its_order(order, power):
    def off(coupling):
        k2, *ratios = even_cumulants(coupling)
        g = edgeworth_series(*ratios, order=order)
        return np.abs(g[:2] - [k2, coupling * k2**2])

    fall = np.log2(off(0.02) / off(0.01))
    np.testing.assert_allclose(fall, power, atol=0.25)


def test_series_of_arrays_is_that_of_their_numbers():
    l4, l6, l8 = np.random.default_rng(1).normal(scale=0.1, size=(3, 4, 5))
    whole = edgeworth_series(l4, l6, l8, order=2)
    assert whole.shape == (4, 5, 4)
    one = edgeworth_series(l4[1, 2], l6[1, 2], l8[1, 2], order=2)
    np.testing.assert_array_equal(whole[1, 2], one)


def cumulants(values, **options):
    field = nnrg.SynapticField(values, nnrg.Lattice(values.shape[1:]))
    return nnrg.renormalize(field, levels=2).cumulants(nulls=(), **options)


def test_flags_say_why_a_series_is_no_use():
    rng = np.random.default_rng(2)
    strong = edgeworth_couplings(cumulants(rng.uniform(-1, 1, size=(200, 64))))
    assert "series does not converge" in strong.flags[0][0]
    assert "positive" in strong.flags[0][0]
    odd = edgeworth_couplings(cumulants(rng.gamma(20.0, size=(200, 64))))
    assert "odd cumulants" in odd.flags[0][0]
    normal = edgeworth_couplings(cumulants(rng.normal(size=(200, 64))))
    assert normal.flags[0][0] == ""
    assert str(normal).splitlines()[0].split() == ["b", "g2", "g4", "g6", "g8", "flags"]


def test_replicates_are_the_series_of_the_replicates():
    found = cumulants(np.random.default_rng(3).normal(size=(40, 64)))
    g = edgeworth_couplings(found, kind="1PI")
    i4 = found.names.index("ratio_4")
    np.testing.assert_array_equal(g.replicates[..., 1], -found.replicates[..., i4])
    np.testing.assert_allclose(g.errors()[:, 1], found.errors()[:, i4])


def test_what_is_no_series_is_refused():
    with pytest.raises(ArgumentError, match="kind must be"):
        edgeworth_series(0.0, 0.0, 0.0, kind="tree")
    with pytest.raises(ArgumentError, match="order must be"):
        edgeworth_series(0.0, 0.0, 0.0, order=4)
    with pytest.raises(ArgumentError, match="to order 8"):
        edgeworth_couplings(cumulants(np.random.default_rng(4).normal(size=(40, 64)), order=6))
    with pytest.raises(ArgumentError, match="expected Cumulants"):
        edgeworth_couplings(None)


def mixed(rng, mixing, n_samples):
    """Independent exponential variables, mixed: every cumulant is known."""
    return rng.laplace(scale=np.sqrt(0.5), size=(n_samples, len(mixing))) @ mixing.T


def test_quartic_couplings_of_a_few_sites_are_those_of_the_tree():
    # phi = A s: kappa_2(s) = 1, kappa_4(s) = 3, so that g_4 = -3 sum_i prod_a (A^-1)_{i x_a}.
    mixing = np.eye(6) + 0.4 * np.eye(6, k=1) - 0.2 * np.eye(6, k=-2)
    values = mixed(np.random.default_rng(5), mixing, 40_000)
    found = edgeworth_quartic(nnrg.SynapticField(values, nnrg.Lattice(6)))
    inverse = np.linalg.inv(mixing)
    exact = -3 * np.einsum("ia,ib,ic,id->abcd", *[inverse] * 4)
    x = np.arange(6)
    expected = {"phi4": exact[x, x, x, x].mean()}
    for r in (1, 2):
        y, z = x[:-r], x[r:]
        expected[f"U:{r}"] = exact[y, y, z, z].mean() / 2
        expected[f"phi3phi:{r}"] = (exact[y, y, y, z] + exact[z, z, z, y]).mean() / 2
    for name, value in expected.items():
        got = found.estimate(name)
        assert abs(got.value - value) < 4.5 * got.error
        assert got.error < 0.2
    np.testing.assert_allclose(found.condition, np.linalg.cond(mixing @ mixing.T), rtol=0.1)


def test_too_many_sites_or_too_few_samples_have_no_quartic_tensor():
    rng = np.random.default_rng(6)
    with pytest.raises(ArgumentError, match="at most 16 sites"):
        edgeworth_quartic(nnrg.SynapticField(rng.normal(size=(400, 17)), nnrg.Lattice(17)))
    with pytest.raises(AnalysisError, match="samples"):
        edgeworth_quartic(nnrg.SynapticField(rng.normal(size=(20, 8)), nnrg.Lattice(8)))
    flat = np.repeat(rng.normal(size=(400, 1)), 4, axis=1)
    with pytest.raises(AnalysisError, match="singular"):
        edgeworth_quartic(nnrg.SynapticField(flat, nnrg.Lattice(4)))
