"""Actions out of connected correlators: diagrams, tensors, what is refused and what is flagged."""

from fractions import Fraction
from itertools import combinations_with_replacement, permutations
from math import factorial

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.rg.cross_check._cumulant_tensors import (
    cumulants_from_moments,
    expand,
    moment_sums,
    monomials,
    multiplicities,
    symmetric_entries,
)
from nnrg.rg.cross_check.edgeworth import edgeworth_series
from nnrg.simulate.chain import phi4_chain
from nnrg.stats._multisets import multisets, ranks
from nnrg.theory.edgeworth import (
    CumulantTensors,
    feynman,
    locality_residual,
    reconstruct_action,
    regularised_inverse,
)

# -- diagrams ------------------------------------------------------------------------------------


def hermite(n):
    """Coefficients of He_n, lowest power first."""
    last, here = [Fraction(1)], [Fraction(0), Fraction(1)]
    if n == 0:
        return last
    for k in range(1, n):
        up = [Fraction(0), *here]
        last, here = here, [a - k * b for a, b in zip(up, [*last, 0, 0], strict=True)]
    return here


def multiply(a, b, most):
    """Product of two series; keys are (power of eps^(1/2), orders of cumulants, power of x)."""
    out = {}
    for (e, i, p), c in a.items():
        for (f, j, q), d in b.items():
            if e + f <= most:
                key = (e + f, tuple(sorted(i + j)), p + q)
                out[key] = out.get(key, 0) + c * d
    return out


def series_of_couplings(most, odd):
    """g_r of -ln of the Edgeworth density, unit variance, to eps^(most/2), in exact fractions.

    exp(sum_n lambda_n (-D)^n / n!) acting on a Gaussian gives He_k for every D^k.
    """
    orders = [n for n in range(3, most + 3) if odd or n % 2 == 0]
    source = {(n - 2, (n,), n): Fraction(1, factorial(n)) for n in orders}
    density, power = {(0, (), 0): Fraction(1)}, {(0, (), 0): Fraction(1)}
    for k in range(1, most + 1):
        power = multiply(power, source, most)
        for (e, lambdas, n), c in power.items():
            for q, h in enumerate(hermite(n)):
                key = (e, lambdas, q)
                density[key] = density.get(key, 0) + c * h / factorial(k)
    rest = dict(density)
    rest[0, (), 0] -= 1
    action, power = {(0, (), 2): Fraction(1, 2)}, {(0, (), 0): Fraction(1)}
    for k in range(1, most + 1):
        power = multiply(power, rest, most)
        for key, c in power.items():
            action[key] = action.get(key, 0) + Fraction((-1) ** k, k) * c
    couplings = {}
    for (_, lambdas, r), c in action.items():
        if c and r:
            couplings.setdefault(r, {})[lambdas] = c * factorial(r)
    return couplings


@pytest.mark.parametrize(("odd", "order"), [(False, 3), (True, 2)])
def test_diagrams_sum_to_the_logarithm_of_the_edgeworth_density(odd, order):
    known = series_of_couplings(2 * order, odd)
    assert max(known) == 2 * order + 2
    for r, expected in known.items():
        assert feynman(r, order, odd=odd).polynomial() == expected


def test_closed_forms_are_the_sum_of_diagrams():
    ratios = {4: 0.31, 6: -0.27, 8: 0.19}
    for kind, name in (("loop", "action"), ("tree", "1PI")):
        closed = edgeworth_series(*ratios.values(), kind=name, order=3)
        for r, value in zip((2, 4, 6, 8), closed, strict=True):
            terms = feynman(r, 3, kind=kind).polynomial().items()
            total = sum(float(c) * np.prod([ratios[n] for n in ns]) for ns, c in terms)
            assert total == pytest.approx(value, rel=1e-13)


