"""Laplacians of rows of numbers, and products with their powers, against dense NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from nnrg_kernels.graph_rows import apply_laplacian, row_products, strengths


def signed_graph(n, share, seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(np.where(rng.random((n, n)) < share, rng.normal(size=(n, n)), 0.0), 1)
    dense = upper + upper.T
    sparse = csr_array(dense)
    return dense, (sparse.indptr.astype(np.int64), sparse.indices.astype(np.int64), sparse.data)


# Rows of nought to many neighbours; of one number, of fewer than a vector, of several vectors.
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_laplacian_is_that_of_the_dense_matrix(share, k):
    dense, (indptr, indices, weights) = signed_graph(23, share, seed=3)
    strength = strengths(indptr, weights)
    assert_allclose(strength, np.abs(dense).sum(axis=1), rtol=1e-14)
    values = np.random.default_rng(4).normal(size=(23, k))
    out = np.full((23, k), np.nan)
    apply_laplacian(indptr, indices, weights, strength, values, out)
    expected = np.diag(np.abs(dense).sum(axis=1)) @ values - dense @ values
    # Sums of at most 22 products of order one.
    assert_allclose(out, expected, rtol=0, atol=1e-13)


# One piece of 512 numbers or several, the last one whole or not; without channels too.
@pytest.mark.parametrize("n", [1, 512, 1300])
@pytest.mark.parametrize("channels", [0, 1, 3])
def test_products_are_those_of_numpy(n, channels):
    rng = np.random.default_rng(5)
    u, rows = rng.normal(size=n), rng.normal(size=(channels, n))
    moments, cross, gram = row_products(u, rows, 3, 8)
    powers = u ** np.arange(9)[:, None]
    scale = (np.abs(powers) @ np.ones(n)).max()
    assert_allclose(moments, powers.sum(axis=1), rtol=0, atol=1e-14 * scale)
    assert_allclose(cross, powers[:4] @ rows.T, rtol=0, atol=1e-14 * scale)
    assert_allclose(gram, rows @ rows.T, rtol=0, atol=1e-14 * scale)
    assert_array_equal(gram, gram.T)
