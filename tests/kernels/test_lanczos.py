"""Lanczos with eight vectors against plain NumPy, and what holds for any number of threads."""

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from nnrg_kernels._lanczos_tridiagonal import gauss_rule
from nnrg_kernels.lanczos import WIDTH, Lanczos


def graph(n, edges, seed, signed=False):
    rng = np.random.default_rng(seed)
    i, j = rng.integers(0, n, (2, edges))
    weights = rng.uniform(0.5, 2, edges) * (rng.choice([-1, 1], edges) if signed else 1)
    upper = sp.triu(sp.coo_array((weights, (i, j)), (n, n)).tocsr(), 1)
    matrix = (upper + upper.T).tocsr()
    matrix.sort_indices()
    return matrix, np.asarray(abs(matrix).sum(axis=1)).ravel()


def lanczos(matrix, diagonal, dtype=np.int64):
    return Lanczos(
        matrix.indptr.astype(np.int64), matrix.indices.astype(dtype), matrix.data, diagonal
    )


def by_numpy(dense, start, steps):
    """One vector after the other, each vector stored."""
    alphas, betas, bases = [], [], []
    for column in start.T:
        q, before, beta = column / np.linalg.norm(column), 0.0, 0.0
        alpha_of, beta_of, basis = [], [np.linalg.norm(column)], [q]
        for _ in range(steps):
            w = dense @ q - beta * before
            alpha_of.append(w @ q)
            w = w - alpha_of[-1] * q
            beta = np.linalg.norm(w)
            beta_of.append(beta)
            before, q = q, w / beta
            basis.append(q)
        alphas.append(alpha_of)
        betas.append(beta_of)
        bases.append(basis)
    return np.array(alphas).T, np.array(betas).T, np.array(bases)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("columns", [1, 8, 19])
def test_product_is_that_of_scipy(signed, columns):
    matrix, diagonal = graph(700, 3000, 1, signed)
    vectors = np.random.default_rng(2).standard_normal((700, columns))
    expected = diagonal[:, None] * vectors - matrix @ vectors
    assert_allclose(lanczos(matrix, diagonal).product(vectors), expected, atol=1e-12)


def test_recurrence_is_the_naive_one():
    matrix, diagonal = graph(300, 1500, 3, signed=True)
    start = np.random.default_rng(4).standard_normal((300, WIDTH))
    run = lanczos(matrix, diagonal).start(start)
    for _ in range(12):
        run.step()
    alpha, beta, _ = by_numpy(np.diag(diagonal) - matrix.toarray(), start, 12)
    assert_allclose(run.alpha, alpha, rtol=1e-9)
    assert_allclose(run.beta, beta, rtol=1e-9)


@pytest.mark.parametrize("degree", [1, 2, 7])
def test_filter_is_a_chebyshev_polynomial_that_is_one_at_zero(degree):
    matrix, diagonal = graph(200, 900, 5)
    vectors = np.random.default_rng(6).standard_normal((200, 11))
    values, modes = np.linalg.eigh(np.diag(diagonal) - matrix.toarray())
    low, high = values[20], values[-1]

    def chebyshev(x):
        return np.polynomial.chebyshev.Chebyshev.basis(degree)((2 * x - high - low) / (high - low))

    expected = modes @ (chebyshev(values) / chebyshev(0.0) * (modes.T @ vectors).T).T
    found = lanczos(matrix, diagonal).filtered(vectors, low, high, degree)
    assert_allclose(found, expected, atol=1e-12)


def test_a_spent_space_ends_the_matrix():
    # A complete graph has two eigenvalues: every T has two rows.
    n = 40
    matrix = sp.csr_array(np.ones((n, n)) - np.eye(n))
    run = lanczos(matrix, np.full(n, n - 1.0)).start(
        np.random.default_rng(8).standard_normal((n, WIDTH))
    )
    for _ in range(6):
        run.step()
    assert_array_equal(np.array(run.beta)[2:], 0.0)
    assert np.isfinite(run.alpha).all()


def test_a_vector_of_zeros_stays_zero():
    matrix, diagonal = graph(50, 200, 9)
    start = np.random.default_rng(10).standard_normal((50, WIDTH))
    start[:, 3] = 0.0
    run = lanczos(matrix, diagonal).start(start)
    run.step()
    run.step()
    assert run.alpha[1][3] == run.beta[2][3] == 0.0
    assert np.isfinite(run.alpha).all() and np.isfinite(run.beta).all()


def test_any_number_of_threads_gives_the_same_bits():
    matrix, diagonal = graph(20000, 100000, 11)
    start = np.random.default_rng(12).standard_normal((20000, WIDTH))
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(min(threads, before))
            run = lanczos(matrix, diagonal).start(start)
            for _ in range(5):
                run.step()
            found.append((np.array(run.alpha), np.array(run.beta), run.current.copy()))
    finally:
        numba.set_num_threads(before)
    for one, two in zip(*found, strict=True):
        assert_array_equal(one, two)


@pytest.mark.parametrize("m", [1, 2, 37, 200])
def test_quadrature_of_a_tridiagonal_matrix(m):
    rng = np.random.default_rng(m)
    diagonal, beside = rng.standard_normal(m), rng.uniform(0.1, 1, m - 1)
    expected, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    nodes, weights = gauss_rule(diagonal, beside)
    assert_allclose(nodes, expected, atol=1e-12)
    # Neighbouring eigenvalues as close as 1e-4 mix rounding into components.
    assert_allclose(weights, vectors[0] ** 2, atol=1e-10)


def test_a_tridiagonal_matrix_that_falls_apart():
    nodes, weights = gauss_rule(np.array([2.0, 1.0, 1.0]), np.array([0.5, 0.0]))
    expected = np.sort([1.0, *np.linalg.eigvalsh([[2.0, 0.5], [0.5, 1.0]])])
    assert_allclose(nodes, expected)
    assert_allclose(weights.sum(), 1.0)
    assert weights[np.isclose(nodes, 1.0)] == 0.0