def test_symmetry_factors_of_diagrams_that_every_textbook_has():
    found = {str(d): d for r in (2, 4) for d in feynman(r, 2).diagrams}
    factors = {
        "+1/2 G4(1,2,a,a)": (2, 1, 1),
        "-1/8 G6(1,2,a,a,b,b)": (8, 1, 2),
        "+1/6 G4(1,a,b,c) G4(2,a,b,c)": (6, 1, 2),
        "-1/2 G4(1,2,a,b) G4(3,4,a,b)  x 3 labellings": (2, 3, 1),
        "-1 G4(1,2,3,4)": (1, 1, 0),
    }
    for text, (symmetry, ways, loops) in factors.items():
        diagram = found[text]
        assert (diagram.symmetry, len(diagram.labellings), diagram.loops) == (symmetry, ways, loops)
        assert diagram.power == Fraction(sum(diagram.legs), 2) - 1 + loops


def test_trees_have_no_loops_and_print():
    assert all(d.loops == 0 for d in feynman(8, 3, kind="tree").diagrams)
    assert [len(d.labellings) for d in feynman(8, 3, kind="tree").diagrams] == [1, 56, 280]
    text = str(feynman(2, 2)).splitlines()
    assert text[0].startswith("g2 to eps^2, trees and loops: 5 diagrams")
    assert text[1] == "eps^0    G^-1(1,2)" and len(text) == 7


def test_expansions_that_are_none_are_refused():
    with pytest.raises(ArgumentError, match="kind must be 'loop' or 'tree'"):
        feynman(4, 2, kind="1PI")
    with pytest.raises(ArgumentError, match="loops"):
        feynman(2, 6)
    with pytest.raises(ArgumentError, match="r must be"):
        feynman(0)


# -- symmetric tensors ----------------------------------------------------------------------------


def test_multisets_are_counted_and_found_again():
    index = multisets(5, 4)
    assert sorted(map(tuple, index)) == sorted(combinations_with_replacement(range(5), 4))
    np.testing.assert_array_equal(ranks(index), np.arange(70))
    assert multiplicities(5, 4).sum() == 5**4
    entries = np.random.default_rng(1).normal(size=(2, 70))
    full = expand(entries, 5, 4)
    for axes in permutations(range(4)):
        np.testing.assert_array_equal(full, full.transpose(0, *(1 + a for a in axes)))
    np.testing.assert_array_equal(symmetric_entries(full, 4), entries)


def test_monomials_and_moments_are_products_and_their_means():
    x = np.random.default_rng(2).normal(size=(50, 3))
    index = multisets(3, 4)
    np.testing.assert_allclose(monomials(x, 4)[4], x[:, index].prod(axis=2), rtol=1e-12)
    group = np.repeat([0, 1, 2], [10, 25, 15])
    sums = moment_sums(x, 6, group)
    for d in range(1, 7):
        every = x[:, multisets(3, d)].prod(axis=2)
        expected = [every[group == g].sum(axis=0) for g in range(3)]
        np.testing.assert_allclose(sums[d], expected, rtol=1e-10, atol=1e-10)


def set_partitions(items):
    if not items:
        yield []
        return
    for rest in set_partitions(items[1:]):
        yield [[items[0]], *rest]
        for k, block in enumerate(rest):
            yield [*rest[:k], [items[0], *block], *rest[k + 1 :]]


@pytest.mark.parametrize("even", [False, True])
def test_cumulants_are_the_sum_over_set_partitions(even):
    rng, m, step = np.random.default_rng(3), 2, 2 if even else 1
    moments = {d: rng.normal(size=(1, len(multisets(m, d)))) for d in range(step, 7, step)}
    found = cumulants_from_moments(moments, m, even=even)
    for d in (4, 6):
        for entry, places in zip(found[d][0], multisets(m, d), strict=True):
            total = 0.0
            for partition in set_partitions(list(range(d))):
                if even and any(len(block) % 2 for block in partition):
                    continue
                term = (-1) ** (len(partition) - 1) * factorial(len(partition) - 1)
                for block in partition:
                    at = np.array(sorted(places[block]))
                    term = term * moments[len(block)][0, ranks(at)]
                total += term
            assert entry == pytest.approx(total, rel=1e-10, abs=1e-10)


# -- couplings on several points ------------------------------------------------------------------


