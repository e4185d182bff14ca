"""Sums that follow from the definition of an operator, or from the law of the numbers."""

import numpy as np
import pytest
from kernels.reference_schwinger_dyson import BUILT_IN, USERS, many_terms, shell, whole
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import f, truncnorm
from scipy.stats import t as student

from nnrg_kernels.schwinger_dyson import Term, accumulate


@pytest.mark.parametrize("kind", [*BUILT_IN, "bounded", *USERS])
def test_derivatives_are_those_of_the_operator(kind):
    # Each site is a group of its own, so that the sums are the derivatives site by site.
    d, n = 2, 7
    near = shell(d, 5)
    y = np.random.default_rng(9).standard_normal((n, n))
    operators = {
        "quadratic": lambda y, n: (y - n) ** 2 / 4,
        "quartic": lambda y, n: y**2 * n**2 / 4,
        "cubic": lambda y, n: y**3 * n / 6,
        "bounded": lambda y, n: np.log(1 + y**2) / 2,
        "pair": lambda y, n: (1 - np.cos(y - n)) / 2,
        "site": lambda y, n: 2 * (1 + y**2) ** 0.25,
    }
    alone = kind in ("bounded", "site")

    def operator(y):
        steps = [(0, 0)] if alone else [tuple(s * o for o in p) for p in near for s in (1, -1)]
        return sum(operators[kind](y, np.roll(y, step, (0, 1))).sum() for step in steps)

    edges = (np.arange(n + 1),) * 2
    term = Term(kind, () if alone else near, USERS.get(kind))
    sums = accumulate(y[None], 1.0, **whole(y[None], terms=(term,), edges=edges))
    h = 1e-3
    for site, place in enumerate(np.ndindex(n, n)):
        step = np.zeros((n, n), complex)
        step[place] = 1e-30j
        assert sums.cross[site, 0, 0] == pytest.approx(operator(y + step).imag / 1e-30, abs=1e-12)
        step = np.zeros((n, n))
        step[place] = h
        curvature = (operator(y + step) - 2 * operator(y) + operator(y - step)) / h**2
        assert sums.second[site, 0] == pytest.approx(curvature, rel=1e-5, abs=1e-6)


def test_user_operators_that_repeat_others_have_their_sums():
    values = np.random.default_rng(14).standard_normal((2, 40, 600))
    near = shell(2, 5)
    pair = (lambda y, n: y * n**2, lambda y, n: n**2)
    site = (lambda y: y / (1 + y**2), lambda y: (1 - y**2) / (1 + y**2) ** 2)
    users = (Term("pair", near, pair), Term("site", (), site))
    terms = (Term("quartic", near), Term("bounded"))
    for window in (None, (-7.0, 8.0)):
        want = accumulate(values, 1.0, **whole(values, terms=terms, window=window))
        got = accumulate(values, 1.0, **whole(values, terms=users, window=window))
        for name in ("moments", "cross", "gram", "second", "edge"):
            assert_allclose(getattr(got, name), getattr(want, name), rtol=1e-12, atol=1e-7)


def test_constant_field_feels_no_quadratic_coupling():
    values = np.full((2, 5, 6, 4), 1.7)
    sums = accumulate(values, 1.0, **whole(values))
    assert_array_equal(sums.cross[..., :3], 0.0)
    assert_array_equal(sums.second[0, :3], np.array([6, 12, 6]) * values.size)


def test_plane_wave_is_an_eigenfunction_of_every_quadratic_channel():
    # sum_n (y_x - y_n) = y_x sum_n (1 - cos k.n) for one sine wave on a periodic lattice.
    n, k = 64, 2 * np.pi * 3 / 64
    x = np.arange(n)
    values = np.sin(k * (x[:, None] + x))[None]
    c1, c2, c3 = (1 - np.cos(m * k) for m in (1, 2, 3))
    eigenvalues = {1: 4 * c1, 2: 2 * c2, 4: 4 * c2, 5: 4 * c3 + 4 * c1}
    terms = tuple(Term("quadratic", shell(2, squared)) for squared in eigenvalues)
    sums = accumulate(values, 1.0, **whole(values, terms=terms))
    for c, eigenvalue in enumerate(eigenvalues.values()):
        assert sums.cross[0, 1, c] == pytest.approx(eigenvalue * n * n / 2, rel=1e-12)