def mixture(mixing, ratios):
    """Cumulants of phi = A s, and exact couplings where those of s are given by their series."""
    m, kappa, g = len(mixing), {}, {}
    for k, n in enumerate((2, 4, 6, 8)):
        kappa[n], g[n] = np.zeros((m,) * n), np.zeros((m,) * n)
        for i, row in enumerate(ratios):
            kappa[n][(i,) * n] = [1.0, *row][k]
            g[n][(i,) * n] = edgeworth_series(*row)[k]
    inverse = np.linalg.inv(mixing).T
    for n in kappa:
        for _ in range(n):
            kappa[n] = np.tensordot(mixing, kappa[n], axes=(1, n - 1))
            g[n] = np.tensordot(inverse, g[n], axes=(1, n - 1))
    return kappa, g


MIXING = np.array([[1.0, 0.3, 0.1], [-0.2, 0.8, 0.0], [0.4, 0.1, 0.6]])
RATIOS = [(0.1, 0.05, 0.02), (-0.07, 0.03, 0.04), (0.02, -0.01, 0.03)]


def test_couplings_of_independent_variables_that_are_mixed():
    kappa, expected = mixture(MIXING, RATIOS)
    found = reconstruct_action(kappa)
    for r, g in expected.items():
        np.testing.assert_allclose(found.tensor(r)[0], g, atol=1e-12 * np.abs(g).max())
    where = np.arange(3)
    assert found.local(4).value == pytest.approx(expected[4][where, where, where, where].mean())


def test_tree_couplings_are_the_legendre_transform():
    # phi(J) = dW/dJ put into dGamma/dphi gives J back, up to terms of the seventh power.
    rng = np.random.default_rng(4)
    kappa = {2: np.array([[1.0, 0.3], [0.3, 0.8]])}
    for n in (4, 6):
        kappa[n] = expand(rng.normal(scale=0.2, size=len(multisets(2, n))), 2, n)
    found = reconstruct_action(kappa)
    gamma = {r: found.tensor(r, kind="1PI")[0] for r in (2, 4, 6)}

    def slope(tensors, x):
        total = np.zeros(2)
        for r, tensor in tensors.items():
            for _ in range(r - 1):
                tensor = tensor @ x
            total += tensor / factorial(r - 1)
        return total

    source = np.array([0.3, -0.2])
    off = [np.abs(slope(gamma, slope(kappa, s * source)) - s * source).max() for s in (1.0, 0.5)]
    assert np.log2(off[0] / off[1]) == pytest.approx(7, abs=0.3)


def test_loops_of_a_general_even_law_of_two_variables():
    # S is known; its cumulants are integrals. What is left after order p falls as eps^(p+1).
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    x, y = np.meshgrid(nodes, nodes, indexing="ij")
    quartic = np.array([1.0, 0.5, 0.7, -0.4, 1.2])  # phi_1^4, phi_1^3 phi_2, ..

    def reconstructed(eps, order):
        s = eps / 24 * sum(c * x ** (4 - k) * y**k for k, c in enumerate(quartic))
        w = np.outer(weights, weights) * np.exp(-s)
        w /= w.sum()
        both = np.stack([x.ravel(), y.ravel()], axis=1)
        moments = {d: (w.ravel() @ monomials(both, d)[d])[None] for d in range(2, 2 * order + 3, 2)}
        kappa = cumulants_from_moments(moments, 2, even=True)
        return reconstruct_action({n: expand(k[0], 2, n) for n, k in kappa.items()})

    for order in (1, 2, 3):
        off = []
        for eps in (0.006, 0.003):
            found = reconstructed(eps, order)
            expected = np.zeros((2, 2, 2, 2))
            for k, places in enumerate(multisets(2, 4)):
                for axes in permutations(places):
                    expected[axes] = eps * quartic[k] / multiplicities(2, 4)[k]
            errors = [found.tensor(2)[0] - np.eye(2), found.tensor(4)[0] - expected]
            off.append([np.abs(e).max() for e in errors])
        np.testing.assert_allclose(np.log2(np.divide(*off)), order + 1, atol=0.25)


def test_a_nugget_is_independent_gaussian_noise():
    kappa, _ = mixture(MIXING, RATIOS)
    noisy = {**kappa, 2: kappa[2] + 0.2 * np.eye(3)}
    explicit, implicit = reconstruct_action(noisy), reconstruct_action(kappa, nugget=0.2)
    for r in (2, 4, 6, 8):
        np.testing.assert_allclose(implicit.tensor(r)[0], explicit.tensor(r)[0], atol=1e-12)
    assert any("noise of variance 0.2" in line for line in implicit.assumptions)
    assert "nugget 0.2" in str(implicit) and "nugget" not in str(explicit)


def test_modes_that_are_left_out_are_integrated_out():
    # Independent modes along orthonormal directions: the law of the first two is all there is.
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    mixing = rotation * np.array([1.5, 1.0, 1e-3])
    kappa, _ = mixture(mixing, RATIOS)
    found = reconstruct_action(kappa, modes=2)
    kept, _ = mixture(np.diag([1.5, 1.0]), RATIOS[:2])
    alone = reconstruct_action(kept)
    fields = np.random.default_rng(6).normal(size=(50, 2))
    np.testing.assert_allclose(
        found.action(fields @ rotation[:, :2].T)[0], alone.action(fields)[0], rtol=1e-8
    )
    assert found.cumulants.inverse.kept > 0.999
    assert any("integrated out" in line for line in found.assumptions)


def test_replicates_are_the_reconstruction_without_a_group():
    x = np.random.default_rng(7).laplace(size=(600, 3)) @ MIXING.T
    found = reconstruct_action(x, errors=nnrg.Jackknife(blocks=6), order=2)
    assert found.terms[2, 0].shape[0] == 7
    alone = [reconstruct_action(np.delete(x, np.s_[100 * g : 100 * g + 100], 0)) for g in (0, 5)]
    b = found.cumulants.inverse.coordinates
    for replicate, one in zip((1, 6), alone, strict=True):
        for r in (2, 4, 6):
            rows = {"whole": found.rows(r)[replicate], "alone": one.rows(r)[0]}
            maps = {"whole": b, "alone": one.cumulants.inverse.coordinates}
            full = []
            for key, entries in rows.items():
                tensor = expand(entries, 3, r)
                for _ in range(r):
                    tensor = np.tensordot(maps[key].T, tensor, axes=(1, r - 1))
                full.append(tensor)
            np.testing.assert_allclose(*full, rtol=1e-8, atol=1e-8 * np.abs(full[0]).max())


def test_schwinger_dyson_solution_is_score_matching():
    # min over g of <|dS|^2 / 2 - laplacian S>: normal equations of all monomials, written out.
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2000, 2)) @ np.array([[1.0, 0.3], [0.0, 0.7]])
    found = reconstruct_action(x, order=1)
    x = x @ found.cumulants.inverse.coordinates.T
    columns, second, names = [], [], []
    for r in (2, 4):
        for index in multisets(2, r):
            a, b = int((index == 0).sum()), int((index == 1).sum())
            unit = factorial(a) * factorial(b)

            def term(i, j, unit=unit):
                good = min(i, j) >= 0
                return x[:, 0] ** max(i, 0) * x[:, 1] ** max(j, 0) / unit * good

            columns.append(np.concatenate([a * term(a - 1, b), b * term(a, b - 1)]))
            lap = a * (a - 1) * term(a - 2, b) + b * (b - 1) * term(a, b - 2)
            second.append(lap.sum())
            names.append((r, index))
    design = np.array(columns)
    solution = np.linalg.solve(design @ design.T, np.array(second))
    for r in (2, 4):
        expected = [value for (k, _), value in zip(names, solution, strict=True) if k == r]
        got = found.rows(r, kind="schwinger-dyson")[0]
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)


# -- regularisation and locality -------------------------------------------------------------------

POINTS = np.linspace(-2, 2, 20)
SMOOTH = np.exp(-((POINTS[:, None] - POINTS) ** 2))