def hotelling(sums, exact):
    """Hotelling's T^2 of the couplings of y, y^2/2, ..., y^(K+1) and of the terms; as F, limit.

    The groups are independent; the limit is passed by chance once in 10^4.
    """
    n_groups = len(sums.sites)
    k = np.arange(sums.edge.shape[1])
    a = np.block(
        [
            [sums.moments[:, k[:, None] + k], sums.cross],
            [sums.cross.transpose(0, 2, 1), sums.gram],
        ]
    )
    falling = np.where(k > 0, k * sums.moments[:, np.maximum(k - 1, 0)], 0.0)
    h = np.concatenate([falling + sums.edge, sums.second], axis=1)

    def solve(weights):
        return np.linalg.solve(np.tensordot(weights, a, 1), weights @ h)

    g = solve(np.ones(n_groups))
    left_out = np.stack([solve(w) for w in 1.0 - np.eye(n_groups)])
    spread = left_out - left_out.mean(axis=0)
    covariance = (n_groups - 1) / n_groups * spread.T @ spread
    pull = g - exact
    p = pull.size
    t2 = pull @ np.linalg.solve(covariance, pull)
    return (
        t2 * (n_groups - p) / (p * (n_groups - 1)),
        f.isf(1e-4, p, n_groups - p),
        np.sqrt(np.diag(covariance)),
    )


def quadratic_terms(d):
    return tuple(term for term in many_terms(d) if term.kind == "quadratic")


def test_independent_gaussian_numbers_have_the_couplings_of_their_variance():
    # S = sum y^2 / (2 s^2): phi2 = 1/s^2 and nothing else.
    s, n_groups, power = 1.3, 200, 5
    values = s * np.random.default_rng(20).standard_normal((n_groups, 64, 64))
    terms = quadratic_terms(2)
    options = whole(values, power=power, terms=terms, sample_group=np.arange(n_groups))
    exact = np.zeros(power + 1 + len(terms))
    exact[1] = 1 / s**2
    pull, limit, errors = hotelling(accumulate(values, 1.0, **options), exact)
    assert pull < limit
    assert errors[1] < 0.01


@pytest.mark.parametrize("law", ["uniform", "truncated Gaussian"])
def test_window_removes_the_hard_edge_of_the_support(law):
    # Uniform numbers have no potential; a Gaussian cut at two edges keeps that of its variance.
    n_groups, power, low, high = 200, 3, -1.2, 2.0
    rng = np.random.default_rng(22)
    shape = (n_groups, 48, 48)
    exact = np.zeros(power + 1 + 2)
    if law == "uniform":
        values = rng.uniform(low, high, shape)
    else:
        values = truncnorm.rvs(low, high, size=shape, random_state=rng)
        exact[1] = 1.0
    terms = (Term("quadratic", shell(2, 1)), Term("quartic", shell(2, 1)))
    options = whole(values, power=power, terms=terms, sample_group=np.arange(n_groups))
    pull, limit, errors = hotelling(accumulate(values, 1.0, window=(low, high), **options), exact)
    assert pull < limit
    assert errors[1] < 0.02
    # Without the window the edge is taken for a potential.
    pull, limit, _ = hotelling(accumulate(values, 1.0, **options), exact)
    assert pull > 100 * limit


@pytest.mark.parametrize("density", ["Gaussian", "Cauchy"])
def test_bounded_channel_obeys_the_equation_of_independent_numbers(density):
    # <T S'> = <T'>, with S' = y/s^2 or, of the Cauchy density, which has no moments, 2y/(1 + y^2).
    # The means of the groups are independent; a wrong seed in 10^4 would raise a false alarm.
    s, n_groups = 1.3, 200
    rng = np.random.default_rng(21)
    shape = (n_groups, 32, 32)
    values = s * rng.standard_normal(shape) if density == "Gaussian" else rng.standard_cauchy(shape)
    sums = accumulate(values, 1.0, **whole(values, sample_group=np.arange(n_groups)))
    c = len(many_terms(values.ndim - 1)) - 1
    left = sums.cross[:, 1, c] / s**2 if density == "Gaussian" else 2 * sums.gram[:, c, c]
    right = sums.second[:, c]

    def pull(difference):
        return difference.mean() / (difference.std(ddof=1) / np.sqrt(n_groups))

    limit = student.isf(0.5e-4, n_groups - 1)
    assert abs(pull(left - right)) < limit
    # It tells a coupling that is wrong by a few per cent, too.
    assert abs(pull(1.05 * left - right)) > limit


def test_bounded_channel_bears_numbers_whose_square_overflows():
    values = np.array([[1e200, -1e200, 1.0, 0.0]])
    sums = accumulate(values, 1.0, **whole(values))
    c = len(many_terms(1)) - 1
    assert_array_equal([sums.cross[0, 0, c], sums.gram[0, c, c], sums.second[0, c]], [0.5, 0.25, 1])