def test_inverse_is_that_of_what_is_kept():
    g = SMOOTH[::4, ::4]
    whole = regularised_inverse(g)
    np.testing.assert_allclose(whole.matrix @ g, np.eye(5), atol=1e-9)
    assert whole.condition == pytest.approx(np.linalg.cond(g)) and whole.flag == ""
    added = regularised_inverse(g, nugget=0.1)
    np.testing.assert_allclose(added.matrix @ (g + 0.1 * np.eye(5)), np.eye(5), atol=1e-12)
    few = regularised_inverse(g, modes=2)
    np.testing.assert_allclose(few.matrix @ g @ few.matrix, few.matrix, atol=1e-12)
    assert few.n_modes == 2 and few.condition < whole.condition == few.bare_condition
    assert regularised_inverse(SMOOTH, threshold=1e-3).condition < 1e3


def test_singular_kernels_are_named():
    with pytest.raises(AnalysisError, match=r"singular .*nugget="):
        regularised_inverse(SMOOTH)
    with pytest.raises(AnalysisError, match="must be positive"):
        regularised_inverse(np.diag([1.0, -1.0]))
    with pytest.raises(AnalysisError, match="singular"):
        x = np.random.default_rng(9).normal(size=(500, 1))
        reconstruct_action(np.repeat(x, 3, axis=1))
    assert regularised_inverse(SMOOTH, nugget=1e-6).flag.startswith("ill-conditioned")


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        (np.ones((2, 3)), {}, "square"),
        ([[1.0, 0.5], [0.2, 1.0]], {}, "symmetric"),
        (np.eye(2), {"nugget": -1.0}, "negative"),
        (np.eye(2), {"modes": 3}, "modes must be"),
        (np.eye(2), {"modes": 1, "threshold": 0.1}, "not both"),
        (np.eye(2), {"threshold": 2.0}, "threshold must be"),
    ],
)
def test_inverses_that_are_none_are_refused(kernel, options, message):
    with pytest.raises(ArgumentError, match=message):
        regularised_inverse(kernel, **options)


def test_locality_tells_a_contact_from_the_rest():
    g = 0.6 ** np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    strengths = np.array([0.1, 0.2, 0.1, 0.0, 0.3, 0.1, 0.2])

    def contact(s):
        return -np.einsum("z,az,bz,cz,dz->abcd", s, g, g, g, g)

    even = locality_residual(g, contact(np.full(7, 0.2)))
    assert even.residual.value < 1e-12 and even.coupling.value == pytest.approx(0.2)
    uneven = locality_residual(g, contact(strengths))
    assert uneven.residual.value > 0.1 and uneven.residual_by_point.value < 1e-12
    np.testing.assert_allclose(uneven.couplings, strengths, atol=1e-12)
    pairs = sum(np.einsum(f"{p}->abcd", g, g) for p in ("ab,cd", "ac,bd", "ad,bc"))
    apart = locality_residual(g, -0.1 * pairs, errors=np.full((7,) * 4, 0.1))
    assert apart.residual.value > 0.3 and apart.flag.startswith("locality cannot be told")


def test_locality_of_tensors_that_do_not_fit_is_refused():
    with pytest.raises(ArgumentError, match="kernel of shape"):
        locality_residual(np.eye(2), np.zeros((3,) * 4))
    with pytest.raises(AnalysisError, match="vanishes"):
        locality_residual(np.eye(2), np.zeros((2,) * 4))
    with pytest.raises(NonFiniteError, match="finite"):
        locality_residual(np.eye(2), np.full((2,) * 4, np.nan))


# -- flags and refusals ---------------------------------------------------------------------------


def test_flags_say_why_the_series_is_no_use():
    rng = np.random.default_rng(10)
    strong = reconstruct_action(phi4_chain(3, 20_000, r=1.0, u=30.0, rng=11))
    assert "|lambda_4|" in strong.flag and "not positive" in strong.flag
    assert strong.recommended == "schwinger-dyson"
    assert str(strong).splitlines()[-1].endswith("use the Schwinger-Dyson action")
    skewed = reconstruct_action(rng.gamma(30.0, size=(5000, 2)) - 30.0)
    assert "odd correlators are left out: a third moment" in skewed.flag
    moved = reconstruct_action(rng.normal(0.2, 1.0, size=(5000, 2)))
    assert "odd correlators are left out: the mean" in moved.flag
    free = reconstruct_action(rng.normal(size=(5000, 3)))
    assert free.flags == () and free.recommended == "action"
    few = reconstruct_action(rng.normal(size=(500, 1)), order=3)
    assert "too few samples" in few.flag
    for values, why in (
        (rng.uniform(-1, 1, size=5000), "hard edge"),
        (rng.choice([-1.0, 1.0], size=5000), "discrete"),
        (rng.normal(size=5000) * (rng.uniform(size=5000) < 0.5), "are equal"),
    ):
        rough = reconstruct_action(values, order=1)
        assert why in rough.flags[0] and rough.recommended == "none"
        assert "without a smooth density" in str(rough)
    wide = reconstruct_action({2: 1.0, 4: 1.2})
    assert wide.recommended == "none"
    assert "falls within" in wide.flag and "give samples" in str(wide)
    near = np.linspace(-2, 2, 14)
    smooth = {2: np.exp(-((near[:, None] - near) ** 2)), 4: np.zeros((14,) * 4)}
    flags = reconstruct_action(smooth).flags
    assert flags[0].startswith("rounding") and flags[1].startswith("ill-conditioned")


def test_errors_of_given_correlators_are_propagated():
    # At tree level g_4 = -kappa_4 / kappa_2^4: relative errors add in squares.
    known = {2: np.array([[2.0]]), 4: np.full((1,) * 4, 0.4)}
    spread = {2: np.array([[0.01]]), 4: np.full((1,) * 4, 0.03)}
    cumulants = CumulantTensors.from_tensors(known, errors=spread)
    g = reconstruct_action(cumulants).local(4, kind="1PI")
    assert g.value == pytest.approx(-0.4 / 16)
    expected = 0.025 * np.hypot(0.03 / 0.4, 4 * 0.01 / 2)
    # The sign patterns of the two are independent: their product is not quite zero over eight.
    assert g.error == pytest.approx(expected, rel=0.3)


def test_action_of_fields_is_the_sum_of_its_terms():
    kappa, expected = mixture(MIXING, RATIOS)
    found = reconstruct_action(kappa)
    fields = np.random.default_rng(12).normal(size=(9, 3))
    total = np.zeros(9)
    for r, tensor in expected.items():
        for s, phi in enumerate(fields):
            value = tensor
            for _ in range(r):
                value = value @ phi
            total[s] += value / factorial(r)
    np.testing.assert_allclose(found.action(fields)[0], total, rtol=1e-10)
    same = found.compare(total + 7.0, fields)
    assert same.slope == pytest.approx(1) and same.residual < 1e-10
    assert list(same.to_dataframe().columns) == ["true", "reconstructed", "error"]
    half = found.compare(lambda x: 2 * found.action(x)[0], fields)
    assert half.slope == pytest.approx(0.5)


def test_table_has_every_kind():
    found = reconstruct_action(np.random.default_rng(13).normal(size=(2000, 2)))
    frame = found.to_dataframe()
    assert set(frame["kind"]) == {"action", "1PI", "schwinger-dyson"}
    row = frame[(frame.coupling == "g2") & (frame.kind == "action")].iloc[0]
    assert row.value == found.local(2).value and row.error == found.local(2).error
    assert row.last_term == pytest.approx(found.local(2).value - found.local(2, order=1).value)
    assert all(len(line) <= 120 for line in str(found).splitlines())
    assert set(reconstruct_action({2: 1.0, 4: 0.1}).to_dataframe()["kind"]) == {"action", "1PI"}


def test_sources_that_are_none_are_refused():
    rng = np.random.default_rng(14)
    with pytest.raises(ArgumentError, match=r"18\^6"):
        reconstruct_action(rng.normal(size=(5000, 18)))
    with pytest.raises(AnalysisError, match="at least 100"):
        reconstruct_action(rng.normal(size=(50, 2)))
    with pytest.raises(NonFiniteError, match="NaN"):
        reconstruct_action(np.full((200, 2), np.nan))
    with pytest.raises(ArgumentError, match="without a gap"):
        reconstruct_action({2: 1.0, 6: 0.1})
    with pytest.raises(ArgumentError, match="must have shape"):
        reconstruct_action({2: np.eye(2), 4: np.zeros((2, 2))})
    with pytest.raises(ArgumentError, match="symmetric in its points"):
        reconstruct_action({2: np.eye(2), 4: rng.normal(size=(2,) * 4)})
    with pytest.raises(ArgumentError, match="expected samples"):
        reconstruct_action("samples")
    with pytest.raises(ArgumentError, match="order must be"):
        reconstruct_action(rng.normal(size=(200, 2)), order=4)
    with pytest.raises(ArgumentError, match="not sites"):
        reconstruct_action(rng.normal(size=(200, 2)), errors=nnrg.Jackknife(over="sites"))
    known = reconstruct_action({2: 1.0, 4: 0.1})
    with pytest.raises(ArgumentError, match="need samples"):
        known.local(4, kind="schwinger-dyson")
    many = reconstruct_action(rng.normal(size=(1000, 10)), order=1)
    assert many.kinds == ("action", "1PI") and many.recommended == "action"
    with pytest.raises(ArgumentError, match="nine modes"):
        many.rows(2, kind="schwinger-dyson")
    with pytest.raises(ArgumentError, match="no g_6"):
        known.local(6)
    with pytest.raises(ArgumentError, match="fields must have shape"):
        known.action(np.ones((3, 2)))
    with pytest.raises(ArgumentError, match="one number for each"):
        known.compare([1.0, 2.0], [0.1, 0.2, 0.3])


def test_couplings_in_units_of_the_variance_have_its_error():
    # At tree level g_2 kappa_2 is one in every set of samples.
    found = reconstruct_action(np.random.default_rng(7).normal(size=2000), order=1).to_dataframe()
    tree = found[(found["kind"] == "1PI") & (found["coupling"] == "g2")].iloc[0]
    assert abs(tree["scaled"] - 1) < 1e-12
    assert tree["scaled_error"] < 1e-12 < tree["error"]


def test_compared_actions_have_the_errors_of_what_is_compared():
    # Less its mean over the fields the action of the field zero is not known exactly.
    found = reconstruct_action(np.random.default_rng(8).normal(size=2000), order=1)
    fields = np.array([-1.0, 0.0, 1.0])
    compared = found.compare(lambda x: x**2 / 2, fields)
    assert found.action(fields)[1][1] == 0
    np.testing.assert_allclose(compared.errors[1], 2 * compared.errors[0], rtol=1e-9)
    assert abs(compared.reconstructed[1] - compared.true[1]) < 5 * compared.errors[1]  # 6e-7


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: reconstruct_action(1e200 * np.linspace(-1, 1, 200)), AnalysisError),
        (lambda: reconstruct_action(np.full(200, 1j)), ArgumentError),
        (lambda: reconstruct_action({"a": 1.0, 4: 2.0}), ArgumentError),
        (lambda: reconstruct_action({2: "x", 4: 0.1}), ArgumentError),
        (lambda: reconstruct_action({2: 1.0, 4: 0.1}).local("a"), ArgumentError),
        (lambda: reconstruct_action({2: 1.0, 4: 0.1}).action("a"), ArgumentError),
        (lambda: reconstruct_action({2: 1.0, 4: 0.1}).action([np.nan]), NonFiniteError),
        (lambda: reconstruct_action({2: 1.0, 4: 0.1}).compare("a", [1.0, 2.0]), ArgumentError),
        (lambda: feynman(4, 2, kind=["loop"]), ArgumentError),
        (lambda: regularised_inverse("a"), ArgumentError),
        (lambda: locality_residual(np.eye(2), "a"), ArgumentError),
        (lambda: locality_residual(np.eye(2), np.ones((2,) * 4), errors=np.ones(5)), ArgumentError),
        (
            lambda: locality_residual(np.eye(2), np.ones((2,) * 4), errors=-np.ones((2,) * 4)),
            ArgumentError,
        ),
    ],
)
def test_what_is_no_number_of_the_right_shape_is_named(call, error):
    with pytest.raises(error) as raised:
        call()
    assert "\n" not in str(raised.value)
